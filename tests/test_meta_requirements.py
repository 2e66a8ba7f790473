"""The ledger and the tests must agree: no requirement without a test that runs, no test for one nobody wrote down."""

from __future__ import annotations

import ast
import runpy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LEDGER = ROOT / "tests" / "requirements.py"
TEST_ROOTS = ("core/tests", "plugins/*/tests", "tests")
NOT_RUN = {"skip", "xfail"}


@dataclass(frozen=True, slots=True)
class Claim:
    """One ``requirement("key")`` mark: where it stands and whether what carries it is a test that runs."""

    key: str
    where: str
    proves: bool


def files_with_tests(root: Path) -> list[Path]:
    return sorted(file for pattern in TEST_ROOTS for folder in root.glob(pattern) for file in folder.rglob("test_*.py"))


def claims_in(source: str, where: str) -> list[Claim]:
    tree = ast.parse(source)
    carriers = [(node, _decorators(node)) for node in ast.walk(tree) if isinstance(node, _Definition)]
    carried = {id(mark) for _, marks in carriers for mark in marks}
    found = [
        Claim(key, f"{where}:{node.lineno} {node.name}", node.name.lower().startswith("test") and not _skipped(marks))
        for node, marks in carriers
        for key in _keys(marks)
    ]
    module_marks = [node for node in tree.body if isinstance(node, ast.Assign) and _assigns_pytestmark(node)]
    for assignment in module_marks:
        marks = list(ast.walk(assignment.value))
        carried |= {id(mark) for mark in marks}
        found += [Claim(key, f"{where}:{assignment.lineno} pytestmark", not _skipped(marks)) for key in _keys(marks)]
    stray = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and id(node) not in carried]
    return found + [Claim(key, f"{where} (no test carries it)", proves=False) for key in _keys(stray)]


_Definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _decorators(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[ast.expr]:
    return list(node.decorator_list)


def _assigns_pytestmark(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets)


def _keys(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Call) and _last_name(node.func) == "requirement":
            yield from (argument.value for argument in node.args if isinstance(argument, ast.Constant))


def _skipped(marks: Iterable[ast.AST]) -> bool:
    return any(_last_name(mark.func if isinstance(mark, ast.Call) else mark) in NOT_RUN for mark in marks)


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def all_claims() -> list[Claim]:
    return [
        claim
        for file in files_with_tests(ROOT)
        for claim in claims_in(file.read_text(encoding="utf-8"), str(file.relative_to(ROOT)))
    ]


@pytest.fixture(scope="module")
def requirements() -> dict[str, str]:
    return runpy.run_path(str(LEDGER))["REQUIREMENTS"]


def test_every_requirement_has_a_test_that_runs(requirements: dict[str, str]) -> None:
    proven = {claim.key for claim in all_claims() if claim.proves}
    assert sorted(set(requirements) - proven) == []


def test_every_mark_names_a_requirement_and_stands_on_a_test(requirements: dict[str, str]) -> None:
    wrong = [f"{c.where}: {c.key}" for c in all_claims() if c.key not in requirements or not c.proves]
    assert wrong == []


def test_the_ledger_states_each_requirement_once_in_a_sentence(requirements: dict[str, str]) -> None:
    tree = ast.parse(LEDGER.read_text(encoding="utf-8"))
    written = [key.value for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys]
    assert len(written) == len(set(written)) == len(requirements)
    assert [key for key, text in requirements.items() if not text.endswith(".") or len(text) < 20] == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("@pytest.mark.requirement('a')\ndef test_x(): ...", [("a", True)]),
        ("@requirement('a', 'b')\nasync def test_x(): ...", [("a", True), ("b", True)]),
        ("@pytest.mark.requirement('a')\nclass TestX(Contract): ...", [("a", True)]),
        ("class TestX:\n    @requirement('a')\n    def test_x(self): ...", [("a", True)]),
        ("pytestmark = [pytest.mark.anyio, pytest.mark.requirement('a')]", [("a", True)]),
        ("@pytest.mark.skip\n@requirement('a')\ndef test_x(): ...", [("a", False)]),
        ("@pytest.mark.xfail(strict=True)\n@requirement('a')\ndef test_x(): ...", [("a", False)]),
        ("@requirement('a')\ndef helper(): ...", [("a", False)]),
        ("pytest.mark.requirement('a')", [("a", False)]),
    ],
)
def test_a_mark_counts_only_on_a_test_that_runs(source: str, expected: list[tuple[str, bool]]) -> None:
    assert [(claim.key, claim.proves) for claim in claims_in(source, "sample.py")] == expected

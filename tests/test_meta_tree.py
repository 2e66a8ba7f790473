"""Facts about the tree that no linter checks."""

from __future__ import annotations

import re
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = [ROOT / "core", *sorted(file.parent for file in ROOT.glob("plugins/*/pyproject.toml"))]
NOT_OURS = {"_build", "build", "dist", "node_modules", "__pycache__"}
MOST_LINES = 350


def texts(*suffixes: str) -> Iterator[tuple[Path, str]]:
    for file in sorted(ROOT.rglob("*")):
        parts = file.relative_to(ROOT).parts
        hidden = [part for part in parts if part.startswith(".") and part != ".ci"]
        if file.is_file() and not hidden and not NOT_OURS & set(parts) and (not suffixes or file.suffix in suffixes):
            try:
                yield file.relative_to(ROOT), file.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # a recorded binary payload


def requirement_name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()


def runtime_dependencies(project: Path) -> set[str]:
    table = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {requirement_name(r) for r in table["dependencies"]}


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    sources = ((file, text) for file, text in texts(".py") if "tests" not in file.parts)
    long = {str(file): lines for file, text in sources if (lines := text.count("\n")) > MOST_LINES}
    assert long == {}


def test_no_file_is_named_after_nothing() -> None:
    assert [str(file) for file, _ in texts(".py") if file.stem in {"utils", "helpers", "common", "misc"}] == []


@pytest.mark.requirement("workspace.pinned")
def test_no_file_names_the_host_of_a_package_registry() -> None:
    hosts = re.compile(r"py[p]i\.(?:org|python)|python[h]osted\.org|registry\.npm[j]s|deb\.deb[i]an")  # not itself
    assert [str(file) for file, text in texts() if hosts.search(text)] == []


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_every_runtime_dependency_has_its_reason_in_the_docs(project: Path) -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    name = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    explained = set(re.findall(r"^\| `([^`]+)` \| \S", sections[name], re.MULTILINE))
    assert explained == runtime_dependencies(project)


@pytest.mark.requirement("workspace.pinned")
def test_every_dependency_is_pinned_exactly() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[^ ]+( ; .+)?", line)] == []
    pinned = {line.split("==")[0] for line in lines}
    own = {tomllib.loads((p / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"] for p in PROJECTS}
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    declared = {requirement_name(r) for group in groups.values() for r in group}
    assert sorted(declared.union(*map(runtime_dependencies, PROJECTS)) - own - pinned) == []


def test_the_test_command_installs_every_distribution() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    command = next(line for line in readme.splitlines() if "--group test" in line)
    assert re.findall(r"-e \./(\S+)", command) == [str(project.relative_to(ROOT)) for project in PROJECTS]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_between_files_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("benchmark", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda file: file.stem)
def test_every_benchmark_finds_what_it_measures(benchmark: Path) -> None:
    assert callable(runpy.run_path(str(benchmark), run_name="benchmark")["main"])

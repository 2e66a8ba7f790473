"""Break the code on purpose, a little at a time, and print what no test noticed.

    pip install -c constraints.txt --group mutants
    python scripts/mutants.py [PART...] [--minutes 30] [--tests PATH...]

A part is a package or a module below ``core/src/agent_framework_hosting``: ``turns``, ``authorization/gate.py``,
``inbound.py``. Without one every part with tests below is taken. Each mutant runs the tests of its part until the first
one fails; ``--tests`` names others. All happens in a copy of the tree, and what the time does not suffice for is
counted. A survivor is a question, not an error: some change nothing that anybody could see.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import TestOutcome, WorkItem

ROOT = Path(__file__).resolve().parent.parent
SOURCES = Path("core/src/agent_framework_hosting")
HOST = [f"tests/host/test_{name}.py" for name in ("lanes", "gate", "turn", "sessions", "streams")]
DURABILITY = [f"tests/durability/test_{name}.py" for name in ("background", "targets", "journal")]
TESTS: dict[str, Sequence[str]] = {  # the quick ones first: each mutant runs them until one fails
    "authorization": ("core/tests/authorization", "tests/test_linking.py", *HOST[1:3]),
    "delivery": ("core/tests/delivery", *DURABILITY, "tests/durability/test_outbox.py"),
    "inbound.py": (*HOST, *DURABILITY),
    "turns": ("core/tests/turns", *HOST, *DURABILITY),
}
UNSEEN = re.compile(r"core/ReplaceBinaryOperator_BitOr_")  # a union in an annotation; nothing evaluates it


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description="Print what no test noticed.")
    parser.add_argument("parts", nargs="*", default=list(TESTS), metavar="PART")
    parser.add_argument("--minutes", type=float, default=30.0, help="the time for everything")
    parser.add_argument("--tests", nargs="+", help="run these, instead of the tests of the part")
    asked = parser.parse_args()
    unknown = [part for part in asked.parts if not (ROOT / SOURCES / part).exists()]
    untested = [part for part in asked.parts if not (asked.tests or tests_of(part))]
    if unknown or untested:
        parser.error(f"nothing is there, or no tests are known: {', '.join({*unknown, *untested})}; give --tests")
    ends_at = time.monotonic() + asked.minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        copy_tree(tree)
        os.chdir(tree)
        os.environ["PYTHONPATH"] = str(tree / "core/src")  # before the installed sources
        for part in asked.parts:
            if not examine(part, asked.tests or tests_of(part), ends_at):
                return 1
    return 0


def tests_of(part: str) -> Sequence[str]:
    """Return the tests that concern a part."""
    return TESTS.get(part.partition("/")[0], ())


def copy_tree(target: Path) -> None:
    """Copy what git knows, as it is now."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def examine(part: str, tests: Sequence[str], ends_at: float) -> bool:
    """Try the mutants of one part and print the survivors; False when its tests fail without any mutant."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *tests]
    began = time.monotonic()
    if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
        print(f"{part}: the tests fail as they are: {' '.join(tests)}")
        return False
    baseline = time.monotonic() - began
    found, counts, began = mutants_of(part), Counter[str](), time.monotonic()
    for mutant in found:
        if time.monotonic() > ends_at:
            break
        result = mutate_and_test(mutant.mutations, " ".join(command), baseline * 3 + 20)
        outcome = result.test_outcome or TestOutcome.INCOMPETENT
        counts[outcome.value] += 1
        if outcome is TestOutcome.SURVIVED:
            print(shown(result.diff or ""), flush=True)
    tried, took = counts.total(), time.monotonic() - began
    print(
        f"{part}: {len(found)} mutants, {tried} tried in {took:.0f} s ({took / max(tried, 1):.1f} s each), "
        f"{counts['killed']} killed, {counts['survived']} survived, {counts['incompetent']} could not be run",
        flush=True,
    )
    return True


def mutants_of(part: str) -> list[WorkItem]:
    """Return what can be broken in a part, in an order of chance."""
    path = SOURCES / part
    modules = sorted(path.glob("*.py")) if path.is_dir() else [path]
    with use_db(":memory:") as work:
        init([each for each in modules if each.name != "__init__.py"], work, {})
        found = [item for item in work.work_items if not UNSEEN.match(item.mutations[0].operator_name)]
    found.sort(key=lambda item: (str(item.mutations[0].module_path), item.mutations[0].start_pos, repr(item.mutations)))
    random.Random(0).shuffle(found)  # noqa: S311 - repeatable, not secret
    return found


def shown(difference: str) -> str:
    """Return where a mutant is and what it changes."""
    lines = [line for line in difference.splitlines() if line[:1] in "+-@"]
    place = next((line.removeprefix("+++ b/") for line in lines if line.startswith("+++")), "?")
    number = re.search(r"@@ -(\d+)", difference)
    changed = [line for line in lines if line[:3] not in ("+++", "---") and line[:1] != "@"]
    return "\n".join([f"{place}, near line {int(number[1]) + 3 if number else 0}", *changed])


if __name__ == "__main__":
    sys.exit(main())

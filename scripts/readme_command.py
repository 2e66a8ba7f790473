"""Print one of README.md's marked commands, so that CI runs what the reader is told to run.

A command is marked by the comment ``<!-- command: NAME -->`` on the line before its fence.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
MARKED_FENCE = r"<!-- command: {name} -->\n```bash\n(?P<command>[^\n]+)\n```\n"


def readme_command(name: str) -> str:
    """Return the one-line command marked ``name``; raises ``LookupError`` when README.md has none."""
    found = re.search(MARKED_FENCE.format(name=re.escape(name)), README.read_text(encoding="utf-8"))
    if found is None:
        raise LookupError(f"README.md has no one-line bash fence marked '<!-- command: {name} -->'.")
    return found["command"]


if __name__ == "__main__":
    print(readme_command(sys.argv[1]))

"""Check an environment made of wheels alone: typed packages, and every channel found by its entry point.

Run it with the environment's own Python, outside the repository's sources.
"""

from __future__ import annotations

import sys
from importlib.metadata import distributions, entry_points
from pathlib import Path

GROUP = "agent_framework_hosting.channels"


def faults(root: Path) -> list[str]:
    """Return what is missing in this environment for the workspace under ``root``, one sentence each."""
    projects = [root / "core", *sorted(p for p in (root / "plugins").iterdir() if (p / "pyproject.toml").exists())]
    installed = {(d.name, str(f)) for d in distributions() if d.name.startswith("host-") for f in d.files or ()}
    typed = {name for name, file in installed if file.endswith("/py.typed")}
    channels = {e.dist.name for e in entry_points(group=GROUP) if e.dist is not None}
    found: list[str] = []
    for project in projects:
        name = "host-core" if project.name == "core" else f"host-channel-{project.name}"
        if name not in typed:
            found.append(f"{name} is not installed, or ships no py.typed.")
        if project.name != "core" and name not in channels:
            found.append(f"{name} offers no entry point in the group {GROUP}.")
    return found


if __name__ == "__main__":
    missing = faults(Path(__file__).resolve().parent.parent)
    print("\n".join(missing) or "Every wheel is typed and every channel is found.")
    sys.exit(bool(missing))

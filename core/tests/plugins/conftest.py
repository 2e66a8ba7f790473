"""Distributions that exist on disk only as long as a test needs them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import dedent

import pytest

Install = Callable[..., Path]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Make folders that stand first on sys.path, the latest before the others."""
    added: list[str] = []

    def make(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        if str(folder) not in added:
            added.append(str(folder))
            sys.path.insert(0, str(folder))
        return folder

    yield make
    for path in added:
        sys.path.remove(path)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def install(place: Callable[[str], Path]) -> Install:
    """Install a distribution: its metadata folder, and one module with the given source."""

    def write(
        distribution: str,
        version: str = "1.0",
        *,
        channels: Sequence[str] = (),
        policies: Sequence[str] = (),
        requires: Sequence[str] = (),
        levels: Sequence[str] = (),
        module: str | None = None,
        source: str = "",
        where: str = "site",
    ) -> Path:
        folder = place(where)
        info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n{needs}")
        groups = {
            "agent_framework_hosting.channels": channels,
            "agent_framework_hosting.plugins": policies,
            "agent_framework_hosting.api": [f"{level} = {distribution.replace('-', '_')}" for level in levels],
        }
        (info / "entry_points.txt").write_text(
            "".join(f"[{group}]\n" + "\n".join(lines) + "\n" for group, lines in groups.items() if lines)
        )
        if module:
            (folder / f"{module}.py").write_text(dedent(source))
        importlib.invalidate_caches()
        return info

    return write

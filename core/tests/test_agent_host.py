from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import agent_host

SOURCES = Path(agent_host.__file__).parent
Intrude = Callable[..., Path]


@pytest.fixture
def intrude(tmp_path: Path) -> Intrude:
    """Put a distribution's metadata folder beside a package whose import leaves a trace."""

    def write(folder: str, **files: str) -> Path:
        info = tmp_path / folder
        info.mkdir()
        for name, text in files.items():
            (info / (name if name == "RECORD" else name.replace("_txt", ".txt"))).write_text(text)
        package = tmp_path / "agent_framework_hosting"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w').close()")
        return tmp_path

    return write


def run(*places: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*places, SOURCES)))}
    command = [sys.executable, "-m", "agent_host", "--help"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.requirement("discovery.name-clash")
@pytest.mark.parametrize(
    ("folder", "files", "name"),
    [
        ("agent_framework_hosting-1.0.0a1.dist-info", {}, "agent-framework-hosting"),
        ("agent-framework-hosting-1.0.0a1.dist-info", {}, "agent-framework-hosting"),
        (
            "other_host-2.0.dist-info",
            {"RECORD": "other/x.py,,\nagent_framework_hosting/a.py,sha256=x,1\n"},
            "other-host",
        ),
        ("other.host-2.0.dist-info", {"RECORD": "agent_framework_hosting.py,,\r\n"}, "other-host"),
        ("Other-2.0.dist-info", {"top_level_txt": "other\nagent_framework_hosting\n"}, "other"),
        ("legacy-2.0-py3.11.egg-info", {"top_level_txt": "agent_framework_hosting\n"}, "legacy"),
    ],
)
def test_another_owner_of_the_package_is_refused_before_it_is_imported(
    intrude: Intrude, folder: str, files: dict[str, str], name: str
) -> None:
    place = intrude(folder, **files)

    outcome = run(place)

    assert outcome.returncode == 2
    assert outcome.stdout == ""
    assert outcome.stderr == (
        f"agent-host: the import package agent_framework_hosting of host-core is also installed by {name}, which "
        f"overwrites its files; type: pip uninstall {name} && pip install --force-reinstall host-core\n"
    )
    assert not (place / "imported").exists()


def test_several_owners_are_named_in_one_sentence(intrude: Intrude) -> None:
    intrude("b_host-1.dist-info", RECORD="agent_framework_hosting/x.py,,\n")
    place = intrude("a_host-1.dist-info", RECORD="agent_framework_hosting/x.py,,\n")

    outcome = run(place)

    assert outcome.returncode == 2
    assert outcome.stderr.count("\n") == 1
    assert "a-host and b-host" in outcome.stderr
    assert "pip uninstall a-host b-host &&" in outcome.stderr


@pytest.mark.parametrize(
    ("folder", "record"),
    [
        ("host_core-9.dist-info", "agent_framework_hosting/__init__.py,,\nagent_host.py,,\n"),
        ("host-core-9.dist-info", "agent_framework_hosting/__init__.py,,\n"),
        ("plugin-1.dist-info", "agent_framework_hosting_extras/__init__.py,,\nlib/agent_framework_hosting/x.py,,\n"),
        ("agent_framework_hosting_extras-1.dist-info", "extras/agent_framework_hosting.py,,\n"),
    ],
)
def test_our_own_and_similar_names_are_no_intruders(intrude: Intrude, folder: str, record: str) -> None:
    place = intrude(folder, RECORD=record)
    sys.path.insert(0, str(place))
    try:
        assert agent_host.foreign_owners() == ()
    finally:
        sys.path.remove(str(place))


def test_a_clean_installation_runs_the_command_line() -> None:
    outcome = run()
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert "serve" in outcome.stdout


def test_a_place_on_the_path_that_is_no_folder_is_passed_over(tmp_path: Path) -> None:
    archive = tmp_path / "archive.zip"
    archive.write_bytes(b"")
    sys.path[:0] = [str(archive), str(tmp_path / "gone")]
    try:
        assert agent_host.foreign_owners() == ()
    finally:
        del sys.path[:2]

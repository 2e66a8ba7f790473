from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import Result

Invoke = Callable[..., Result]
OWN = version("host-channel-echo")


def rows(done: Result) -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in json.loads(done.stdout)}


@pytest.mark.requirement("cli.channels")
def test_what_is_installed_enabled_and_healthy(folder: Path, invoke: Invoke) -> None:
    (folder / "host.toml").write_text('[channels.echo]\n[channels.desk]\nuse = "echo"\n')
    shown = invoke("channels")
    assert shown.exit_code == 0
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[0] == ["CHANNEL", "DISTRIBUTION", "VERSION", "ENABLED", "HEALTH"]
    assert ["echo", "host-channel-echo", OWN, "echo,", "desk", "ok"] in lines
    assert ["responses", "host-channel-responses", version("host-channel-responses"), "no", "-"] in lines
    echo = rows(invoke("channels", "--json"))["echo"]
    assert echo == {
        "name": "echo",
        "distribution": "host-channel-echo",
        "version": OWN,
        "enabled_as": ["echo", "desk"],
        "healthy": True,
        "fault": None,
        "api_level": 2,
    }


@pytest.mark.requirement("cli.channels")
def test_an_enabled_channel_with_a_fault_says_why(folder: Path, invoke: Invoke) -> None:
    (folder / "host.toml").write_text('[channels.responses]\napi_keys = ["env:NOT_SET_ANYWHERE"]\n')
    shown = invoke("channels")
    assert shown.exit_code == 1
    expected = (
        "responses: host.toml: [channels.responses] api_keys[0]: the environment variable NOT_SET_ANYWHERE is not set."
    )
    assert expected in shown.stdout
    found = rows(invoke("channels", "--json"))
    assert (found["responses"]["healthy"], found["echo"]["healthy"]) == (False, None)


def test_an_enabled_channel_that_is_not_installed_is_listed(folder: Path, invoke: Invoke) -> None:
    (folder / "host.toml").write_text("[channels.respones]\n")
    shown = invoke("channels")
    assert shown.exit_code == 1
    assert "did you mean 'responses'" in shown.stdout


def test_a_broken_file_does_not_hide_what_is_installed(folder: Path, invoke: Invoke) -> None:
    (folder / "host.toml").write_text("debug = 1\n")
    shown = invoke("channels")
    assert shown.exit_code == 1
    assert "host-channel-echo" in shown.stdout
    assert "host.toml: debug: must be true or false." in shown.stderr


@pytest.mark.requirement("config.schema")
def test_the_schema_has_the_options_of_the_installed_channels(invoke: Invoke) -> None:
    channels = json.loads(invoke("channels", "--schema").stdout)["properties"]["channels"]["properties"]
    assert {"echo", "responses"} <= channels.keys()
    assert {"api_keys", "allow_anonymous", "path", "allowlist"} <= channels["responses"]["properties"].keys()


@pytest.mark.requirement("cli.channels")
def test_only_enabled_channels_are_imported(folder: Path) -> None:
    (folder / "host.toml").write_text('[channels.desk]\nuse = "echo"\n')
    code = (
        "import sys; from agent_framework_hosting.cli.main import main; main(['channels'], standalone_mode=False); "
        "print([name for name in ('host_channel_echo', 'host_channel_responses') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['host_channel_echo']"

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import Result

Invoke = Callable[..., Result]
Run = Callable[..., subprocess.CompletedProcess[str]]


def test_help_shows_every_command_with_examples(invoke: Invoke) -> None:
    shown = invoke("--help")
    assert shown.exit_code == 0
    for word in ("serve", "demo", "channels", "doctor", "--version", "--debug", "agent-host serve app:agent"):
        assert word in shown.output


def test_help_imports_neither_the_agent_framework_s_agents_nor_pydantic() -> None:
    code = (
        "import sys; from agent_framework_hosting.cli.main import main; main(['--help'], standalone_mode=False); "
        "print([name for name in ('pydantic', 'hypercorn', 'agent_framework._agents') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", ["serve", "demo", "channels", "doctor"])
def test_every_command_has_help_with_examples(invoke: Invoke, name: str) -> None:
    shown = invoke(name, "--help")
    assert shown.exit_code == 0
    assert f"agent-host {name}" in shown.output.partition("Examples:")[2]


def test_version(invoke: Invoke) -> None:
    assert invoke("--version").output == f"agent-host, version {version('host-core')}\n"


@pytest.mark.requirement("cli.exit-codes")
@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("channels",), 0, ""),
        (("channels", "--config", "missing.toml"), 1, "Error: missing.toml: there is no such file."),
        (("serve", "app:agnt", "-c", "echo"), 1, "Error: The target 'app:agnt' does not exist: app has no 'agnt'."),
        (("serve",), 2, "Error: Nothing to serve: name a target"),
        (("serve", "app:agent"), 2, "Error: No channel is enabled: add -c NAME"),
        (("serve", "--port", "99999"), 2, "Error: Invalid value for '--port'"),
        (("srve",), 2, "Error: No such command 'srve'. Did you mean 'serve'?"),
    ],
)
def test_success_a_fault_and_a_usage_error_differ(
    run: Run, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("Error")]) == bool(sentence)


def test_a_traceback_is_shown_on_demand_only(folder: Path, run: Run) -> None:
    (folder / "app.py").write_text("raise RuntimeError('why it failed')")
    plain = run("serve", "app:agent", "-c", "echo")
    assert plain.returncode == 1
    assert plain.stderr == "Error: Importing 'app' raised RuntimeError. Run again with --debug to see where.\n"
    for arguments in (("--debug", "serve", "app:agent", "-c", "echo"), ("serve", "app:agent", "-c", "echo", "--debug")):
        loud = run(*arguments)
        assert loud.returncode == 1
        assert "RuntimeError: why it failed" in loud.stderr

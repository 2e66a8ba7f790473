from __future__ import annotations

import importlib
import json
import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

GOOD = 'target = "app:agent"\n[channels.responses]\napi_keys = ["env:KEY"]\n'
Invoke = Callable[..., Result]
Findings = list[dict[str, str]]


@pytest.fixture
def diagnose(folder: Path, invoke: Invoke) -> Callable[..., tuple[int, Findings]]:
    """Run doctor on a host.toml with this content, on a free port; return the exit code and what it found."""

    def call(content: str | None = GOOD, **environ: str) -> tuple[int, Findings]:
        if content is not None:
            (folder / "host.toml").write_text(content)
        done = invoke("doctor", "--json", "--port", "0", **{"KEY": "s3cr3t-value", **environ})
        assert "s3cr3t-value" not in done.output
        report = json.loads(done.stdout)
        assert report["faults"] == len([each for each in report["findings"] if each["severity"] == "fault"])
        assert done.exit_code == (1 if report["faults"] else 0)
        for each in report["findings"]:
            assert each["what"]
            assert each["severity"] == "ok" or (each["why"] and each["do"])
        return done.exit_code, report["findings"]

    return call


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder on sys.path to install distributions into; what was imported from it is forgotten."""
    folder = tmp_path_factory.mktemp("site")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
    importlib.invalidate_caches()


def install(
    site: Path, distribution: str, *, channel: str = "", module: str = "", source: str = "", needs: str = ""
) -> Path:
    info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    requires = f"Requires-Dist: {needs}\n" if needs else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n{requires}")
    if channel:
        (info / "entry_points.txt").write_text(f"[agent_framework_hosting.channels]\n{channel} = {module}:Made\n")
    if source:
        (site / f"{module}.py").write_text(source)
    importlib.invalidate_caches()
    return info


def wrong(findings: Findings) -> list[tuple[str, str]]:
    return [(each["severity"], each["check"]) for each in findings if each["severity"] != "ok"]


def one(findings: Findings, check: str) -> dict[str, str]:
    (found,) = [each for each in findings if each["check"] == check and each["severity"] != "ok"]
    return found


def test_a_good_set_up_has_no_findings(diagnose: Callable[..., tuple[int, Findings]]) -> None:
    code, findings = diagnose()
    assert (code, wrong(findings)) == (0, [])
    checked = {each["check"] for each in findings}
    assert checked == {
        "installation",
        "dependencies",
        "plugins",
        "configuration",
        "channels",
        "target",
        "host",
        "access",
        "isolation headers",
        "state",
        "port",
        "responses",
    }


def test_without_a_file_there_is_one_warning(diagnose: Callable[..., tuple[int, Findings]]) -> None:
    code, findings = diagnose(None)
    assert (code, wrong(findings)) == (0, [("warning", "configuration")])
    assert one(findings, "configuration")["do"] == "agent-host serve app:agent -c responses"


def test_a_finished_host_is_examined_with_its_own_channels(diagnose: Callable[..., tuple[int, Findings]]) -> None:
    code, findings = diagnose('target = "app:host"\n')
    assert (code, wrong(findings)) == (0, [("warning", "access")])
    assert one(findings, "access")["what"] == "Channel echo has no allowlist."


@pytest.mark.parametrize(
    ("content", "check", "what", "do"),
    [
        (GOOD + "[channels", "configuration", "host.toml: line 4", "edit host.toml"),
        (
            "debg = true\n" + GOOD,
            "configuration",
            "host.toml: debg: unknown key. Did you mean 'debug'?",
            "edit host.toml",
        ),
        (
            GOOD.replace("KEY", "NOT_SET"),
            "secrets",
            "api_keys[0]: the environment variable NOT_SET is not set",
            "export NOT_SET=...",
        ),
        (GOOD.replace("app:agent", "app:agnt"), "target", "app has no 'agnt'", "agent-host serve app:agnt --debug"),
        (GOOD + "[channels.slack]\n", "channels", "No channel 'slack' is installed", "edit host.toml"),
        (
            GOOD + 'allowlist = { claim = "group", values = ["staff"] }\n',
            "host",
            "responses",
            "edit host.toml",
        ),
        ('state_dir = "app.py/state"\n' + GOOD, "state", "app.py is a file", 'state_dir = ".agent-host"'),
        (
            GOOD + "[channels.echo]\npath = \"/v1\"\n[channels.e2]\nuse='echo'\npath='/v1'\n",
            "host",
            "/v1",
            "edit host.toml",
        ),
    ],
)
def test_a_fault_says_what_why_and_what_to_type(
    diagnose: Callable[..., tuple[int, Findings]], content: str, check: str, what: str, do: str
) -> None:
    code, findings = diagnose(content)
    assert code == 1
    found = one(findings, check)
    assert found["severity"] == "fault"
    assert what in found["what"]
    assert found["do"] == do


def test_a_missing_option_says_how_to_set_it(diagnose: Callable[..., tuple[int, Findings]], site: Path) -> None:
    source = (
        "from pydantic import SecretStr\n"
        "from agent_framework_hosting import Channel\n"
        "class Made(Channel):\n"
        "    name = 'keyed'\n"
        "    def __init__(self, *, token: SecretStr): ...\n"
    )
    install(site, "keyed-dist", channel="keyed", module="keyed_module", source=source)
    _, findings = diagnose(GOOD + "[channels.keyed]\n")
    assert one(findings, "secrets")["do"] == 'add token = "env:NAME", or set AGENT_HOST_KEYED_TOKEN'


def test_a_secret_in_plain_text_is_a_warning(diagnose: Callable[..., tuple[int, Findings]]) -> None:
    code, findings = diagnose(GOOD.replace("env:KEY", "s3cr3t-value"))
    assert (code, wrong(findings)) == (0, [("warning", "secrets")])
    assert one(findings, "secrets")["do"].startswith('api_keys = "env:NAME"')


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ("[channels.echo]\n", "Channel echo has no allowlist."),
        ("[channels.desk]\nuse = 'echo'\n", "Channel desk has no allowlist."),
    ],
)
def test_an_open_door_is_a_warning(diagnose: Callable[..., tuple[int, Findings]], table: str, what: str) -> None:
    code, findings = diagnose(GOOD + table)
    assert (code, wrong(findings)) == (0, [("warning", "access")])
    assert one(findings, "access")["what"] == what
    for closed in ('allowlist = { native_ids = ["ada"] }', 'allowlist = "open"'):
        assert wrong(diagnose(GOOD + table + closed)[1]) == []
    assert wrong(diagnose(f'allowlist = {{ native_ids = ["ada"] }}\n{GOOD}{table}')[1]) == []


def test_an_anonymous_api_for_other_machines_is_a_warning(diagnose: Callable[..., tuple[int, Findings]]) -> None:
    code, findings = diagnose('target = "app:agent"\n[channels.responses]\nallow_anonymous = true\n')
    assert (code, wrong(findings)) == (0, [("warning", "access")])
    assert "takes callers without a key, also from other machines" in one(findings, "access")["what"]


def test_isolation_headers_that_storage_trusts_outside_foundry(
    folder: Path, diagnose: Callable[..., tuple[int, Findings]]
) -> None:
    (folder / "app_stored.py").write_text(
        "from agent_framework import Agent, ContextProvider\n"
        "from agent_framework_hosting.cli.demo_agent import OfflineChatClient\n"
        "class Partitioned(ContextProvider):\n"
        "    def bind_request_context(self, *, response_id, previous_response_id): ...\n"
        "agent = Agent(client=OfflineChatClient(), context_providers=[Partitioned(source_id='p')])\n"
    )
    content = GOOD.replace("app:agent", "app_stored:agent")
    code, findings = diagnose(content)
    assert (code, wrong(findings)) == (0, [("warning", "isolation headers")])
    assert (
        "Partitioned may partition its storage by x-agent-user-isolation-key"
        in one(findings, "isolation headers")["what"]
    )
    on_foundry = diagnose(content + "", FOUNDRY_HOSTING_ENVIRONMENT="prod")[1]
    assert "isolation headers" not in [check for _, check in wrong(on_foundry)]


def test_a_runtime_that_forgets_is_a_fault(diagnose: Callable[..., tuple[int, Findings]]) -> None:
    _, findings = diagnose('runtime_mode = "ephemeral"\n' + GOOD)
    assert "allow_in_process_runner" in one(findings, "host")["what"]


def test_what_the_host_warns_of_is_a_warning(diagnose: Callable[..., tuple[int, Findings]]) -> None:
    code, findings = diagnose(f'state_dir = {{ links = "links" }}\n{GOOD}')
    assert (code, wrong(findings)) == (0, [("warning", "host")])
    assert "names a links directory, but there is no identity_linker" in one(findings, "host")["what"]


def test_a_port_in_use_is_a_fault(folder: Path, invoke: Invoke) -> None:
    (folder / "host.toml").write_text(GOOD)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = invoke("doctor", "--json", "--port", str(port), KEY="x")
    assert done.exit_code == 1
    found = one(json.loads(done.stdout)["findings"], "port")
    assert found["what"] == f"Port {port} on 127.0.0.1 is in use."
    assert found["do"] == f"agent-host serve --port {port + 1}"


def test_state_that_others_can_read_is_a_warning(folder: Path, diagnose: Callable[..., tuple[int, Findings]]) -> None:
    state = folder / "state"
    state.mkdir(mode=0o755)
    state.chmod(0o755)
    code, findings = diagnose(f'state_dir = "state"\n{GOOD}')
    assert (code, wrong(findings)) == (0, [("warning", "state")])
    assert one(findings, "state")["do"] == "chmod 700 state"
    state.chmod(0o700)
    assert wrong(diagnose(None)[1]) == []
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert list(state.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_state_of_another_user_is_a_fault(folder: Path, diagnose: Callable[..., tuple[int, Findings]]) -> None:
    state = folder / "state"
    state.mkdir(mode=0o700)
    os.chown(state, 12345, 12345)
    _, findings = diagnose(f'state_dir = {{ sessions = "state" }}\n{GOOD}')
    found = one(findings, "state")
    assert (found["severity"], found["do"]) == ("fault", "chown -R 0 state")
    assert "belongs to another user (uid 12345" in found["what"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_state_that_cannot_be_written_is_a_fault(folder: Path, diagnose: Callable[..., tuple[int, Findings]]) -> None:
    (folder / "locked").mkdir(mode=0o500)
    _, findings = diagnose(f'state_dir = "locked/state"\n{GOOD}')
    assert one(findings, "state")["what"] == "locked/state cannot be created in locked."


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a directory in which nobody can write")
def test_state_is_tried_and_not_only_looked_at(diagnose: Callable[..., tuple[int, Findings]]) -> None:
    _, findings = diagnose(f'state_dir = "/proc/state"\n{GOOD}')
    assert one(findings, "state")["what"] == "/proc/state cannot be created in /proc."


def test_a_name_clash_and_version_skew_are_faults_where_enabled(
    folder: Path, diagnose: Callable[..., tuple[int, Findings]], site: Path
) -> None:
    (folder / "plain.py").write_text(
        "from agent_framework_hosting.cli.demo_agent import demo_agent\nagent = demo_agent()\n"
    )
    good = GOOD.replace("app:agent", "plain:agent")
    install(site, "other-echo", channel="echo", module="other_echo")
    install(site, "future-dist", channel="future", module="future_module", needs="host-core>=99")
    code, findings = diagnose(good)
    assert (code, wrong(findings)) == (0, [("warning", "plugins")] * 3)
    skewed = next(each for each in findings if "'future'" in each["what"])
    assert "requires host-core>=99, but host-core" in skewed["what"]
    assert skewed["do"] == "pip install --upgrade host-core future-dist"
    code, findings = diagnose(good + '[channels.echo]\nallowlist = "open"\n')
    assert code == 1
    clash = [each for each in findings if each["severity"] == "fault" and each["check"] == "plugins"]
    assert len(clash) == 2
    assert "is provided by host-channel-echo" in clash[0]["what"]
    assert clash[0]["do"].startswith("pip uninstall ")


def test_another_owner_of_the_import_name_is_a_fault(diagnose: Callable[..., tuple[int, Findings]], site: Path) -> None:
    info = install(site, "agent-framework-hosting")
    (info / "RECORD").write_text("agent_framework_hosting/__init__.py,,\n")
    code, findings = diagnose()
    assert (code, wrong(findings)) == (1, [("fault", "installation")])
    assert one(findings, "installation")["do"].startswith("pip uninstall agent-framework-hosting && pip install")


def test_a_channel_s_own_faults_are_shown_and_none_can_stop_the_others(
    diagnose: Callable[..., tuple[int, Findings]], site: Path
) -> None:
    source = (
        "from agent_framework_hosting import Channel\n"
        "class Made(Channel):\n"
        "    name = 'sick'\n"
        "    def __init__(self, *, broken: bool = False): self.broken = broken\n"
        "    async def check(self):\n"
        "        if self.broken: raise KeyError('s3cr3t-value')\n"
        "        return ['The token is refused; type: export TOKEN=...']\n"
    )
    install(site, "sick-dist", channel="sick", module="sick_module", source=source)
    tables = '[channels.sick]\nallowlist = "open"\n[channels.worse]\nuse = "sick"\nbroken = true\nallowlist = "open"\n'
    _, findings = diagnose(GOOD + tables)
    assert one(findings, "sick")["do"] == "export TOKEN=..."
    assert one(findings, "worse")["what"] == "Its check failed with KeyError."
    assert [each["severity"] for each in findings if each["check"] == "responses"] == ["ok"]


def test_people_get_lines_and_a_sum(folder: Path, invoke: Invoke) -> None:
    (folder / "host.toml").write_text('target = "app:agent"\n[channels.echo]\n')
    done = invoke("doctor", "--port", "0")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert "ok       target: app:agent imports (Agent)." in lines
    at = lines.index("warning  access: Channel echo has no allowlist.")
    assert lines[at + 1] == "         why: Whoever reaches it talks to the agent, with its tools and at its cost."
    assert lines[at + 2].startswith("         type: [channels.echo] allowlist = ")
    assert lines[-1] == "no faults, 1 warning."

from __future__ import annotations

import json
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - the server of this test
        return answer.read().decode()


def post(url: str, body: object) -> dict[str, object]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})  # noqa: S310 - as above
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - as above
        return json.loads(answer.read())


@pytest.mark.requirement("cli.serve")
@pytest.mark.parametrize("target", ["app:agent", "app:make"])
def test_an_agent_needs_no_file(start: Callable[..., object], target: str) -> None:
    server = start("serve", target, "-c", "responses", "--port", "0")
    assert json.loads(get(f"{server.url}/healthz")) == {"status": "alive"}
    answer = post(f"{server.url}/v1/responses", {"input": "My name is Ada."})
    assert "Nice to meet you, Ada." in json.dumps(answer["output"])
    assert server.banner == [
        f"Serving demo at {server.url}",
        "  responses  /models, /responses, /v1/models, /v1/responses, ...",
        "  no allowlist, so everyone the channel lets in: responses",
        "  state: in memory, gone when the process ends (set state_dir to keep it)",
        "Press Ctrl-C to stop.",
    ]
    assert server.stop()[0] == 0


@pytest.mark.requirement("cli.serve")
def test_a_file_says_everything(folder: Path, start: Callable[..., object]) -> None:
    elsewhere = folder / "conf"
    elsewhere.mkdir()
    (folder / "app.py").rename(elsewhere / "app.py")
    (elsewhere / "live.toml").write_text(
        'target = "app:agent"\nstate_dir = "state"\n[channels.responses]\napi_keys = ["env:KEY"]\n'
        '[channels.desk]\nuse = "echo"\nallowlist = { native_ids = ["ada"] }\n'
    )
    server = start("serve", "--config", "conf/live.toml", "--port", "0", KEY="sesame")
    assert "  desk       /desk" in server.banner
    assert "  no allowlist, so everyone the channel lets in: responses" in server.banner
    assert "  state: conf/state" in server.banner
    request = urllib.request.Request(f"{server.url}/models", headers={"authorization": "Bearer sesame"})  # noqa: S310 - as above
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - as above
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError, match="401"):
        get(f"{server.url}/models")
    assert server.stop(signal.SIGTERM)[0] == 0
    assert (elsewhere / "state").is_dir()


@pytest.mark.requirement("cli.serve")
def test_a_finished_host_is_served_as_it_is(start: Callable[..., object]) -> None:
    server = start("serve", "app:host", "--port", "0")
    assert server.banner[1] == "  echo  /echo"
    assert get(f"{server.url}/healthz")
    assert server.stop()[0] == 0


@pytest.mark.requirement("cli.exit-codes")
def test_a_finished_host_takes_no_channels_and_no_other_file(folder: Path, invoke: Callable[..., Result]) -> None:
    (folder / "other.toml").write_text("")
    refused = invoke("serve", "app:host", "-c", "echo")
    assert refused.exit_code == 2
    assert "app:host is a finished host with channels of its own: leave out -c." in refused.stderr
    refused = invoke("serve", "app:host", "--config", "other.toml")
    assert refused.exit_code == 2
    assert "give it the file in Python, AgentFrameworkHost(config='other.toml')" in refused.stderr


@pytest.mark.requirement("cli.exit-codes")
def test_a_port_in_use_is_one_sentence(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "app:agent", "-c", "echo", "--port", str(port))
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: Port {port} on 127.0.0.1 is in use; stop what uses it, or choose another:")
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


def test_a_configuration_that_is_wrong_stops_the_start(folder: Path, invoke: Callable[..., Result]) -> None:
    (folder / "host.toml").write_text('target = "app:agent"\ndebug = 1\n[channels.echo]\nsecrt = "x"\n')
    done = invoke("serve")
    assert done.exit_code == 1
    assert "host.toml: debug: must be true or false." in done.stderr
    assert "host.toml: [channels.echo] secrt: unknown key of channel 'echo'." in done.stderr


def test_log_lines_for_programs_are_json_with_their_fields(start: Callable[..., object]) -> None:
    server = start("serve", "app:agent", "-c", "responses", "--port", "0", "--log-format", "json")
    post(f"{server.url}/v1/responses", {"input": "hello"})
    code, errors = server.stop()
    assert code == 0
    lines = [json.loads(line) for line in errors.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert [line["outcome"] for line in lines if line.get("channel") == "responses" and "outcome" in line] == [
        "allowed"
    ]


@pytest.mark.requirement("cli.exit-codes")
def test_a_second_host_on_one_state_directory_says_whose_it_is(
    folder: Path, start: Callable[..., object], run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (folder / "host.toml").write_text('target = "app:agent"\nstate_dir = "state"\n[channels.echo]\n')
    first = start("serve", "--port", "0")
    get(f"{first.url}/healthz")
    second = run("serve", "--port", "0")
    assert second.returncode == 1
    assert "Traceback" not in second.stderr
    assert f"is in use by the process with pid {first.process.pid}. Stop that host" in second.stderr
    assert second.stderr.splitlines()[-1].startswith("Error: The host did not start")
    assert first.stop()[0] == 0


def test_a_setting_that_the_host_refuses_is_its_own_sentence(folder: Path, invoke: Callable[..., Result]) -> None:
    (folder / "host.toml").write_text('target = "app:agent"\nruntime_mode = "ephemeral"\n[channels.echo]\n')
    done = invoke("serve")
    assert done.exit_code == 1
    assert "allow_in_process_runner" in done.stderr

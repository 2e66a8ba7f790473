from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.requirement("cli.demo")
def test_check_asks_one_question_through_a_real_port(folder: Path, run: Run) -> None:
    (folder / "host.toml").write_text("this is not even TOML")
    done = run("demo", "--check", AGENT_HOST_RESPONSES_API_KEYS='["k"]')
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "Asked:    Hello! My name is Ada.",
        "Answered: Nice to meet you, Ada. I will remember your name. (message 1 of this conversation)",
    ]


@pytest.mark.requirement("cli.demo")
def test_the_line_to_paste_works(start: Callable[..., object]) -> None:
    server = start("demo", "--port", "0")
    line = next(each for each in (each.strip() for each in server.process.stdout) if each.startswith("curl"))
    words = shlex.split(line)
    url, body = words[2], words[words.index("-d") + 1]
    request = urllib.request.Request(url, body.encode(), {"content-type": "application/json"})  # noqa: S310 - as above
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - the server of this test
        assert "Nice to meet you, Ada." in answer.read().decode()
    assert url.startswith(server.url)
    assert server.stop()[0] == 0


@pytest.mark.requirement("cli.demo")
def test_the_demo_remembers_and_streams_word_by_word(start: Callable[..., object]) -> None:
    server = start("demo", "--port", "0")

    def ask(**body: object) -> str:
        data = json.dumps({"model": "demo", **body}).encode()
        request = urllib.request.Request(f"{server.url}/v1/responses", data, {"content-type": "application/json"})  # noqa: S310 - as above
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - as above
            return answer.read().decode()

    first = json.loads(ask(input="Call me Grace."))
    second = json.loads(ask(input="What is my name?", previous_response_id=first["id"]))
    assert second["output"][0]["content"][0]["text"] == "Your name is Grace. (message 2 of this conversation)"
    stream = ask(input="one two three", stream=True)
    assert stream.count("event: response.output_text.delta") >= 3
    assert server.stop()[0] == 0


def test_without_the_channel_the_command_to_install_it_is_named(tmp_path: Path) -> None:
    import agent_framework_hosting  # noqa: PLC0415 - its place is what is asked for

    packages = Path(sysconfig.get_path("purelib"))
    for entry in packages.iterdir():
        if not entry.name.startswith("host_channel_responses"):
            (tmp_path / entry.name).symlink_to(entry)
    source = str(Path(agent_framework_hosting.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-S", "-m", "agent_host", "demo", "--check"],  # -S: without the packages of this environment
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([source, str(tmp_path)])},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: The demo needs the Responses channel: pip install host-channel-responses\n"

"""A question outlives the process that asked it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import takewhile
from pathlib import Path

import httpx2
import openai
import pytest
from openai import OpenAI

SERVED = Path(__file__).with_name("served.py")

endings = pytest.mark.parametrize("end", [subprocess.Popen.terminate, subprocess.Popen.kill], ids=["stopped", "killed"])
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])

Process = Callable[[str], AbstractContextManager[str]]


@pytest.fixture
def end() -> Callable[[subprocess.Popen[str]], None]:
    """End a process the hard way; a test that is about both ways names them."""
    return subprocess.Popen.kill


@pytest.fixture
def process(tmp_path: Path, end) -> Process:
    """Run the program on one state directory; it is ended as the test says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    @contextmanager
    def run(kind: str) -> Iterator[str]:
        command = [sys.executable, "-u", str(SERVED), str(tmp_path / "state"), str(port), kind]
        child = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        with child:
            assert child.stdout is not None
            try:
                shown = list(takewhile(lambda line: "Running on" not in line, child.stdout))
                assert child.poll() is None, "".join(shown)
                yield f"http://127.0.0.1:{port}"
            finally:
                end(child)

    return run


def respond(url: str, given: object, *, stream: bool, key: str = "ada-secret", **body: object):
    with OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, _strict_response_validation=True) as client:
        if not stream:
            return client.responses.create(model="m", input=given, **body)
        with client.responses.stream(model="m", input=given, **body) as events:
            return events.get_final_response()


@endings
@both_ways
@pytest.mark.requirement("workflows.restart")
def test_an_approval_is_given_after_a_restart(process: Process, stream: bool) -> None:
    with process("bool") as url:
        asked = respond(url, "the cake", stream=stream)
    [question] = asked.output
    assert question.type == "mcp_approval_request"
    answer = [{"type": "mcp_approval_response", "approval_request_id": question.id, "approve": True}]
    with process("bool") as url:
        with pytest.raises(openai.APIStatusError):
            respond(url, answer, stream=stream, previous_response_id=asked.id, key="grace-secret")
        done = respond(url, answer, stream=stream, previous_response_id=asked.id)
        assert done.output_text == "['the cake']: True"
        with pytest.raises(openai.BadRequestError):
            respond(url, answer, stream=stream, previous_response_id=asked.id)
    with process("bool") as url:
        with pytest.raises(openai.BadRequestError):
            respond(url, answer, stream=stream, previous_response_id=asked.id)
        again = respond(url, "the tea", stream=stream, previous_response_id=done.id)
    with process("bool") as url:
        done = respond(url, "no", stream=stream, previous_response_id=again.id)
        assert done.output_text == "['the cake', 'the tea']: False"


@both_ways
@pytest.mark.requirement("workflows.restart")
def test_a_models_answer_is_given_after_a_restart(process: Process, stream: bool) -> None:
    with process("model") as url:
        asked = respond(url, "the cake", stream=stream)
    [question] = asked.output
    verdict = '{"approved": false, "reason": "sugar"}'
    answer = [{"type": "function_call_output", "call_id": question.call_id, "output": verdict}]
    with process("model") as url:
        done = respond(url, answer, stream=stream, previous_response_id=asked.id)
    assert done.output_text == "['the cake']: False sugar"


@both_ways
@pytest.mark.requirement("workflows.restart")
def test_a_chat_answers_after_a_restart(process: Process, stream: bool) -> None:
    def say(url: str, user: str, text: str) -> str:
        answer = httpx2.post(f"{url}/echo", json={"user": user, "text": text, "stream": stream})
        return httpx2.Response(200, text=answer.text.strip().splitlines()[-1]).json()["text"]

    with process("bool") as url:
        assert say(url, "ada", "the cake") == "Do the cake?"
        assert say(url, "grace", "the tea") == "Do the tea?"
    with process("bool") as url:
        assert say(url, "grace", "no") == "['the tea']: False"
    with process("bool") as url:
        assert say(url, "ada", "yes") == "['the cake']: True"

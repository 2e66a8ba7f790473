"""Doubles and oracles of the Responses channel's tests."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import pytest
from agent_framework import (
    Agent,
    AgentResponse,
    AgentResponseUpdate,
    AgentSession,
    BaseChatClient,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionInvocationLayer,
    Message,
    ResponseStream,
)
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from openai import AsyncOpenAI

from agent_framework_hosting import AgentFrameworkHost
from host_channel_responses import ResponsesChannel


@dataclass
class ScriptedAgent:
    """Answers every run with the same steps: texts, contents, updates, an error to raise, an event to wait for."""

    steps: Sequence[object] = ("Hello", " there")
    name: str = "assistant"
    id: str = "scripted"
    description: str = ""
    runs: list[list[Message]] = field(default_factory=list)
    sessions: list[AgentSession | None] = field(default_factory=list)
    options: list[Mapping[str, object]] = field(default_factory=list)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def run(self, messages=None, *, stream=False, session=None, options=None):
        self.runs.append(list(messages))
        self.sessions.append(session)
        self.options.append(options or {})
        updates = self._updates()
        return ResponseStream(updates, finalizer=AgentResponse.from_updates) if stream else self._whole(updates)

    async def _whole(self, updates):
        return AgentResponse.from_updates([update async for update in updates])

    async def _updates(self) -> AsyncIterator[AgentResponseUpdate]:
        self.entered.set()
        try:
            for step in self.steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, AgentResponseUpdate):
                    yield step
                else:
                    content = Content.from_text(step) if isinstance(step, str) else step
                    yield AgentResponseUpdate(contents=[content], role="assistant", message_id="m1")
        finally:
            self.stopped.set()

    def create_session(self, *, session_id=None):
        return AgentSession(session_id=session_id)

    def get_session(self, service_session_id, *, session_id=None):
        return AgentSession(service_session_id=service_session_id, session_id=session_id)


class _ChatClient(BaseChatClient):
    """Answers each model call with the next of its turns; remembers what it was asked."""

    def __init__(self, *, turns: Sequence[Sequence[Content]], **options: object) -> None:
        super().__init__(**options)
        self.turns = list(turns)
        self.calls: list[list[Message]] = []
        self.options: list[Mapping[str, object]] = []
        self.pieces = 4

    def _inner_get_response(self, *, messages, stream, options, **_):
        self.calls.append(list(messages))
        self.options.append(options)
        contents = self.turns.pop(0) if self.turns else [Content.from_text(_last_user_text(messages))]
        if stream:
            return self._build_response_stream(self._stream(contents, f"m{len(self.calls)}"))
        return self._whole(contents, f"m{len(self.calls)}")

    async def _whole(self, contents, message_id):
        return ChatResponse(
            messages=[Message("assistant", [each for each in contents if each.type != "usage"], message_id=message_id)],
            usage_details=next((each.usage_details for each in contents if each.type == "usage"), None),
            finish_reason="stop",
        )

    async def _stream(self, contents, message_id):
        for content in contents:
            for piece in _pieces(content, self.pieces):
                yield ChatResponseUpdate(contents=[piece], role="assistant", message_id=message_id)
        yield ChatResponseUpdate(contents=[], role="assistant", message_id=message_id, finish_reason="stop")


class ScriptedChatClient(FunctionInvocationLayer, _ChatClient):
    """A model without a model, under agent-framework's own tool loop."""


def _last_user_text(messages: Sequence[Message]) -> str:
    return "You said: " + " | ".join(message.text for message in messages if message.role == "user")


def _pieces(content: Content, size: int) -> list[Content]:
    if content.type == "text" and content.text:
        text = content.text
        return [Content.from_text(text[start : start + size]) for start in range(0, len(text), size)]
    if content.type == "function_call" and isinstance(content.arguments, str):
        first = Content.from_function_call(content.call_id, content.name, arguments="")
        rest = [content.arguments[start : start + size] for start in range(0, len(content.arguments), size)]
        return [first, *(Content.from_function_call(content.call_id, "", arguments=piece) for piece in rest)]
    return [content]


@pytest.fixture
def scripted() -> type[ScriptedAgent]:
    return ScriptedAgent


@pytest.fixture
def chat_agent() -> Callable[..., Agent]:
    """Build a real agent over a scripted model: ``chat_agent(turns, tools=[...])``."""

    def build(turns: Sequence[Sequence[Content]] = (), **options: object) -> Agent:
        return Agent(client=ScriptedChatClient(turns=turns), name="assistant", **options)

    return build


Serving = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def serving() -> Serving:
    """Serve an ASGI app with hypercorn on a free port of loopback; yields the base URL."""

    @asynccontextmanager
    async def serve(app) -> AsyncIterator[str]:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        config = Config()
        config.bind = [f"fd://{listener.detach()}"]  # the server closes it
        config.graceful_timeout = 1
        config.loglevel = "ERROR"
        stop = asyncio.Event()
        server = asyncio.create_task(hypercorn_serve(app, config, shutdown_trigger=stop.wait, mode="asgi"))
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            stop.set()
            await server

    return serve


@pytest.fixture
def talking(serving):
    """Serve a target on the channel: yields a function that makes strict clients, by key."""

    @asynccontextmanager
    async def talk(target, **options: object) -> AsyncIterator[Callable[..., AsyncOpenAI]]:
        host = AgentFrameworkHost(target, channels=[ResponsesChannel(**options)], config={})
        async with serving(host.app) as url:
            clients: list[AsyncOpenAI] = []

            def client(key: str = "any", *, strict: bool = True, path: str = "/v1", retries: int = 0) -> AsyncOpenAI:
                made = AsyncOpenAI(
                    base_url=url + path, api_key=key, max_retries=retries, _strict_response_validation=strict
                )
                clients.append(made)
                return made

            try:
                yield client
            finally:
                for each in clients:
                    await each.close()

    return talk


async def read_raw_stream(client: AsyncOpenAI, **body: object) -> bytes:
    url = str(client.base_url).rstrip("/") + "/responses"
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {client.api_key}"}) as http:
        answer = await http.post(url, json={"stream": True, **body})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/event-stream"
        return answer.content


@pytest.fixture
def raw_stream() -> Callable[..., Awaitable[bytes]]:
    return read_raw_stream


class StreamFault(AssertionError):  # noqa: N818 - reads as the condition it names
    """A stream breaks a rule of the wire."""


RESPONSE_KEYS = frozenset(
    """
    id object created_at completed_at status background error incomplete_details instructions max_output_tokens
    max_tool_calls metadata model output parallel_tool_calls previous_response_id prompt_cache_key reasoning
    safety_identifier service_tier store temperature text tool_choice tools top_logprobs top_p truncation usage user
    presence_penalty frequency_penalty
    """.split()  # noqa: SIM905 - a list of 31 quoted names reads worse
)
TERMINAL = {"response.completed", "response.incomplete", "response.failed"}


def _fail_unless(rule: bool, text: str) -> None:
    if not rule:
        raise StreamFault(text)


def _frames(raw: bytes) -> list[dict]:
    _fail_unless(b"\r" not in raw, "only \\n separates")
    _fail_unless(raw.endswith(b"data: [DONE]\n\n"), "the last frame is [DONE]")
    events = []
    for frame in raw.removesuffix(b"data: [DONE]\n\n").split(b"\n\n")[:-1]:
        lines = [line for line in frame.split(b"\n") if not line.startswith(b":")]
        if not lines:
            continue
        _fail_unless(len(lines) == 2 and lines[0].startswith(b"event: "), "one event line, one data line")
        _fail_unless(lines[1].startswith(b"data: "), "one event line, one data line")
        event = json.loads(lines[1][6:])
        _fail_unless(lines[0][7:].decode() == event["type"], "event: equals the type")
        events.append(event)
    return events


def _check_item(item: dict, steps: list[dict], added: dict) -> None:
    names = [step["type"].removeprefix("response.") for step in steps]
    _fail_unless(all(step["item_id"] == item["id"] for step in steps), "item ids match")
    _fail_unless((added["type"], added["id"]) == (item["type"], item["id"]), "added and done are one item")
    if item["type"] == "message":
        _check_message(item, steps)
    elif item["type"] == "function_call":
        deltas = "".join(step["delta"] for step in steps if step["type"].endswith("arguments.delta"))
        _fail_unless(names[-1:] == ["function_call_arguments.done"], "arguments end with done")
        _fail_unless(deltas == steps[-1]["arguments"] == item["arguments"], "arguments agree")
        _fail_unless(added["arguments"] == "", "a call is added empty")
    elif item["type"] == "reasoning" and item["summary"]:
        deltas = "".join(step["delta"] for step in steps if step["type"].endswith("text.delta"))
        _fail_unless(names[0] == "reasoning_summary_part.added", "a summary part is added first")
        _fail_unless(names[-2:] == ["reasoning_summary_text.done", "reasoning_summary_part.done"], "a summary ends")
        _fail_unless(deltas == steps[-2]["text"] == item["summary"][0]["text"], "summaries agree")


def _check_message(item: dict, steps: list[dict]) -> None:
    parts: list[dict] = []
    open_part: dict | None = None
    text, done, notes = "", None, []
    for step in steps:
        kind = step["type"].removeprefix("response.")
        _fail_unless(step["content_index"] == len(parts), "part indexes are dense")
        if kind == "content_part.added":
            _fail_unless(open_part is None, "one part open at a time")
            open_part, text, done, notes = step["part"], "", None, []
            continue
        _fail_unless(open_part is not None, "parts are added first")
        if kind.endswith(".delta"):
            _fail_unless(done is None, "nothing after done")
            text += step["delta"]
        elif kind == "output_text.annotation.added":
            _fail_unless(step["annotation_index"] == len(notes), "annotation indexes are dense")
            notes.append(step["annotation"])
        elif kind in ("output_text.done", "refusal.done"):
            done = step.get("text", step.get("refusal"))
            _fail_unless(done == text, "deltas join to the text")
        else:
            _fail_unless(kind == "content_part.done", f"{kind} belongs to no message")
            part = step["part"]
            _fail_unless(done is not None, "a part's text is done first")
            _fail_unless(part.get("text", part.get("refusal")) == done, "part and text agree")
            _fail_unless(part.get("annotations", []) == notes, "annotations agree")
            parts.append(part)
            open_part = None
    _fail_unless(open_part is None, "every part is done")
    _fail_unless(item["content"] == parts and len(parts) > 0, "done parts are the item's content")


def check_raw_stream(raw: bytes, *, usage: bool | None = None) -> list[dict]:
    """Return the events of a stream that keeps every rule; raise ``StreamFault`` for the first one broken."""
    events = _frames(raw)
    _fail_unless(bool(events), "there are events")
    _fail_unless([event.get("sequence_number") for event in events] == list(range(len(events))), "numbers 0..n")
    names = [event["type"] for event in events]
    _fail_unless(names[0] == "response.created", "created comes first")
    _fail_unless(names.count("response.in_progress") == 1, "in_progress once")
    _fail_unless(names[-1] in TERMINAL and sum(name in TERMINAL for name in names) == 1, "one terminal event, last")
    objects = [event["response"] for event in events if "response" in event]
    _fail_unless(len({each["id"] for each in objects}) == 1, "one response id")
    for each in objects:
        _fail_unless(each.keys() >= RESPONSE_KEYS, "all keys of the response")
        for key in ("created_at", "completed_at"):
            _fail_unless(each[key] is None or type(each[key]) is int, "times are integers")
    last = objects[-1]
    items, current, steps = [], None, []
    for event in events:
        if event["type"] == "response.output_item.added":
            _fail_unless(current is None and event["output_index"] == len(items), "items are dense, one open at a time")
            current, steps = event["item"], []
        elif event["type"] == "response.output_item.done":
            _fail_unless(current is not None and event["output_index"] == len(items), "done follows added")
            _check_item(event["item"], steps, current)
            items.append(event["item"])
            current = None
        elif "item_id" in event:
            _fail_unless(current is not None and event["output_index"] == len(items), "events are inside their item")
            steps.append(event)
    _fail_unless(current is None, "every item is done")
    _fail_unless(last["output"] == items, "the terminal output is what was streamed")
    failed = names[-1] == "response.failed" and last["status"] != "cancelled"
    _fail_unless(("error" in names) == failed, "failed follows an error event")
    if failed:
        error = events[-2]
        _fail_unless(error["type"] == "error" and error["error"]["message"] == error["message"], "both error shapes")
        _fail_unless(last["error"] is not None, "a failed response has an error")
    if usage is not None:
        _fail_unless((last["usage"] is not None) == usage, "usage is there when the agent reported it")
    return events


@pytest.fixture
def check_stream() -> Callable[..., list[dict]]:
    return check_raw_stream


@pytest.fixture
def stream_fault() -> type[StreamFault]:
    return StreamFault

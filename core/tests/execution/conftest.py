from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from agent_framework import (
    Agent,
    BaseChatClient,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    ContextProvider,
    Executor,
    FunctionInvocationLayer,
    HistoryProvider,
    Message,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    handler,
    response_handler,
)

from agent_framework_hosting.execution.turn import TurnInput
from agent_framework_hosting.model.request import ChannelRequest


class ParrotClient(BaseChatClient):
    """Answer ``<number of messages>: <last text>``, streamed word by word; ``gate`` is awaited before each word."""

    def __init__(self, gate: Callable[[], Awaitable[object]] | None = None) -> None:
        super().__init__()
        self.gate = gate
        self.seen: list[list[Message]] = []
        self.options: list[Mapping[str, Any]] = []
        self.closed = 0

    def _inner_get_response(self, *, messages: Sequence[Message], stream: bool, options: Mapping[str, Any], **_: Any):
        self.seen.append(list(messages))
        self.options.append(options)
        text = f"{len(messages)}: {messages[-1].text}"
        return self._build_response_stream(self._words(text)) if stream else self._whole(text)

    async def _whole(self, text: str) -> ChatResponse:
        if self.gate is not None:
            await self.gate()
        return ChatResponse(messages=[Message("assistant", [text])], response_id="resp_parrot")

    async def _words(self, text: str) -> AsyncIterator[ChatResponseUpdate]:
        try:
            for word in text.split(" "):
                if self.gate is not None:
                    await self.gate()
                yield ChatResponseUpdate(contents=[Content.from_text(f"{word} ")], role="assistant", message_id="m1")
        finally:
            self.closed += 1


class Diary(HistoryProvider):
    """Keep histories by session id, noting which note each answer carried when it was stored."""

    def __init__(self) -> None:
        super().__init__("diary")
        self.pages: dict[str | None, list[Message]] = {}
        self.notes: list[object] = []

    async def get_messages(self, session_id, *, state=None, **_):
        return list(self.pages.get(session_id, []))

    async def save_messages(self, session_id, messages, *, state=None, **_):
        self.pages.setdefault(session_id, []).extend(messages)
        self.notes += [one.additional_properties.get("hosting") for one in messages if one.role == "assistant"]


class Binder(ContextProvider):
    """Count what is bound; ``held`` are the bindings not yet released."""

    def __init__(self, source_id: str = "binder", journal: list[str] | None = None) -> None:
        super().__init__(source_id)
        self.calls: list[tuple[object, object]] = []
        self.held = 0
        self.released = 0
        self.journal = journal if journal is not None else []

    @contextmanager
    def bind_request_context(self, *, response_id, previous_response_id):
        self.calls.append((response_id, previous_response_id))
        self.held += 1
        self.journal.append(f"bind {self.source_id}")
        try:
            yield
        finally:
            self.held -= 1
            self.released += 1
            self.journal.append(f"release {self.source_id}")


@dataclass
class Ask:
    question: str


@dataclass
class Decision:
    approved: bool
    reason: str = ""


class Clerk(Executor):
    """Ask before doing; ``answer`` is the type of answer it waits for. Keeps what was asked on itself."""

    def __init__(self, answer: type = bool) -> None:
        super().__init__(id="clerk")
        self.answer = answer
        self.wish = ""

    @handler
    async def ask(self, wish: str, ctx: WorkflowContext[str, str]) -> None:
        self.wish = wish
        await ctx.request_info(Ask(f"Do {wish}?"), self.answer)

    @response_handler
    async def decided(self, asked: Ask, answer: bool, ctx: WorkflowContext[str, str]) -> None:
        await ctx.yield_output(f"{self.wish}: {answer}")

    @response_handler
    async def told(self, asked: Ask, answer: str, ctx: WorkflowContext[str, str]) -> None:
        await ctx.yield_output(f"{self.wish}: {answer}")

    @response_handler
    async def ruled(self, asked: Ask, answer: Decision, ctx: WorkflowContext[str, str]) -> None:
        await ctx.yield_output(f"{self.wish}: {answer}")

    async def on_checkpoint_save(self) -> dict[str, Any]:
        return {"wish": self.wish}

    async def on_checkpoint_restore(self, state: dict[str, Any]) -> None:
        self.wish = state["wish"]


class Collector(Executor):
    """Answer with everything it was ever told: whoever shares it sees the others' words."""

    def __init__(self, name: str = "collector") -> None:
        super().__init__(id=name)
        self.told: list[str] = []

    @handler
    async def tell(self, text: str, ctx: WorkflowContext[str, str]) -> None:
        self.told.append(text)
        await asyncio.sleep(0)
        await ctx.yield_output(",".join(self.told))

    async def on_checkpoint_save(self) -> dict[str, Any]:
        return {"told": list(self.told)}

    async def on_checkpoint_restore(self, state: dict[str, Any]) -> None:
        self.told = list(state["told"])


class Forwarder(Collector):
    """A collector that passes everything on."""

    @handler
    async def tell(self, text: str, ctx: WorkflowContext[str]) -> None:
        self.told.append(text)
        await ctx.send_message(",".join(self.told))


class CallingClient(FunctionInvocationLayer, BaseChatClient):
    """Call one tool, then answer ``done``."""

    def __init__(self, name: str, arguments: str) -> None:
        super().__init__()
        self.call = (name, arguments)

    def _inner_get_response(self, *, messages: Sequence[Message], stream: bool, options: Mapping[str, Any], **_: Any):
        done = any(content.type == "function_result" for message in messages for content in message.contents)
        name, arguments = self.call
        content = Content.from_text("done") if done else Content.from_function_call("c1", name, arguments=arguments)
        return self._build_response_stream(self._pieces(content)) if stream else self._whole(content)

    async def _whole(self, content: Content) -> ChatResponse:
        return ChatResponse(messages=[Message("assistant", [content])])

    async def _pieces(self, content: Content) -> AsyncIterator[ChatResponseUpdate]:
        yield ChatResponseUpdate(contents=[content], role="assistant", message_id="m1")


@dataclass
class Doubles:
    """The test doubles of this directory; test modules do not import one another."""

    ParrotClient: type[ParrotClient] = ParrotClient
    Diary: type[Diary] = Diary
    Binder: type[Binder] = Binder
    Clerk: type[Clerk] = Clerk
    Collector: type[Collector] = Collector
    Forwarder: type[Forwarder] = Forwarder
    calling_client: type[CallingClient] = CallingClient
    Ask: type[Ask] = Ask
    Decision: type[Decision] = Decision
    clients: list[ParrotClient] = field(default_factory=list)

    def agent(self, *providers: ContextProvider, gate: Callable[[], Awaitable[object]] | None = None) -> Agent:
        return Agent(client=ParrotClient(gate), name="parrot", context_providers=list(providers))

    def workflow(self, start: object, **options: Any) -> Workflow:
        return WorkflowBuilder(start_executor=start, **options).build()


@pytest.fixture
def doubles() -> Doubles:
    return Doubles()


@pytest.fixture
def turn() -> Callable[..., TurnInput]:
    """Build the input of one turn from what was said."""

    def build(
        said: object, *, who: str | None = "inbox:1", attributes: Mapping[str, object] | None = None, **more: Any
    ):
        options = more.pop("options", None)
        mode = more.pop("session_mode", "auto")
        request = ChannelRequest(
            "inbox", "message.create", said, options=options, attributes=attributes or {}, session_mode=mode
        )
        more.setdefault("envelope", {"channel": "inbox"})
        more.setdefault("answer_envelope", {"originating_channel": "inbox", "intended_targets": []})
        return TurnInput(request=request, isolation_key=who, **more)

    return build

"""The HTTP edge: verify, parse, hand to the host, render."""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

from agent_framework import AgentResponseUpdate, ResponseStream
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from agent_framework_hosting import AuthorizationError, ChannelContext, HostedRunResult, Reply

from .parsing import BadMessageError, EchoMessage, parse, to_request
from .rendering import render_outcome, render_state, status_of

AnswerStream: TypeAlias = "ResponseStream[AgentResponseUpdate, HostedRunResult]"


class Webhook:
    """Answer ``POST`` with one JSON message in and one out, or newline-delimited JSON when it asks for a stream."""

    def __init__(self, channel: str, context: ChannelContext, token: SecretStr | None) -> None:
        self._channel = channel
        self._context = context
        self._token = None if token is None else token.get_secret_value()

    async def receive(self, http: Request) -> Response:
        """Serve one message."""
        if self._token is not None and not self._may_call(http.headers.get("authorization", "")):
            return JSONResponse({"outcome": "denied", "message": "A bearer token is required."}, status_code=401)
        try:
            message = parse(json.loads(await http.body()))
        except (BadMessageError, ValueError, RecursionError) as error:
            text = str(error) if isinstance(error, BadMessageError) else "The body is not JSON."
            return JSONResponse({"outcome": "invalid", "message": text}, status_code=400)
        try:
            return await self._answer(message)
        except AuthorizationError as refused:
            return JSONResponse(refused.outcome.to_public_dict(), status_code=refused.outcome.status_code)

    async def _answer(self, message: EchoMessage) -> Response:
        context = self._context
        request = replace(to_request(message, self._channel), response_target=context.wire_target(message.target))
        replies: list[str] = []
        if message.command in {command.name for command in context.commands}:
            outcome = await context.invoke_command(str(message.command), request, _collect(replies))
        elif message.later:
            outcome = await context.admit(request)
        else:
            outcome = await context.dispatch(request)
        if isinstance(outcome, Reply) and outcome.stream is not None:
            return _Streamed(outcome.stream)
        return JSONResponse(render_outcome(outcome, replies), status_code=status_of(outcome, replies))

    def _may_call(self, header: str) -> bool:
        expected = f"Bearer {self._token}"
        return hmac.compare_digest(header.encode(), expected.encode())


def _collect(replies: list[str]) -> Callable[[str], Awaitable[None]]:
    async def reply(text: str) -> None:
        replies.append(text)

    return reply


class _Streamed(StreamingResponse):
    """Send a stream line by line, and close it whatever becomes of the client."""

    def __init__(self, stream: AnswerStream) -> None:
        self._stream = stream
        self._lines = _lines(stream)
        super().__init__(self._lines, media_type="application/x-ndjson")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._lines.aclose()
            await self._stream.close()


async def _lines(stream: AnswerStream) -> AsyncGenerator[str]:
    text = ""
    try:
        async for update in stream:
            text += update.text
            yield json.dumps(render_state(text, "partial")) + "\n"
        yield json.dumps(render_outcome(Reply(await stream.get_final_response()))) + "\n"
    except Exception:  # the host has logged it; the wire only learns that it failed
        yield json.dumps(render_state("The agent failed.", "failed")) + "\n"

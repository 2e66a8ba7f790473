"""The routes under ``/responses`` and ``/models``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TypeVar

from starlette.requests import Request
from starlette.routing import Route

from .config import ResponsesOptions
from .disconnects import Disconnects
from .encoding import encode
from .errors import WireError, invalid, not_found
from .http import Call, ClientGone, Endpoint, Handler
from .ids import item_ids, new_response_id
from .listing import page_of
from .parsing import parse_body
from .principals import Principals
from .records import UNDER_WAY
from .runs import Runs
from .streaming import EventSender
from .turns import Turns

T = TypeVar("T")

PREFIXES = ("", "/v1")


class ResponsesApi:
    """Answer requests for responses and models."""

    def __init__(self, options: ResponsesOptions, turns: Turns, runs: Runs) -> None:
        """Serve one channel."""
        self._options = options
        self._turns = turns
        self._runs = runs
        self._disconnects = Disconnects()
        self._sender = EventSender(
            self._disconnects, keep_alive=options.keep_alive_seconds, stalled_after=options.stalled_reader_seconds
        )
        self._principals = Principals(options.api_keys, allow_anonymous=options.allow_anonymous)

    def routes(self) -> list[Route]:
        """Return every route, at the root and under ``/v1``."""
        table: Mapping[str, Mapping[str, Handler]] = {
            "/responses": {"POST": self.create},
            "/responses/{id}": {"GET": self.retrieve, "DELETE": self.delete},
            "/responses/{id}/cancel": {"POST": self.cancel},
            "/responses/{id}/input_items": {"GET": self.input_items},
            "/responses/{rest:path}": {},
            "/models": {"GET": self.models},
            "/models/{id:path}": {"GET": self.model},
        }
        return [
            Route(prefix + path, Endpoint(self._principals, handlers))
            for path, handlers in table.items()
            for prefix in PREFIXES
        ]

    async def create(self, call: Call) -> None:
        """``POST /responses``: the whole response, or its events."""
        body = await call.body(self._options.max_body_bytes)
        response_id = new_response_id()
        turn = parse_body(body, self._options, item_ids(response_id))
        begun = await self._turns.begin(call.principal, response_id, turn, Request(call.scope))
        if turn.background:
            run = await self._runs.detach(begun)
            if turn.stream:
                await self._sender.own(call, run)
            else:
                await call.answer(200, encode(run.response))
        elif turn.stream:
            run = await self._while_connected(call, self._runs.attach(begun))
            await self._sender.own(call, run)
        else:
            await call.answer(200, await self._while_connected(call, self._turns.whole(begun)))

    async def retrieve(self, call: Call) -> None:
        """``GET /responses/{id}``: the object, or its events again with ``stream=true``."""
        await self._turns.gate(call.principal)
        response_id, query = call.path("id"), call.query()
        if query.get("stream", ["false"])[-1].lower() in ("true", "1"):
            await self._replay(call, response_id, query.get("starting_after", ["-1"])[-1])
            return
        run = self._runs.live(call.principal, response_id)
        if run is not None:
            await call.answer(200, encode(run.response))
            return
        record = await self._runs.stored(call.principal, response_id)
        if record is None:
            raise _unknown()
        await call.answer(200, bytes(record.response))

    async def _replay(self, call: Call, response_id: str, after: str) -> None:
        number = -1 if after == "-1" else int(after) if after.isascii() and after.isdigit() else None
        if number is None:
            raise invalid("starting_after must be a whole number, 0 or more.", "starting_after")
        log = self._runs.log(call.principal, response_id)
        if log is None and await self._turns.records.get(call.principal, response_id) is None:
            raise _unknown()
        reader = None if log is None else log.reader(number)
        if reader is None:
            raise invalid("The events of this response are no longer held; retrieve it whole.", "stream")
        await self._sender.follow(call, reader, self._runs.live(call.principal, response_id))

    async def delete(self, call: Call) -> None:
        """``DELETE /responses/{id}``: gone from every index, and its session with it."""
        isolation_key = await self._turns.gate(call.principal)
        response_id = call.path("id")
        run = self._runs.live(call.principal, response_id)
        if run is not None:
            run.cancel()
            await run.done()
        record = await self._turns.records.delete(call.principal, response_id)
        if record is None:
            raise _unknown()
        self._runs.forget(call.principal, response_id)
        if record.session == response_id:
            await self._turns.context.reset_session(isolation_key, key=response_id)
        await call.answer(200, encode({"id": response_id, "object": "response.deleted", "deleted": True}))

    async def cancel(self, call: Call) -> None:
        """``POST /responses/{id}/cancel``: stop a background run; one that has ended stays as it is."""
        await self._turns.gate(call.principal)
        response_id = call.path("id")
        run = self._runs.live(call.principal, response_id)
        if run is not None and run.begun.turn.background:
            run.cancel()
            await run.done()
        record = await self._runs.stored(call.principal, response_id)
        if record is None and run is None:
            raise _unknown()
        if record is None or not record.background:
            raise WireError(400, "Cannot cancel a synchronous response. Close its connection instead.")
        if run is None and record.status in UNDER_WAY:
            raise WireError(409, "This response is being made by another server. Wait until it has ended.")
        await call.answer(200, bytes(record.response))

    async def input_items(self, call: Call) -> None:
        """``GET /responses/{id}/input_items``: what the response was asked, after what it continued."""
        await self._turns.gate(call.principal)
        items = await self._turns.records.history(call.principal, call.path("id"))
        if items is None:
            raise _unknown()
        await call.answer(200, encode(page_of(items, call.query())))

    async def models(self, call: Call) -> None:
        """``GET /models``: the one model, by the agent's name."""
        await call.answer(200, encode({"object": "list", "data": [_model(self._turns.model)]}))

    async def model(self, call: Call) -> None:
        """``GET /models/{id}``."""
        name = call.path("id")
        if name != self._turns.model:
            raise WireError(404, f"The model {name} does not exist here.", code="model_not_found", param="model")
        await call.answer(200, encode(_model(name)))

    async def _while_connected(self, call: Call, work: Awaitable[T]) -> T:
        """Wait for work that is dropped when the client closes its connection."""
        task = asyncio.current_task()
        if task is None:  # no event loop task: nothing could be cancelled
            return await work
        watch = self._disconnects.watch(call.receive, task.cancel)
        with watch:
            try:
                return await work
            except asyncio.CancelledError:
                if not watch.noticed:
                    raise
                task.uncancel()
                raise ClientGone from None


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "host"}


def _unknown() -> WireError:
    return not_found("Response")

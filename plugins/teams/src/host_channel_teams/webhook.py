"""The HTTP edge: from the first byte to a verified activity, and to the 200."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from agent_framework_hosting import StoreError

from .authentication import Refused, TokenCheck
from .invokes import Invokes
from .keys import KeysUnavailable
from .lifecycle import Lifecycle
from .messages import Messages
from .parsing import Activity, BadActivity, mapping, parse
from .references import ReferenceBook

logger = logging.getLogger(__name__)

LARGEST_BODY = 256 * 1024


class Webhook:
    """Receive activities. Whatever is wrong with one, the caller learns a status and nothing else."""

    def __init__(
        self, check: TokenCheck, book: ReferenceBook, messages: Messages, invokes: Invokes, lifecycle: Lifecycle
    ) -> None:
        self._check = check
        self._book = book
        self._messages = messages
        self._invokes = invokes
        self._lifecycle = lifecycle
        self._events: Mapping[str, Callable[[Activity], Awaitable[None]]] = {
            "installationUpdate": lifecycle.installed,
            "conversationUpdate": lifecycle.members,
            "messageReaction": lifecycle.reaction,
        }

    async def receive(self, http: Request) -> Response:
        """Serve one POST."""
        try:
            raw = await self._verified(http)
            return await self._handled(raw)
        except Refused as refused:
            logger.warning("An activity was refused: %s", refused.reason, extra=dict(refused.facts))
            return Response(status_code=refused.status)
        except KeysUnavailable:
            return Response(status_code=503, headers={"Retry-After": "5"})
        except StoreError:
            logger.exception("An activity could not be kept; Teams is asked to deliver it again")
            return Response(status_code=503, headers={"Retry-After": "5"})
        except Exception:  # a platform that is told 500 for its own events stops delivering
            logger.exception("An activity could not be handled")
            return Response(status_code=503)

    async def _verified(self, http: Request) -> Mapping[str, object]:
        body = await _read(http)
        scheme, _, token = http.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Refused("no bearer token", status=401)
        try:
            raw: object = msgspec.json.decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise Refused("no JSON", status=400) from None
        if not isinstance(raw, dict):
            raise Refused("no object", status=400)
        activity = cast("dict[str, object]", raw)
        await self._check.verify(token.strip(), activity)
        return activity

    async def _handled(self, raw: Mapping[str, object]) -> Response:
        kind = raw.get("type")
        try:
            activity = parse(raw)
        except BadActivity:
            if kind in ("message", "invoke"):
                raise Refused("incomplete activity", status=400) from None
            return Response(status_code=200)
        if kind == "message":
            await self._book.remember(activity.reference)
            return Response(status_code=await self._messages.receive(activity))
        if kind == "invoke":
            answer = await self._invokes.answer(activity)
            return (
                Response(status_code=answer.status) if answer.body is None else JSONResponse(answer.body, answer.status)
            )
        handle = self._events.get(str(kind))
        if handle is not None:
            await handle(activity)
        else:
            logger.debug("An activity was ignored", extra={"type": str(kind)[:64], "keys": len(mapping(raw))})
        return Response(status_code=200)


async def _read(http: Request) -> bytes:
    declared = http.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > LARGEST_BODY:
        raise Refused("body too large", status=413)
    body = bytearray()
    async for chunk in http.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise Refused("body too large", status=413)
    return bytes(body)

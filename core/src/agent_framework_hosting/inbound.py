"""One turn, start to finish. READ THIS FILE FIRST.

Two doors: ``dispatch`` runs the turn inside the wire's request and the answer goes back there; ``admit`` lets the wire
have its 200 at once and the answer is a delivery like every other. Both pass the same steps, in the same order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

from .delivery.journal import EventAlreadySeen
from .errors import LaneFull, StoreError, TargetInputError
from .model.outcome import Accepted, Busy, Duplicate, Failed, Outcome, Reply
from .model.request import ChannelRequest
from .model.verdict import Allowed, Denied, LinkRequired
from .sessions.scope import Conversation, conversation_of, is_addressed
from .turns.deferred import Deferred
from .turns.endings import INTERRUPTED_NOTICE
from .turns.finishing import see_to
from .turns.steps import TOOK_TOO_LONG, Steps
from .turns.streaming import stream_turn
from .turns.turn import Turn, TurnRefused

logger = logging.getLogger(__name__)

UNAVAILABLE = Failed("unavailable", "The agent cannot take messages right now. Please try again later.", 503)


class Inbound:
    """Take messages in. Whatever a user can cause ends in an ``Outcome``, never in an exception.

    While ``accepting`` is False every message is turned away, unread, with a request to come back.
    """

    def __init__(self, steps: Steps, deferred: Deferred) -> None:
        self._steps = steps
        self._deferred = deferred
        self.accepting = True

    async def dispatch(self, request: ChannelRequest) -> Outcome:
        """Run one turn inside the wire's request."""
        if request.background:
            return await self.admit(request)
        turn = await self._accept(request, journaled=request.event_id is not None)
        return await self._here(turn) if isinstance(turn, Turn) else turn

    async def _here(self, turn: Turn) -> Outcome:
        steps, handed_over = self._steps, False
        try:
            await steps.run_hooks(turn)  # 4 the request as the channel and the policies want it
            await steps.enter(turn)  # 5 one turn at a time in a conversation, in its session
            await steps.plan(turn)  # 6 where the answer will go, before its first byte
            streams = turn.request.stream and turn.shows_here
            if streams:
                await steps.check(turn)
            await steps.endings.started(turn)
            if streams:
                stream, handed_over = stream_turn(steps, turn), True
                return Reply(stream=stream)  # 7 to 9 happen while the wire reads, see turns/streaming.py
            result = await steps.execute(turn)  # 7 run the target
            await steps.endings.commit(turn, result)  # 8 deliveries and the journal's end, in one transaction
            if turn.shows_here:
                return Reply(await steps.shown(turn, result))  # 9 what this wire may show
            return Accepted(turn.id, tuple(to.channel for to in turn.plan.pushes))
        except asyncio.CancelledError:
            self._gone(turn)
            raise
        except Exception as error:
            return await self._failed(turn, error)
        finally:
            if not handed_over:
                turn.close()

    async def admit(self, request: ChannelRequest) -> Outcome:
        """Accept one message durably and return; its turn runs in its lane afterwards."""
        can_push = request.identity is not None and self._steps.parts.plugins.can_push(request.channel)
        if not request.background and not can_push:
            logger.error(
                "Without a push hook or an identity no message can be admitted", extra={"channel": request.channel}
            )
            return Failed("cannot_push", "This channel cannot answer later.")
        turn = await self._accept(request, journaled=True)
        if not isinstance(turn, Turn):
            return turn
        self._deferred.start(turn)  # 4 to 9, see turns/deferred.py
        return Accepted(turn.id, token=turn.token)

    async def stop(self, request: ChannelRequest) -> int | LinkRequired | Denied:
        """Cancel the admitted turns of the request's conversation, if its speaker may speak; return how many."""
        verdict = await self._steps.parts.gate.authorize_request(request)
        if not isinstance(verdict, Allowed):
            return verdict
        return await self._deferred.stop(self.conversation(request, verdict.isolation_key or None).lane)

    async def check(self, request: ChannelRequest) -> tuple[Outcome | None, str | None]:
        """Return what stops a message at the door, or None, and then whose it is; nothing is written."""
        parts = self._steps.parts
        if not self.accepting:
            return UNAVAILABLE, None
        if not is_addressed(request, parts.plugins.channel(request.channel).accept_in_group):
            return Accepted(""), None  # a group talks among itself
        verdict = await parts.gate.authorize_request(request)
        return (None, verdict.isolation_key or None) if isinstance(verdict, Allowed) else (verdict, None)

    def conversation(self, request: ChannelRequest, person: str | None) -> Conversation:
        """Return the conversation of a speaker's message."""
        scope = self._steps.parts.plugins.channel(request.channel).conversation_scope
        return conversation_of(request, person, scope)

    async def undelivered(self, request: ChannelRequest) -> Outcome:
        """Run one turn here and deliver nothing, whatever its target: the caller will."""
        turn = await self._accept(request, journaled=False)
        if not isinstance(turn, Turn):
            return turn
        turn.delivers = False
        return await self._here(turn)

    async def _accept(self, request: ChannelRequest, *, journaled: bool) -> Turn | Outcome:
        """Steps 1 to 3; whatever stops a message here becomes its outcome."""
        if not self.accepting:
            return UNAVAILABLE
        work = self._admitted(request, journaled=journaled)
        try:
            return await (self._to_the_end(work) if journaled else work)
        except LaneFull:
            return Busy()
        except EventAlreadySeen:
            return Duplicate(request.event_id or "")
        except Exception as error:
            logger.exception("A message could not be accepted", extra={"channel": request.channel})
            return UNAVAILABLE if isinstance(error, StoreError) else Failed()

    async def _to_the_end(self, work: Coroutine[object, object, Turn | Outcome]) -> Turn | Outcome:
        """Accept a message although its caller goes away meanwhile: what the journal holds must not be forgotten."""
        task = asyncio.get_running_loop().create_task(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._unclaimed)
            raise

    def _unclaimed(self, task: asyncio.Task[Turn | Outcome]) -> None:
        if not task.cancelled() and task.exception() is None and isinstance(turn := task.result(), Turn):
            self._gone(turn)
            turn.close()

    async def _admitted(self, request: ChannelRequest, *, journaled: bool) -> Turn | Outcome:
        """Steps 1 to 3: nothing is written before the gate has allowed it."""
        steps, parts = self._steps, self._steps.parts
        if request.event_id is not None and parts.journal.seen(request.channel, request.event_id):
            return Duplicate(request.event_id)  # 1 seen before
        if not is_addressed(request, parts.plugins.channel(request.channel).accept_in_group):
            return Accepted("")  # a group talks among itself
        verdict = await parts.gate.authorize_request(request)  # 2 may they speak
        if not isinstance(verdict, Allowed):
            return verdict
        return await steps.admit(request, verdict, journaled=journaled)  # 3 recorded, in one transaction

    async def _failed(self, turn: Turn, error: Exception) -> Outcome:
        if isinstance(error, TurnRefused):
            outcome = error.outcome
        elif isinstance(error, StoreError):
            logger.error("A turn failed for its store", extra=_fields(turn), exc_info=error)
            if self._deferred.adopt(turn):
                return Accepted(turn.id)
            outcome = UNAVAILABLE
        elif isinstance(error, TargetInputError):
            outcome = Failed("invalid_input", str(error), 400)
        else:
            outcome = TOOK_TOO_LONG if isinstance(error, TimeoutError) else Failed()
            logger.error("A turn failed", extra=_fields(turn), exc_info=error)
        await self._steps.endings.abandon(turn)
        return outcome

    def _gone(self, turn: Turn) -> None:
        """See to a turn whose caller went away: one in the journal is answered later, or told that it was cut off."""
        if not self._deferred.adopt(turn):
            notice = None if turn.record is None else INTERRUPTED_NOTICE
            see_to(self._steps.endings.abandon(turn, notice))


def _fields(turn: Turn) -> dict[str, object]:
    return {"channel": turn.request.channel, "turn": turn.id}

"""Take up what a host left that lives no more: run what had not started, apologise for the rest, or run it again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Literal, TypeAlias

from ..delivery.codec import decode_identity, decode_request
from ..delivery.journal import TurnRecord
from ..model.isolation import IsolationKeys, reset_current_isolation_keys, set_current_isolation_keys
from ..model.request import ChannelRequest
from ..model.verdict import Allowed
from ..sessions.scope import conversation_of
from .ending import INTERRUPTED_NOTICE
from .steps import Steps
from .turn import Show, Turn

logger = logging.getLogger(__name__)

OnInterrupted: TypeAlias = Literal["apologise", "rerun"]
RERUN_LIMIT = 3
GONE_CHANNEL = "The channel of this message is not enabled any more."


class Recovery:
    """Find what is left, then take it up.

    At a start, finding comes before anything new is admitted, so that what is older keeps its place in the lanes.
    """

    def __init__(self, steps: Steps, *, on_interrupted: OnInterrupted) -> None:
        self._steps = steps
        self._on_interrupted = on_interrupted
        self._found: list[Turn] = []

    async def find(self, owner_id: str | None = None) -> None:
        """Read what ``owner_id`` left, or everybody who lives no more, and reserve its places in the lanes.

        What cannot be read is set aside and named in the log.
        """
        journal = self._steps.journal
        async for record in journal.left_behind(owner_id):
            try:
                turn = await self._restored(record)
            except Exception as error:  # whatever a damaged record holds, the host starts
                await journal.set_aside(record, f"{type(error).__name__} while it was read.")
                continue
            journal.counters.accepted += 1
            self._found.append(turn)

    def let_go(self) -> None:
        """Give the reserved places back; the turns stay as they are for the next start."""
        while self._found:
            self._found.pop().close()

    async def take_up(self, run: Callable[[Turn], None]) -> int:
        """Decide about each turn again and see to it, ``run`` what may run; return how many there were."""
        found, self._found = self._found, []
        for turn in found:
            try:
                await self._take_up(turn, run)
            except Exception:
                logger.exception("A turn could not be taken up; the next start will try again", extra={"turn": turn.id})
                turn.close()
        return len(found)

    async def _restored(self, record: TurnRecord) -> Turn:
        steps, request = self._steps, decode_request(record.request)
        person = record.isolation_key or None
        known = steps.plugins.knows(record.channel)
        where = steps.conversation(request, person) if known else conversation_of(request, person, None)
        active = None if record.active is None else decode_identity(record.active)
        run = None if record.token is None else await steps.continuations.get(record.token)
        place = steps.lanes.reserve(where.lane, limited=False)
        return Turn(record.turn_id, request, person, where, place, Show.LATER, active, record, run)

    async def _take_up(self, turn: Turn, run: Callable[[Turn], None]) -> None:
        refusal = await self._refusal(turn)
        if refusal is None and self._may_run(turn):
            with _hints_of(turn):
                run(turn)
            return
        notice = INTERRUPTED_NOTICE if refusal is None else refusal
        told_by_another = turn.record is not None and turn.record.joined is not None
        try:
            await self._steps.endings.abandon(turn, None if told_by_another else notice)
        finally:
            turn.close()

    async def _refusal(self, turn: Turn) -> str | None:
        """Ask the gate again: whoever was shut out meanwhile is not served."""
        steps, request = self._steps, turn.request
        if not steps.plugins.knows(request.channel):
            logger.error("A message was lost: its channel is not enabled", extra=_fields(turn.id, request))
            return GONE_CHANNEL
        verdict = await steps.gate.authorize_request(request)
        if isinstance(verdict, Allowed):
            turn.person = verdict.isolation_key or None
            return None
        return str(verdict.to_public_dict()["message"])

    def _may_run(self, turn: Turn) -> bool:
        if turn.record is None or turn.record.status == "admitted":
            return True
        return self._on_interrupted == "rerun" and turn.record.runs < RERUN_LIMIT


@contextmanager
def _hints_of(turn: Turn) -> Generator[None]:
    """Let what starts in here see the partition hints of the request that is gone."""
    hints = None if turn.record is None else turn.record.hints
    token = set_current_isolation_keys(None if hints is None else IsolationKeys(*hints))
    try:
        yield
    finally:
        reset_current_isolation_keys(token)


def _fields(turn_id: str, request: ChannelRequest) -> dict[str, object]:
    return {"turn": turn_id, "channel": request.channel}

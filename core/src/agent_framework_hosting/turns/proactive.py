"""Deliver an answer that no turn of the host carries: from application code, or from a channel that ran the parts."""

from __future__ import annotations

import logging

from agent_framework import AgentResponse, Message

from ..delivery.outbox import PUSH_TASK, Delivery, echo_of
from ..delivery.plan import ORIGINATING, Plan, Reach, candidates, plan_delivery
from ..delivery.staging import Staged
from ..execution.history import remember
from ..model.durable import TaskHandle
from ..model.request import ChannelRequest
from ..model.result import HostedRunResult, TargetResult, result_text
from ..model.target import ResponseTarget, ResponseTargetKind
from .parts import TurnParts

logger = logging.getLogger(__name__)


class Proactive:
    """Plan, stage and start deliveries outside of a turn."""

    def __init__(self, parts: TurnParts) -> None:
        self._parts = parts

    async def deliver(
        self,
        answer: HostedRunResult[TargetResult],
        target: ResponseTarget,
        *,
        person: str | None,
        request: ChannelRequest | None = None,
    ) -> tuple[Plan, Staged]:
        """Send to every destination of ``target``; return the plan and what was staged.

        Once this returns, each delivery is as durable as the runner.
        """
        parts, origin = self._parts, None if request is None else request.identity
        reach = Reach(
            origin=origin,
            origin_channel=ORIGINATING if request is None else request.channel,
            addresses={} if person is None else parts.registry.addresses(person),
            active=None if person is None else parts.registry.active(person, excluding=origin),
            knows=parts.plugins.knows,
            can_push=parts.plugins.can_push,
        )
        refused = [to for to in candidates(target, reach) if not await parts.gate.may_receive(to)]
        plan = plan_delivery(target, reach, frozenset(refused))
        echo = echo_of(request.input) if plan.echo and plan.pushes and request is not None else None
        staged = await parts.outbox.stage([Delivery(to, answer, echo, request=request) for to in plan.pushes])
        if staged.writes:
            await parts.journal.commit(staged.writes)
        parts.outbox.start(staged)
        return plan, staged

    async def send(
        self,
        content: HostedRunResult[TargetResult] | AgentResponse | str,
        target: ResponseTarget,
        *,
        person: str | None,
        remember: bool,
    ) -> tuple[TaskHandle, ...]:
        """Send on behalf of application code.

        Raises ``ValueError`` when nobody can be reached, and what the runner raises when it takes no delivery at all.
        """
        if person is None and (remember or target.kind is not ResponseTargetKind.IDENTITIES):
            raise ValueError(f"deliver() to {target.kind.value} needs isolation_key=: whose addresses to use.")
        answer = as_answer(content)
        plan, staged = await self.deliver(answer, target, person=person)
        if not staged.task_ids:
            if staged.faults:
                raise staged.faults[0]
            why = "; ".join(f"{skipped.target}: {skipped.reason}" for skipped in plan.skipped) or "no address is known"
            raise ValueError(f"deliver() reached nobody ({why}).")
        if remember and person is not None:
            await self._remember(person, answer)
        return tuple(TaskHandle(task_id, PUSH_TASK) for task_id in staged.task_ids)

    async def _remember(self, person: str, answer: HostedRunResult[TargetResult]) -> None:
        """Put what is on its way into the session; a history that cannot be written does not call it back."""
        parts = self._parts
        place = parts.lanes.reserve(person, limited=False)
        try:
            await place.enter()
            session = await parts.sessions.open(person)
            if session is not None:
                await remember(parts.target, session, result_text(answer))
                await parts.sessions.keep(person, None, session)
        except Exception:
            logger.exception("A proactive delivery could not be remembered")
        finally:
            place.leave()


def as_answer(content: HostedRunResult[TargetResult] | AgentResponse | str) -> HostedRunResult[TargetResult]:
    """Return text or a response as a payload."""
    if isinstance(content, HostedRunResult):
        return content
    if isinstance(content, str):
        content = AgentResponse(messages=[Message("assistant", [content])])
    return HostedRunResult(content)

"""Deliver an answer that no turn of the host carries: from application code, or from a channel that ran the parts."""

from __future__ import annotations

import logging

from agent_framework import AgentResponse, Message

from ..authorization.gate import Gate
from ..delivery.delivery import PUSH_TASK, Delivery, echo_of
from ..delivery.journal import Journal
from ..delivery.outbox import Outbox, Staged
from ..delivery.plan import ORIGINATING, Plan, Reach, candidates, plan_delivery
from ..execution.history import remember
from ..model.durable import TaskHandle
from ..model.request import ChannelRequest
from ..model.result import HostedRunResult, TargetResult, result_text
from ..model.target import ResponseTarget, ResponseTargetKind
from ..plugins.manager import PluginManager
from ..ports import Lanes, Target
from ..sessions.conversations import Sessions
from ..sessions.people import People

logger = logging.getLogger(__name__)


class Proactive:
    """Plan, stage and start deliveries outside of a turn."""

    def __init__(
        self,
        *,
        target: Target,
        plugins: PluginManager,
        gate: Gate,
        people: People,
        sessions: Sessions,
        lanes: Lanes,
        journal: Journal,
        outbox: Outbox,
    ) -> None:
        self._target = target
        self._plugins = plugins
        self._gate = gate
        self._people = people
        self._sessions = sessions
        self._lanes = lanes
        self._journal = journal
        self._outbox = outbox

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
        origin = None if request is None else request.identity
        reach = Reach(
            origin=origin,
            origin_channel=ORIGINATING if request is None else request.channel,
            addresses={} if person is None else self._people.addresses(person),
            active=None if person is None else self._people.active(person, excluding=origin),
            knows=self._plugins.knows,
            can_push=self._plugins.can_push,
        )
        refused = [to for to in candidates(target, reach) if not await self._gate.may_receive(to)]
        plan = plan_delivery(target, reach, frozenset(refused))
        echo = echo_of(request.input) if plan.echo and plan.pushes and request is not None else None
        staged = await self._outbox.stage([Delivery(to, answer, echo, request=request) for to in plan.pushes])
        if staged.writes:
            await self._journal.commit(staged.writes)
        self._outbox.start(staged)
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
        place = self._lanes.reserve(person, limited=False)
        try:
            await place.enter()
            session = await self._sessions.open(person)
            if session is None:
                return
            await remember(self._target, session, result_text(answer))
            kept = self._sessions.keep(person, None, session)
            if kept:
                self._sessions.kept(person, None, session, await self._journal.commit(kept))
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

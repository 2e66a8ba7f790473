"""One response from request to record: what is run, what it looks like, what is kept of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

import msgspec
from agent_framework import Message
from starlette.requests import Request

from agent_framework_hosting import (
    Accepted,
    Allowed,
    ChannelContext,
    ChannelIdentity,
    ChannelRequest,
    Denied,
    Failed,
    HostedRunResult,
    LinkRequired,
    Reply,
)

from .agent_options import agent_options
from .config import ResponsesOptions
from .continuation import Continuation, continuation_of, unknown_approval
from .encoding import Json, encode
from .errors import WireError, agent_failed, not_found
from .events import Event
from .ids import OUTPUT, item_ids
from .messages import messages_of
from .outcomes import from_outcome
from .parsing import TurnRequest
from .projection import Projection
from .records import Record, StoredResponses
from .response_object import FAILED, Ending, ended, ending_of, opening
from .shown import Shown

STARTED = (500, 504)  # failures of a run that had begun: its tools may have acted
ELSEWHERE = "Your message was accepted. The answer is delivered elsewhere."


class Begun(msgspec.Struct, frozen=True):
    """A response that has an id and a place to run in."""

    id: str
    principal: str
    turn: TurnRequest
    place: Continuation
    request: ChannelRequest
    opening: Json
    projection: Projection


class Turns:
    """Begin responses, run them whole, and keep how they ended."""

    def __init__(
        self, context: ChannelContext, options: ResponsesOptions, records: StoredResponses, *, channel: str
    ) -> None:
        """Serve one channel; ``channel`` names it."""
        self.context = context
        self.options = options
        self.records = records
        self._channel = channel
        self._workflow: bool | None = None
        self._identities: dict[str, ChannelIdentity] = {}

    @property
    def serves_workflow(self) -> bool:
        """Whether the target is a workflow or makes one."""
        if self._workflow is None:
            from agent_framework import Workflow  # noqa: PLC0415 - heavy, and asked for once

            target: object = self.context.target
            self._workflow = isinstance(target, Workflow) or not hasattr(target, "run")
        return self._workflow

    @property
    def model(self) -> str:
        """The model's name on the wire."""
        name: object = self.options.model or getattr(self.context.target, "name", None)
        return name if isinstance(name, str) and name else "agent"

    async def begin(self, principal: str, response_id: str, turn: TurnRequest, http: Request | None) -> Begun:
        """Check a request against what it continues; raises ``WireError``. Nothing is run."""
        if self.options.known_models_only and turn.model not in (None, self.model):
            raise WireError(404, f"The model {turn.model} does not exist here.", code="model_not_found", param="model")
        if turn.conversation is not None:  # there are none here: every id is an unknown one
            raise not_found("The conversation was", "conversation")
        place = await continuation_of(
            turn,
            self.records,
            principal=principal,
            response_id=response_id,
            shared_session=self.options.shared_session,
            free_answers=self.serves_workflow,
        )
        streams = turn.stream or turn.background
        wanted = agent_options(turn, self.options, self.context.target)
        request = ChannelRequest(
            channel=self._channel,
            operation="message.create",
            input=messages_of(place.items, place.approvals),
            identity=self.identity(principal),
            session=place.session,
            session_mode=place.session_mode,
            options=wanted,
            stream=streams,
            attributes={
                "response_id": response_id,
                "previous_response_id": turn.previous_response_id,
                "protocol_request": http,
            },
        )
        shown = Shown(
            functions=turn.tools.names,
            host_tools=self.options.show_tool_calls,
            summaries=self.options.show_reasoning and turn.wants_reasoning,
            encrypted=self.options.show_reasoning and "reasoning.encrypted_content" in turn.include,
            structured=turn.text_format is not None,
            questions=self.serves_workflow,
        )
        projection = Projection(shown, item_ids(response_id, OUTPUT), recording=streams)
        status = "queued" if turn.background else "in_progress"
        response = opening(turn, response_id=response_id, created_at=int(time.time()), model=self.model, status=status)
        return Begun(response_id, principal, turn, place, request, response, projection)

    def identity(self, principal: str) -> ChannelIdentity:
        """Return the principal as the host knows speakers."""
        known = self._identities.get(principal)
        if known is None:  # there are as many principals as keys
            known = self._identities[principal] = ChannelIdentity(self._channel, principal)
        return known

    async def gate(self, principal: str) -> str:
        """Pass the host's gate for anything that runs no turn; return the isolation key, or raise ``WireError``."""
        verdict = await self.context.authorize(self.identity(principal))
        if isinstance(verdict, Denied | LinkRequired):
            raise from_outcome(verdict)
        return verdict.isolation_key

    async def dispatch(self, begun: Begun) -> Reply | Accepted:
        """Hand a turn to the host; raises ``WireError`` for every outcome without an answer."""
        claimed = await self._claim(begun)
        outcome = await self.context.dispatch(begun.request)
        if isinstance(outcome, Reply | Accepted):
            return outcome
        if not (isinstance(outcome, Failed) and outcome.status_code in STARTED):
            await self.records.release_approvals(begun.principal, claimed)  # nothing was run
        raise from_outcome(outcome)

    async def whole(self, begun: Begun) -> bytes:
        """Run a turn to its end and return the response as JSON; raises ``WireError`` when it failed."""
        outcome = await self.dispatch(begun)
        ending, _ = self.take_result(begun, outcome.result) if isinstance(outcome, Reply) else self.take_accepted(begun)
        body, _ = await self.keep(begun, ending)
        if ending is FAILED:
            raise agent_failed()
        return body

    def take_accepted(self, begun: Begun) -> tuple[Ending, list[Event]]:
        """Answer with a fixed status message, since the real answer goes elsewhere; return ending and events."""
        begun.projection.feed_whole([Message("assistant", [ELSEWHERE])])
        return ending_of(None, None), begun.projection.finish()

    def take_result(self, begun: Begun, result: HostedRunResult | None) -> tuple[Ending, list[Event]]:
        """Project a whole result; return how it ended, and the events."""
        if result is None:
            return FAILED, []
        begun.projection.feed_whole(self.context.messages_of(result))
        ending = ending_of_result(result)
        made = begun.projection.finish("completed" if ending.status == "completed" else "incomplete")
        return FAILED if begun.projection.failed else ending, made

    async def keep(self, begun: Begun, ending: Ending) -> tuple[bytes, Json]:
        """Store how a response ended before anybody is told; return the object, encoded and not."""
        output = begun.projection.output.items
        response = ended(begun.opening, ending, output, int(time.time()))
        body = encode(response)
        if begun.turn.store:
            evicted = await self.records.save(begun.principal, begun.id, self.record(begun, ending, body))
            if evicted:
                await self._forget_sessions(begun.principal, evicted)
        elif begun.place.session is not None and begun.place.session_mode == "auto":
            await self._forget_sessions(begun.principal, [begun.id])
        return body, response

    async def unkept(self, begun: Begun, ending: Ending) -> tuple[bytes, Json]:
        """Return the object of a response that could not be stored."""
        response = ended(begun.opening, ending, begun.projection.output.items, int(time.time()))
        return encode(response), response

    def record(self, begun: Begun, ending: Ending, body: bytes) -> Record:
        """Return what is stored of a response."""
        went_well = ending.status in ("completed", "incomplete")
        projection = begun.projection
        return Record(
            response=msgspec.Raw(body),
            input=list(begun.place.items),
            status=ending.status,
            session=begun.place.kept_as if went_well else begun.place.base,
            parent=begun.turn.previous_response_id,
            calls=projection.pending_calls,
            approvals={key: asked.to_dict() for key, asked in projection.approvals.items()},
            background=begun.turn.background,
        )

    async def forget_session(self, begun: Begun) -> None:
        """Let go of the session of a response that is wanted no more."""
        if begun.place.session is not None and begun.place.kept_as == begun.id:
            await self._forget_sessions(begun.principal, [begun.id])

    async def _forget_sessions(self, principal: str, keys: Sequence[str]) -> None:
        verdict = await self.context.authorize(self.identity(principal))
        if isinstance(verdict, Allowed):
            for key in keys:
                await self.context.reset_session(verdict.isolation_key, key=key)

    async def _claim(self, begun: Begun) -> list[str]:
        claimed: list[str] = []
        for approval_id in begun.place.approvals:
            if not await self.records.claim_approval(begun.principal, approval_id):
                await self.records.release_approvals(begun.principal, claimed)
                raise unknown_approval(approval_id)
            claimed.append(approval_id)
        return claimed


def ending_of_result(result: HostedRunResult) -> Ending:
    """Return how a run ended, from its final result."""
    inner = result.result
    reason = cast("str | None", getattr(inner, "finish_reason", None))
    return ending_of(reason, getattr(inner, "usage_details", None))

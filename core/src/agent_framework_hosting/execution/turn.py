"""What one run needs, and what runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent_framework import AgentSession

from ..hookspecs import ChannelStreamTransformHook
from ..model.outcome import HostedStream
from ..model.request import ChannelRequest
from ..model.result import HostedRunResult, TargetResult


@dataclass(frozen=True, slots=True)
class TurnInput:
    """Everything one run needs.

    ``request`` is what the run hooks left. The conversation is ``isolation_key``'s, or its thread ``key``, which starts
    as a copy of the thread ``parent``; None as isolation key: nothing is kept. ``envelope`` is written on the last
    user message and ``answer_envelope`` on every answer message, both under ``additional_properties["hosting"]``; both
    hold JSON values only.
    """

    request: ChannelRequest
    session: AgentSession | None = None
    isolation_key: str | None = None
    key: str | None = None
    parent: str | None = None
    envelope: Mapping[str, object] = field(default_factory=dict[str, object])
    answer_envelope: Mapping[str, object] = field(default_factory=dict[str, object])


class Execution(Protocol):
    """Run one target for one turn at a time per conversation; turns of different conversations run in parallel."""

    @property
    def output_types(self) -> Sequence[type]:
        """The classes this target may put into a result, for ``decode_result``."""
        ...

    @property
    def unstorable_types(self) -> Sequence[type]:
        """The classes this target may put into a result that ``encode_result`` refuses."""
        ...

    def new_session(self, session_id: str) -> AgentSession | None:
        """Return a new conversation's session, or None when the target takes none."""
        ...

    async def check(self, turn: TurnInput) -> None:
        """Raise ``TargetInputError`` for input that ``stream`` would refuse later. Nothing is run."""
        ...

    async def run(self, turn: TurnInput) -> HostedRunResult[TargetResult]:
        """Run to the end. Raises ``TargetInputError`` for input the target cannot take, else what the target raises."""
        ...

    def stream(self, turn: TurnInput, *, transforms: Sequence[ChannelStreamTransformHook] = ()) -> HostedStream:
        """Run piece by piece; nothing starts before the first pull. Raises as ``run`` does, while it is pulled.

        ``transforms`` shape the updates only, in order; None drops an update. The final result keeps everything.
        The run sees the context variables of the caller of ``stream``, whoever pulls.
        """
        ...

    async def reset(self, isolation_key: str, *, key: str | None = None) -> None:
        """Forget what the target itself keeps of a person's conversation, or of the one thread named ``key``."""
        ...

"""Copy an answer far enough that one destination's hooks cannot change what another destination sees."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, cast

from ..model.result import HostedRunResult, TargetResult

if TYPE_CHECKING:
    from agent_framework import Message


def own_copy(result: HostedRunResult[TargetResult]) -> HostedRunResult[TargetResult]:
    """Return a copy with its own response, messages, contents and additional properties.

    The session, raw representations and a workflow's output values stay shared.
    """
    inner = copy.copy(result.result)
    messages = getattr(inner, "messages", None)
    if isinstance(messages, list):
        inner.messages = [_own_message(message) for message in cast("list[Message]", messages)]  # type: ignore[attr-defined]
    _own_properties(inner)
    return result.replace(result=inner)


def _own_message(message: Message) -> Message:
    own = copy.copy(message)
    own.contents = [copy.copy(content) for content in message.contents]
    for part in (own, *own.contents):
        _own_properties(part)
    return own


def _own_properties(part: object) -> None:
    properties = getattr(part, "additional_properties", None)
    if isinstance(properties, dict):
        part.additional_properties = dict(cast("dict[str, object]", properties))  # type: ignore[attr-defined]

"""The response object: every key of the API, whatever the status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from .encoding import Json
from .errors import AGENT_FAILED
from .parsing import TurnRequest

if TYPE_CHECKING:
    from agent_framework import UsageDetails

FAILURE: Json = {"code": "server_error", "message": AGENT_FAILED, "type": "server_error", "param": None}
INTERRUPTED: Json = {**FAILURE, "message": "The response was interrupted."}

_INCOMPLETE: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}


class Ending(msgspec.Struct, frozen=True):
    """How a response ended. ``reason`` belongs to ``incomplete``, ``error`` to ``failed``."""

    status: str
    reason: str | None = None
    error: Json | None = None
    usage: Json | None = None


CANCELLED = Ending("cancelled")
FAILED = Ending("failed", error=FAILURE)


def failed(message: str) -> Ending:
    """Return the ending of a response that failed for a reason that may be shown."""
    return Ending("failed", error={**FAILURE, "message": message})


def ending_of(finish_reason: str | None, usage: UsageDetails | None) -> Ending:
    """Return how a run that did not fail ended."""
    counted = usage_of(usage)
    reason = _INCOMPLETE.get(finish_reason or "")
    return Ending("completed" if reason is None else "incomplete", reason, usage=counted)


def opening(turn: TurnRequest, *, response_id: str, created_at: int, model: str, status: str = "in_progress") -> Json:
    """Return the object of a response that has no output yet."""
    response: Json = {
        "id": response_id,
        "object": "response",
        "created_at": created_at,
        "completed_at": None,
        "status": status,
        "background": turn.background,
        "error": None,
        "incomplete_details": None,
        "instructions": turn.instructions,
        "model": turn.model or model,
        "output": [],
        "previous_response_id": turn.previous_response_id,
        "store": turn.store,
        "usage": None,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    }
    response.update(turn.echo)
    if turn.conversation is not None:
        response["conversation"] = {"id": turn.conversation}
    return response


def ended(response: Json, ending: Ending, output: Sequence[Json], now: int) -> Json:
    """Return the object of the same response at its end."""
    return {
        **response,
        "status": ending.status,
        "completed_at": now if ending.status == "completed" else None,
        "output": output,
        "error": ending.error,
        "incomplete_details": None if ending.reason is None else {"reason": ending.reason},
        "usage": ending.usage,
    }


def usage_of(details: UsageDetails | None) -> Json | None:
    """Return complete token counts, or None when the agent reported none."""
    if not details:
        return None
    given = details.get("input_token_count") or 0
    made = details.get("output_token_count") or 0
    return {
        "input_tokens": given,
        "input_tokens_details": {
            "cached_tokens": details.get("cache_read_input_token_count") or 0,
            "cache_write_tokens": details.get("cache_creation_input_token_count") or 0,
        },
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": details.get("reasoning_output_token_count") or 0},
        "total_tokens": details.get("total_token_count") or given + made,
    }

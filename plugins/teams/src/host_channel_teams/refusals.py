"""What a refusal of Teams means. Pure."""

from __future__ import annotations

from typing import Literal, TypeAlias

from .client import RefusedByTeams

StreamEnd: TypeAlias = Literal["cancelled", "not_allowed", "ended"]

_CLOSED_CODES = (
    "messagewritesblocked",
    "botnotinconversationroster",
    "botdisabledbyadmin",
    "conversationnotfound",
    "userblocked",
)


def end_of_stream(refused: RefusedByTeams) -> StreamEnd:
    """Return what a refused stream needs: nothing more at all, no more streams in such chats, or one whole message."""
    told = f"{refused.code} {refused.text}"
    if "cancel" in told:  # "canceled by user", in either spelling
        return "cancelled"
    if refused.status == 403 and "not allowed" in told and "completed" not in told and "exceeded" not in told:
        return "not_allowed"
    return "ended"


def is_too_large(refused: RefusedByTeams) -> bool:
    """Say whether the text must be split smaller."""
    told = f"{refused.code} {refused.text}"
    return refused.status == 413 or "messagesizetoobig" in told or "message size too large" in told


def closes_conversation(refused: RefusedByTeams) -> bool:
    """Say whether the bot cannot write there until somebody writes to it or installs it again."""
    return refused.status == 404 or (
        refused.status == 403 and any(code in refused.code or code in refused.text for code in _CLOSED_CODES)
    )

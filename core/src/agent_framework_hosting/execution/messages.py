"""What a channel hands over, as a list of messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from agent_framework import Content, Message

from ..errors import TargetInputError


def messages_of_input(given: object) -> list[Message]:
    """Return text, ``Content``, ``Message`` or a list of them as messages; neighbouring pieces share one user message.

    Raises ``TargetInputError`` for anything else.
    """
    pieces = cast("Sequence[object]", given) if isinstance(given, (list, tuple)) else (given,)
    messages: list[Message] = []
    open_message: list[str | Content] = []
    for piece in pieces:
        if isinstance(piece, (str, Content)):
            open_message.append(piece)
            continue
        if not isinstance(piece, Message):
            raise TargetInputError(
                f"The target takes text, Content, Message or a list of them, not {type(piece).__name__}. "
                "Convert the channel's input in a run hook."
            )
        if open_message:
            messages.append(Message("user", open_message))
            open_message = []
        messages.append(piece)
    if open_message:
        messages.append(Message("user", open_message))
    return messages

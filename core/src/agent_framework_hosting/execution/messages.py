"""The messages a target is given, and the host's note, ``additional_properties["hosting"]``, on question and answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from agent_framework import Content, Message

from ..errors import TargetInputError

HOSTING = "hosting"


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


def stamp_question(messages: Sequence[Message], envelope: Mapping[str, object]) -> list[Message]:
    """Return the messages with the note on a copy of the last user message (of the last one when none is a user's)."""
    noted = list(messages)
    if not noted or not envelope:
        return noted
    users = [index for index, message in enumerate(noted) if message.role == "user"]
    index = users[-1] if users else len(noted) - 1
    asked = noted[index]
    noted[index] = Message(
        asked.role,
        list(asked.contents),
        author_name=asked.author_name,
        message_id=asked.message_id,
        additional_properties={**asked.additional_properties, HOSTING: dict(envelope)},
        raw_representation=asked.raw_representation,
    )
    return noted


def stamp_answer(messages: Iterable[Message], answer_envelope: Mapping[str, object]) -> None:
    """Write the note on an answer's messages, in place: they belong to this run."""
    if answer_envelope:
        for message in messages:
            message.additional_properties[HOSTING] = dict(answer_envelope)

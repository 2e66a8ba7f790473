"""How requests and answers travel: one JSON object a line."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from ..errors import OperationRefused
from .answers import Answer
from .requests import Request

AnswerT = TypeVar("AnswerT")

MOST_REQUEST_BYTES = 256 * 1024
MOST_ANSWER_BYTES = 64 * 1024 * 1024

_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer: what was asked for, or a sentence that says why not."""

    ok: msgspec.Raw = msgspec.Raw(b"null")
    refused: str | None = None


_open = msgspec.json.Decoder(Envelope).decode


def request_to_line(request: Request) -> bytes:
    """Return the line of a request."""
    return msgspec.json.encode(request) + b"\n"


def request_from_line(line: bytes) -> Request:
    """Return the request in a line. Raises ``OperationRefused``, which says what is wrong with it."""
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise OperationRefused(f"The host cannot read the request: {error}") from error


def answer_to_line(answer: Answer) -> bytes:
    """Return the line of an answer; one that is too long becomes a refusal."""
    encoded = msgspec.json.encode(answer)
    if len(encoded) > MOST_ANSWER_BYTES:
        return refusal_to_line("The answer is too long for the socket. Stop the host and run the command again.")
    return msgspec.json.encode(Envelope(ok=msgspec.Raw(encoded))) + b"\n"


def refusal_to_line(sentence: str) -> bytes:
    """Return the line of a refusal."""
    return msgspec.json.encode(Envelope(refused=sentence)) + b"\n"


def answer_from_line(line: bytes, kind: type[AnswerT]) -> AnswerT:
    """Return the answer in a line. Raises ``OperationRefused`` for a refusal, and for what is no answer."""
    try:
        envelope = _open(line)
        if envelope.refused is not None:
            raise OperationRefused(envelope.refused)
        return msgspec.json.decode(envelope.ok, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise OperationRefused(
            "The host's answer cannot be read; it may be of another version. Restart it with the host-core that is "
            "installed here."
        ) from error

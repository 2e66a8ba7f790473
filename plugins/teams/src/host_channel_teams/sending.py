"""Deliver answers: in pieces Teams takes, each once, and with what every refusal asks for."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from agent_framework_hosting import Expiry, PermanentPushError, RecordCodec, Records, Store, Table

from .answers import NO_ANSWER, Answer, OutFile, Question, with_marks
from .client import Connector, RefusedByTeams
from .marks import SendMarks
from .references import Reference, ReferenceBook
from .refusals import closes_conversation, is_too_large
from .rendering import Json, Look, addressed, card_attachment, notice, picture_attachment
from .rendering import is_too_large as renders_too_large
from .splitting import BUDGET_BYTES, for_teams, split
from .streaming import Stream

logger = logging.getLogger(__name__)

SMALLEST_PIECE = 1024
TOO_LONG = "The rest of this answer is too long for Teams."

Piece = tuple[str, str | int]


@dataclass(frozen=True, slots=True)
class Unsent:
    """What is left of a delivery to send, and who spoke last where it goes."""

    rest: list[Piece]
    person: str | None = None


PROGRESS = Table(
    "progress",
    RecordCodec("unsent", 1, Unsent, {0: lambda fields: {"rest": json.loads(cast("str", fields["text"]))}}),
    person="person",
    expiry=Expiry(seconds=30 * 86_400.0),
    holds="what is left to send of long answers",
)


class Offers(Protocol):
    """Make the cards that wait for a click."""

    async def question(self, question: Question, to: Reference) -> Mapping[str, object]:
        """Keep a question and return its attachment."""
        ...

    async def file(self, file: OutFile, to: Reference) -> Mapping[str, object]:
        """Keep a file and return the attachment that asks whether it may be stored."""
        ...


class Sender:
    """Send to a reference. A delivery of several messages remembers how far it came, so a retry repeats none."""

    def __init__(
        self, connector: Connector, book: ReferenceBook, look: Look, *, offers: Offers, store: Store, marks: SendMarks
    ) -> None:
        self._connector = connector
        self._book = book
        self._look = look
        self._offers = offers
        self._store = store
        self._progress = Records(store, PROGRESS)
        self._marks = marks

    async def deliver(
        self, answer: Answer, to: Reference, *, reply_to: str | None = None, stream: Stream | None = None
    ) -> str | None:
        """Send an answer and return the id of its last message.

        Raises what the host understands: ``RetryLater``, ``UncertainSend``, ``PermanentPushError``.
        """
        if await self._book.is_dead(to):
            raise PermanentPushError("This conversation is closed to the bot until somebody writes to it there.")
        text = for_teams(_whole_text(answer, to))
        key = hashlib.blake2b(f"{to.conversation_id}\0{text}".encode(), digest_size=16).hexdigest()
        started, receipt = await self._progress.get(key), None
        is_saved = started is not None
        if started is None:
            rest = _pieces(answer, text, to, "" if stream is None or stream.id is None else stream.shown)
        else:
            rest = started.rest
        while rest:
            try:
                stream_id = None if stream is None else stream.id
                receipt = await self._send(rest, answer, to, reply_to=reply_to, stream_id=stream_id)
            except RefusedByTeams as refused:
                rest = await self._after(refused, rest, to, stream)
                if stream is not None and stream.cancelled:
                    break
            else:
                rest = rest[1:]
            if stream is not None:
                stream.id = None  # only the first message ends it
            if rest:
                is_saved = True
                await self._store.commit([self._progress.put(key, Unsent(rest, to.speaker))])
        if is_saved:
            await self._store.commit([self._progress.delete(key)])
        return receipt

    async def say(self, text: str, to: Reference, attachments: Sequence[Mapping[str, object]] = ()) -> str | None:
        """Send words of the bot's own, at once and once; a failure is logged, never raised."""
        return await self.post(notice(text, attachments), to)

    async def post(self, activity: Mapping[str, object], to: Reference) -> str | None:
        """Send one activity of the bot's own; a failure is logged, never raised."""
        try:
            return await self._connector.post(to.service_url, to.conversation_id, addressed(activity, to))
        except Exception as error:
            if isinstance(error, RefusedByTeams) and closes_conversation(error):
                await self._book.retire(to, f"HTTP {error.status}")
            logger.warning("A notice could not be sent", extra={"error": type(error).__name__})
            return None

    async def replace(self, activity_id: str, activity: Mapping[str, object], to: Reference) -> None:
        """Change a message of the bot's; a failure is logged, never raised."""
        try:
            shaped = addressed(activity, to)
            await self._connector.update(to.service_url, to.conversation_id, activity_id, shaped)
        except Exception as error:
            logger.warning("A message could not be changed", extra={"error": type(error).__name__})

    async def _send(
        self, rest: Sequence[Piece], answer: Answer, to: Reference, *, reply_to: str | None, stream_id: str | None
    ) -> str | None:
        kind, value = rest[0]
        if kind == "text":
            is_last = not any(later == "text" for later, _ in rest[1:])
            activity = self._message(str(value), answer, to, is_last=is_last, stream_id=stream_id)
        elif kind == "question":
            activity = notice("", [await self._offers.question(answer.questions[int(value)], to)])
        else:
            activity = notice("", [await self._offers.file(answer.files[int(value)], to)])
        if renders_too_large(activity):
            raise RefusedByTeams(413, "MessageSizeTooBig", "")
        where = (to.service_url, to.conversation_id)

        async def about_to() -> None:
            await self._marks.begin(to)

        try:
            return await self._connector.post(*where, addressed(activity, to, reply_to), about_to=about_to)
        except RefusedByTeams as refused:
            if refused.status != 400 or kind != "text" or stream_id is not None:
                raise
            logger.warning("Teams refused a message; it is sent as plain text", extra={"code": refused.code})
            return await self._connector.post(*where, addressed(notice(str(value), plain=True), to, reply_to))

    def _message(self, text: str, answer: Answer, to: Reference, *, is_last: bool, stream_id: str | None) -> Json:
        if answer.is_echo:
            return notice(text)
        attachments = [*map(card_attachment, answer.cards), *map(picture_attachment, answer.pictures)]
        return self._look.answer(
            text,
            is_last=is_last,
            sources=answer.sources,
            attachments=attachments if is_last else (),
            suggestions=answer.suggestions,
            to=to,
            stream_id=stream_id,
        )

    async def _after(
        self, refused: RefusedByTeams, rest: list[Piece], to: Reference, stream: Stream | None
    ) -> list[Piece]:
        """Return what to send instead of what was refused."""
        kind, value = rest[0]
        if stream is not None and stream.id is not None:
            stream.give_up(refused)  # the same piece again, as a message of its own
            return rest
        if is_too_large(refused):
            if kind == "text" and len(str(value).encode()) > SMALLEST_PIECE:
                smaller = max(SMALLEST_PIECE, len(str(value).encode()) // 3)
                return [*(("text", piece) for piece in split(str(value), smaller)), *rest[1:]]
            await self.say(TOO_LONG, to)
            raise PermanentPushError("Teams refuses even a small part of this answer as too large.")
        if closes_conversation(refused):
            await self._book.retire(to, refused.code or f"HTTP {refused.status}")
        raise PermanentPushError(f"Teams refused the message with HTTP {refused.status} ({refused.code or 'no code'}).")


def _whole_text(answer: Answer, to: Reference) -> str:
    text = with_marks(answer)
    if answer.files and to.kind != "personal":
        names = ", ".join(file.name for file in answer.files)
        text = f"{text}\n\n(I can send files in a personal chat only: {names})"
    if not text.strip() and not (answer.cards or answer.pictures or answer.files or answer.questions):
        return NO_ANSWER
    return text


def _pieces(answer: Answer, text: str, to: Reference, shown: str) -> list[Piece]:
    """Return what to send in order; the first text begins with what a stream has shown already."""
    texts = split(text, BUDGET_BYTES, len(shown))
    if shown and not texts[0].startswith(shown):
        texts = [shown, *split(text[len(shown) :].lstrip("\n"))] if text.startswith(shown) else texts
    needs_message = text.strip() or answer.cards or answer.pictures
    pieces: list[Piece] = [("text", each) for each in texts] if needs_message else []
    pieces += [("question", number) for number in range(len(answer.questions))]
    return pieces + ([("file", number) for number in range(len(answer.files))] if to.kind == "personal" else [])

"""What Teams refuses: one function, each rule with the words Teams uses. Pure but for the streams it remembers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

LARGEST_UTF16 = 100 * 1024
STREAM_SECONDS = 120.0
ROOT = "https://schema.org/Message"


class Refusal(Exception):  # noqa: N818 - reads as the condition it names
    """An answer other than success."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


@dataclass(slots=True)
class LiveStream:
    """One stream under way."""

    room: str
    started: float
    last: float
    sequence: int
    text: str = ""
    done: bool = False


class Rules:
    """Judge activities; ``now`` is the clock the streams are measured with."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.streams: dict[str, LiveStream] = {}

    def judge(self, room: str, body: Mapping[str, object], new_id: str) -> bool:
        """Raise ``Refusal`` for what Teams would not take; return whether the answer has no body."""
        self._envelope(room, body)
        entities = cast("Sequence[Mapping[str, object]]", body.get("entities") or ())
        if len(json.dumps(body, ensure_ascii=False).encode("utf-16-le")) > LARGEST_UTF16:
            raise Refusal(413, "MessageSizeTooBig", "Message size too large.")
        roots = [entity for entity in entities if entity.get("type") == ROOT]
        if len(roots) > 1:
            raise Refusal(400, "BadArgument", "Only one root level message entity is allowed.")
        for entity in roots:
            self._citations(entity, str(body.get("text") or ""))
        kind = _mapping(body.get("conversation")).get("conversationType")
        if "suggestedActions" in body and kind != "personal":
            raise Refusal(400, "BadArgument", "Suggested actions are for personal chats.")
        infos = [entity for entity in entities if entity.get("type") == "streaminfo"]
        if not infos:
            if body.get("type") == "message" and not (body.get("text") or body.get("attachments")):
                raise Refusal(400, "BadSyntax", "The message is empty.")
            return body.get("type") == "typing"
        return self._stream(room, str(kind), body, infos[0], new_id)

    def _envelope(self, room: str, body: Mapping[str, object]) -> None:
        if _mapping(body.get("conversation")).get("id") != room:
            raise Refusal(400, "BadArgument", "The conversation differs from the address.")
        sender = _mapping(body.get("from")).get("id")
        if not str(sender).startswith("28:") or not _mapping(body.get("recipient")).get("id"):
            raise Refusal(400, "BadArgument", "From or recipient is missing.")
        if body.get("channelId") != "msteams" or body.get("type") not in ("message", "typing"):
            raise Refusal(400, "BadArgument", "The activity is none of this channel.")

    def _citations(self, entity: Mapping[str, object], text: str) -> None:
        listed = cast("Sequence[Mapping[str, object]]", entity.get("citation") or ())
        if len(listed) > 20:
            raise Refusal(400, "BadArgument", "At most 20 citations.")
        for each in listed:
            shown = _mapping(each.get("appearance"))
            if len(str(shown.get("name"))) > 80 or len(str(shown.get("abstract"))) > 160:
                raise Refusal(400, "BadArgument", "A citation is too long.")
            if f"[{each.get('position')}]" not in text:
                raise Refusal(400, "BadArgument", "A citation is not in the text.")

    def _stream(
        self, room: str, kind: str, body: Mapping[str, object], info: Mapping[str, object], new_id: str
    ) -> bool:
        now, text, stage = self._now(), str(body.get("text") or ""), info.get("streamType")
        if kind != "personal":
            raise Refusal(403, "ContentStreamNotAllowed", "Streaming is not allowed in this conversation.")
        self._stage(body, info)
        if info.get("streamId") is None:
            self.streams[new_id] = LiveStream(room, now, now, 1, text if stage == "streaming" else "")
            return False
        stream = self.streams.get(str(info["streamId"]))
        if stream is None or stream.room != room:
            raise Refusal(400, "BadArgument", "The stream is not known.")
        self._next(stream, now, text)
        if stage != "final" and info.get("streamSequence") != stream.sequence + 1:
            raise Refusal(400, "BadArgument", "The sequence has a gap.")
        stream.last, stream.sequence, stream.done = now, stream.sequence + 1, stage == "final"
        stream.text = text if stage == "streaming" else stream.text
        return True

    def _stage(self, body: Mapping[str, object], info: Mapping[str, object]) -> None:
        sequence = info.get("streamSequence")
        if info.get("streamType") == "final":
            if body.get("type") != "message" or sequence is not None:
                raise Refusal(400, "BadArgument", "A final is a message without a sequence.")
        elif body.get("type") != "typing" or body.get("attachments"):
            raise Refusal(400, "BadArgument", "A stream is made of typing activities without attachments.")
        if info.get("streamId") is None and sequence != 1:
            raise Refusal(400, "BadArgument", "A stream starts with sequence 1.")

    def _next(self, stream: LiveStream, now: float, text: str) -> None:
        code = "ContentStreamNotAllowed"
        if stream.done:
            raise Refusal(403, code, "Content stream is not allowed on an already completed streamed message.")
        if now - stream.started > STREAM_SECONDS:
            raise Refusal(403, code, "Content stream finished due to exceeded streaming time.")
        if now - stream.last < 1.0:
            raise Refusal(429, "TooManyRequests", "One request per second.")
        if not text.startswith(stream.text):
            raise Refusal(403, code, "The content must contain previous text.")


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}

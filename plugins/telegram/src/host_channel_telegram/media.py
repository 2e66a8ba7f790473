"""Fetch the files of a message, so that the agent gets bytes and never an address with the token in it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent_framework import Content, Message

from agent_framework_hosting import ChannelRequest

from .client import Bot
from .faults import ApiError, NotSent, TelegramError
from .reading import Json, as_object, number, part, parts, text

logger = logging.getLogger(__name__)

TELEGRAMS_LIMIT = 20_000_000

_SIGNS = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF8", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"%PDF-", 0, "application/pdf"),
    (b"OggS", 0, "audio/ogg"),
    (b"ID3", 0, "audio/mpeg"),
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The request with its files, and what the sender should hear about files left out."""

    request: ChannelRequest
    notes: tuple[str, ...] = ()


class Media:
    """Download what messages refer to, each file at most ``max_bytes``; Telegram itself gives no more than 20 MB."""

    def __init__(self, bot: Bot, *, max_bytes: int, local_files: str | None) -> None:
        self._bot = bot
        self._max = max_bytes if local_files else min(max_bytes, TELEGRAMS_LIMIT)
        self._local = local_files

    async def fetch(self, request: ChannelRequest) -> Fetched:
        """Return the request with its files as contents; one without files comes back as it is."""
        files = parts(part(request.attributes, "telegram"), "media")
        if not files:
            return Fetched(request)
        said = request.input if isinstance(request.input, str) else ""
        placeholders = "".join(f"[{text(file, 'kind')}]" for file in files)
        contents: list[Content] = [] if said == placeholders else [Content.from_text(said)]
        notes: list[str] = []
        for file in files:
            content, note = await self._one(file)
            contents.append(content)
            notes += [note] if note else []
        return Fetched(replace(request, input=Message("user", contents)), tuple(notes))

    async def _one(self, file: Json) -> tuple[Content, str | None]:
        name, declared = text(file, "name"), text(file, "media_type")
        if (number(file, "size") or 0) > self._max:
            return self._left_out(name, f"is larger than {self._max // 1_000_000} MB")
        try:
            data = await self._bytes(text(file, "file_id"))
        except (TelegramError, OSError) as error:
            logger.warning("A file could not be fetched", extra={"error": type(error).__name__})
            too_big = isinstance(error, ApiError) and "too big" in error.description.lower()
            return self._left_out(name, "is too large for me to fetch" if too_big else "could not be fetched")
        if data is None:
            return self._left_out(name, f"is larger than {self._max // 1_000_000} MB")
        kind = sniffed(data) or declared
        if declared.startswith(("audio/", "video/")) and kind == "audio/ogg":
            kind = declared
        return Content.from_data(data, kind, additional_properties={"filename": name}), None

    async def _bytes(self, file_id: str) -> bytes | None:
        for attempt in range(3):
            try:
                found = as_object(await self._bot.ask("getFile", {"file_id": file_id}))
                return await self._bot.download(text(found, "file_path"), max_bytes=self._max, local_files=self._local)
            except NotSent:
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def _left_out(self, name: str, why: str) -> tuple[Content, str]:
        return (
            Content.from_text(f"[The user sent the file {name}, which {why}. It is not part of this message.]"),
            f"I did not read {name}: it {why}.",
        )


def sniffed(data: bytes) -> str | None:
    """Return the media type the bytes themselves show, or None."""
    return next((kind for sign, at, kind in _SIGNS if data[at : at + len(sign)] == sign), None)


def merged(requests: Sequence[ChannelRequest]) -> ChannelRequest:
    """Return messages that belong together as one: their words in order, and all their files."""
    first = requests[0]
    texts: list[str] = []
    media: list[object] = []
    for request in requests:
        told = part(request.attributes, "telegram")
        files = parts(told, "media")
        media += files
        said = request.input if isinstance(request.input, str) else ""
        if said and said != "".join(f"[{text(file, 'kind')}]" for file in files):
            texts.append(said)
    told = part(first.attributes, "telegram")
    kinds = "".join(f"[{text(as_object(file), 'kind')}]" for file in media)
    attributes = {**first.attributes, "telegram": {**told, "media": media}}
    return replace(first, input="\n".join(texts) or kinds, attributes=attributes)

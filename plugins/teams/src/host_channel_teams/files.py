"""Files in and out. Every address is checked before it is talked to; a download never carries the bot's token."""

from __future__ import annotations

import base64
import logging
import mimetypes
from collections.abc import Mapping
from typing import cast

import httpx2
from agent_framework import Content

from .answers import OutFile
from .cards import escaped
from .hosts import TrustedHosts, UntrustedUrl
from .parsing import Activity, mapping
from .pending import Pending, PendingBook
from .references import Reference
from .rendering import Json, notice
from .sending import Sender
from .tokens import TokenSource, TokenUnavailable
from .wire import Wire

logger = logging.getLogger(__name__)

CONSENT_TYPE = "application/vnd.microsoft.teams.card.file.consent"
INFO_TYPE = "application/vnd.microsoft.teams.card.file.info"
MOST_FILES = 10


class FileNotTaken(Exception):  # noqa: N818 - reads as the condition it names
    """A file could not be fetched; the message is safe to show."""


class Files:
    """Fetch what people send; offer what the agent made, and upload it once somebody agrees."""

    def __init__(
        self,
        wire: Wire,
        tokens: TokenSource,
        pending: PendingBook,
        *,
        file_hosts: TrustedHosts,
        service_hosts: TrustedHosts,
        max_bytes: int,
    ) -> None:
        self._wire = wire
        self._tokens = tokens
        self._pending = pending
        self._file_hosts = file_hosts
        self._service_hosts = service_hosts
        self._max_bytes = max_bytes

    async def fetch(self, attachment: Mapping[str, object]) -> Content:
        """Return one attachment's content. Raises ``FileNotTaken``."""
        name, url = str(attachment.get("name")), attachment.get("url")
        with_token = attachment.get("needs_token") is True
        try:
            (self._service_hosts if with_token else self._file_hosts).check(url)
            headers = {"Authorization": f"Bearer {await self._tokens.get()}"} if with_token else {}
            data, found = await self._download(str(url), headers)
        except UntrustedUrl:
            logger.warning("A file's address is not trusted and was not opened")
            raise FileNotTaken(f"The file {name} is in a place I may not read.") from None
        except (httpx2.HTTPError, TokenUnavailable) as error:
            logger.warning("A file could not be fetched", extra={"error": type(error).__name__})
            raise FileNotTaken(f"The file {name} could not be read.") from None
        media = str(attachment.get("media_type") or "")
        if not media or "*" in media:
            media = mimetypes.guess_type(name)[0] or found or "application/octet-stream"
        return Content.from_data(data, media, additional_properties={"name": name})

    async def offer(self, file: OutFile, to: Reference) -> Json:
        """Keep a file and return the card that asks whether it may be stored in the person's OneDrive."""
        payload = {"name": file.name, "media_type": file.media_type, "data": base64.b64encode(file.data).decode()}
        context = {"id": await self._pending.offer("file", payload, to)}
        return {
            "contentType": CONSENT_TYPE,
            "name": file.name,
            "content": {
                "description": escaped(file.name),
                "sizeInBytes": len(file.data),
                "acceptContext": context,
                "declineContext": context,
            },
        }

    async def answered(self, activity: Activity) -> Pending | None:
        """Return the file that a consent is about, taken, or None when the answer does not count."""
        given = mapping(activity.data.get("context"))
        found = await self._pending.find("file", given.get("id"), activity.reference)
        return found if isinstance(found, Pending) and await self._pending.take(found) else None

    async def upload(self, found: Pending, activity: Activity, sender: Sender) -> None:
        """Store an accepted file where Teams said, then show it in place of the question."""
        info, to = mapping(activity.data.get("uploadInfo")), activity.reference
        data = base64.b64decode(str(found.payload["data"]))
        try:
            await self._put(str(info.get("uploadUrl") or ""), data, str(found.payload["media_type"]))
        except (UntrustedUrl, httpx2.HTTPError) as error:
            logger.warning("A file could not be stored", extra={"error": type(error).__name__})
            await sender.say("The file could not be stored. Please ask for it again.", to)
            return
        attachment: Json = {
            "contentType": INFO_TYPE,
            "contentUrl": str(info.get("contentUrl") or ""),
            "name": str(info.get("name") or found.payload["name"]),
            "content": {"uniqueId": str(info.get("uniqueId") or ""), "fileType": str(info.get("fileType") or "")},
        }
        await sender.post(notice("", [attachment]), to)

    async def _put(self, url: str, data: bytes, media_type: str) -> None:
        self._file_hosts.check(url)
        last = len(data) - 1
        headers = {"Content-Type": media_type, "Content-Range": f"bytes 0-{last}/{len(data)}"}
        answer = await self._wire.http().put(url, content=data, headers=headers)
        answer.raise_for_status()

    async def _download(self, url: str, headers: Mapping[str, str]) -> tuple[bytes, str]:
        async with self._wire.http().stream("GET", url, headers=dict(headers)) as answer:
            if answer.status_code != 200:
                raise FileNotTaken("A file could not be read: its place answered otherwise.")
            data = bytearray()
            async for chunk in answer.aiter_bytes():
                data += chunk
                if len(data) > self._max_bytes:
                    raise FileNotTaken(f"A file is larger than the {self._max_bytes} bytes I may take.")
            return bytes(data), answer.headers.get("content-type", "").split(";")[0].strip()


def attachments_in(attributes: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Return the attachments a request still has to fetch."""
    given = attributes.get("attachments")
    return [mapping(each) for each in cast("list[object]", given)][:MOST_FILES] if isinstance(given, list) else []

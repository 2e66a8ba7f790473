"""From an answer to the messages that show it: texts, files, albums, questions for approval. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, cast

from agent_framework import Content

from agent_framework_hosting import HostedRunResult

from .answers import messages_of, shown_contents
from .reading import as_object, text
from .rendering import render
from .rich import Rich, quoted
from .splitting import CAPTION_UNITS, split
from .utf16 import units

FileKind: TypeAlias = Literal["photo", "animation", "video", "voice", "audio", "document"]

MOST_IN_ALBUM = 10
LARGEST_PHOTO = 10_000_000
_PHOTOS = frozenset({"image/jpeg", "image/png", "image/webp"})


@dataclass(frozen=True, slots=True)
class TextPart:
    """One text message."""

    rich: Rich


@dataclass(frozen=True, slots=True)
class File:
    """One file: bytes, or an address that Telegram fetches."""

    kind: FileKind
    name: str
    media_type: str
    data: bytes | None = None
    url: str | None = None
    caption: Rich | None = None


@dataclass(frozen=True, slots=True)
class FilePart:
    """One file, or an album of up to ten."""

    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class ApprovalPart:
    """One question for approval, ``index`` of ``total`` in its answer."""

    request: Content
    index: int
    total: int


Part: TypeAlias = TextPart | FilePart | ApprovalPart


def parts_of(result: HostedRunResult, *, most: int, captions: bool = True) -> list[Part]:
    """Return the messages of an answer, in order.

    A text that fits becomes the caption of the file after it, unless ``captions`` is False. An answer of more than
    ``most`` texts is sent as a file, with its beginning as a text.
    """
    pieces: list[TextPart | File | Content] = []
    for message in messages_of(result):
        pieces += _pieces(shown_contents(message), echo=message.role == "user")
    files = _albums([piece for piece in _shortened(pieces, most) if not isinstance(piece, Content)])
    approvals = [piece for piece in pieces if isinstance(piece, Content)]
    asked = [ApprovalPart(content, index, len(approvals)) for index, content in enumerate(approvals)]
    return [*(_captioned(files) if captions else files), *asked]


def text_parts(rich: Rich) -> list[TextPart]:
    """Return a text as messages."""
    return [TextPart(chunk) for chunk in split(rich)]


def _pieces(contents: Sequence[Content], *, echo: bool) -> list[TextPart | File | Content]:
    found: list[TextPart | File | Content] = []
    said = ""
    for content in contents:
        if content.type == "text":
            said += content.text or ""
            continue
        found += _texts(said, echo=echo)
        said = ""
        if content.type == "function_approval_request":
            found.append(content)
        elif content.type in ("data", "uri"):
            found.append(_file(content))
        elif content.message:  # an error the agent wants to show
            found += _texts(content.message, echo=False)
    return [*found, *_texts(said, echo=echo)]


def _texts(said: str, *, echo: bool) -> list[TextPart]:
    if not said.strip():
        return []
    return text_parts(quoted(said) if echo else render(said))


def _file(content: Content) -> TextPart | File:
    uri = content.uri or ""
    properties = as_object(cast("object", content.additional_properties))
    media_type = (content.media_type or mimetypes.guess_type(uri)[0] or "application/octet-stream").lower()
    name = text(properties, "filename") or text(properties, "name") or _name_for(media_type)
    caption = render(text(properties, "caption")) if text(properties, "caption") else None
    if not uri.startswith("data:"):
        if not uri.startswith(("http://", "https://")):
            return TextPart(Rich(f"[{name}]"))
        return File(_kind(media_type, 0), name, media_type, url=uri, caption=caption)
    try:
        data = base64.b64decode(uri.partition(",")[2], validate=False)
    except (binascii.Error, ValueError):
        return TextPart(Rich(f"[{name}: the file is damaged]"))
    return File(_kind(media_type, len(data)), name, media_type, data=data, caption=caption)


def _kind(media_type: str, size: int) -> FileKind:
    if media_type in _PHOTOS and size <= LARGEST_PHOTO:
        return "photo"
    if media_type == "image/gif":
        return "animation"
    if media_type in ("audio/ogg", "audio/opus"):
        return "voice"
    if media_type in ("audio/mpeg", "audio/mp3", "audio/mp4", "audio/m4a", "audio/x-m4a"):
        return "audio"
    return "video" if media_type == "video/mp4" else "document"


def _name_for(media_type: str) -> str:
    suffix = {"audio/ogg": ".ogg", "image/jpeg": ".jpg"}.get(media_type) or mimetypes.guess_extension(media_type)
    return f"{media_type.partition('/')[0]}{suffix or '.bin'}"


def _shortened(pieces: Sequence[TextPart | File | Content], most: int) -> Sequence[TextPart | File | Content]:
    texts = [piece for piece in pieces if isinstance(piece, TextPart)]
    if len(texts) <= most:
        return pieces
    whole = "\n\n".join(piece.rich.text for piece in texts)
    document = File("document", "answer.md", "text/markdown", data=whole.encode("utf-8", "replace"))
    return [texts[0], document, *(piece for piece in pieces if not isinstance(piece, TextPart))]


def _albums(pieces: Sequence[TextPart | File]) -> list[TextPart | FilePart]:
    """Join neighbouring files that may share an album: photos with videos, audio with audio, documents alike."""
    found: list[TextPart | FilePart] = []
    for piece in pieces:
        if isinstance(piece, TextPart):
            found.append(piece)
            continue
        last = found[-1] if found else None
        if (
            isinstance(last, FilePart)
            and len(last.files) < MOST_IN_ALBUM
            and _family(piece) == _family(last.files[0]) != "alone"
        ):
            found[-1] = FilePart((*last.files, piece))
        else:
            found.append(FilePart((piece,)))
    return found


def _family(file: File) -> str:
    if file.kind in ("photo", "video"):
        return "visual"
    return file.kind if file.kind in ("audio", "document") else "alone"


def _captioned(parts: Sequence[TextPart | FilePart]) -> list[TextPart | FilePart]:
    """Let a lone text become the caption of the files after it; captions that are too long become texts."""
    found = list(parts)
    if len(found) == 2 and isinstance(found[0], TextPart) and isinstance(found[1], FilePart):
        rich, files = found[0].rich, found[1].files
        if files[0].caption is None and units(rich.text) <= CAPTION_UNITS:
            return [FilePart((replace(files[0], caption=rich), *files[1:]))]
    return found


def long_captions_apart(files: Sequence[File]) -> tuple[list[File], list[TextPart]]:
    """Return the files with captions of at most 1024 units, and what did not fit as texts."""
    kept: list[File] = []
    rest: list[TextPart] = []
    for file in files:
        if file.caption is not None and units(file.caption.text) > CAPTION_UNITS:
            rest += text_parts(file.caption)
            file = replace(file, caption=None)  # noqa: PLW2901 - the same file, without what is too long
        kept.append(file)
    return kept, rest


def approval_text(request: Content) -> Rich:
    """Return the question for approval of one function call: its name and its arguments."""
    call = request.function_call
    name = (call.name if call is not None else None) or "a function"
    shown = f"May I run {name}?"
    entities: list[dict[str, object]] = [{"type": "code", "offset": len("May I run "), "length": units(name)}]
    arguments = _arguments(None if call is None else call.arguments)
    if arguments:
        entities.append({"type": "pre", "offset": units(shown) + 1, "length": units(arguments), "language": "json"})
        shown = f"{shown}\n{arguments}"
    return split(Rich(shown, tuple(entities)), 3500)[0]


def _arguments(given: object) -> str:
    value = given
    if isinstance(given, str):
        try:
            value = json.loads(given)
        except (ValueError, RecursionError):
            return given
    return "" if value in (None, {}, "") else json.dumps(value, ensure_ascii=False, indent=2, default=str)

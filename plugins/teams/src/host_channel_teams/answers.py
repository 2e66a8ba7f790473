"""What an answer holds, whoever made it: text, sources, cards, files, questions. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from agent_framework import AgentResponse, Content

from agent_framework_hosting import HostedRunResult, result_text

CARD_TYPE = "application/vnd.microsoft.card.adaptive"
MOST_CITATIONS = 20
NO_ANSWER = "I have no answer to that."


@dataclass(frozen=True, slots=True)
class Source:
    """Where a statement comes from."""

    name: str
    abstract: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class OutFile:
    """A file the agent made."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Question:
    """Something a person must approve. ``content`` is the framework's own, or None for a workflow's question."""

    request_id: str
    text: str
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``is_echo`` marks the user's own words, sent ahead of the answer."""

    text: str
    sources: tuple[Source, ...] = ()
    cards: tuple[Mapping[str, object], ...] = ()
    pictures: tuple[str, ...] = ()
    files: tuple[OutFile, ...] = ()
    questions: tuple[Question, ...] = ()
    suggestions: tuple[str, ...] = ()
    is_echo: bool = False


def answer_of(result: HostedRunResult) -> Answer:
    """Return what an agent or a workflow answered."""
    inner = result.result
    if not isinstance(inner, AgentResponse):
        return Answer(text=result_text(result), questions=tuple(_workflow_questions(inner)))
    contents = [content for message in inner.messages for content in message.contents]
    questions = tuple(_questions(contents))
    text, cards = _structured(result_text(result))
    return Answer(
        text=text or "\n".join(question.text for question in questions if not text),
        sources=tuple(_sources(contents))[:MOST_CITATIONS],
        cards=(*cards, *(card for content in contents if (card := _card_in(content)) is not None)),
        pictures=tuple(
            c.uri for c in contents if c.type == "uri" and c.uri and (c.media_type or "").startswith("image/")
        ),
        files=tuple(_files(contents)),
        questions=questions,
        suggestions=tuple(_suggestions(inner)),
        is_echo=bool(inner.messages) and inner.messages[0].role == "user",
    )


def with_marks(answer: Answer) -> str:
    """Return the text with a mark for each source it does not name itself; marks stand at its end."""
    marks = "".join(f"[{n}]" for n in range(1, len(answer.sources) + 1) if f"[{n}]" not in answer.text)
    return f"{answer.text} {marks}" if marks and answer.text else answer.text


def _structured(text: str) -> tuple[str, tuple[Mapping[str, object], ...]]:
    """Take a text that is nothing but an Adaptive Card as the card."""
    if not text.lstrip().startswith("{") or "AdaptiveCard" not in text:
        return text, ()
    card = _as_card(text)
    return (text, ()) if card is None else (str(card.get("fallbackText") or ""), (card,))


def _card_in(content: Content) -> Mapping[str, object] | None:
    if content.type != "data" or content.media_type != CARD_TYPE:
        return None
    data = _bytes_of(content)
    return None if data is None else _as_card(data)


def _as_card(text: str | bytes) -> Mapping[str, object] | None:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    card = cast("dict[str, object]", found)
    return card if card.get("type") == "AdaptiveCard" else None


def _files(contents: Sequence[Content]) -> Iterator[OutFile]:
    for content in contents:
        if content.type != "data" or content.media_type == CARD_TYPE:
            continue
        data = _bytes_of(content)
        if data is not None:
            media = content.media_type or "application/octet-stream"
            name = content.additional_properties.get("name") or content.additional_properties.get("filename")
            yield OutFile(_file_name(name, media), media, data)


def _file_name(name: object, media_type: str) -> str:
    shown = "".join(c for c in str(name or "") if c.isprintable() and c not in '\\/:*?"<>|').strip(". ")
    return shown[:120] or f"file.{media_type.rpartition('/')[2].split('+')[0].split(';')[0] or 'bin'}"


def _bytes_of(content: Content) -> bytes | None:
    _, marker, encoded = (content.uri or "").partition(";base64,")
    try:
        return base64.b64decode(encoded, validate=True) if marker else None
    except binascii.Error:
        return None


def _sources(contents: Sequence[Content]) -> Iterator[Source]:
    seen: set[tuple[object, object]] = set()
    for annotation in (each for content in contents for each in content.annotations or ()):
        title, url = annotation.get("title"), annotation.get("url")
        named = title or url or annotation.get("file_id") or annotation.get("tool_name")
        if annotation.get("type") != "citation" or not named or (title, url) in seen:
            continue
        seen.add((title, url))
        web = url if isinstance(url, str) and url.startswith("https://") else None
        yield Source(str(named)[:80], str(annotation.get("snippet") or named)[:160], web)


def _questions(contents: Sequence[Content]) -> Iterator[Question]:
    for content in contents:
        call = content.function_call
        if content.type == "function_approval_request" and call is not None and content.id:
            yield Question(content.id, f"Approve {call.name}({call.arguments or ''})?", content)


def _workflow_questions(inner: object) -> Iterator[Question]:
    events = getattr(inner, "get_request_info_events", None)
    for event in cast("Sequence[object]", events()) if callable(events) else ():
        data, request_id = getattr(event, "data", None), str(getattr(event, "request_id", ""))
        if isinstance(data, Content) and data.type == "function_approval_request":
            yield from (Question(request_id, each.text, data) for each in _questions([data]))
        elif getattr(event, "response_type", None) is bool:
            yield Question(request_id, result_text(data) or "Do you agree?")


def _suggestions(response: AgentResponse) -> Iterator[str]:
    given: object = response.additional_properties.get("suggested_actions")
    if isinstance(given, (list, tuple)):
        yield from (each for each in cast("Sequence[object]", given)[:6] if isinstance(each, str) and each)

"""One builder per stream event. A log gives each its ``sequence_number`` when it is appended."""

from __future__ import annotations

from .encoding import Json
from .errors import AGENT_FAILED

Event = Json


def lifecycle(name: str, response: object) -> Event:
    """Return ``response.<name>`` with the whole response object."""
    return {"type": f"response.{name}", "response": response}


def failure(code: str = "server_error", message: str = AGENT_FAILED) -> Event:
    """Return the ``error`` event in both shapes in use: flat, and nested under ``error``."""
    inner: Json = {"type": code, "code": code, "message": message, "param": None}
    return {"type": "error", "code": code, "message": message, "param": None, "error": inner}


def item_added(index: int, item: Json) -> Event:
    """Return ``output_item.added``."""
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def item_done(index: int, item: Json) -> Event:
    """Return ``output_item.done``."""
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def of_item(event: str, item_id: str, index: int, /, **fields: object) -> Event:
    """Return an event about an item as a whole: ``mcp_call.completed``, ``web_search_call.searching``, ..."""
    return {"type": f"response.{event}", "item_id": item_id, "output_index": index, **fields}


def part_added(item_id: str, index: int, part_index: int, part: Json) -> Event:
    """Return ``content_part.added``."""
    return of_item("content_part.added", item_id, index, content_index=part_index, part=part)


def part_done(item_id: str, index: int, part_index: int, part: Json) -> Event:
    """Return ``content_part.done``."""
    return of_item("content_part.done", item_id, index, content_index=part_index, part=part)


def text_delta(item_id: str, index: int, part_index: int, delta: str) -> Event:
    """Return ``output_text.delta``."""
    return {
        "type": "response.output_text.delta",
        "item_id": item_id,
        "output_index": index,
        "content_index": part_index,
        "delta": delta,
        "logprobs": [],
    }


def text_done(item_id: str, index: int, part_index: int, text: str) -> Event:
    """Return ``output_text.done``."""
    return of_item("output_text.done", item_id, index, content_index=part_index, text=text, logprobs=[])


def annotation_added(item_id: str, index: int, part_index: int, position: int, annotation: Json) -> Event:
    """Return ``output_text.annotation.added``."""
    return of_item(
        "output_text.annotation.added",
        item_id,
        index,
        content_index=part_index,
        annotation_index=position,
        annotation=annotation,
    )


def refusal_delta(item_id: str, index: int, part_index: int, delta: str) -> Event:
    """Return ``refusal.delta``."""
    return of_item("refusal.delta", item_id, index, content_index=part_index, delta=delta)


def refusal_done(item_id: str, index: int, part_index: int, text: str) -> Event:
    """Return ``refusal.done``."""
    return of_item("refusal.done", item_id, index, content_index=part_index, refusal=text)


def arguments_delta(kind: str, item_id: str, index: int, delta: str) -> Event:
    """Return ``<kind>_arguments.delta``; ``kind`` is ``function_call`` or ``mcp_call``."""
    return of_item(f"{kind}_arguments.delta", item_id, index, delta=delta)


def arguments_done(kind: str, item_id: str, index: int, name: str, arguments: str) -> Event:
    """Return ``<kind>_arguments.done``."""
    return of_item(f"{kind}_arguments.done", item_id, index, name=name, arguments=arguments)


def summary_part_added(item_id: str, index: int) -> Event:
    """Return ``reasoning_summary_part.added`` for the one part a reasoning item has."""
    part: Json = {"type": "summary_text", "text": ""}
    return of_item("reasoning_summary_part.added", item_id, index, summary_index=0, part=part)


def summary_delta(item_id: str, index: int, delta: str) -> Event:
    """Return ``reasoning_summary_text.delta``."""
    return of_item("reasoning_summary_text.delta", item_id, index, summary_index=0, delta=delta)


def summary_done(item_id: str, index: int, text: str) -> Event:
    """Return ``reasoning_summary_text.done``."""
    return of_item("reasoning_summary_text.done", item_id, index, summary_index=0, text=text)


def summary_part_done(item_id: str, index: int, text: str) -> Event:
    """Return ``reasoning_summary_part.done``."""
    part: Json = {"type": "summary_text", "text": text}
    return of_item("reasoning_summary_part.done", item_id, index, summary_index=0, part=part)

"""One builder per output item and part, with every key strict readers ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

from .encoding import Json

Status = Literal["in_progress", "completed", "incomplete"]
HOST_LABEL = "agent"
TOOL_FAILED = "The tool failed."


def text_part(text: str, annotations: Sequence[Json] = ()) -> Json:
    """Return an ``output_text`` part."""
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": []}


def refusal_part(text: str) -> Json:
    """Return a ``refusal`` part."""
    return {"type": "refusal", "refusal": text}


def message(item_id: str, status: Status, content: Sequence[Json], phase: str | None = None) -> Json:
    """Return an assistant's ``message``."""
    item: Json = {
        "id": item_id,
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": list(content),
    }
    return item if phase is None else {**item, "phase": phase}


def reasoning(item_id: str, status: Status, text: str | None, encrypted: str | None) -> Json:
    """Return a ``reasoning`` item: a summary, an encrypted content, or both."""
    summary = [] if text is None else [{"type": "summary_text", "text": text}]
    item: Json = {"id": item_id, "type": "reasoning", "summary": summary, "status": status}
    return item if encrypted is None else {**item, "encrypted_content": encrypted}


def function_call(item_id: str, status: Status, call_id: str, name: str, arguments: str) -> Json:
    """Return a ``function_call`` for the client to run."""
    return {
        "id": item_id,
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "status": status,
    }


def approval_request(item_id: str, label: str, name: str, arguments: str) -> Json:
    """Return an ``mcp_approval_request``."""
    return {
        "id": item_id,
        "type": "mcp_approval_request",
        "server_label": label,
        "name": name,
        "arguments": arguments,
    }


def mcp_call(
    item_id: str, label: str, name: str, arguments: str, *, output: str | None, failed: bool, status: Status
) -> Json:
    """Return an ``mcp_call``: a tool the host or the provider ran."""
    text: Json = {"type": "text", "text": output or TOOL_FAILED}
    error: Json = {"type": "mcp_tool_execution_error", "content": [text]}
    return {
        "id": item_id,
        "type": "mcp_call",
        "server_label": label,
        "name": name,
        "arguments": arguments,
        "output": None if failed else output,
        "error": error if failed else None,
        "status": "failed" if failed else status,
        "approval_request_id": None,
    }


def web_search(item_id: str, status: str, query: str) -> Json:
    """Return a ``web_search_call``."""
    action: Json = {"type": "search", "query": query, "queries": [query], "sources": []}
    return {"id": item_id, "type": "web_search_call", "status": status, "action": action}


def file_search(item_id: str, status: str, query: str) -> Json:
    """Return a ``file_search_call``."""
    return {"id": item_id, "type": "file_search_call", "status": status, "queries": [query], "results": None}


def code_interpreter(item_id: str, status: str, container: str, code: str, outputs: Sequence[Json] | None) -> Json:
    """Return a ``code_interpreter_call``."""
    return {
        "id": item_id,
        "type": "code_interpreter_call",
        "status": status,
        "container_id": container,
        "code": code,
        "outputs": None if outputs is None else list(outputs),
    }


def image_generation(item_id: str, status: str, result: str | None, form: str | None = None) -> Json:
    """Return an ``image_generation_call``; ``result`` is base64 without a data prefix."""
    item: Json = {"id": item_id, "type": "image_generation_call", "status": status, "result": result}
    return item if form is None else {**item, "output_format": form}


def annotation(given: Mapping[str, object], text_length: int) -> Json | None:
    """Return agent-framework's annotation as the wire has it, or None when it points at nothing the wire can name."""
    extra = cast("Mapping[str, object]", given.get("additional_properties") or {})
    regions = cast("Sequence[Mapping[str, int]]", given.get("annotated_regions") or ())
    start = regions[0].get("start_index", 0) if regions else 0
    end = regions[0].get("end_index", text_length) if regions else text_length
    title, url, file_id = given.get("title"), given.get("url"), given.get("file_id")
    if isinstance(file_id, str):
        container, index = extra.get("container_id"), extra.get("index")
        name = str(title or url or file_id)
        if isinstance(container, str):
            return {
                "type": "container_file_citation",
                "container_id": container,
                "file_id": file_id,
                "filename": name,
                "start_index": start,
                "end_index": end,
            }
        position = index if isinstance(index, int) else end
        if title is None and url is None and isinstance(index, int):
            return {"type": "file_path", "file_id": file_id, "index": position}
        return {"type": "file_citation", "file_id": file_id, "filename": name, "index": position}
    if isinstance(url, str):
        shown = str(title or url)
        return {"type": "url_citation", "url": url, "title": shown, "start_index": start, "end_index": end}
    return None

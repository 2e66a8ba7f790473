"""Tools that were run on this side of the wire, as finished items with the events of their kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from . import events, items
from .encoding import Json, json_text
from .open_items import Output

if TYPE_CHECKING:
    from agent_framework import Content

IMAGE_PLACEHOLDER = "[an image]"


def arguments_text(value: object) -> str:
    """Return a call's arguments as JSON text, whether they came as text or as a mapping."""
    return "" if value is None else value if isinstance(value, str) else json_text(value)


def emit_mcp_call(output: Output, name: str, arguments: str, result: Content | None, label: str) -> None:
    """Show one call with its result; what a tool raised is never shown, only that it failed."""
    item_id, index = output.new_id("mcp"), len(output.items)
    failed = result is not None and result.exception is not None
    shown = None if result is None or failed else _result_text(result)
    started = items.mcp_call(item_id, label, name, "", output=None, failed=False, status="in_progress")
    status: items.Status = "incomplete" if result is None else "completed"
    done = items.mcp_call(item_id, label, name, arguments, output=shown, failed=failed, status=status)
    output.begin(started)
    emit = output.emit
    emit(events.of_item, "mcp_call.in_progress", item_id, index)
    if arguments:
        emit(events.arguments_delta, "mcp_call", item_id, index, arguments)
    emit(events.arguments_done, "mcp_call", item_id, index, name, arguments)
    if result is not None:
        emit(events.of_item, "mcp_call.failed" if failed else "mcp_call.completed", item_id, index)
    output.end(index, done)


def emit_host_tool(output: Output, call: Content, result: Content | None) -> None:
    """Show a tool the provider ran: an MCP call, a search or code. Without a result it was cut off."""
    match call.type:
        case "mcp_server_tool_call":
            arguments = arguments_text(call.arguments)
            emit_mcp_call(output, call.tool_name or "tool", arguments, result, call.server_name or items.HOST_LABEL)
        case "search_tool_call":
            emit_search(output, call, result)
        case _:
            emit_code(output, call, result)


def _result_text(result: Content) -> str:
    value: object = result.output if result.type == "mcp_server_tool_result" else result.items or result.result
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return "\n".join(_content_text(entry) for entry in cast("Sequence[object]", value))
    return "" if value is None else json_text(value)


def _content_text(entry: object) -> str:
    kind = getattr(entry, "type", None)
    if kind == "text":
        return cast("Content", entry).text or ""
    if kind in ("data", "uri"):
        return IMAGE_PLACEHOLDER if is_image(cast("Content", entry)) else f"[{cast('Content', entry).media_type}]"
    return json_text(entry) if kind is None else f"[{kind}]"


def emit_search(output: Output, call: Content, result: Content | None) -> None:
    """Show a search of the web or of files, told apart by the tool's name."""
    kind = "file_search_call" if "file" in (call.tool_name or "") else "web_search_call"
    build = items.file_search if kind == "file_search_call" else items.web_search
    item_id, index = output.new_id("fs" if kind == "file_search_call" else "ws"), len(output.items)
    query = _query(call)
    output.begin(build(item_id, "in_progress", query))
    for step in ("in_progress", "searching", "completed"):
        if step != "completed" or result is not None:
            output.emit(events.of_item, f"{kind}.{step}", item_id, index)
    output.end(index, build(item_id, "completed" if result is not None else "failed", query))


def _query(call: Content) -> str:
    arguments = call.parse_arguments() or {}
    query = arguments.get("query") or arguments.get("queries") or ""
    return query if isinstance(query, str) else json_text(query)


def emit_code(output: Output, call: Content, result: Content | None) -> None:
    """Show code the provider ran, with its logs and images."""
    item_id, index = output.new_id("ci"), len(output.items)
    container = call.call_id or item_id
    code = "".join(part.text or "" for part in call.inputs or () if part.type == "text")
    outputs = None if result is None else _code_outputs(result)
    output.begin(items.code_interpreter(item_id, "in_progress", container, "", None))
    emit = output.emit
    emit(events.of_item, "code_interpreter_call.in_progress", item_id, index)
    if code:
        emit(events.of_item, "code_interpreter_call_code.delta", item_id, index, delta=code)
    emit(events.of_item, "code_interpreter_call_code.done", item_id, index, code=code)
    emit(events.of_item, "code_interpreter_call.interpreting", item_id, index)
    if result is not None:
        emit(events.of_item, "code_interpreter_call.completed", item_id, index)
    status = "completed" if result is not None else "incomplete"
    output.end(index, items.code_interpreter(item_id, status, container, code, outputs))


def _code_outputs(result: Content) -> list[Json]:
    shown: list[Json] = []
    for entry in cast("Sequence[Content]", result.outputs or ()):
        if entry.type == "text":
            shown.append({"type": "logs", "logs": entry.text or ""})
        elif entry.type in ("data", "uri") and entry.uri:
            shown.append({"type": "image", "url": entry.uri})
    return shown


def emit_image(output: Output, content: Content) -> None:
    """Show an image held as base64 as an ``image_generation_call``."""
    head, _, data = (content.uri or "").partition(",")
    form = head.removeprefix("data:").partition(";")[0].removeprefix("image/")
    item_id, index = output.new_id("ig"), len(output.items)
    output.begin(items.image_generation(item_id, "in_progress", None))
    for step in ("in_progress", "generating", "completed"):
        output.emit(events.of_item, f"image_generation_call.{step}", item_id, index)
    output.end(index, items.image_generation(item_id, "completed", data, form or None))


def is_image(content: Content) -> bool:
    """Whether a ``data`` or ``uri`` content is an image."""
    return (content.media_type or "").startswith("image/")


def first_image(outputs: object) -> Content | None:
    """Return the image in the outputs of an image generation, given as one content or a list."""
    entries = cast("Sequence[object]", outputs if isinstance(outputs, list | tuple) else (outputs,))
    for entry in entries:
        if getattr(entry, "type", None) in ("data", "uri"):
            return cast("Content", entry)
    return None


def file_note(content: Content) -> str:
    """Return a line of text for a file no part of the wire can carry: its link, or its name and size."""
    if content.type == "uri":
        return content.uri or ""
    _, _, data = (content.uri or "").partition(",")
    name = content.name or content.additional_properties.get("filename") or content.media_type or "a file"
    return f"[{name}, {len(data) * 3 // 4} bytes]"

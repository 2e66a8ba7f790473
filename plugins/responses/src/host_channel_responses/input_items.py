"""Items of a request's ``input``: checked, nulls dropped, defaults filled in, each with an id. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from .encoding import Json, json_text
from .errors import WireError, invalid
from .ids import NewId
from .input_parts import assistant_parts, input_parts

MAX_ID = 256
ROLES = ("user", "assistant", "system", "developer")

# Echoes of our own output that stateless clients send back: kept in the listing, never acted on.
ECHOES: Mapping[str, str] = {
    "apply_patch_call": "apc",
    "apply_patch_call_output": "apco",
    "code_interpreter_call": "ci",
    "compaction": "cmp",
    "computer_call": "cu",
    "computer_call_output": "cuo",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "file_search_call": "fs",
    "image_generation_call": "ig",
    "local_shell_call": "lsh",
    "local_shell_call_output": "lsho",
    "mcp_approval_request": "mcpr",
    "mcp_call": "mcp",
    "mcp_list_tools": "mcpl",
    "shell_call": "sh",
    "shell_call_output": "sho",
    "tool_search_call": "ts",
    "tool_search_output": "tso",
    "web_search_call": "ws",
}


def normalise_input(value: object, new_id: NewId, *, limit: int) -> list[Json]:
    """Return the items of ``input`` (a text or a list); raises ``WireError`` naming the place."""
    if isinstance(value, str):
        return [_message("user", [{"type": "input_text", "text": value}], new_id("msg"))]
    if not isinstance(value, list):
        raise invalid("input must be a text or a list of items.", "input", code="invalid_type")
    items = cast("list[object]", value)
    if len(items) > limit:
        raise invalid(f"input holds {len(items)} items; at most {limit} are accepted.", "input")
    return [normalise_item(item, f"input[{index}]", new_id) for index, item in enumerate(items)]


def normalise_item(value: object, where: str, new_id: NewId) -> Json:
    """Return one item in the form the API lists it."""
    if not isinstance(value, dict):
        raise invalid(f"{where} must be an object.", where, code="invalid_type")
    item = {key: field for key, field in cast("Json", value).items() if field is not None}
    kind = item.get("type") or _implied_type(item, where)
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is not None:
        return reader(item, where, new_id)
    if isinstance(kind, str) and kind in ECHOES:
        return {**item, "type": kind, "id": _id_of(item, where) or new_id(ECHOES[kind])}
    raise invalid(f"{where} has a type this server does not know.", f"{where}.type")


def _implied_type(item: Json, where: str) -> str:
    if "role" in item:
        return "message"
    if "id" in item:
        return "item_reference"
    raise invalid(f"{where} needs a type.", f"{where}.type", code="missing_required_parameter")


def _reference(item: Json, where: str, _: NewId) -> Json:
    return {"type": "item_reference", "id": _text(item, "id", where)}


def _message(role: str, content: list[Json], item_id: str) -> Json:
    return {"id": item_id, "type": "message", "role": role, "status": "completed", "content": content}


def _normal_message(item: Json, where: str, new_id: NewId) -> Json:
    role = item.get("role")
    if role not in ROLES:
        raise invalid(f"{where}.role must be one of {', '.join(ROLES)}.", f"{where}.role")
    if "content" not in item:
        raise invalid(f"{where} needs content.", f"{where}.content", code="missing_required_parameter")
    read = assistant_parts if role == "assistant" else input_parts
    message = _message(str(role), read(item["content"], f"{where}.content"), _id_of(item, where) or new_id("msg"))
    if item.get("phase") in ("commentary", "final_answer"):
        message["phase"] = item["phase"]
    return message


def _function_call(item: Json, where: str, new_id: NewId) -> Json:
    arguments = item.get("arguments", "")
    if not isinstance(arguments, str):
        arguments = json_text(arguments)
    return {
        "id": _id_of(item, where) or new_id("fc"),
        "type": "function_call",
        "call_id": _text(item, "call_id", where),
        "name": _text(item, "name", where),
        "arguments": arguments,
        "status": "completed",
    }


def _function_call_output(item: Json, where: str, new_id: NewId) -> Json:
    output = item.get("output")
    if output is None:
        raise invalid(f"{where} needs an output.", f"{where}.output", code="missing_required_parameter")
    if not isinstance(output, str):
        output = input_parts(output, f"{where}.output")
    return {
        "id": _id_of(item, where) or new_id("fco"),
        "type": "function_call_output",
        "call_id": _text(item, "call_id", where),
        "output": output,
        "status": "completed",
    }


def _reasoning(item: Json, where: str, new_id: NewId) -> Json:
    summary = item.get("summary", [])
    if not isinstance(summary, list):
        raise invalid(f"{where}.summary must be a list.", f"{where}.summary", code="invalid_type")
    texts = [_summary_text(part, f"{where}.summary[{i}]") for i, part in enumerate(cast("list[object]", summary))]
    reasoning: Json = {"id": _id_of(item, where) or new_id("rs"), "type": "reasoning", "summary": texts}
    encrypted = item.get("encrypted_content")
    if encrypted is not None:
        if not isinstance(encrypted, str):
            raise invalid("encrypted_content must be a text.", f"{where}.encrypted_content", code="invalid_type")
        reasoning["encrypted_content"] = encrypted
    return reasoning


def _summary_text(part: object, where: str) -> Json:
    text = cast("Json", part).get("text") if isinstance(part, dict) else None
    if not isinstance(text, str):
        raise invalid(f"{where} must be a summary_text part.", where, code="invalid_type")
    return {"type": "summary_text", "text": text}


def _approval_response(item: Json, where: str, new_id: NewId) -> Json:
    approve = item.get("approve")
    if not isinstance(approve, bool):
        raise invalid(f"{where}.approve must be true or false.", f"{where}.approve", code="invalid_type")
    response: Json = {
        "id": _id_of(item, where) or new_id("mcpa"),
        "type": "mcp_approval_response",
        "approval_request_id": _text(item, "approval_request_id", where),
        "approve": approve,
    }
    if isinstance(item.get("reason"), str):
        response["reason"] = item["reason"]
    return response


def _id_of(item: Json, where: str) -> str | None:
    return _text(item, "id", where) if "id" in item and item["id"] != "" else None


def _text(item: Json, key: str, where: str) -> str:
    value = item.get(key)
    if isinstance(value, str) and value:
        if key in ("name", "arguments") or len(value) <= MAX_ID:
            return value
        raise invalid(f"{where}.{key} is longer than {MAX_ID} characters.", f"{where}.{key}")
    if value is None or value == "":
        raise invalid(f"{where} needs {key}.", f"{where}.{key}", code="missing_required_parameter")
    raise WireError(400, f"{where}.{key} must be a text.", code="invalid_type", param=f"{where}.{key}")


_READERS: Mapping[str, Callable[[Json, str, NewId], Json]] = {
    "message": _normal_message,
    "function_call": _function_call,
    "function_call_output": _function_call_output,
    "item_reference": _reference,
    "reasoning": _reasoning,
    "mcp_approval_response": _approval_response,
}

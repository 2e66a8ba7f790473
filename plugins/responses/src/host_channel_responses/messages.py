"""From items of the wire to the messages an agent runs on."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping
from typing import cast

from agent_framework import Content, Message

from .encoding import Json
from .input_parts import AUDIO_FORMATS

CLAIMED = {"responses": {"claimed_by_caller": True}}
_REFUSAL = {"core": {"model_output_kind": "refusal"}}


def messages_of(items: Iterable[Json], approvals: Mapping[str, Json]) -> list[Message]:
    """Return the messages for checked items; ``approvals`` holds the questions that are answered, by their id.

    Neighbouring calls share a message, and so do neighbouring results. Assistant text is the caller's claim and is
    marked as such. Items that only echo what the host did say nothing new to the agent.
    """
    messages: list[Message] = []
    open_kind: str | None = None
    for item in items:
        kind = str(item["type"])
        contents = _contents(item, approvals)
        if not contents:
            continue
        role, group = _place(kind, item)
        if group is not None and group == open_kind:
            messages[-1].contents.extend(contents)
        else:
            claimed = dict(CLAIMED) if role == "assistant" else None
            messages.append(Message(role, contents, additional_properties=claimed))
        open_kind = group
    return messages


def _place(kind: str, item: Json) -> tuple[str, str | None]:
    """Return the role of an item's message, and what it may share that message with."""
    match kind:
        case "message":
            role = str(item["role"])
            return ("system" if role == "developer" else role), None
        case "function_call" | "reasoning":
            return "assistant", "calls"
        case "function_call_output":
            return "tool", "results"
        case _:
            return "user", "approvals"


def _contents(item: Json, approvals: Mapping[str, Json]) -> list[Content]:
    match item["type"]:
        case "message":
            return [_content(part) for part in cast("list[Json]", item["content"])]
        case "function_call":
            call_id, name = str(item["call_id"]), str(item["name"])
            return [Content.from_function_call(call_id, name, arguments=str(item["arguments"]))]
        case "function_call_output":
            return [_result(item)]
        case "reasoning":
            text = "".join(str(part["text"]) for part in cast("list[Json]", item["summary"]))
            encrypted = cast("str | None", item.get("encrypted_content"))
            return [Content.from_text_reasoning(text=text, protected_data=encrypted)] if text or encrypted else []
        case "mcp_approval_response":
            asked = Content.from_dict(approvals[str(item["approval_request_id"])])
            return [asked.to_function_approval_response(item["approve"] is True)]
        case _:
            return []


def _result(item: Json) -> Content:
    output = item["output"]
    result = output if isinstance(output, str) else [_content(part) for part in cast("list[Json]", output)]
    return Content.from_function_result(str(item["call_id"]), result=result)


def _content(part: Json) -> Content:
    match part["type"]:
        case "refusal":
            return Content.from_text(str(part["refusal"]), additional_properties=dict(_REFUSAL))
        case "input_image":
            return _image(part)
        case "input_file":
            return _file(part)
        case "input_audio":
            audio = cast("dict[str, str]", part["input_audio"])
            media_type = AUDIO_FORMATS[audio["format"]]
            return Content.from_uri(f"data:{media_type};base64,{audio['data']}", media_type=media_type)
        case _:
            return Content.from_text(str(part["text"]))


def _image(part: Json) -> Content:
    extra: dict[str, object] = {"detail": part["detail"]}
    if "file_id" in part:
        return Content.from_hosted_file(str(part["file_id"]), media_type="image/*", additional_properties=extra)
    uri = str(part["image_url"])
    return Content.from_uri(uri, media_type=_media_type(uri, uri, "image/*"), additional_properties=extra)


def _file(part: Json) -> Content:
    name = cast("str | None", part.get("filename"))
    extra: dict[str, object] = {} if name is None else {"filename": name}
    if "file_id" in part:
        return Content.from_hosted_file(str(part["file_id"]), name=name, additional_properties=extra)
    uri = str(part.get("file_data") or part["file_url"])
    media_type = _media_type(uri, name or uri, "application/octet-stream")
    return Content.from_uri(uri, media_type=media_type, name=name, additional_properties=extra)


def _media_type(uri: str, name: str, otherwise: str) -> str:
    if uri.startswith("data:"):
        return uri[5:].partition(",")[0].partition(";")[0]
    return mimetypes.guess_type(name.partition("?")[0])[0] or otherwise

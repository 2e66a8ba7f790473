"""Parts of a message's ``content``: text, images, files, audio. Pure; a part that cannot be carried is refused."""

from __future__ import annotations

import binascii
import mimetypes
from base64 import b64decode
from typing import cast

from .encoding import Json
from .errors import invalid

MAX_PARTS = 1_000
AUDIO_FORMATS = {"mp3": "audio/mpeg", "wav": "audio/wav"}


def input_parts(value: object, where: str) -> list[Json]:
    """Return the parts of a user, system or developer message, or of a tool's output."""
    return [_input_part(part, place) for part, place in _parts(value, where, "input_text")]


def assistant_parts(value: object, where: str) -> list[Json]:
    """Return the parts of an assistant message sent back to us."""
    return [_assistant_part(part, place) for part, place in _parts(value, where, "output_text")]


def _parts(value: object, where: str, text_type: str) -> list[tuple[Json, str]]:
    if isinstance(value, str):
        return [({"type": text_type, "text": value}, where)]
    if not isinstance(value, list):
        raise invalid(f"{where} must be a text or a list of parts.", where, code="invalid_type")
    parts = cast("list[object]", value)
    if len(parts) > MAX_PARTS:
        raise invalid(f"{where} holds {len(parts)} parts; at most {MAX_PARTS} are accepted.", where)
    return [(_part(part, f"{where}[{index}]"), f"{where}[{index}]") for index, part in enumerate(parts)]


def _part(value: object, where: str) -> Json:
    if isinstance(value, str):
        return {"type": "input_text", "text": value}
    if not isinstance(value, dict):
        raise invalid(f"{where} must be an object.", where, code="invalid_type")
    return {key: field for key, field in cast("Json", value).items() if field is not None}


def _input_part(part: Json, where: str) -> Json:
    match part.get("type"):
        case "input_text" | "output_text" | "text" | "summary_text":
            return {"type": "input_text", "text": _text(part, "text", where)}
        case "input_image" | "image_url":
            return _image(part, where)
        case "input_file":
            return _file(part, where)
        case "input_audio":
            return _audio(part, where)
        case _:
            raise invalid(f"{where} has a type this server does not know.", f"{where}.type")


def _assistant_part(part: Json, where: str) -> Json:
    match part.get("type"):
        case "output_text" | "input_text" | "text":
            return {"type": "output_text", "text": _text(part, "text", where), "annotations": [], "logprobs": []}
        case "refusal":
            return {"type": "refusal", "refusal": _text(part, "refusal", where)}
        case _:
            raise invalid(f"{where} has a type this server does not know.", f"{where}.type")


def _image(part: Json, where: str) -> Json:
    image: Json = {"type": "input_image", "detail": part.get("detail", "auto")}
    if image["detail"] not in ("auto", "low", "high", "original"):
        raise invalid(f"{where}.detail must be auto, low or high.", f"{where}.detail")
    url = part.get("image_url")
    if isinstance(url, dict):
        url = cast("Json", url).get("url")
    if url is not None:
        image["image_url"] = _location(url, f"{where}.image_url")
    elif "file_id" in part:
        image["file_id"] = _text(part, "file_id", where)
    else:
        raise invalid(f"{where} needs image_url or file_id.", where, code="missing_required_parameter")
    return image


def _file(part: Json, where: str) -> Json:
    file: Json = {"type": "input_file"}
    if "filename" in part:
        file["filename"] = _text(part, "filename", where)
    if "file_data" in part:
        data = _text(part, "file_data", where)
        if not data.startswith("data:"):  # bare base64: the name says what it is
            guessed = mimetypes.guess_type(str(file.get("filename", "")))[0] or "application/octet-stream"
            data = f"data:{guessed};base64,{data}"
        file["file_data"] = _location(data, f"{where}.file_data")
    elif "file_url" in part:
        file["file_url"] = _location(part["file_url"], f"{where}.file_url")
    elif "file_id" in part:
        file["file_id"] = _text(part, "file_id", where)
    else:
        raise invalid(f"{where} needs file_data, file_url or file_id.", where, code="missing_required_parameter")
    return file


def _audio(part: Json, where: str) -> Json:
    audio = part.get("input_audio")
    if not isinstance(audio, dict):
        raise invalid(f"{where}.input_audio must be an object.", f"{where}.input_audio", code="invalid_type")
    data, form = cast("Json", audio).get("data"), cast("Json", audio).get("format")
    if not isinstance(form, str) or form not in AUDIO_FORMATS:
        raise invalid(f"{where}.input_audio.format must be mp3 or wav.", f"{where}.input_audio.format")
    _location(f"data:{AUDIO_FORMATS[form]};base64,{data}", f"{where}.input_audio.data")
    return {"type": "input_audio", "input_audio": {"data": data, "format": form}}


def _location(value: object, where: str) -> str:
    """Return an https or data location. Nothing is fetched here, and no other scheme is passed on."""
    if not isinstance(value, str):
        raise invalid(f"{where} must be a text.", where, code="invalid_type")
    if value.startswith("https://"):
        return value
    head, comma, data = value.partition(",")
    if not (head.startswith("data:") and comma):
        raise invalid(f"{where} must be an https URL or a data URI.", where)
    if not head.endswith(";base64") or "/" not in head:
        raise invalid(f"{where} must be a base64 data URI with a media type.", where)
    try:
        b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise invalid(f"{where} holds no valid base64 data.", where) from None
    return value


def _text(part: Json, key: str, where: str) -> str:
    value = part.get(key)
    if isinstance(value, str):
        return value
    raise invalid(f"{where}.{key} must be a text.", f"{where}.{key}", code="invalid_type")

"""JSON Schema of host.toml, generated from what the reader checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from ..hookspecs import Channel
from .keys import CHANNEL_KEYS, HOST_KEYS, Key
from .options import options_model
from .values import HostSettings


def config_schema(channel_classes: Mapping[str, type[Channel]]) -> dict[str, object]:
    """Return the JSON Schema (2020-12) of host.toml with these channels installed, by plugin name."""
    defaults = HostSettings()
    properties = {name: _property(key, getattr(defaults, name, None)) for name, key in HOST_KEYS.items()}
    definitions: dict[str, object] = {}
    channels: dict[str, object] = {}
    for name, found in sorted(channel_classes.items()):
        channels[name] = _channel_schema(name, found, definitions)
    properties["channels"] = {
        "type": "object",
        "description": "The enabled channels, one table each; a table of another name says which plugin it uses.",
        "properties": channels,
        "additionalProperties": {"type": "object", "required": ["use"]},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "host.toml",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": definitions,
    }


def _channel_schema(name: str, channel_class: type[Channel], definitions: dict[str, object]) -> dict[str, object]:
    model = options_model(channel_class)
    own = cast("dict[str, object]", model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}"))
    for label, definition in cast("dict[str, object]", own.pop("$defs", {})).items():
        definitions[f"{name}.{label}"] = definition
    common = {key: _property(meaning, None) for key, meaning in CHANNEL_KEYS.items()}
    properties = common | cast("dict[str, dict[str, object]]", own.get("properties", {}))
    for secret in (each for each in properties.values() if each.get("format") == "password"):
        secret.setdefault("description", 'A secret: "env:NAME" or "file:PATH".')
    return {**own, "properties": properties, "additionalProperties": own.get("additionalProperties") is True}


def _property(key: Key, default: object) -> dict[str, object]:
    described = {**key.kind.schema, "description": key.does}
    return described if default is None else {**described, "default": default}

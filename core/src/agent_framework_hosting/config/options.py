"""Which options a channel takes: its ``Options`` model, or one derived from its constructor."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import cast, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUndefinedAnnotation

from ..errors import ChannelConfigurationError
from ..hookspecs import CHANNEL_SETTINGS, Channel
from .keys import CHANNEL_KEYS
from .source import parse_toml

_KEYWORDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def options_model(channel_class: type[Channel]) -> type[BaseModel]:
    """Return the model that checks a channel's own options.

    Raises ``ChannelConfigurationError`` when the class declares something else, or cannot be built from a file.
    """
    declared = cast("object", channel_class.Options)
    if declared is None:
        return _derived_model(channel_class)
    if not isinstance(declared, type) or not issubclass(declared, BaseModel):
        raise ChannelConfigurationError(
            f"{channel_class.__qualname__}.Options must be a pydantic model class; ask the author of the plugin."
        )
    return declared


def constructor_keywords(channel_class: type[Channel]) -> Mapping[str, inspect.Parameter]:
    """Return the keywords the constructor names."""
    if channel_class.__init__ is Channel.__init__:
        return {}
    parameters = inspect.signature(channel_class).parameters
    return {name: parameter for name, parameter in parameters.items() if parameter.kind in _KEYWORDS}


def takes_any_keyword(channel_class: type[Channel]) -> bool:
    """Say whether the constructor takes keywords it does not name."""
    parameters = inspect.signature(channel_class).parameters.values()
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)


def python_only(channel_class: type[Channel]) -> frozenset[str]:
    """Return the keywords that no file can express: callables and other live objects, and what only code decides."""
    keywords = {*constructor_keywords(channel_class), *CHANNEL_SETTINGS} - {"name", *CHANNEL_KEYS}
    return frozenset(keywords) - frozenset(options_model(channel_class).model_fields)


def _derived_model(channel_class: type[Channel]) -> type[BaseModel]:
    fields: dict[str, tuple[object, object]] = {}
    for name, parameter in constructor_keywords(channel_class).items():
        default = parameter.default
        annotation = _annotation(channel_class, name, parameter)
        required = default is inspect.Parameter.empty
        if name.startswith("_") or annotation is None:
            if required:
                raise ChannelConfigurationError(
                    f"{channel_class.__qualname__} needs {name!r}, which no file can express: "
                    "build the channel in Python and pass the instance to the host."
                )
            continue
        if required:
            fields[name] = (annotation, ...)
        elif default is None or isinstance(default, str | int | float):
            fields[name] = (annotation, default)
        else:
            fields[name] = (annotation, Field(default_factory=_constant(default)))
    config = ConfigDict(extra="forbid", protected_namespaces=())
    # create_model is typed for literal keywords only; the fields are what its documentation asks for
    create = cast("Callable[..., type[BaseModel]]", create_model)
    return create(f"{channel_class.__name__}Options", __config__=config, **fields)


def _constant(value: object) -> Callable[[], object]:
    return lambda: value


def _annotation(channel_class: type[Channel], name: str, parameter: inspect.Parameter) -> object | None:
    """Return the parameter's type when a file can express it, else None."""
    annotation: object = parameter.annotation
    if annotation is inspect.Parameter.empty:
        return object
    if isinstance(annotation, str):
        constructor = channel_class.__init__
        scope = getattr(constructor, "__globals__", vars(sys.modules[channel_class.__module__]))
        holder = FunctionType((lambda: None).__code__, scope)
        holder.__annotations__ = {name: annotation}
        try:
            annotation = get_type_hints(holder, include_extras=True)[name]
        except Exception:  # a name known to type checkers only can fail in any way; such a type is code
            return None
    return annotation if json_schema(annotation) is not None else None


def json_schema(annotation: object) -> Mapping[str, object] | None:
    """Return a type's JSON Schema, or None when no file can express it."""
    adapter = cast("Callable[[object], TypeAdapter[object]]", TypeAdapter)
    try:
        return adapter(annotation).json_schema()
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUndefinedAnnotation, TypeError):
        return None


def from_variable(text: str, annotation: object) -> object:
    """Return an environment variable's text as the value of an option.

    It is taken literally where the option is a string, else as TOML where it is any; the model has the last word.
    """
    schema = json_schema(annotation) or {}
    kinds = _schema_types(schema, cast("Mapping[str, Mapping[str, object]]", schema.get("$defs", {})))
    if kinds and kinds <= {"string", "null"}:
        return text
    parsed = parse_toml(f"value = {text}")
    return parsed["value"] if isinstance(parsed, dict) and parsed.keys() == {"value"} else text


def _schema_types(schema: Mapping[str, object], definitions: Mapping[str, Mapping[str, object]]) -> set[str]:
    reference = schema.get("$ref")
    if isinstance(reference, str):
        # a recursive type is no string, so its name alone says enough
        inner = definitions.get(reference.removeprefix("#/$defs/"), {})
        return {str(inner.get("type", "any"))}
    parts = cast("list[Mapping[str, object]]", schema.get("anyOf") or schema.get("oneOf") or [])
    if parts:
        return set[str]().union(*(_schema_types(part, definitions) for part in parts))
    kind = schema.get("type")
    return {kind} if isinstance(kind, str) else {"any"}

"""From a request's body to a value: every field of ``POST /responses`` checked once. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import msgspec

from .config import ResponsesOptions
from .encoding import Json, decode_object
from .errors import WireError, invalid
from .ids import NewId
from .input_items import MAX_ID, normalise_input
from .tools import NO_TOOLS, ClientTools, checked_schema, parse_tools

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
SUMMARIES = ("auto", "concise", "detailed")
SERVICE_TIERS = ("auto", "default", "flex", "scale", "priority")
VERBOSITIES = ("low", "medium", "high")

_UNSET: Mapping[str, object] = {
    "temperature": 1.0,
    "top_p": 1.0,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "top_logprobs": 0,
    "user": None,
    "safety_identifier": None,
    "prompt_cache_key": None,
    "service_tier": "default",
    "truncation": "disabled",
}
_ECHOED = frozenset({*_UNSET, "metadata", "reasoning"})


class TurnRequest(msgspec.Struct, frozen=True):
    """One request for a response.

    ``echo`` holds the fields the response object repeats; ``options`` what the caller asked of the agent, not yet
    allowed.
    """

    items: tuple[Json, ...]
    model: str | None = None
    stream: bool = False
    background: bool = False
    store: bool = True
    previous_response_id: str | None = None
    conversation: str | None = None
    instructions: str | None = None
    tools: ClientTools = NO_TOOLS
    text_format: Json | None = None
    include: frozenset[str] = frozenset()
    options: Json = {}
    echo: Json = {}

    @property
    def only_messages(self) -> bool:
        """Whether the input needs nothing that was stored before."""
        return all(item["type"] == "message" for item in self.items)

    @property
    def wants_reasoning(self) -> bool:
        """Whether the caller asked for summaries of the reasoning."""
        return cast("Json", self.echo["reasoning"])["summary"] is not None


def parse_body(body: bytes, options: ResponsesOptions, new_id: NewId) -> TurnRequest:
    """Parse the JSON body of a request; raises ``WireError`` (400) naming the field."""
    fields = decode_object(body)
    if fields is None:
        raise WireError(400, "The body must be a JSON object.")
    return parse_fields(fields, options, new_id)


def parse_fields(sent: Json, options: ResponsesOptions, new_id: NewId) -> TurnRequest:
    """Parse a decoded request. Unknown keys are ignored and null is the same as absent."""
    fields = {key: value for key, value in sent.items() if value is not None}
    _refuse_combinations(fields)
    tools = parse_tools(fields, max_tools=options.max_tools, max_schema_bytes=options.max_schema_bytes)
    text, text_format = (
        ({"format": {"type": "text"}}, None) if "text" not in fields else _text_config(fields, options.max_schema_bytes)
    )
    echo, asked = _echo(fields)
    echo["text"] = text
    echo["tools"] = list(tools.echo)
    echo["tool_choice"] = tools.choice_echo
    echo["parallel_tool_calls"] = tools.parallel is not False
    include = fields.get("include", [])
    if not isinstance(include, list):
        raise invalid("include must be a list.", "include", code="invalid_type")
    return TurnRequest(
        items=_items(fields, options, new_id),
        model=_string(fields, "model"),
        stream=_bool(fields, "stream", default=False),
        background=_bool(fields, "background", default=False),
        store=_bool(fields, "store", default=True),
        previous_response_id=_id(fields, "previous_response_id"),
        conversation=_conversation(fields),
        instructions=_string(fields, "instructions"),
        tools=tools,
        text_format=text_format,
        include=frozenset(name for name in cast("list[object]", include) if isinstance(name, str)),
        options=asked,
        echo=echo,
    )


def _items(fields: Json, options: ResponsesOptions, new_id: NewId) -> tuple[Json, ...]:
    if "input" not in fields:
        if "previous_response_id" in fields or "conversation" in fields:
            return ()
        raise invalid("input is missing.", "input", code="missing_required_parameter")
    items = normalise_input(fields["input"], new_id, limit=options.max_input_items)
    if not options.allow_system_messages:
        for index, item in enumerate(items):
            if item.get("role") in ("system", "developer"):
                raise invalid(
                    f"The role {item['role']} is not accepted from callers here. "
                    "The operator can allow it with allow_system_messages.",
                    f"input[{index}].role",
                )
    return tuple(items)


def _refuse_combinations(fields: Json) -> None:
    if "prompt" in fields:
        raise invalid("Prompt templates are not supported here.", "prompt", code="unsupported_parameter")
    if "conversation" in fields and "previous_response_id" in fields:
        raise invalid(
            "conversation and previous_response_id cannot be used together.",
            "conversation",
            code="mutually_exclusive_parameters",
        )
    if fields.get("background") is True and fields.get("store") is False:
        raise invalid("background needs store to be true.", "background", code="unsupported_parameter")


def _echo(fields: Json) -> tuple[Json, Json]:
    """Return the fields to repeat, checked, and those among them that could steer the agent."""
    if fields.keys().isdisjoint(_ECHOED):
        return {**_UNSET, "metadata": {}, "reasoning": {"effort": None, "summary": None}}, {}
    echo: Json = {"metadata": _metadata(fields), "reasoning": _reasoning(fields)}
    for name, low, high in (("temperature", 0.0, 2.0), ("top_p", 0.0, 1.0)):
        echo[name] = float(_number(fields, name, low, high)) if name in fields else 1.0
    for name in ("max_output_tokens", "max_tool_calls"):
        echo[name] = _integer(fields, name, 1, 2**31) if name in fields else None
    echo["top_logprobs"] = _integer(fields, "top_logprobs", 0, 20) if "top_logprobs" in fields else 0
    for name in ("user", "safety_identifier", "prompt_cache_key"):
        echo[name] = _string(fields, name)
    tier = fields.get("service_tier")
    echo["service_tier"] = tier if tier in SERVICE_TIERS else "default"
    echo["truncation"] = _one_of(fields, "truncation", ("auto", "disabled"), "disabled")
    steering = ("max_output_tokens", "metadata", "reasoning", "temperature", "top_p", "user")
    return echo, {name: echo[name] for name in steering if name in fields}


def _metadata(fields: Json) -> dict[str, str]:
    value = fields.get("metadata", {})
    if not isinstance(value, dict):
        raise invalid("metadata must be an object.", "metadata", code="invalid_type")
    pairs = cast("dict[str, object]", value)
    if len(pairs) > 16:
        raise invalid("metadata holds more than 16 pairs.", "metadata")
    for key, text in pairs.items():
        if not isinstance(text, str):
            raise invalid("The values of metadata must be texts.", f"metadata.{key[:64]}", code="invalid_type")
        if len(key) > 64 or len(text) > 512:
            raise invalid("metadata allows keys of 64 and values of 512 characters.", f"metadata.{key[:64]}")
    return cast("dict[str, str]", pairs)


def _reasoning(fields: Json) -> Json:
    value = fields.get("reasoning", {})
    if not isinstance(value, dict):
        raise invalid("reasoning must be an object.", "reasoning", code="invalid_type")
    asked = cast("Json", value)
    summary = asked.get("summary") or asked.get("generate_summary")
    if summary is not None and summary not in SUMMARIES:
        raise invalid(f"reasoning.summary must be one of {', '.join(SUMMARIES)}.", "reasoning.summary")
    effort = asked.get("effort")
    return {"effort": effort if effort in EFFORTS else None, "summary": summary}


def _text_config(fields: Json, max_schema_bytes: int) -> tuple[Json, Json | None]:
    """Return ``text`` to repeat and the output format to give to the agent, None for plain text."""
    text = fields.get("text", {})
    if not isinstance(text, dict):
        raise invalid("text must be an object.", "text", code="invalid_type")
    asked = cast("Json", text)
    echo: Json = {"format": {"type": "text"}}
    if asked.get("verbosity") in VERBOSITIES:
        echo["verbosity"] = asked["verbosity"]
    form = asked.get("format")
    if form is None:
        return echo, None
    if not isinstance(form, dict):
        raise invalid("text.format must be an object.", "text.format", code="invalid_type")
    chosen = {key: value for key, value in cast("Json", form).items() if value is not None}
    match chosen.get("type"):
        case "text":
            return echo, None
        case "json_object":
            echo["format"] = {"type": "json_object"}
            return echo, {"type": "json_object"}
        case "json_schema":
            schema = _json_schema(chosen, max_schema_bytes)
            return {**echo, "format": schema}, schema
        case _:
            raise invalid("text.format.type must be text, json_object or json_schema.", "text.format.type")


def _json_schema(form: Json, max_schema_bytes: int) -> Json:
    name = form.get("name")
    if not isinstance(name, str) or not name:
        raise invalid("text.format needs a name.", "text.format.name", code="missing_required_parameter")
    if "schema" not in form:
        raise invalid("text.format needs a schema.", "text.format.schema", code="missing_required_parameter")
    schema = checked_schema(form["schema"], "text.format.schema", max_schema_bytes)
    chosen: Json = {"type": "json_schema", "name": name, "schema": schema, "strict": form.get("strict") is True}
    if isinstance(form.get("description"), str):
        chosen["description"] = form["description"]
    return chosen


def _conversation(fields: Json) -> str | None:
    value = fields.get("conversation")
    if isinstance(value, dict):
        value = cast("Json", value).get("id")
    if value is None:
        return None
    return _checked_id(value, "conversation")


def _id(fields: Json, name: str) -> str | None:
    return _checked_id(fields[name], name) if name in fields else None


def _checked_id(value: object, name: str) -> str:
    if isinstance(value, str) and 0 < len(value) <= MAX_ID:
        return value
    raise invalid(f"{name} must be a text of 1 to {MAX_ID} characters.", name, code="invalid_type")


def _typed(fields: Json, name: str, good: Callable[[object], bool], wanted: str) -> object:
    if good(fields[name]):
        return fields[name]
    raise invalid(f"{name} must be {wanted}.", name, code="invalid_type")


def _string(fields: Json, name: str) -> str | None:
    if name not in fields:
        return None
    return cast("str", _typed(fields, name, lambda value: isinstance(value, str), "a text"))


def _bool(fields: Json, name: str, *, default: bool) -> bool:
    if name not in fields:
        return default
    return cast("bool", _typed(fields, name, lambda value: isinstance(value, bool), "true or false"))


def _number(fields: Json, name: str, low: float, high: float) -> float:
    value = _typed(
        fields, name, lambda given: isinstance(given, int | float) and not isinstance(given, bool), "a number"
    )
    number = cast("float", value)
    if low <= number <= high:
        return number
    raise invalid(f"{name} must be between {low:g} and {high:g}.", name)


def _integer(fields: Json, name: str, low: int, high: int) -> int:
    number = _number(fields, name, low, high)
    if isinstance(number, int):
        return number
    raise invalid(f"{name} must be a whole number.", name, code="invalid_type")


def _one_of(fields: Json, name: str, allowed: tuple[str, ...], default: str) -> str:
    value = fields.get(name, default)
    if isinstance(value, str) and value in allowed:
        return value
    raise invalid(f"{name} must be one of {', '.join(allowed)}.", name)

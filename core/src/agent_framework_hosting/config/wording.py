"""Say what pydantic found in the words of a configuration file, from the kind of error alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic_core import ErrorDetails

from .plain import texts
from .references import arms, field_types
from .values import ChannelTable, Problem, variable_prefix

_WORDS: dict[str, str] = {
    "string_type": "must be a string.",
    "bool_type": "must be true or false.",
    "bool_parsing": "must be true or false.",
    "int_type": "must be a whole number.",
    "int_parsing": "must be a whole number.",
    "int_from_float": "must be a whole number.",
    "float_type": "must be a number.",
    "float_parsing": "must be a number.",
    "finite_number": "must be a finite number.",
    "list_type": "must be a list.",
    "tuple_type": "must be a list.",
    "set_type": "must be a list.",
    "frozen_set_type": "must be a list.",
    "iterable_type": "must be a list.",
    "dict_type": "must be a table.",
    "mapping_type": "must be a table.",
    "model_type": "must be a table.",
    "model_attributes_type": "must be a table.",
    "dataclass_type": "must be a table.",
    "time_delta_type": 'must be a duration such as "PT30S".',
    "time_delta_parsing": 'must be a duration such as "PT30S".',
    "url_parsing": "must be a URL.",
    "url_type": "must be a URL.",
    "url_syntax_violation": "must be a URL.",
    "url_scheme": "must be a URL beginning with {expected_schemes}.",
    "extra_forbidden": "unknown key.",
    "literal_error": "must be {expected}.",
    "enum": "must be {expected}.",
    "greater_than": "must be above {gt}.",
    "greater_than_equal": "must be {ge} or more.",
    "less_than": "must be below {lt}.",
    "less_than_equal": "must be {le} or less.",
    "multiple_of": "must be a multiple of {multiple_of}.",
    "string_too_short": "must have {min_length} characters or more.",
    "string_too_long": "must have {max_length} characters or fewer.",
    "string_pattern_mismatch": "must match the pattern {pattern}.",
    "too_short": "must have {min_length} entries or more.",
    "too_long": "must have {max_length} entries or fewer.",
}


def problems_of(
    table: ChannelTable,
    model: type[BaseModel],
    content: Mapping[str, object],
    details: Sequence[ErrorDetails],
    secrets: Collection[str],
) -> Iterator[Problem]:
    """Yield one problem per place that is wrong; no text quotes a secret or the value that was refused."""
    types = field_types(model)
    places: dict[str, list[str]] = {}
    for detail in _nearest_alternatives(details, types):
        key = str(detail["loc"][0]) if detail["loc"] else ""
        kinds = arms(types.get(key, object))
        loc = (key, *detail["loc"][2:]) if len(kinds) > 1 else detail["loc"]
        place = _place(loc)
        if detail["type"] == "missing":
            text = _missing(table, place, kinds)
        else:
            text = _say(detail, [*secrets, *texts(content.get(key))])
        places.setdefault(place, []).append(text.rstrip("."))
    for place, found in places.items():
        yield table.problem(place, f"{' or '.join(dict.fromkeys(found))}.")


def _nearest_alternatives(details: Sequence[ErrorDetails], types: Mapping[str, object]) -> Iterator[ErrorDetails]:
    """Drop, for a key that may have several types, the complaints of those the value resembles less."""
    deepest: dict[object, int] = {}
    for detail in details:
        if detail["loc"]:
            deepest[detail["loc"][0]] = max(len(detail["loc"]), deepest.get(detail["loc"][0], 0))
    for detail in details:
        several = bool(detail["loc"]) and len(arms(types.get(str(detail["loc"][0]), object))) > 1
        if not several or len(detail["loc"]) == deepest[detail["loc"][0]]:
            yield detail


def _missing(table: ChannelTable, place: str, kinds: Sequence[object]) -> str:
    if not place.isidentifier():
        return "is required."
    is_secret = any(isinstance(kind, type) and issubclass(kind, SecretStr | SecretBytes) for kind in kinds)
    example = '"env:NAME"' if is_secret else "..."
    return f"is required: add {place} = {example}, or set {variable_prefix(table.name)}{place.upper()}."


def _place(loc: Sequence[int | str]) -> str:
    place = ""
    for part in loc:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else part
    return place


def _say(detail: ErrorDetails, hidden: Iterable[str]) -> str:
    words = _WORDS.get(detail["type"])
    if words is not None:
        return words.format_map(detail.get("ctx", {}))
    text = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return "is not accepted." if reveals(text, hidden) else f"{' '.join(text.split()).rstrip('.')}."


def reveals(text: str, hidden: Iterable[str]) -> bool:
    """Say whether a text holds four characters in a row of a value that must not be shown, or all of a shorter one."""
    for value in hidden:
        width = min(4, len(value))
        if width and any(value[at : at + width] in text for at in range(len(value) - width + 1)):
            return True
    return False

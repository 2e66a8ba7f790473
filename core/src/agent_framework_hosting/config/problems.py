"""Say what pydantic found at which place of a configuration file, from the kind of error alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic_core import ErrorDetails

from ..wording import say
from .plain import texts
from .references import arms, field_types
from .values import ChannelTable, Problem, variable_prefix


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
            text = say(detail, [*secrets, *texts(content.get(key))])
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

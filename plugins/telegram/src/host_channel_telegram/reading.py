"""Read values out of JSON that nobody has checked. Pure; nothing here raises for a shape it does not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, cast

Json: TypeAlias = Mapping[str, object]


def as_object(value: object) -> Json:
    """Return a JSON object, empty when the value is none."""
    return cast("Json", value) if isinstance(value, dict) else {}


def part(of: Json, name: str) -> Json:
    """Return a field that is an object, else an empty one."""
    return as_object(of.get(name))


def parts(of: Json, name: str) -> list[Json]:
    """Return the objects in a field that is a list."""
    value = of.get(name)
    return [as_object(item) for item in cast("list[object]", value)] if isinstance(value, list) else []


def number(of: Json, name: str) -> int | None:
    """Return a field that is a whole number, else None."""
    value = of.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text(of: Json, name: str) -> str:
    """Return a field that is a string, else an empty one."""
    value = of.get(name)
    return value if isinstance(value, str) else ""


def flag(of: Json, name: str) -> bool:
    """Return whether a field is true."""
    return of.get(name) is True

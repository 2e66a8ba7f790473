"""List pages: ``input_items`` and what pages like it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .encoding import Json
from .errors import invalid

MAX_PAGE = 100
DEFAULT_PAGE = 20


def page_of(items: Sequence[Json], query: Mapping[str, list[str]]) -> Json:
    """Return one page of items that stand in the order they were made; raises ``WireError`` for a wrong query.

    ``order`` is ``desc`` unless asked otherwise, and the cursor ``after`` runs the way the order does.
    """
    order = query.get("order", ["desc"])[-1]
    if order not in ("asc", "desc"):
        raise invalid("order must be asc or desc.", "order")
    ordered = list(items) if order == "asc" else list(reversed(items))
    start = 0
    if "after" in query:
        after = query["after"][-1]
        places = [place for place, item in enumerate(ordered) if item["id"] == after]
        if not places:
            raise invalid("after names no item of this list.", "after")
        start = places[0] + 1
    limit = _limit(query)
    data = ordered[start : start + limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": start + limit < len(ordered),
    }


def _limit(query: Mapping[str, list[str]]) -> int:
    text = query.get("limit", [str(DEFAULT_PAGE)])[-1]
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 1 <= number <= MAX_PAGE:
        raise invalid(f"limit must be a whole number from 1 to {MAX_PAGE}.", "limit")
    return number

"""One table, declared: what its records are, how long they are kept, whose they are, and what they are found by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, Protocol, TypeVar

from ..errors import UnreadableRecord

RecordT = TypeVar("RecordT")

ASIDE: Final = ".unreadable"
"""What the name of the table ends in that holds what could not be read of another."""
BY_KEY: Final = "@key"
"""The person a record is about stands in its key: the whole of it, or what comes before U+001F."""
_UNFIT = re.compile("[%\x00\x1f\ud800-\udfff]")


def key_of(text: str) -> str:
    """Return a text as it stands in keys and lookups: what these cannot hold is escaped, so no two become one."""
    if text.isascii() and text.isprintable() and "%" not in text:
        return text
    return _UNFIT.sub(lambda found: f"%{ord(found[0]):02x}", text)


class Codec(Protocol[RecordT]):
    """Turn records of one type into text and back."""

    def dump(self, value: RecordT, /) -> str:
        """Return the text of a record."""
        ...

    def load(self, text: str, /) -> RecordT:
        """Return the record. Raises ``UnreadableRecord``; any other exception counts as one."""
        ...


@dataclass(frozen=True, slots=True)
class Expiry:
    """When records end; None means never.

    ``seconds`` after they were last written; beyond ``most`` of them, longest unwritten first, when the host tidies up,
    once a minute; and, when ``with_person``, together with the person they are about, whom the host knows no more.
    """

    seconds: float | None = None
    most: int | None = None
    with_person: bool = False


KEPT: Final = Expiry()
"""Kept until somebody removes them."""


@dataclass(frozen=True, slots=True, eq=False)
class Table(Generic[RecordT]):
    """A table of records.

    ``codec`` turns them into text. ``person`` names the fields that say whom a record is about: dotted paths to an
    isolation key, to the native id of somebody on the table's channel (a text or a number), to an identity, to a text
    that is a JSON list beginning with channel and native id, or to a list or a mapping of these, as key or as value; a
    path leads through lists. Or ``BY_KEY``. ``indexed`` are text fields to find records by. What cannot be read,
    because it is damaged or of a newer version, is set aside under its key and taken back once it can be, or dropped
    where it is worth nothing. ``holds`` says in a few words what the records are, for the operator; ``keys_are_ids``,
    that their keys are neither secret nor a name, so that the log may show them.
    """

    name: str
    codec: Codec[RecordT]
    person: str | Sequence[str] = ()
    expiry: Expiry = KEPT
    indexed: Sequence[str] = ()
    unreadable: Literal["set_aside", "drop"] = "set_aside"
    holds: str = ""
    keys_are_ids: bool = False

    def __post_init__(self) -> None:
        """Refuse with ``ValueError`` what could not hold: a field the records do not have would forget nobody."""
        fault = self._fault()
        if fault is not None:
            raise ValueError(f"Table {self.name!r} {fault}.")

    def _fault(self) -> str | None:
        if not self.name or not self.name.isprintable() or self.name.endswith(ASIDE):
            return f"needs a name of printable characters that does not end in {ASIDE!r}"
        if self.expiry.with_person and BY_KEY not in self.person_paths:
            return "ends with a person, whom only its keys can tell: set person=BY_KEY"
        fields = _fields_of(getattr(self.codec, "record_type", None))
        named = [path for path in self.person_paths if path != BY_KEY] + list(self.indexed)
        unknown = [path for path in named if fields and path.partition(".")[0] not in fields]
        return f"names {unknown[0]!r}; its records have: {', '.join(sorted(fields))}" if unknown else None

    @property
    def aside(self) -> str:
        """The table that holds what could not be read."""
        return self.name + ASIDE

    @property
    def form(self) -> int:
        """The version its records are written in; 0 when the codec does not tell."""
        return getattr(self.codec, "version", 0)

    @property
    def owner(self) -> str:
        """The module its records belong to."""
        return getattr(self.codec, "record_type", type(self.codec)).__module__

    @property
    def person_paths(self) -> Sequence[str]:
        """The fields that say whom a record is about."""
        return (self.person,) if isinstance(self.person, str) else tuple(self.person)

    def found_by(self, text: str, /) -> Mapping[str, str]:
        """Return the fields a stored record is found by. Raises ``UnreadableRecord``."""
        return self.lookups(self.load(text))

    def load(self, text: str, /) -> RecordT:
        """Return a stored record. Raises ``UnreadableRecord``, whatever the codec raises."""
        try:
            return self.codec.load(text)
        except UnreadableRecord:
            raise
        except Exception as error:
            raise UnreadableRecord(f"The record is damaged: {type(error).__name__}: {error}.") from error

    def renewed(self, text: str, /) -> str:
        """Return a stored record in the form of today. Raises ``UnreadableRecord``."""
        return self.codec.dump(self.load(text))

    def lookups(self, record: RecordT) -> Mapping[str, str]:
        """Return the fields a record is found by; those that are None are left out."""
        if not self.indexed:
            return {}
        values = {field: getattr(record, field) for field in self.indexed}
        return {field: key_of(str(value)) for field, value in values.items() if value is not None}


def _fields_of(record_type: object) -> frozenset[str]:
    """Return the names of the fields of a record's class; empty when it does not tell."""
    if not isinstance(record_type, type):
        return frozenset()
    structured = getattr(record_type, "__struct_fields__", ())
    return frozenset([*getattr(record_type, "__dataclass_fields__", ()), *structured])


class AnyTable(Protocol):
    """A table whose records may be of any type."""

    @property
    def name(self) -> str:
        """What it is called in the store."""
        ...

    @property
    def person_paths(self) -> Sequence[str]:
        """The fields that say whom a record is about."""
        ...

    @property
    def expiry(self) -> Expiry:
        """When its records end."""
        ...

    @property
    def unreadable(self) -> Literal["set_aside", "drop"]:
        """What happens to what cannot be read."""
        ...

    @property
    def holds(self) -> str:
        """What the records are, in a few words."""
        ...

    @property
    def owner(self) -> str:
        """The module its records belong to."""
        ...

    @property
    def indexed(self) -> Sequence[str]:
        """The fields to find records by."""
        ...

    @property
    def form(self) -> int:
        """The version its records are written in; 0 when the codec does not tell."""
        ...

    def found_by(self, text: str, /) -> Mapping[str, str]:
        """Return the fields a stored record is found by. Raises ``UnreadableRecord``."""
        ...

    def load(self, text: str, /) -> object:
        """Return a stored record. Raises ``UnreadableRecord``."""
        ...

    def renewed(self, text: str, /) -> str:
        """Return a stored record in the form of today. Raises ``UnreadableRecord``."""
        ...

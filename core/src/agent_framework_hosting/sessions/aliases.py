"""Which identities were proven to be one person, and which asked to be nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..errors import UnreadableRecord
from ..ports import Put
from .addresses import RECORD_VERSION, IdentityKey, alias_record_key, load_record

LINKS = "links"
AliasOrigin: TypeAlias = Literal["link", "claim", "unlink"]
_ORIGINS: Mapping[str, AliasOrigin] = {"link": "link", "claim": "claim", "unlink": "unlink"}


@dataclass(frozen=True, slots=True)
class Alias:
    """What is decided about one identity: linked to the person ``isolation_key``, or on its own there after an unlink.

    ``origin`` says how this came about, ``at`` when, in seconds since 1970.
    """

    channel: str
    native_id: str
    isolation_key: str
    at: float
    origin: AliasOrigin

    @property
    def person(self) -> str | None:
        """The isolation key this identity shares, None when it is on its own."""
        return None if self.origin == "unlink" else self.isolation_key

    @property
    def key(self) -> IdentityKey:
        """What the identity is known by."""
        return (self.channel, self.native_id)

    def key_at(self, isolation_key: str, last_seen: float) -> str:
        """Return whose an address is that was stored under ``isolation_key``: the link, or its end, may be younger."""
        return isolation_key if self.origin == "unlink" and last_seen > self.at else self.isolation_key

    def write(self) -> Put:
        """Return the record of this alias."""
        fields = {
            "v": RECORD_VERSION,
            "channel": self.channel,
            "id": self.native_id,
            "key": self.isolation_key,
            "at": self.at,
            "origin": self.origin,
        }
        return Put(LINKS, alias_record_key(self.key), json.dumps(fields))


def load_alias(text: str) -> Alias:
    """Return an alias from its record. Raises ``UnreadableRecord``."""
    match load_record(text):
        case {
            "channel": str(channel),
            "id": str(native_id),
            "key": str(isolation_key),
            "at": int() | float() as at,
            "origin": str(origin),
        } if isolation_key and origin in _ORIGINS:
            return Alias(channel, native_id, isolation_key, float(at), _ORIGINS[origin])
        case _:
            raise UnreadableRecord("The record of a link is damaged.")


class Aliases:
    """All aliases, by identity and by person."""

    def __init__(self) -> None:
        self._by_identity: dict[IdentityKey, Alias] = {}
        self._members: dict[str, dict[IdentityKey, None]] = {}

    def __iter__(self) -> Iterator[Alias]:
        """Go through every alias."""
        return iter(self._by_identity.values())

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._by_identity)

    def get(self, key: IdentityKey) -> Alias | None:
        """Return what is decided about an identity."""
        return self._by_identity.get(key)

    def person(self, key: IdentityKey) -> str | None:
        """Return the person an identity is linked to."""
        alias = self._by_identity.get(key)
        return None if alias is None else alias.person

    def members(self, person: str) -> tuple[IdentityKey, ...]:
        """Return the identities linked to a person."""
        return tuple(self._members.get(person, ()))

    def put(self, alias: Alias) -> None:
        """Decide about an identity, whatever was decided before."""
        self.remove(alias.key)
        self._by_identity[alias.key] = alias
        if alias.person is not None:
            self._members.setdefault(alias.person, {})[alias.key] = None

    def remove(self, key: IdentityKey) -> None:
        """Forget what was decided about an identity."""
        alias = self._by_identity.pop(key, None)
        if alias is None or alias.person is None:
            return
        members = self._members[alias.person]
        members.pop(key, None)
        if not members:
            del self._members[alias.person]

    def clear(self) -> None:
        """Forget everything."""
        self._by_identity.clear()
        self._members.clear()

"""Who is known, where and since when; who is linked with whom."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import OperationRefused
from ..model.identity import ChannelIdentity
from ..sessions.people import People
from .answers import Account, AddressRow, LinkRow, LinksPage, PeoplePage, PersonDetail, PersonRow, Revoked
from .requests import ListIdentities, ListLinks


class PeopleView:
    """Read who is known, and end links."""

    def __init__(self, people: People) -> None:
        self._people = people

    def list(self, asked: ListIdentities) -> PeoplePage:
        """Return who is known, most recently seen first."""
        found: list[PersonRow] = []
        known = 0
        for key, addresses in self._people.everyone():
            identities = [address.identity for address in addresses]
            if asked.channel is not None and all(each.channel != asked.channel for each in identities):
                continue
            known += 1
            if len(found) < asked.limit:
                since = min(address.since for address in addresses)
                linked = bool(self._people.members(key))
                found.append(PersonRow(key, accounts(identities), since, addresses[0].last_seen, linked))
        return PeoplePage(found, known)

    def show(self, given: str) -> PersonDetail:
        """Return every place where a person is known."""
        key = self.key_of(given)
        addresses = [
            AddressRow(
                Account(each.identity.channel, each.identity.native_id),
                each.conversation_id,
                each.is_group,
                each.since,
                each.last_seen,
                sorted(each.claims or ()),
            )
            for each in self._people.known(key)
        ]
        linked = accounts(self._people.members(key))
        if not addresses and not linked:
            raise OperationRefused(f"Nobody is known as {given!r}. See agent-host identities list.")
        return PersonDetail(key, addresses, linked)

    def links(self, asked: ListLinks) -> LinksPage:
        """Return who is linked with whom."""
        since: dict[str, float] = {}
        for alias in self._people.links():
            since[alias.key] = min(alias.at, since.get(alias.key, alias.at))
        rows = [LinkRow(key, accounts(self._people.members(key)), since[key]) for key in list(since)[: asked.limit]]
        return LinksPage(rows, len(since))

    async def revoke(self, given: str) -> Revoked:
        """Give every account of a person a memory of its own again."""
        key = self.key_of(given)
        left: list[ChannelIdentity] = []
        while members := self._people.members(key):
            left += await self._people.unlink(members[0])
        if not left:
            raise OperationRefused(f"{given!r} is linked with nobody. See agent-host links list.")
        return Revoked(accounts(left))

    def key_of(self, given: str) -> str:
        """Return the isolation key that is meant: the given one, or that of the identity ``CHANNEL:NATIVE_ID``."""
        if self._people.known(given) or self._people.members(given):
            return given
        identity = identity_in(given)
        if identity is None:
            return given
        return self._people.person_of(identity) or self._people.key_of(identity) or given


def identity_in(given: str) -> ChannelIdentity | None:
    """Return the identity written as ``CHANNEL:NATIVE_ID``, None for another text."""
    channel, colon, native_id = given.partition(":")
    return ChannelIdentity(channel, native_id) if colon and channel and native_id else None


def accounts(identities: Sequence[ChannelIdentity]) -> Sequence[Account]:
    """Return identities without their attributes, each once."""
    return list(dict.fromkeys(Account(each.channel, each.native_id) for each in identities))

"""Every table of one host: expiry, taking back, forgetting and the operator's list walk it, and no list is by hand."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ..errors import RecordsDiffer, UnreadableRecord
from ..model.table import ASIDE, BY_KEY, AnyTable, Expiry, Table, key_of
from ..ports import ABSENT, Delete, Put, Store, Write
from .people import KEY_SEPARATOR, Names, fields_in, fields_of
from .records import RecordCodec, Records

logger = logging.getLogger(__name__)

_PAGE = 500
_OF_CHANNELS = "of."


@dataclass(frozen=True, slots=True)
class Declared:
    """What the host knows of a table without the code it belongs to; ``channel`` is whose it is, if a channel's."""

    name: str
    owner: str
    person: tuple[str, ...] = ()
    expiry: Expiry = field(default_factory=Expiry)
    channel: str | None = None
    holds: str = ""
    indexed: tuple[str, ...] = ()
    form: int = 0


DECLARATIONS = Table("tables", RecordCodec("table", 1, Declared), holds="tables that channels have declared")


@dataclass(frozen=True, slots=True)
class TableReport:
    """One table as the operator sees it: how many records, and how many were set aside; None: nobody declared it."""

    name: str
    records: int
    set_aside: int
    owner: str | None
    holds: str
    names_people: bool


class Catalog:
    """The tables of one host: its own, and those its channels declare.

    Declarations of channels are kept in the store as well, so that what they promise holds without the channel.
    """

    def __init__(self, store: Store, tables: Iterable[AnyTable] = ()) -> None:
        self._store = store
        self._tables: dict[str, AnyTable] = {}
        self._declared: dict[str, Declared] = {}
        self._kept = Records(store, DECLARATIONS)
        for table in (DECLARATIONS, *tables):
            self.declare(table)

    def declare(self, table: AnyTable, *, channel: str | None = None) -> None:
        """Add a table; the same one twice is one. Raises ``ValueError`` for two of one name."""
        name = table.name if channel is None else f"{_OF_CHANNELS}{channel}.{table.name}"
        if self._tables.get(name, table) is not table:
            raise ValueError(f"declares two tables named {table.name!r}; give one of them another name")
        self._tables[name] = table
        self._declared[name] = Declared(
            name,
            table.owner,
            tuple(table.person_paths),
            table.expiry,
            channel,
            table.holds,
            tuple(table.indexed),
            table.form,
        )

    def __iter__(self) -> Iterator[Declared]:
        """Go through everything that is declared."""
        return iter(tuple(self._declared.values()))

    async def load(self) -> None:
        """Learn what channels declared that are not here now, write down what those here declare, take back.

        What a table held before it was declared as it is now becomes as if it had been written now.
        """
        known = {name: kept async for name, kept in self._kept.all()}
        self._declared = known | self._declared
        changed = [each for each in self if each.channel is not None and known.get(each.name) != each]
        for each in changed:
            before = known.get(each.name)
            if before is None or (before.expiry, before.indexed, before.form) != (each.expiry, each.indexed, each.form):
                await self._adopt(each, self._tables[each.name], before)
        if changed:
            await self._store.commit([self._kept.put(each.name, each) for each in changed])
        for name, table in tuple(self._tables.items()):
            await self._take_back(name, table)

    async def tidy(self) -> int:
        """Remove what has expired, or exceeds its table's number; return how much went."""
        gone = await self._store.sweep()
        for each in self:
            if each.expiry.most is not None:
                for name in (each.name, each.name + ASIDE):
                    gone += await self._store.trim(name, each.expiry.most)
        return gone

    async def with_person(self, isolation_keys: Iterable[str]) -> list[Write]:
        """Return what removes the records that end with people who are known no more, by their isolation keys."""
        writes: list[Write] = []
        for each in self:
            if each.expiry.with_person and BY_KEY in each.person:
                for owner in isolation_keys:
                    writes += [*await self._under(each.name, owner), *await self._under(each.name + ASIDE, owner)]
        return writes

    async def about(self, names: Names, *, leaving: Iterable[str] = ()) -> AsyncIterator[Delete]:
        """Find every record about a person, set aside or not, but for those of the tables ``leaving``."""
        skipped = set(leaving)
        for each in self:
            for name in (each.name, each.name + ASIDE):
                if each.person and name not in skipped:
                    async for key, text in self._rows(name):
                        if self._is_about(each, key, text, names):
                            yield Delete(name, key)

    def _is_about(self, declared: Declared, key: str, text: str, names: Names) -> bool:
        """Judge a record as it stands, and as it is read today; what cannot be read by its words."""
        channel, paths, table = declared.channel, declared.person, self._tables.get(declared.name)
        if table is None:
            return names.in_record(paths, key, text, channel)
        try:
            read = fields_of(table.load(text))
        except UnreadableRecord:
            return names.in_key(key, channel) or names.in_ruins(key, text, channel)
        return any(names.in_fields(paths, key, fields, channel) for fields in (read, fields_in(text)))

    async def still_naming(self, names: Names) -> Sequence[str]:
        """Return the tables nobody declared in which a name of the person stands."""
        known = {name for each in self for name in (each.name, each.name + ASIDE)}
        found: list[str] = []
        for name in await self._store.tables():
            channel = channel_of(name)
            if name not in known and channel is not None:
                async for key, text in self._rows(name):
                    if names.in_words(key, text, channel) or names.in_key(key, channel):
                        found.append(name)
                        break
        return found

    async def covers(self, channel: str) -> bool:
        """Say whether a channel has declared tables, and keeps nothing in any other."""
        declared = {each.name for each in self if each.channel == channel}
        known = declared | {name + ASIDE for name in declared}
        return bool(declared) and all(
            name in known for name in await self._store.tables() if channel_of(name) == channel
        )

    async def report(self) -> Sequence[TableReport]:
        """Return every table that holds records, or could, in the order of their names."""
        there = set(await self._store.tables())
        plain = {name.removesuffix(ASIDE) for name in there} | set(self._declared)
        return [await self._reported(name) for name in sorted(plain)]

    async def _reported(self, name: str) -> TableReport:
        declared = self._declared.get(name)
        return TableReport(
            name,
            await self._store.count(name),
            await self._store.count(name + ASIDE),
            None if declared is None else declared.owner,
            "" if declared is None else declared.holds,
            declared is not None and bool(declared.person),
        )

    async def _adopt(self, declared: Declared, table: AnyTable, before: Declared | None) -> None:
        """Give what was in a table before it was declared like this the form, the lookups and the end it has now."""
        after, name, seconds = "", declared.name, table.expiry.seconds
        same_end = before is not None and before.expiry.seconds == seconds
        while rows := await self._store.scan(name, after=after, limit=_PAGE):
            after = rows[-1][0]
            ends = None if seconds is None else self._store.now() + seconds
            writes: dict[str, Put | Delete] = {}
            for key, _ in rows:
                stored = await self._store.read(name, key)
                if stored is None:
                    continue
                try:
                    text = table.renewed(stored.text)
                except UnreadableRecord:
                    if table.unreadable == "drop":  # else whoever reads it sets it aside
                        writes[key] = Delete(name, key, stored.version)
                else:
                    end = stored.expires_at if same_end else ends
                    writes[key] = Put(name, key, text, stored.version, end, table.found_by(text))
            await self._commit_but_for_changed(writes)

    async def _commit_but_for_changed(self, writes: dict[str, Put | Delete]) -> None:
        while writes:
            try:
                await self._store.commit(list(writes.values()))
            except RecordsDiffer as refusal:
                for _, key in refusal.records:
                    del writes[key]
            else:
                return

    async def _take_back(self, name: str, table: AnyTable) -> None:
        """Take back what was set aside and can be read by now, where nothing newer stands in its place."""
        async for key, text in self._rows(name + ASIDE):
            try:
                found_by = table.found_by(text)
            except UnreadableRecord:
                continue
            aside = await self._store.read(name + ASIDE, key)
            if aside is None or aside.text != text:
                continue
            writes: list[Write] = [Delete(name + ASIDE, key, aside.version)]
            if await self._store.get(name, key) is None:
                writes.append(Put(name, key, text, ABSENT, aside.expires_at, found_by))
            with suppress(RecordsDiffer):  # another host is taking it back as well
                await self._store.commit(writes)
            logger.info("A record of table %s can be read again and was taken back", name)

    async def _under(self, table: str, owner: str) -> list[Write]:
        escaped = key_of(owner)
        fits = escaped.replace("%25", "%") == owner  # so that a channel may have made a key of it as it is
        begins = {escaped, owner} if fits else {escaped}
        found = [key for key in begins if await self._store.get(table, key) is not None]
        for each in begins:
            found += [key async for key, _ in self._rows(table, each + KEY_SEPARATOR)]
        return [Delete(table, key) for key in found]

    async def _rows(self, table: str, prefix: str = "") -> AsyncIterator[tuple[str, str]]:
        after = ""
        while rows := await self._store.scan(table, prefix=prefix, after=after, limit=_PAGE):
            for row in rows:
                yield row
            after = rows[-1][0]


def channel_of(table: str) -> str | None:
    """Return the channel a table belongs to, None for the host's own."""
    if not table.startswith(_OF_CHANNELS):
        return None
    return table.removeprefix(_OF_CHANNELS).partition(".")[0]

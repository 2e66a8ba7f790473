from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent_framework_hosting.errors import OperationRefused, PluginError, StateDirectoryInUse
from agent_framework_hosting.hookspecs import Channel
from agent_framework_hosting.linking.records import PENDING_LINKS
from agent_framework_hosting.model.durable import HostStatePaths
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.operations.answers import Forgotten, PeoplePage
from agent_framework_hosting.operations.files import opened
from agent_framework_hosting.operations.place import StatePlace
from agent_framework_hosting.operations.requests import ForgetIdentity, ListIdentities
from agent_framework_hosting.ports import Delete, Put, Store
from agent_framework_hosting.records import Catalog
from agent_framework_hosting.sessions.conversations import RESETS, SNAPSHOTS
from agent_framework_hosting.sessions.people import People
from agent_framework_hosting.state.disk import DiskStore

pytestmark = pytest.mark.anyio

ADA = ChannelIdentity("notes", "ada-lovelace")


class Notes(Channel):
    name = "notes"
    broken = False

    async def forget(self, identities: Sequence[ChannelIdentity], store: Store) -> None:
        if self.broken:
            raise OSError("no")
        await store.commit([Delete("notes", identity.native_id) for identity in identities])


class Place:
    """A stopped host's directories."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.channel = Notes()

    def paths(self) -> HostStatePaths:
        parts = ("runner", "sessions", "checkpoints", "links")
        return {part: str(self.root / part) for part in parts}  # type: ignore[return-value]

    def stopped(self) -> StatePlace:
        return StatePlace(self.paths(), self.root / "control.sock", self.paths()["checkpoints"], self._channel)

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        store = DiskStore(self.root / "runner")
        await store.open()
        try:
            yield store
        finally:
            await store.close()

    async def fill(self) -> None:
        async with self.store() as store:
            sighting = await People(store, Catalog(store)).sighting("notes:ada-lovelace", ADA)
            assert sighting is not None
            await store.commit(
                [
                    *sighting.writes,
                    Put(SNAPSHOTS.name, "notes:ada-lovelace\x1f", "{}"),
                    Put(SNAPSHOTS.aside, "notes:ada-lovelace\x1f", "damaged"),
                    Put(RESETS.name, "notes:ada-lovelace", "1"),
                    Put("of.notes.notes", "ada-lovelace", "a note"),
                ]
            )
        for key in ("notes:ada-lovelace", "notes:bob"):
            (self.root / "checkpoints" / key / "threads").mkdir(parents=True)
            (self.root / "checkpoints" / key / "x.json").write_text(key)

    async def forget(self, key: str) -> Forgotten:
        async with opened(self.stopped()) as desk:
            gone = await desk.answer(ForgetIdentity(key))
        assert isinstance(gone, Forgotten)
        return gone

    def naming(self, text: str) -> list[str]:
        files = [str(each) for each in self.root.rglob("*") if each.is_file() and text.encode() in each.read_bytes()]
        return files + [str(each) for each in self.root.rglob("*") if text in each.name]

    def _channel(self, name: str) -> Channel:
        if name != "notes":
            raise PluginError(f"No channel {name!r} is installed.")
        return self.channel


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.requirement("operator.forget")
async def test_files_checkpoints_and_a_channel_s_own_records_go(place: Place) -> None:
    await place.fill()
    assert len(place.naming("ada-lovelace")) > 2
    gone = await place.forget("notes:ada-lovelace")
    assert gone.left == []
    assert place.naming("ada-lovelace") == []
    assert [each.name for each in (place.root / "checkpoints").iterdir()] == ["notes:bob"]


@pytest.mark.requirement("operator.forget")
@pytest.mark.parametrize("key", ["..", "../outside", "notes:../../outside", "/", "."])
async def test_no_key_leads_out_of_the_checkpoints(place: Place, key: str) -> None:
    place.root /= "state"
    await place.fill()
    outside = place.root.parent / "outside"
    outside.mkdir()
    await place.forget(key)
    assert outside.is_dir()
    assert sorted(each.name for each in (place.root / "checkpoints").iterdir()) == ["notes:ada-lovelace", "notes:bob"]


async def test_what_cannot_be_asked_is_told(place: Place) -> None:
    await place.fill()
    (place.root / "links").mkdir()
    (place.root / "links" / "own.db").write_text("x")
    place.channel.broken = True
    linker, channel, table = (await place.forget("notes:ada-lovelace")).left
    assert "keeps files of its own" in linker
    assert channel == "Channel notes failed to remove what it keeps itself; the log says why."
    assert table.startswith("Table of.notes.notes still names this person")
    (left,) = [each for each in (await place.forget("gone:x")).left if "gone" in each]
    assert left.startswith("Channel gone could not be built")


async def test_links_under_way_go_with_either_side(place: Place) -> None:
    await place.fill()
    party = '{"channel": "notes", "id": "ada-lovelace", "attributes": {}, "conversation": null}'
    other = party.replace("ada-lovelace", "bob")
    for asker, claimant in ((party, other), (other, party)):
        sides = f'"asker": {asker}, "claimant": {claimant}'
        text = f'{{"v": 1, {sides}, "code": "c", "expires": 9e9, "number": "1", "wrong": 0}}'
        key = '["notes", "ada-lovelace"]' if asker is party else '["notes", "bob"]'
        async with place.store() as store:
            await store.commit([Put(PENDING_LINKS.name, key, text)])
    await place.forget("notes:ada-lovelace")
    assert place.naming("ada-lovelace") == []


async def test_nothing_is_made_where_no_host_was(place: Place) -> None:
    with pytest.raises(OperationRefused, match="no host was started"):
        async with opened(place.stopped()):
            raise AssertionError("opened")
    assert list(place.root.iterdir()) == []


async def test_a_directory_in_use_names_its_owner(place: Place) -> None:
    await place.fill()
    async with opened(place.stopped()) as desk:
        with pytest.raises(StateDirectoryInUse, match="this very process"):
            async with opened(place.stopped()):
                raise AssertionError("opened twice")
        assert await desk.answer(ListIdentities(channel="elsewhere")) == PeoplePage([], 0)

"""A stopped host's state: its files, opened without its target and, but for forgetting, without its channels."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from ..delivery.journal import Journal
from ..errors import HostingError, OperationRefused
from ..hookspecs import Channel
from ..model.identity import ChannelIdentity
from ..ports import Store
from ..records import Catalog
from ..sessions.people import People
from ..state.disk import DiskStore
from ..state.namespace import StoreNamespace
from ..state.ownership import Ownership
from ..tasks.record import RECEIPTS, TASKS
from ..tasks.table import StoredTaskTable
from .desk import Desk
from .opened import OpenedState
from .place import StatePlace, has_state, move_in_earlier, store_home
from .tables import TABLES

logger = logging.getLogger(__name__)


@asynccontextmanager
async def opened(place: StatePlace) -> AsyncGenerator[Desk]:
    """Open the files, as their only owner, for as long as the context lasts.

    Raises ``StateDirectoryInUse`` when a process has them, ``OperationRefused`` when there are none.
    """
    home = store_home(place.paths)
    if home is None or not has_state(place.paths):
        places = " or ".join(filter(None, (place.paths.get("runner"), place.paths.get("sessions"))))
        raise OperationRefused(
            f"There is no state in {places}: no host was started with this state directory yet. Check state_dir, "
            "or name the directory with --state-dir."
        )
    async with AsyncExitStack() as stack:
        store = DiskStore(home)
        await store.open()
        stack.push_async_callback(store.close)
        await move_in_earlier(place.paths, store)
        catalog = Catalog(store, (*TABLES, TASKS, RECEIPTS))
        await catalog.load()
        people = People(store, catalog)
        await people.load()
        parts = _StoppedParts(place, store, catalog)
        yield Desk(
            OpenedState(
                store=store,
                catalog=catalog,
                journal=Journal(store, Ownership(store, shared=False)),
                people=people,
                tasks=lambda: StoredTaskTable(store),
                sessions=lambda _: None,
                checkpoints=parts.forget_checkpoints,
                linker=_nothing_in_memory,
                channels=parts.forget_in_channels,
                busy=None,
            )
        )


class _StoppedParts:
    """What a live host does with its parts, done with files."""

    def __init__(self, place: StatePlace, store: Store, catalog: Catalog) -> None:
        self._place = place
        self._store = store
        self._catalog = catalog

    async def forget_checkpoints(self, isolation_key: str) -> None:
        root = self._place.checkpoints
        if root is None or not _is_directory(root):
            return
        from ..execution.checkpoints import DirectoryCheckpoints, Scope  # noqa: PLC0415 - imports agent-framework

        await DirectoryCheckpoints(root, ()).forget(Scope(isolation_key), "")

    async def forget_in_channels(self, identities: Sequence[ChannelIdentity]) -> Sequence[str]:
        left = list(self._linker_files())
        for name in dict.fromkeys(identity.channel for identity in identities):
            try:
                channel = self._place.channel(name)
            except HostingError as error:
                if await self._catalog.covers(name):
                    continue  # all it keeps is declared, and goes without it
                left.append(
                    f"Channel {name} could not be built, so what it keeps itself was not removed: {error} "
                    "Run the command again when that is mended, or while the host runs."
                )
                continue
            left += await forget_in(channel, identities, self._store)
        return left

    def _linker_files(self) -> Sequence[str]:
        links = self._place.paths.get("links")
        if links is None or not Path(links).is_dir() or not any(Path(links).iterdir()):
            return ()
        return (f"The identity linker keeps files of its own in {links}; only a running host can ask it to forget.",)


async def forget_in(channel: Channel, identities: Sequence[ChannelIdentity], store: Store) -> Sequence[str]:
    """Let a channel forget those of the identities that are its own; return what went wrong, in a sentence."""
    own = [identity for identity in identities if identity.channel == channel.name]
    if not own:
        return ()
    try:
        await channel.forget(own, StoreNamespace(store, channel.name))
    except Exception:
        logger.exception("A channel could not forget a person", extra={"channel": channel.name})
        return (f"Channel {channel.name} failed to remove what it keeps itself; the log says why.",)
    return ()


async def _nothing_in_memory(_: Sequence[ChannelIdentity]) -> None:
    """A stopped host's linker keeps nothing but records, which go with the others."""


def _is_directory(path: str) -> bool:
    return Path(path).is_dir()

"""A stopped host's state: its files, opened without its target and, but for forgetting, without its channels."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from ..errors import HostingError, OperationRefused
from ..hookspecs import Channel
from ..linking.pending_links import PendingLinks
from ..linking.records import record_key
from ..model.identity import ChannelIdentity
from ..ports import Store
from ..sessions.registry import IdentityRegistry
from ..sessions.resolve import Sessions
from ..state.disk import DiskStore
from ..state.memory import MemoryStore
from ..state.namespace import StoreNamespace
from ..tasks.table import TaskTable
from .desk import Desk
from .opened import OpenedState
from .place import StatePlace

logger = logging.getLogger(__name__)

_MOST_PENDING_LINKS = 1_000_000


@asynccontextmanager
async def opened(place: StatePlace) -> AsyncGenerator[Desk]:
    """Open the files, as their only owner, for as long as the context lasts.

    Raises ``StateDirectoryInUse`` when a process has them, ``OperationRefused`` when there are none.
    """
    async with AsyncExitStack() as stack:
        runner_store = await _opened(place.paths.get("runner"), stack)
        store = await _opened(place.paths.get("sessions"), stack)
        if not (store.durable or runner_store.durable):
            places = " or ".join(filter(None, (place.paths.get("runner"), place.paths.get("sessions"))))
            raise OperationRefused(
                f"There is no state in {places}: no host was started with this state directory yet. Check state_dir, "
                "or name the directory with --state-dir."
            )
        registry = IdentityRegistry(store)
        await registry.load()
        parts = _StoppedParts(place, store)
        yield Desk(
            OpenedState(
                store=store,
                runner_store=runner_store,
                table=lambda: TaskTable(runner_store),
                registry=registry,
                sessions=parts.forget_sessions,
                checkpoints=parts.forget_checkpoints,
                linker=parts.forget_links,
                channels=parts.forget_in_channels,
                busy=None,
            )
        )


async def _opened(path: str | None, stack: AsyncExitStack) -> Store:
    """Open what is there and make nothing; what is not there is empty."""
    if path is None or not _is_directory(path):
        return MemoryStore()
    store = DiskStore(path)
    await store.open()
    stack.push_async_callback(store.close)
    return store


class _StoppedParts:
    """What a live host does with its parts, done with files."""

    def __init__(self, place: StatePlace, store: Store) -> None:
        self._place = place
        self._store = store

    async def forget_sessions(self, isolation_key: str) -> None:
        await Sessions(lambda _: None, _fork_nothing, self._store).forget(isolation_key)

    async def forget_checkpoints(self, isolation_key: str) -> None:
        root = self._place.checkpoints
        if root is None or not _is_directory(root):
            return
        from ..execution.checkpoints import DirectoryCheckpoints, Scope  # noqa: PLC0415 - imports agent-framework

        await DirectoryCheckpoints(root, ()).forget(Scope(isolation_key), "")

    async def forget_links(self, identities: Sequence[ChannelIdentity]) -> None:
        pending = PendingLinks(self._store, _MOST_PENDING_LINKS)
        await pending.load(0.0)
        for identity in identities:
            await pending.drop_of(record_key(identity))

    async def forget_in_channels(self, identities: Sequence[ChannelIdentity]) -> Sequence[str]:
        left = list(self._linker_files())
        for name in dict.fromkeys(identity.channel for identity in identities):
            try:
                channel = self._place.channel(name)
            except HostingError as error:
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


def _is_directory(path: str) -> bool:
    return Path(path).is_dir()


async def _fork_nothing(*_: object) -> None:
    raise AssertionError("A stopped host opens no session.")

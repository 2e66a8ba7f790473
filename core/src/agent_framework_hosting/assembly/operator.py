"""Connect an operator with the parts of a live host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from ..delivery.journal import Journal
from ..linking.ports import ForgettingLinker
from ..model.identity import ChannelIdentity
from ..operations.control import ControlServer
from ..operations.desk import Desk
from ..operations.files import forget_in
from ..operations.opened import OpenedState
from ..plugins.manager import PluginManager
from ..ports import DurableTaskRunner, IdentityLinker, Lanes, OperableTaskRunner, Store
from ..records import Catalog
from ..sessions.conversations import Sessions
from ..sessions.people import People
from ..sessions.scope import owner_of


def control_server(
    path: Path | None,
    *,
    store: Store,
    catalog: Catalog,
    journal: Journal,
    people: People,
    sessions: Sessions,
    lanes: Lanes,
    plugins: PluginManager,
    runner: DurableTaskRunner,
    linker: IdentityLinker | None,
    reset_checkpoints: Callable[[str], Awaitable[None]],
    makes_directory: bool,
) -> ControlServer | None:
    """Return what lets an operator reach this host while it runs; None when its state is in memory."""
    if path is None:
        return None

    def busy(owners: frozenset[str]) -> bool:
        return any(owner_of(lane) in owners for lane in lanes)

    async def forget_links(identities: Sequence[ChannelIdentity]) -> None:
        if isinstance(linker, ForgettingLinker):
            await linker.forget(identities)

    desk = Desk(
        OpenedState(
            store=store,
            catalog=catalog,
            journal=journal,
            people=people,
            tasks=(lambda: runner.tasks) if isinstance(runner, OperableTaskRunner) else None,
            sessions=sessions.drop,
            checkpoints=reset_checkpoints,
            linker=forget_links,
            channels=partial(_forget_in_channels, plugins, store),
            busy=busy,
        )
    )
    return ControlServer(desk, path, makes_directory=makes_directory)


async def _forget_in_channels(
    plugins: PluginManager, store: Store, identities: Sequence[ChannelIdentity]
) -> Sequence[str]:
    left: list[str] = []
    for name in dict.fromkeys(identity.channel for identity in identities):
        if plugins.knows(name):
            left += await forget_in(plugins.channel(name), identities, store)
        else:
            left.append(f"Channel {name} is not enabled, so what it keeps itself was not removed.")
    return left

"""Give a linker what it needs of the host."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from ..linking.ports import HostedLinker, LinkNotice
from ..model.command import ChannelCommand
from ..model.durable import HostStatePaths
from ..ports import IdentityLinker, Store, SupportsLinkStorePath
from ..sessions.people import People


def connect_linker(
    linker: IdentityLinker | None,
    *,
    paths: HostStatePaths,
    explicit_links: bool,
    people: People,
    store: Store,
    notify: LinkNotice,
) -> Sequence[ChannelCommand]:
    """Hand over directory, store and voice, and return the commands people link with.

    Warns when a links directory was named that no linker will use.
    """
    links = paths.get("links")
    if links is not None and isinstance(linker, SupportsLinkStorePath):
        linker.configure_link_store_path(links)
    elif explicit_links and not isinstance(linker, HostedLinker):
        fault = "there is no identity_linker" if linker is None else "the identity_linker takes no links path"
        warnings.warn(f"state_dir names a links directory, but {fault}; leave it out.", UserWarning, stacklevel=2)
    if not isinstance(linker, HostedLinker):
        return ()
    linker.connect(people, store, notify)
    return linker.commands

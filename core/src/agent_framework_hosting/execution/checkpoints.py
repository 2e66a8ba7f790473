"""A workflow's state between turns, one checkpoint per conversation.

The files are agent-framework's own and hold pickles restricted to an allow list: whoever can write to the directory
is trusted, so it is created for its owner only.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import re
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from agent_framework import CheckpointStorage, FileCheckpointStorage, Workflow, WorkflowCheckpoint
from agent_framework.exceptions import WorkflowCheckpointException

logger = logging.getLogger(__name__)

_OWNER = "agent_framework_hosting"
# A channel may be named by one lower-case letter, and its keys ("a:42") are ordinary where drives have no letters.
_DRIVE = re.compile(r"[A-Za-z]:" if os.name == "nt" else r"[A-Z]:|[a-z]:$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Scope(NamedTuple):
    """Whose state it is: a person's conversation, or one thread (``key``) of it."""

    isolation_key: str
    key: str | None = None


class Checkpoints(Protocol):
    """Keep the last settled checkpoint of every conversation."""

    def refuses(self, scope: Scope) -> str | None:
        """Return why this scope cannot be kept, or None."""
        ...

    async def latest(self, scope: Scope, label: str) -> WorkflowCheckpoint | None:
        """Return the conversation's checkpoint for the workflow labelled so; warns when what is there is of no use."""
        ...

    async def keep(self, scope: Scope, label: str, checkpoint: WorkflowCheckpoint) -> None:
        """Replace the conversation's checkpoint; raises when it cannot be stored."""
        ...

    async def forget(self, scope: Scope, label: str) -> None:
        """Remove the thread, or without a key everything of the person."""
        ...


class DirectoryCheckpoints:
    """Keep checkpoints as files: ``<root>/<isolation key>[/threads/<key>]/<checkpoint id>.json``."""

    def __init__(self, root: str | os.PathLike[str], allowed_types: Sequence[str]) -> None:
        self._root = Path(root)
        self._allowed_types = list(allowed_types)

    def refuses(self, scope: Scope) -> str | None:
        """Return why this scope cannot be kept, or None."""
        return danger_of(scope.isolation_key) or (None if scope.key is None else danger_of(scope.key))

    async def latest(self, scope: Scope, label: str) -> WorkflowCheckpoint | None:
        """Return the conversation's checkpoint."""
        directory = self._directory(scope)
        if not await asyncio.to_thread(_holds_checkpoints, directory):
            return None
        found = await self._storage(directory).get_latest(workflow_name=label)
        if found is not None and _belongs(found, scope):
            return found
        logger.warning(
            "A workflow checkpoint restored nothing: none in its directory is readable and of this workflow and "
            "conversation. The run starts afresh.",
            extra={"workflow": label},
        )
        return None

    async def keep(self, scope: Scope, label: str, checkpoint: WorkflowCheckpoint) -> None:
        """Write the conversation's checkpoint, then remove the ones before it."""
        directory = self._directory(scope)
        await asyncio.to_thread(self._create, directory)
        await self._storage(directory).save(_owned(checkpoint, scope, label))
        await asyncio.to_thread(_remove_others, directory, checkpoint.checkpoint_id)

    async def forget(self, scope: Scope, label: str) -> None:  # noqa: ARG002 - a directory holds one workflow's
        """Remove a directory; a key that never could have one has nothing to remove."""
        if self.refuses(scope) is None:
            await asyncio.to_thread(shutil.rmtree, self._directory(scope), ignore_errors=True)

    def _directory(self, scope: Scope) -> Path:
        person = self._root / scope.isolation_key
        return person if scope.key is None else person / "threads" / scope.key

    def _storage(self, directory: Path) -> FileCheckpointStorage:
        return FileCheckpointStorage(directory, allowed_checkpoint_types=self._allowed_types)

    def _create(self, directory: Path) -> None:
        for path in (*reversed(directory.relative_to(self._root).parents), directory.relative_to(self._root)):
            (self._root / path).mkdir(mode=0o700, parents=True, exist_ok=True)


class StorageCheckpoints:
    """Keep checkpoints in a developer's storage, where each one carries its owner.

    Storages are asked by workflow name only. The ids of this process's own writes are remembered, so the search
    through everyone's checkpoints happens once per conversation and start.
    """

    _REMEMBERED = 10_000

    def __init__(self, storage: CheckpointStorage) -> None:
        self._storage = storage
        self._ids: dict[Scope, str] = {}

    def refuses(self, scope: Scope) -> str | None:  # noqa: ARG002 - a storage takes any key: it is data there
        """Return why this scope cannot be kept, or None."""
        return None

    async def latest(self, scope: Scope, label: str) -> WorkflowCheckpoint | None:
        """Return the conversation's checkpoint."""
        known = self._ids.get(scope)
        if known is not None:
            try:
                return await self._storage.load(known)
            except WorkflowCheckpointException:  # removed behind our back: look again
                del self._ids[scope]
        owned = [one for one in await self._storage.list_checkpoints(workflow_name=label) if _belongs(one, scope)]
        return max(owned, key=lambda one: datetime.fromisoformat(one.timestamp), default=None)

    async def keep(self, scope: Scope, label: str, checkpoint: WorkflowCheckpoint) -> None:
        """Save the conversation's checkpoint, then remove the one before it."""
        before = self._ids.pop(scope, None)
        if before is None:
            found = await self.latest(scope, label)
            before = None if found is None else found.checkpoint_id
        await self._storage.save(_owned(checkpoint, scope, label))
        self._ids[scope] = checkpoint.checkpoint_id
        if len(self._ids) > self._REMEMBERED:
            del self._ids[next(iter(self._ids))]
        if before is not None and before != checkpoint.checkpoint_id:
            await self._storage.delete(before)

    async def forget(self, scope: Scope, label: str) -> None:
        """Delete the thread's checkpoint, or without a key everything of the person."""
        for one in await self._storage.list_checkpoints(workflow_name=label):
            owner = _owner_of(one)
            if owner is not None and owner.isolation_key == scope.isolation_key and scope.key in (None, owner.key):
                await self._storage.delete(one.checkpoint_id)
                self._ids.pop(owner, None)


def label_of(workflow: Workflow) -> str:
    """Return the name a workflow's checkpoints are found under: its own, else one made from its graph.

    ``WorkflowBuilder`` gives nameless workflows a new random name with every build.
    """
    unnamed = workflow.name.startswith("WorkflowBuilder-")
    return f"graph-{workflow.graph_signature_hash[:32]}" if unnamed else workflow.name


def _owned(checkpoint: WorkflowCheckpoint, scope: Scope, label: str) -> WorkflowCheckpoint:
    metadata = {**checkpoint.metadata, _OWNER: list(scope)}
    return dataclasses.replace(checkpoint, workflow_name=label, metadata=metadata)


def _owner_of(checkpoint: WorkflowCheckpoint) -> Scope | None:
    owner: object = checkpoint.metadata.get(_OWNER)
    return Scope(*owner) if isinstance(owner, list) else None  # type: ignore[reportUnknownArgumentType]


def _belongs(checkpoint: WorkflowCheckpoint, scope: Scope) -> bool:
    """Tell whether a checkpoint is this conversation's; file systems may fold the case of directory names."""
    return _owner_of(checkpoint) == scope


def _holds_checkpoints(directory: Path) -> bool:
    try:
        return any(directory.glob("*.json"))
    except OSError:  # a name this file system does not take
        return False


def _remove_others(directory: Path, checkpoint_id: str) -> None:
    for path in directory.glob("*.json"):
        if path.stem != checkpoint_id:
            path.unlink(missing_ok=True)


def danger_of(key: str) -> str | None:
    """Return why ``key`` cannot be a directory's name, unmodified, or None when it can."""
    return next((reason for reason, is_so in _DANGERS.items() if is_so(key)), None)


def _is_not_unicode(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return True
    return False


_DANGERS: dict[str, Callable[[str], object]] = {
    "it is empty": lambda key: not key,
    "it holds a path separator": lambda key: "/" in key or "\\" in key,
    "it consists of dots": lambda key: not key.strip("."),
    "it starts like a drive letter": _DRIVE.match,
    "it holds a control character": _CONTROL.search,
    "it is not valid Unicode": _is_not_unicode,
    "it is longer than 255 bytes": lambda key: len(key.encode()) > 255,
}

"""What a commit changes, worked out before anything is applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from ..errors import RecordExists
from ..ports import Delete, Insert, Write

RecordKey: TypeAlias = tuple[str, str]
Changes: TypeAlias = dict[RecordKey, str | None]


def changes_of(
    writes: Sequence[Write], earlier: Mapping[RecordKey, str | None], exists: Callable[[RecordKey], bool]
) -> Changes:
    """Return the last text per record, None for a removed one.

    ``earlier`` holds changes that come first and are not applied yet; ``exists`` tells about applied ones. Raises
    ``RecordExists`` when an ``Insert`` meets a record, with nothing changed.
    """
    changes: Changes = {}
    for write in writes:
        record = (write.table, write.key)
        if isinstance(write, Delete):
            changes[record] = None
            continue
        if isinstance(write, Insert) and _is_there(record, changes, earlier, exists):
            raise RecordExists(write.table, write.key)
        changes[record] = write.text
    return changes


def _is_there(
    record: RecordKey,
    changes: Changes,
    earlier: Mapping[RecordKey, str | None],
    exists: Callable[[RecordKey], bool],
) -> bool:
    if record in changes:
        return changes[record] is not None
    if record in earlier:
        return earlier[record] is not None
    return exists(record)

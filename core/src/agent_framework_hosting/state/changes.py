"""What a commit changes, or why it is refused, worked out before anything is applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from ..errors import CommitRefused, Fenced, RecordExists, RecordsDiffer
from ..ports import ABSENT, Delete, Expect, Fence, Insert, Put, Write

RecordKey: TypeAlias = tuple[str, str]
Change: TypeAlias = tuple[int, Put | Insert | None]
"""The last write to a record, None when it was removed, after the number of its commit."""
Changes: TypeAlias = dict[RecordKey, Change]


def version_after(change: Change, now: float) -> int:
    """Return the version that a condition meets after a change."""
    number, write = change
    return ABSENT if write is None or has_expired(write.expires_at, now) else number


def has_expired(expires_at: float | None, now: float) -> bool:
    """Return whether a record is there no more; at its very moment it is not."""
    return expires_at is not None and expires_at <= now


def changes_of(
    writes: Sequence[Write],
    number: int,
    now: float,
    version_of: Callable[[RecordKey], int],
    is_held: Callable[[Fence], bool],
) -> Changes:
    """Return what the commit ``number`` leaves of each record it writes.

    ``version_of`` tells a record's version before the commit. Raises ``Fenced`` when a lease is lost, else
    ``RecordExists`` when records are there that only had to be new, else ``RecordsDiffer``.
    """
    changes: Changes = {}
    differing: dict[RecordKey, None] = {}
    only_new = True
    for write in writes:
        if isinstance(write, Fence):
            if not is_held(write):
                raise Fenced(write.name)
            continue
        record = (write.table, write.key)
        expected = write.expect if isinstance(write, Put) else _expected(write)
        if expected is not None:
            found = version_after(changes[record], now) if record in changes else version_of(record)
            if found != expected:
                differing[record] = None
                only_new = only_new and expected == ABSENT and isinstance(write, (Put, Insert))
        if not isinstance(write, Expect):
            changes[record] = (number, None if isinstance(write, Delete) else write)
    if differing:
        raise _refusal(list(differing), only_new)
    return changes


def conditional(commits: Sequence[Sequence[Write]]) -> list[RecordKey]:
    """Return the records whose versions the commits depend on."""
    return [
        (write.table, write.key)
        for writes in commits
        for write in writes
        if not isinstance(write, Fence) and _expected(write) is not None
    ]


def _expected(write: Put | Insert | Delete | Expect) -> int | None:
    if isinstance(write, (Put, Delete)):
        return write.expect
    return ABSENT if isinstance(write, Insert) else write.version


def _refusal(records: Sequence[RecordKey], only_new: bool) -> CommitRefused:
    return RecordExists(*records[0], records[1:]) if only_new else RecordsDiffer(records)

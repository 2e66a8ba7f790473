"""Every error the host raises on purpose: one tree, and each message says what, which, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence


class HostingError(Exception):
    """Base of every error raised by the host itself."""


class HostConfigurationError(HostingError, ValueError):
    """A setting of the host is missing, unknown or wrong; the message names file, table and key."""


class ChannelConfigurationError(HostConfigurationError):
    """A channel's settings would deny everyone, open a door by accident, or cannot work.

    Raised while the host is constructed. The message names the channel, the setting and the fix.
    """


class PluginError(HostingError):
    """A plugin cannot be loaded; the message names the plugin, its distribution and the fix."""


class PushPayloadNotSerializable(HostingError, TypeError):  # noqa: N818 - the public name is fixed
    """A payload cannot be stored as JSON text. Raised by ``schedule()`` at the call site."""


class PushPayloadNotPicklable(PushPayloadNotSerializable):
    """A payload cannot be handed to an object-mode runner. Raised by ``schedule()`` at the call site."""


class PermanentPushError(HostingError):
    """Raised by ``push``: retrying cannot help, so the delivery goes to the dead letters at once."""


class RetryLater(HostingError):  # noqa: N818 - the public name is fixed
    """Raised by ``push``: try again, but not before ``seconds`` have passed (a platform's ``retry_after``)."""

    def __init__(self, seconds: float, message: str | None = None) -> None:
        """Ask for a pause of ``seconds`` (0 or more) before the next attempt."""
        super().__init__(message or f"The platform asked to wait {seconds:g} seconds.")
        self.seconds = max(0.0, float(seconds))


class StoreError(HostingError):
    """State could not be read or written; nothing of the refused commit was kept."""


class CommitRefused(HostingError):  # noqa: N818 - reads as the condition it names
    """A condition of a commit did not hold, so nothing of it was applied; trying it again cannot help."""


class RecordsDiffer(CommitRefused):
    """Records did not have the versions a commit expected. ``records`` are their (table, key) pairs."""

    def __init__(self, records: Sequence[tuple[str, str]]) -> None:
        """Name the records that differ; at least one."""
        table, key = records[0]
        more = f" and {len(records) - 1} more" if len(records) > 1 else ""
        super().__init__(f"Record {key!r} of table {table!r}{more} changed meanwhile.")
        self.records = tuple(records)


class RecordExists(RecordsDiffer, StoreError):  # noqa: N818 - reads as the condition it names
    """An ``Insert`` met a record that is already there; nothing of its commit was applied."""

    def __init__(self, table: str, key: str, more: Sequence[tuple[str, str]] = ()) -> None:
        """Name the table and key that were taken; ``more`` are further ones of the same commit."""
        super().__init__([(table, key), *more])
        self.table = table
        self.key = key

    def __str__(self) -> str:
        """Say what was taken."""
        return f"A record {self.key!r} already exists in table {self.table!r}."


class Fenced(CommitRefused):
    """A lease that a commit demands is not held any more: somebody else owns the work by now."""

    def __init__(self, lease: str) -> None:
        """Name the lease."""
        super().__init__(f"The lease {lease!r} is not held any more, so nothing was written.")
        self.lease = lease


class UnreadableRecord(StoreError):  # noqa: N818 - reads as the condition it names
    """A stored record is damaged, or was written by a newer host-core."""


class StateDirectoryInUse(StoreError, RuntimeError):  # noqa: N818 - reads as the condition it names
    """Another process owns the state directory; the message names its pid."""


class OperationRefused(HostingError):  # noqa: N818 - reads as the condition it names
    """An operator asked for what cannot be done; the message says why, and what to do instead."""


class LaneFull(HostingError):  # noqa: N818 - reads as the condition it names
    """A lane already holds as many waiting turns as it may."""


class TurnFailed(HostingError):  # noqa: N818 - reads as the condition it names
    """Raised by ``ChannelContext.run`` and by a stream when the turn cannot be completed; its text is safe to show."""


class UncertainSend(HostingError):  # noqa: N818 - reads as the condition it names
    """A send broke off after it began: the platform may have applied it."""


class TargetInputError(HostingError, ValueError):
    """A message, or the answer to a pending request, is nothing the target takes.

    The message says what the target takes and names the run hook as the place to convert. It holds no user text.
    """

"""Choose what carries deliveries, and refuse what would lose them."""

from __future__ import annotations

import logging
import warnings

from ..model.durable import HostStatePaths, RuntimeMode
from ..ports import DurableTaskRunner, Store, TransactionalTaskRunner
from ..state.disk import DiskStore
from ..state.memory import MemoryStore
from ..tasks.inprocess import InProcessTaskRunner
from .options import HostOptions

logger = logging.getLogger(__name__)


def choose_runner(options: HostOptions, mode: RuntimeMode, paths: HostStatePaths) -> tuple[DurableTaskRunner, Store]:
    """Return the runner and the store that journal, tokens and, where it can, the runner share.

    Raises ``RuntimeError`` for the in-process runner where processes are short-lived, unless it was allowed.
    """
    given = options.runner
    if given is None or isinstance(given, InProcessTaskRunner):
        _refuse_short_life(options, mode)
    store: Store = DiskStore(paths["runner"]) if "runner" in paths else MemoryStore()
    if isinstance(given, InProcessTaskRunner) and store.durable:
        given.keep_in(store)
    if isinstance(given, TransactionalTaskRunner):
        return given, given.store
    return (InProcessTaskRunner(store=store) if given is None else given), store


def _refuse_short_life(options: HostOptions, mode: RuntimeMode) -> None:
    if mode != "ephemeral":
        return
    if not (options.allow_in_process_runner or options.config.allow_in_process_runner):
        raise RuntimeError(
            "The in-process runner loses time where processes are short-lived (runtime_mode is 'ephemeral'): give the "
            "host a durable_task_runner that lives elsewhere, or set allow_in_process_runner=True."
        )
    warnings.warn(
        "The in-process runner serves an ephemeral runtime: deliveries wait while the process is stopped.",
        RuntimeWarning,
        stacklevel=2,
    )

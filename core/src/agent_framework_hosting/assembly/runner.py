"""Choose what carries deliveries, and refuse what would lose them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from ..errors import ChannelConfigurationError
from ..model.durable import DurableTaskPayloadMode, RuntimeMode
from ..plugins.manager import PluginManager
from ..ports import DurableTaskRunner, StartedTaskRunner
from ..tasks.inprocess import InProcessTaskRunner
from .options import HostOptions


def choose_runner(options: HostOptions, mode: RuntimeMode) -> DurableTaskRunner:
    """Return the runner that was given, or one inside this process.

    Raises ``RuntimeError`` for a runner inside this process where processes are short-lived, unless it was allowed.
    """
    runner: DurableTaskRunner = InProcessTaskRunner() if options.runner is None else options.runner
    if isinstance(runner, StartedTaskRunner) and runner.in_process:
        _refuse_short_life(options, mode)
    return runner


def check_pairing(plugins: PluginManager, runner: DurableTaskRunner, unstorable: Sequence[type]) -> None:
    """Raise ``ChannelConfigurationError`` for a channel whose pushes could never be stored.

    ``unstorable`` are the classes of the target's answers that the default codec refuses.
    """
    if not unstorable or runner.payload_mode is not DurableTaskPayloadMode.JSON:
        return
    for channel in plugins.channels:
        if channel.push_codec is None and plugins.can_push(channel.name):
            names = ", ".join(sorted(f"{one.__module__}.{one.__qualname__}" for one in unstorable))
            raise ChannelConfigurationError(
                f"Channel {channel.name!r} cannot push what the workflow puts out ({names}): deliveries are stored as "
                "JSON, and these classes have no JSON form. Give the channel a push_codec, or yield text, Content, "
                "Message, dataclasses or pydantic models."
            )


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

"""Hold runner and channels together: what a target answers must fit through the runner to every channel that pushes."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ChannelConfigurationError
from ..model.durable import DurableTaskPayloadMode
from ..plugins.manager import PluginManager
from ..ports import DurableTaskRunner


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

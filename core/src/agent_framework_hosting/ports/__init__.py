"""The seams of the host: what a store, a runner, an allowlist, a linker or a live reply must do."""

from .channel import ChannelContext, ChannelPush, ChannelPushCodec, LiveReply, Target
from .durable import DurableTask, DurableTaskHandler, DurableTaskRunner, PreparedTask, TransactionalTaskRunner
from .people import IdentityAllowlist, IdentityLinker, IdentityResolver, SupportsLinkStorePath
from .store import Delete, ErasesRemoved, Insert, Put, Store, Write

__all__ = [
    "ChannelContext",
    "ChannelPush",
    "ChannelPushCodec",
    "Delete",
    "DurableTask",
    "DurableTaskHandler",
    "DurableTaskRunner",
    "ErasesRemoved",
    "IdentityAllowlist",
    "IdentityLinker",
    "IdentityResolver",
    "Insert",
    "LiveReply",
    "PreparedTask",
    "Put",
    "Store",
    "SupportsLinkStorePath",
    "Target",
    "TransactionalTaskRunner",
    "Write",
]

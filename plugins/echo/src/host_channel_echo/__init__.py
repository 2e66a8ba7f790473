"""The worked example of a channel: small, complete, and the host's own test double."""

from .plugin import EchoChannel

__all__ = ["EchoChannel"]

"""Microsoft Teams as a channel: verified on the way in, durable on the way out."""

from .plugin import TeamsChannel

__all__ = ["TeamsChannel"]

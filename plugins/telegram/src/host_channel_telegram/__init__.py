"""Telegram as a channel of host-core."""

from .config import TelegramOptions
from .plugin import TelegramChannel

__all__ = ["TelegramChannel", "TelegramOptions"]

"""Partition hints lifted from request headers into a context variable. Never a principal."""

from __future__ import annotations

from contextvars import ContextVar, Token
from dataclasses import dataclass

ISOLATION_HEADER_USER = "x-agent-user-isolation-key"
ISOLATION_HEADER_CHAT = "x-agent-chat-isolation-key"


@dataclass(frozen=True, slots=True)
class IsolationKeys:
    """Hold the partition hints of one request, for storage providers that partition by them."""

    user_key: str | None = None
    chat_key: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether neither hint was given."""
        return self.user_key is None and self.chat_key is None


CURRENT_KEYS: ContextVar[IsolationKeys | None] = ContextVar("agent_framework_hosting_isolation_keys", default=None)
"""The hints of the request being served."""


def get_current_isolation_keys() -> IsolationKeys | None:
    """Return the hints of the request being served, or None outside of one."""
    return CURRENT_KEYS.get()


def set_current_isolation_keys(keys: IsolationKeys | None) -> Token[IsolationKeys | None]:
    """Set the hints for the current context and return the token that undoes it."""
    return CURRENT_KEYS.set(keys)


def reset_current_isolation_keys(token: Token[IsolationKeys | None]) -> None:
    """Undo one ``set_current_isolation_keys``."""
    CURRENT_KEYS.reset(token)

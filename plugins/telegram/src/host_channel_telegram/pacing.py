"""How fast may be sent: per chat, per group and for the whole bot. Telegram's own ``retry_after`` has the last word."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

PRIVATE_GAP = 1.05
GROUP_GAP = 1.05
GROUP_PREVIEW_GAP = 3.1
GROUP_PER_MINUTE = 19
GROUP_PREVIEWS_PER_MINUTE = 14  # the rest is kept for final answers
MINUTE = 60.5
PER_SECOND = 28
_MANY = 2_000


@dataclass(slots=True)
class _Chat:
    next_at: float = 0.0
    frozen_until: float = 0.0
    sent: deque[float] = field(default_factory=lambda: deque[float](maxlen=GROUP_PER_MINUTE))


class Pacer:
    """Hand out moments to send. One for each bot, shared by everything that is sent with its token."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._chats: dict[int, _Chat] = {}
        self._next_for_all = 0.0

    def __len__(self) -> int:
        """Return how many chats are remembered."""
        return len(self._chats)

    async def turn(self, chat_id: int) -> None:
        """Wait until something may be sent to a chat. Callers of one chat go in the order they came."""
        at = self.reserve(chat_id)
        while (wait := at - self._clock()) > 0:
            await asyncio.sleep(wait)
            at = max(at, self._chat(chat_id).frozen_until)

    def reserve(self, chat_id: int) -> float:
        """Take the next free moment of a chat and return it, on the pacer's clock."""
        chat, now = self._chat(chat_id), self._clock()
        for_all = max(now, self._next_for_all)
        self._next_for_all = for_all + 1 / PER_SECOND
        at = max(for_all, chat.next_at, chat.frozen_until)
        if chat_id < 0 and len(chat.sent) == GROUP_PER_MINUTE:
            at = max(at, chat.sent[0] + MINUTE)
        chat.sent.append(at)
        chat.next_at = at + (GROUP_GAP if chat_id < 0 else PRIVATE_GAP)
        return at

    def preview_wait(self, chat_id: int) -> float:
        """Return for how long a preview has to wait at least; 0 means it may go now."""
        chat, now = self._chat(chat_id), self._clock()
        at = max(chat.next_at, chat.frozen_until, self._next_for_all)
        if chat_id < 0 and chat.sent:
            at = max(at, chat.sent[-1] + GROUP_PREVIEW_GAP)
            if len(chat.sent) >= GROUP_PREVIEWS_PER_MINUTE:
                at = max(at, chat.sent[-GROUP_PREVIEWS_PER_MINUTE] + MINUTE)
        return max(0.0, at - now)

    def freeze(self, chat_id: int, seconds: float) -> None:
        """Send nothing to a chat for a while: Telegram said so."""
        chat = self._chat(chat_id)
        chat.frozen_until = max(chat.frozen_until, self._clock() + seconds)

    def frozen_for(self, chat_id: int) -> float:
        """Return for how long a chat is still frozen."""
        chat = self._chats.get(chat_id)
        return 0.0 if chat is None else max(0.0, chat.frozen_until - self._clock())

    def _chat(self, chat_id: int) -> _Chat:
        chat = self._chats.get(chat_id)
        if chat is None:
            if len(self._chats) >= _MANY:
                self._forget_idle()
            chat = self._chats[chat_id] = _Chat()
        return chat

    def _forget_idle(self) -> None:
        now = self._clock()
        for chat_id, chat in list(self._chats.items()):
            quiet_since = chat.sent[-1] + MINUTE if chat_id < 0 and chat.sent else chat.next_at
            if max(quiet_since, chat.frozen_until) < now:
                del self._chats[chat_id]

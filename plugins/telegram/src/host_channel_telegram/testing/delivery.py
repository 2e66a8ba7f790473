"""How updates leave the fake: held polls, and webhooks that are sent again until they are taken."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict, deque

import httpx2

from ..polling import chat_of
from ..reading import Json, number, text
from .faults import Refused
from .world import World

logger = logging.getLogger(__name__)

_DEFAULT_OFF = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
_LONGEST_PAUSE = 60.0


class Polls:
    """Answer ``getUpdates`` as the server does; the newer of two polls ends the older one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._news = asyncio.Event()
        self._current: asyncio.Event | None = None
        self._last: tuple[int, float] | None = None
        self.allowed: list[str] | None = None

    def wake(self) -> None:
        """Tell a held poll that there is something."""
        self._news.set()

    async def get(self, params: Json) -> list[Json]:
        """Hold a poll until there are updates or its time is up. Raises ``Refused``."""
        if self._world.webhook.url:
            raise Refused(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook first")
        kinds = params.get("allowed_updates")
        if isinstance(kinds, list):
            self.allowed = [str(kind) for kind in kinds]  # type: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        offset, limit = number(params, "offset") or 0, min(100, number(params, "limit") or 100)
        seconds = min(50, number(params, "timeout") or 0)
        await self._hold_back(offset, seconds, limit)
        if self._current is not None:
            self._current.set()
        mine = self._current = asyncio.Event()
        self._world.updates = [each for each in self._world.updates if (number(each, "update_id") or 0) >= offset]
        deadline = time.monotonic() + seconds
        try:
            while not (ready := self._ready()) and (left := deadline - time.monotonic()) > 0:
                self._news.clear()
                await _first_of(self._news, mine, left)
                if self._news.is_set() and not self._ready():
                    break
                if mine.is_set():
                    raise Refused(
                        409,
                        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is "
                        "running",
                    )
            return ready[:limit]
        finally:
            if self._current is mine:
                self._current = None

    def _ready(self) -> list[Json]:
        return [update for update in self._world.updates if _is_allowed(update, self.allowed)]

    async def _hold_back(self, offset: int, seconds: int, limit: int) -> None:
        """Hold a repeated offset back for three seconds when the poll itself is short."""
        now = time.monotonic()
        if seconds < 3 and self._last is not None and self._last[0] == offset:
            window = 0.5 if limit == 1 else 3.0
            if (left := self._last[1] + window - now) > 0:
                await asyncio.sleep(left)
        self._last = (offset, now)


class Webhooks:
    """Post updates: one of a chat at a time, again and again until one is taken."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._queues: dict[object, deque[Json]] = defaultdict(deque)
        self._workers: dict[object, asyncio.Task[None]] = {}
        self._http = httpx2.AsyncClient(timeout=10.0)

    def send(self) -> None:
        """Queue what waits, when a webhook is set."""
        hook = self._world.webhook
        if not hook.url:
            return
        for update in self._world.updates:
            if _is_allowed(update, hook.allowed):
                self._queues[chat_of(update)].append(update)
        self._world.updates = []
        for chat, queue in self._queues.items():
            if queue and (chat not in self._workers or self._workers[chat].done()):
                self._workers[chat] = asyncio.get_running_loop().create_task(self._deliver(queue))

    async def close(self) -> None:
        """Stop sending; what was not taken waits for the next webhook or poll."""
        for worker in self._workers.values():
            worker.cancel()
        if self._workers:
            await asyncio.wait(self._workers.values())
        self._workers.clear()
        for queue in self._queues.values():
            self._world.updates += queue
            queue.clear()

    async def end(self) -> None:
        """Stop for good."""
        await self.close()
        await self._http.aclose()

    async def _deliver(self, queue: deque[Json]) -> None:
        pause = 0.5
        while queue:
            after = await self._post(queue[0])
            if after is None:
                queue.popleft()
                pause = 0.5
            else:
                await asyncio.sleep(after or pause)
                pause = min(_LONGEST_PAUSE, 2 * pause)

    async def _post(self, update: Json) -> float | None:
        """Post one update; return None when it was taken, else the wait the other side asked for, or 0."""
        hook = self._world.webhook
        headers = {"X-Telegram-Bot-Api-Secret-Token": hook.secret} if hook.secret else {}
        try:
            answer = await self._http.post(hook.url, json=update, headers=headers)
        except httpx2.HTTPError as error:
            hook.last_error, hook.last_error_date = f"Connection failed: {type(error).__name__}", int(time.time())
            return 0.0
        hook.answers.append(answer.status_code)
        if answer.status_code < 300:
            return None
        hook.last_error = f"Wrong response from the webhook: {answer.status_code}"
        hook.last_error_date = int(time.time())
        asked = answer.headers.get("retry-after", "")
        return float(asked) if asked.isdigit() else 0.0


async def _first_of(one: asyncio.Event, other: asyncio.Event, seconds: float) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in (one, other)]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()


def _is_allowed(update: Json, allowed: list[str] | None) -> bool:
    kinds = [name for name in update if name != "update_id"]
    kind = kinds[0] if kinds else ""
    return kind in allowed if allowed else kind not in _DEFAULT_OFF


def secret_of(params: Json) -> str:
    """Return the secret of a webhook. Raises ``Refused`` for characters it may not have."""
    secret = text(params, "secret_token")
    if not secret.replace("_", "a").replace("-", "a").isalnum() and secret:
        raise Refused(400, "Bad Request: secret token contains unallowed characters")
    return secret

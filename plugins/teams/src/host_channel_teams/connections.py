"""What talks to Microsoft besides the connector: the pool, the keys, the bot's tokens, and whether they work."""

from __future__ import annotations

from collections.abc import Sequence

from .config import TeamsOptions
from .keys import KeyRing, KeysUnavailable
from .pace import Clock
from .tokens import TokenSource, TokenUnavailable
from .wire import Wire

CHECK_SECONDS = 60.0


class Connections:
    """Hold one pool with the keys and tokens that come through it."""

    def __init__(self, options: TeamsOptions, clock: Clock) -> None:
        self.wire = Wire(options.timeout_seconds)
        self.keys = KeyRing(options.keys_url, self.wire.http, clock)
        self.tokens = TokenSource(options, self.wire.http, clock)
        self._clock = clock
        self._checked_at: float | None = None
        self._faults: Sequence[str] = ()

    async def check(self) -> Sequence[str]:
        """Return what does not work; asked often, Microsoft is asked once a minute."""
        now = self._clock.now()
        if self._checked_at is None or now - self._checked_at > CHECK_SECONDS:
            self._faults = [fault for fault in (await self._token_fault(), await self._keys_fault()) if fault]
            self._checked_at = now
        return self._faults

    async def close(self) -> None:
        """End everything; it may be used again."""
        await self.keys.close()
        await self.tokens.close()
        await self.wire.close()

    async def _token_fault(self) -> str | None:
        try:
            await self.tokens.get()
        except TokenUnavailable as error:
            return f"The bot gets no token: {error} Check app_id, tenant_id and the credential."
        return None

    async def _keys_fault(self) -> str | None:
        if self.keys.loaded:
            return None
        try:
            await self.keys.refresh()
        except KeysUnavailable:
            return "Microsoft's signing keys cannot be fetched, so no message can be let in. Check openid_metadata_url."
        return None

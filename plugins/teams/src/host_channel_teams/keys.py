"""Microsoft's signing keys: fetched without stalling anybody, kept, and fetched anew when an unknown one is named."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httpx2
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from .hosts import is_loopback, require_web_address
from .pace import Clock

logger = logging.getLogger(__name__)

KEEP_SECONDS = 86_400.0
UNKNOWN_KEY_PAUSE = 30.0
LARGEST_DOCUMENT = 1024 * 1024


class KeysUnavailable(Exception):  # noqa: N818 - reads as the condition it names
    """The keys cannot be fetched at present; try again later."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key and the channels it is endorsed for."""

    key: RSAPublicKey
    endorsements: frozenset[str]


class KeyRing:
    """Find keys by id. Downloads are shared: many waiting callers, one request."""

    def __init__(self, metadata_url: str, http: Callable[[], httpx2.AsyncClient], clock: Clock) -> None:
        self._metadata_url = metadata_url
        self._http = http
        self._clock = clock
        self._keys: Mapping[str, SigningKey] = {}
        self._fetched_at = 0.0
        self._asked_for_unknown: float | None = None
        self._last_failed = False
        self._download: asyncio.Task[None] | None = None

    @property
    def loaded(self) -> bool:
        """Whether there are keys."""
        return bool(self._keys)

    async def find(self, kid: str) -> SigningKey | None:
        """Return a key, or None when Microsoft has none of that id. Raises ``KeysUnavailable``."""
        found = self._keys.get(kid)
        if found is not None:
            if self._clock.now() - self._fetched_at > KEEP_SECONDS and self._may_ask_again():
                self._start()  # the old ones serve meanwhile
            return found
        if not self._keys or self._download is not None:
            await self.refresh()
        if kid not in self._keys and self._may_ask_again():
            await self.refresh()
        if kid not in self._keys and self._last_failed:
            raise KeysUnavailable("The keys could not be fetched anew.")
        return self._keys.get(kid)

    async def refresh(self) -> None:
        """Fetch the keys. Raises ``KeysUnavailable`` when that fails and none are kept."""
        await asyncio.shield(self._start())
        if not self._keys:
            raise KeysUnavailable("The keys cannot be fetched.")

    async def close(self) -> None:
        """End a download under way."""
        if self._download is not None:
            self._download.cancel()
            await asyncio.wait([self._download])

    def _may_ask_again(self) -> bool:
        now = self._clock.now()
        if self._asked_for_unknown is not None and now - self._asked_for_unknown < UNKNOWN_KEY_PAUSE:
            return False
        self._asked_for_unknown = now
        return True

    def _start(self) -> asyncio.Task[None]:
        if self._download is None:
            self._download = asyncio.get_running_loop().create_task(self._fetch())
            self._download.add_done_callback(self._over)
        return self._download

    def _over(self, _: asyncio.Task[None]) -> None:
        self._download = None

    async def _fetch(self) -> None:
        try:
            metadata = await self._document(self._metadata_url)
            keys = _keys_of(await self._document(self._jwks_uri(metadata)))
        except (httpx2.HTTPError, ValueError, TypeError, KeyError) as error:
            self._last_failed = True
            logger.warning("Microsoft's keys could not be fetched", extra={"error": type(error).__name__})
            return
        self._keys, self._fetched_at, self._last_failed = keys, self._clock.now(), False

    def _jwks_uri(self, metadata: Mapping[str, object]) -> str:
        uri = require_web_address(str(metadata["jwks_uri"]))
        here = is_loopback(urlsplit(self._metadata_url).hostname or "")
        if is_loopback(urlsplit(uri).hostname or "") and not here:
            raise ValueError("the metadata names an address of this machine")
        return uri

    async def _document(self, url: str) -> Mapping[str, object]:
        answer = await self._http().get(url)
        answer.raise_for_status()
        if len(answer.content) > LARGEST_DOCUMENT:
            raise ValueError("the document is too large")
        found: object = answer.json()
        if not isinstance(found, dict):
            raise TypeError("no object")
        return cast("dict[str, object]", found)


def _keys_of(document: Mapping[str, object]) -> Mapping[str, SigningKey]:
    listed = document["keys"]
    if not isinstance(listed, list) or not listed:
        raise ValueError("no keys")
    keys: dict[str, SigningKey] = {}
    for each in cast("Sequence[Mapping[str, object]]", listed):
        kid, endorsed = each.get("kid"), each.get("endorsements")
        if each.get("kty") != "RSA" or not isinstance(kid, str):
            continue
        key = RSAAlgorithm.from_jwk({"kty": "RSA", "n": str(each["n"]), "e": str(each["e"])})
        if not isinstance(key, RSAPublicKey) or key.key_size < 2048:
            continue
        names = cast("Sequence[object]", endorsed) if isinstance(endorsed, list) else ()
        keys[kid] = SigningKey(key, frozenset(name for name in names if isinstance(name, str)))
    if not keys:
        raise ValueError("no usable key")
    return keys

"""Who calls: the configured key behind a request, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from pydantic import SecretStr

from .errors import WireError

ANONYMOUS = "anonymous"
_DOMAIN = b"host-channel-responses principal\x00"


class Principals:
    """Tell principals by their API key; without keys everyone is ``anonymous``, on loopback unless opened."""

    def __init__(self, api_keys: Mapping[str, SecretStr] | None, *, allow_anonymous: bool) -> None:
        """Keep only digests of the keys."""
        self._open = allow_anonymous
        self._digests: tuple[tuple[bytes, str], ...] = ()
        if api_keys:
            pairs = ((name, key.get_secret_value().strip().encode()) for name, key in api_keys.items())
            self._digests = tuple((_digest(key), _principal(name, key)) for name, key in pairs)

    def identify(self, authorization: str | None, client: str | None, origin: str | None) -> str:
        """Return the principal's id; raises ``WireError`` (401, 403)."""
        if self._digests:
            return self._by_key(authorization)
        if self._open:
            return ANONYMOUS
        if client is None or not is_loopback(client):
            raise WireError(
                403,
                "This server has no API keys configured and therefore answers on loopback only. "
                "Its operator can configure api_keys.",
                code="permission_denied",
            )
        if origin is not None and not is_loopback(_host_of(origin)):
            raise WireError(403, "Requests from other sites are not accepted.", code="permission_denied")
        return ANONYMOUS

    def _by_key(self, authorization: str | None) -> str:
        scheme, _, key = (authorization or "").partition(" ")
        given = _digest(key.strip().encode("utf-8", "surrogateescape"))
        found: str | None = None
        for digest, principal in self._digests:  # every key is compared, so time tells nothing
            if hmac.compare_digest(digest, given):
                found = principal
        if found is None or scheme.lower() != "bearer":
            message = "Incorrect or missing API key. Send it as: Authorization: Bearer <key>."
            raise WireError(401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"})
        return found


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Whether a peer address or host name is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:  # no URL at all, so no page of this machine's
        return ""


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _principal(name: str, key: bytes) -> str:
    """Return a stable id: the operator's name for the key, or a digest where the key was only listed."""
    if name.startswith("#"):
        return "key-" + hashlib.sha256(_DOMAIN + key).hexdigest()[:24]
    return f"key:{name}"

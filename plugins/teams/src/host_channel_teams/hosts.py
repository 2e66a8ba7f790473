"""Which addresses may be talked to. Pure, and asked again before every send."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit


class UntrustedUrl(ValueError):  # noqa: N818 - reads as the condition it names
    """The address is not one this bot may talk to."""


def is_loopback(host: str) -> bool:
    """Say whether a host name is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def require_web_address(url: str) -> str:
    """Return an https address, or a plain http one of this machine. Raises ``ValueError``."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.password:
        raise ValueError("must be an https address such as https://login.example/path")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("must begin with https; plain http is for this machine (127.0.0.1) only")
    return url


class TrustedHosts:
    """Hosts, as ``host``, ``host:port`` or ``*.domain``.

    https on its default port, or the port that is listed. Plain http, and a port that is not listed, only for a
    loopback host that is listed by name.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = frozenset(host.strip().lower() for host in hosts)

    def check(self, url: object) -> str:
        """Return the address without a trailing slash. Raises ``UntrustedUrl``."""
        parts = _split(url)
        host = (parts.hostname or "").lower()
        try:
            port = parts.port
        except ValueError:
            raise UntrustedUrl("The port is none.") from None
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise UntrustedUrl("The address carries more than a host and a path.")
        if not self._is_trusted(parts.scheme, host, port):
            raise UntrustedUrl("The host is not trusted.")
        return str(url).rstrip("/")

    def _is_trusted(self, scheme: str, host: str, port: int | None) -> bool:
        if is_loopback(host):
            shown = f"[{host}]" if ":" in host else host
            listed = shown in self._hosts or (port is not None and f"{shown}:{port}" in self._hosts)
            return scheme in ("http", "https") and listed
        if scheme != "https":
            return False
        if port not in (None, 443):
            return f"{host}:{port}" in self._hosts
        return host in self._hosts or f"{host}:443" in self._hosts or self._is_below(host)

    def _is_below(self, host: str) -> bool:
        labels = host.split(".")
        return any(f"*.{'.'.join(labels[start:])}" in self._hosts for start in range(1, len(labels)))


def _split(url: object) -> SplitResult:
    if not isinstance(url, str) or len(url) > 2048 or not url.isascii() or any(c <= " " or c in "\\\x7f" for c in url):
        raise UntrustedUrl("The address is not plain text.")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise UntrustedUrl("The address cannot be read.") from None
    if any(segment in (".", "..") for segment in parts.path.split("/")):
        raise UntrustedUrl("The path climbs.")
    return parts

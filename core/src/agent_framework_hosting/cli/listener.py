"""Take the port before anything else happens, so that a port in use is one sentence."""

from __future__ import annotations

import errno
import socket

from ..errors import HostConfigurationError


def open_listener(host: str, port: int) -> socket.socket:
    """Return a listening socket; connections wait in it until the server accepts them. Port 0 takes a free one.

    Raises ``HostConfigurationError`` with one sentence when the address cannot be taken.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise HostConfigurationError(f"--host {host} is no address of this machine; try --host 127.0.0.1.") from None
    family, kind, protocol, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise HostConfigurationError(_why(error, host, port)) from error
    return listener


def hypercorn_bind(listener: socket.socket) -> list[str]:
    """Hand the listener over to Hypercorn, which closes it."""
    return [f"fd://{listener.detach()}"]


def url_of(listener: socket.socket) -> str:
    """Return the address as a browser on this machine reaches it."""
    address: tuple[str, int] = listener.getsockname()[:2]
    host, port = address
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - shown, not bound
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use; stop what uses it, or choose another: --port {port % 65535 + 1}."
    if error.errno == errno.EACCES:
        return f"Port {port} may be used by administrators only; choose one above 1023: --port 8000."
    return f"--host {host} is no address of this machine; try --host 127.0.0.1."

"""Serve the app with Hypercorn; the only module that imports it."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from hypercorn.asyncio import serve as hypercorn_serve  # type: ignore[reportUnknownVariableType] - its WSGI form is untyped
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from hypercorn.utils import LifespanFailureError
from starlette.applications import Starlette
from starlette.types import ASGIApp

from .errors import HostConfigurationError, HostingError
from .wording import did_you_mean

GRACE_SECONDS = 3.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(app: Starlette, *, host: str, port: int, workers: int, options: dict[str, object]) -> None:
    """Serve until Ctrl-C or SIGTERM, then drain and return.

    ``options`` are Hypercorn's own settings. Raises ``HostConfigurationError`` for an unknown one, for several workers
    (state has a single owner) and for an address in use, ``HostingError`` when the app's start-up or shutdown fails.
    """
    config = build_config(host=host, port=port, workers=workers, options=options)
    take_addresses(config)
    asyncio.run(_serve(app, config))


def build_config(*, host: str, port: int, workers: int, options: dict[str, object]) -> Config:
    """Return Hypercorn's settings for one worker on one address."""
    if workers != 1:
        raise HostConfigurationError(
            f"workers={workers}: the host's state has a single owner, so it serves with one worker; leave workers out, "
            "or run several hosts, each with its own state_dir and port."
        )
    config = Config()
    config.bind = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    config.graceful_timeout = GRACE_SECONDS
    known = _settings()
    for name, value in options.items():
        if name not in known:
            meant = did_you_mean(name, known, " See its documentation under 'Configuration options'.")
            raise HostConfigurationError(f"{name!r} is no setting of Hypercorn.{meant}")
        setattr(config, name, value)
    return config


def _settings() -> list[str]:
    return [name for name in (*vars(Config), *Config.__annotations__) if not name.startswith("_") and _can_be_set(name)]


def _can_be_set(name: str) -> bool:
    """Tell settings from Hypercorn's methods and from what it computes."""
    declared = vars(Config).get(name)
    if isinstance(declared, property):
        return declared.fset is not None
    return isinstance(declared, type) or not callable(getattr(Config, name, None))


def take_addresses(config: Config) -> None:
    """Open the sockets and leave them to Hypercorn, so that an address in use stops nothing half started.

    Unix sockets are left for Hypercorn to open: it takes no open ones.
    """
    if any(each.startswith("unix:") for each in (*config.bind, *config.insecure_bind)):
        return
    try:
        sockets = config.create_sockets()
    except OSError as error:
        raise HostConfigurationError(
            f"Cannot listen on {', '.join(config.bind)} ({error.strerror}); stop what uses the address, or choose "
            "another host or port."
        ) from error
    if config.ssl_enabled:
        config.bind = _handed_over(sockets.secure_sockets)
        config.insecure_bind = _handed_over(sockets.insecure_sockets)
        config.quic_bind = _handed_over(sockets.quic_sockets)
    else:
        config.bind = _handed_over(sockets.insecure_sockets)


def _handed_over(sockets: Sequence[socket.socket]) -> list[str]:
    return [f"fd://{each.detach()}" for each in sockets]


async def _serve(app: Starlette, config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in _SIGNALS:
        try:
            loop.add_signal_handler(each, stop.set)
        except NotImplementedError:  # Windows' event loop takes no signal handlers; Ctrl-C still ends asyncio.run
            break
    await serve_until(stop.wait, app, config)


async def serve_until(stop: Callable[[], Awaitable[object]], app: ASGIApp, config: Config) -> None:
    """Serve until ``stop`` returns, then drain. Raises ``HostingError`` when the app does not start or stop."""
    try:
        await hypercorn_serve(cast("ASGIFramework", app), config, shutdown_trigger=stop)
    except LifespanFailureError as error:
        raise HostingError("The host did not start or stop as it should; the log above says why.") from error

"""The host: one target, many channels, one app. It wires the parts and decides nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from .errors import HostConfigurationError
from .hookspecs import Channel
from .model.durable import ContinuationToken, HostStatePaths, RuntimeMode, TaskHandle
from .model.identity import ChannelIdentity
from .model.outcome import Accepted
from .model.request import ChannelRequest
from .model.result import HostedRunResult, TargetResult
from .model.target import ResponseTarget
from .model.verdict import AuthorizationError, AuthorizationOutcome, ClaimValue, Denied, LinkRequired
from .ports import DurableTaskRunner, IdentityAllowlist, IdentityLinker, IdentityResolver, Store, Target

if TYPE_CHECKING:
    from agent_framework import AgentResponse, CheckpointStorage
    from starlette.applications import Starlette
    from starlette.middleware import Middleware

    from .assembly.contributions import Contributions
    from .assembly.lifecycle import Member
    from .assembly.wire import Parts
    from .config import HostConfig


class AgentFrameworkHost:
    """Serve one agent or workflow on many channels from one ASGI app.

    ``channels`` are names of installed channels, configured from ``config`` (a path, the parsed content of a
    ``host.toml``, or None for ``./host.toml`` when it is there) and the environment, or ready instances, or both.
    ``state_dir`` makes state outlive the process: one directory, or one per component; None keeps it in memory.
    ``store`` keeps state in a store of yours instead, which other hosts may use as well.
    Constructing opens nothing; starting does: ``async with host``, the app's lifespan, or ``serve``. ``debug``
    logs more; what a client sees stays the same.

    Raises ``HostConfigurationError`` for a wrong setting, ``ChannelConfigurationError`` for a channel that would deny
    everyone or stand open by accident, ``PluginError`` for a plugin that cannot be loaded, ``ValueError`` for an
    unknown state component, and ``RuntimeError`` for an in-process runner where processes are short-lived.
    """

    def __init__(
        self,
        target: Target,
        *,
        channels: Sequence[str | Channel],
        plugins: Sequence[object] = (),
        config: HostConfig | Mapping[str, object] | os.PathLike[str] | str | None = None,
        middleware: Sequence[Middleware] = (),
        state_dir: str | os.PathLike[str] | HostStatePaths | Mapping[str, str] | None = None,
        checkpoint_location: str | os.PathLike[str] | CheckpointStorage | None = None,
        runtime_mode: RuntimeMode | None = None,
        durable_task_runner: DurableTaskRunner | None = None,
        allow_in_process_runner: bool = False,
        default_allowlist: IdentityAllowlist | None = None,
        identity_linker: IdentityLinker | None = None,
        identity_resolver: IdentityResolver | None = None,
        store: Store | None = None,
        debug: bool = False,
    ) -> None:
        from .assembly.options import HostOptions  # noqa: PLC0415 - what a running host needs is heavier than this door
        from .assembly.wire import wire  # noqa: PLC0415 - as above
        from .config import HostConfig, load_config  # noqa: PLC0415 - as above
        from .plugins.discovery import load_channel_class  # noqa: PLC0415 - as above

        if isinstance(channels, str):
            raise TypeError(f"channels must be a sequence, for example channels=[{channels!r}].")
        names = [each for each in channels if isinstance(each, str)]
        if isinstance(config, HostConfig):
            loaded = config
        else:
            loaded = load_config(config, enabled=names, channel_class=load_channel_class)
        self._app: Starlette | None = None
        self._contributions: Contributions | None = None
        self._parts: Parts = wire(
            HostOptions(
                target=target,
                channels=tuple(channels),
                plugins=tuple(plugins),
                config=loaded,
                middleware=tuple(middleware),
                state_dir=state_dir,
                checkpoint_location=checkpoint_location,
                runtime_mode=runtime_mode,
                runner=durable_task_runner,
                allow_in_process_runner=allow_in_process_runner,
                default_allowlist=default_allowlist,
                linker=identity_linker,
                resolver=identity_resolver,
                debug=debug or loaded.debug,
                store=store,
            )
        )

    @classmethod
    def from_config(cls, path: str | os.PathLike[str] | Mapping[str, object]) -> Self:
        """Build a host from ``host.toml`` alone: target, channels and everything else.

        Raises ``HostConfigurationError`` when the file names no target or no channel.
        """
        from .config import load_config, resolve_target  # noqa: PLC0415 - only this way of building needs it
        from .plugins.discovery import load_channel_class  # noqa: PLC0415 - as above

        loaded = load_config(path, channel_class=load_channel_class)
        if loaded.target is None:
            raise HostConfigurationError(f'{loaded.origin.label}: names no target; add: target = "module:attribute"')
        if not loaded.channels:
            raise HostConfigurationError(f"{loaded.origin.label}: no channel is enabled; add [channels.responses]")
        target = resolve_target(loaded.target, directory=loaded.origin.directory)
        if isinstance(target, AgentFrameworkHost):
            raise HostConfigurationError(
                f"{loaded.origin.label}: target {loaded.target!r} is a host already; name the agent or workflow."
            )
        return cls(cast("Target", target), channels=list(loaded.channels), config=loaded)

    # What it is made of

    @property
    def app(self) -> Starlette:
        """The ASGI app; its lifespan starts and stops the host."""
        if self._app is None:
            from .app import build_app  # noqa: PLC0415 - a host that is only configured needs no routes

            self._contributions = self._contributions or self._parts.contribute()
            self._app = build_app(
                self._contributions.routes,
                lifespan=self._lifespan,
                readiness=self._parts.readiness,
                middleware=self._parts.options.middleware,
                max_body_bytes=self._parts.options.config.settings.max_body_bytes,
                body_timeout_seconds=self._parts.options.config.settings.body_timeout_seconds,
            )
        return self._app

    @property
    def target(self) -> Target:
        """The agent or workflow being served."""
        return self._parts.options.target

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The enabled channels, in the order they were given."""
        return self._parts.plugins.channels

    @property
    def default_allowlist(self) -> IdentityAllowlist | None:
        """The allowlist of every channel that inherits; None is open."""
        return self._parts.default_allowlist

    @property
    def runtime_mode(self) -> RuntimeMode:
        """Whether this process lives on between requests."""
        return self._parts.runtime_mode

    @property
    def durable_task_runner(self) -> DurableTaskRunner:
        """The runner that carries deliveries."""
        return self._parts.runner

    # What it does

    async def authorize(
        self,
        identity: ChannelIdentity,
        *,
        require_link: bool = False,
        allowlist: IdentityAllowlist | None = None,
        verified_claims: Mapping[str, ClaimValue] | None = None,
    ) -> AuthorizationOutcome:
        """Decide whether an identity may speak, writing nothing.

        ``allowlist`` None means the rules of the identity's channel, or the default's for an unknown one.
        ``verified_claims`` must be verified by the caller.
        """
        return await self._parts.gate.authorize(
            identity, require_link=require_link, allowlist=allowlist, verified_claims=verified_claims
        )

    async def deliver(
        self,
        content: HostedRunResult[TargetResult] | AgentResponse | str,
        target: ResponseTarget,
        *,
        isolation_key: str | None = None,
        remember: bool = False,
    ) -> tuple[TaskHandle, ...]:
        """Send without being asked: to addresses given verbatim, or to where the person of ``isolation_key`` is known.

        Returns a handle per delivery, accepted as durably as the runner is; ask ``durable_task_runner.get`` for their
        status. ``remember`` also puts the text into the person's session history. Raises ``ValueError`` when the
        target needs an isolation key, or names no destination that can be reached, ``PushPayloadNotSerializable`` for
        content that cannot be stored, ``StoreError`` when the state cannot be written, and ``RuntimeError`` for a
        host that was closed.
        """
        await self._parts.lifecycle.allow_deliveries()
        return await self._parts.proactive.send(content, target, person=isolation_key, remember=remember)

    async def run_in_background(self, request: ChannelRequest) -> ContinuationToken:
        """Run a request later and return the token to ask after it; the answer also goes to its response target.

        Raises ``AuthorizationError`` when the speaker is refused, ``RuntimeError`` when the host cannot take it.
        """
        outcome = await self._parts.inbound.admit(replace(request, background=True))
        if isinstance(outcome, (Denied, LinkRequired)):
            raise AuthorizationError(outcome)
        token = outcome.token if isinstance(outcome, Accepted) else None
        found = None if token is None else await self.get_continuation(token)
        if found is None:
            raise RuntimeError(f"The background run was not accepted: {outcome.to_public_dict()}")
        return found

    async def get_continuation(self, token: ContinuationToken | str) -> ContinuationToken | None:
        """Return how a background run stands; None for an unknown or forgotten token."""
        found = await self._parts.continuations.get(token if isinstance(token, str) else token.token)
        return None if found is None else found.public()

    async def reset_session(self, isolation_key: str) -> None:
        """Start a person's conversation afresh: next turn, new session; a workflow's checkpoints are removed."""
        await self._parts.reset_session(isolation_key, None)

    # Starting and stopping

    async def __aenter__(self) -> Self:
        """Start exactly what the app's lifespan starts. A closed host can be started again."""
        if self._parts.options.debug:
            logging.getLogger("agent_framework_hosting").setLevel(logging.DEBUG)
        _ = self.app
        await self._parts.lifecycle.start(self._members())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; see ``close``."""
        await self.close()

    async def close(self) -> None:
        """Stop taking messages, let turns and deliveries finish for a grace time, and release all state."""
        await self._parts.lifecycle.stop(self._members())

    def _members(self) -> Sequence[Member]:
        return () if self._contributions is None else self._contributions.members

    def serve(
        self, *, host: str = "127.0.0.1", port: int = 8000, workers: int = 1, **hypercorn_options: object
    ) -> None:
        """Serve with Hypercorn until Ctrl-C or SIGTERM.

        Raises ``HostConfigurationError`` for an unknown Hypercorn option and for several workers, since state has a
        single owner.
        """
        from .server import serve  # noqa: PLC0415 - a host under another server needs no Hypercorn

        serve(self.app, host=host, port=port, workers=workers, options=hypercorn_options)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        async with self:
            yield

"""Build every part of a host. Nothing is opened here: no lock, no file, no task."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ..authorization.authorizer import Authorizer
from ..authorization.validate import check_access, check_people, open_doors
from ..commands import Commands
from ..context import HostChannelContext
from ..delivery.continuations import Continuations
from ..delivery.journal import Journal
from ..delivery.staging import Outbox
from ..execution.history import fork
from ..execution.targets import execution_for
from ..hookspecs import Channel
from ..inbound import Inbound
from ..linking.ports import HostedLinker
from ..model.durable import RuntimeMode
from ..model.identity import ChannelIdentity
from ..model.target import ResponseTarget
from ..plugins.manager import PluginManager
from ..ports import DurableTaskRunner, IdentityAllowlist, Store
from ..sessions.lanes import Lanes
from ..sessions.registry import IdentityRegistry
from ..sessions.resolve import Sessions
from ..state.disk import DiskStore
from ..state.memory import MemoryStore
from ..state.namespace import StoreNamespace
from ..turns.deferred import Deferred
from ..turns.gate import Gate
from ..turns.parts import TurnParts
from ..turns.proactive import Proactive, as_answer
from ..turns.recovery import Recovery
from ..turns.steps import Steps
from .checkpoints import checkpoints_of
from .contributions import Contributions, collect
from .lifecycle import Lifecycle, LifecycleParts
from .linking import connect_linker
from .operator import control_server
from .options import HostOptions
from .pairing import check_pairing
from .plugins import assemble_plugins
from .readiness import Readiness
from .runner import choose_runner
from .state import control_socket, detect_runtime_mode, resolve_state_paths


@dataclass(frozen=True, slots=True)
class Parts:
    """What a host uses of its parts."""

    options: HostOptions
    plugins: PluginManager
    runtime_mode: RuntimeMode
    default_allowlist: IdentityAllowlist | None
    runner: DurableTaskRunner
    gate: Gate
    continuations: Continuations
    proactive: Proactive
    inbound: Inbound
    readiness: Readiness
    lifecycle: Lifecycle
    reset_session: Callable[[str, str | None], Awaitable[None]]
    contribute: Callable[[], Contributions]


def wire(options: HostOptions) -> Parts:
    """Build the parts in the order they need each other."""
    settings = options.config.settings
    mode, reason = detect_runtime_mode(options.runtime_mode or options.config.runtime_mode, os.environ)
    given_paths = options.config.state_dir if options.state_dir is None else options.state_dir
    paths = resolve_state_paths(given_paths)
    plugins = assemble_plugins(options)
    runner, runner_store = choose_runner(options, mode, paths)
    store: Store = DiskStore(paths["sessions"]) if "sessions" in paths else MemoryStore()
    execution = execution_for(options.target, checkpoint_location=checkpoints_of(options, paths))

    # Who may speak, and who is who
    default = settings.allowlist if options.default_allowlist is None else options.default_allowlist
    check_people(options.linker, options.resolver)
    rules = check_access(plugins.channels, default_allowlist=default, links=options.linker is not None)
    registry = IdentityRegistry(
        store,
        active_window_seconds=settings.active_window_minutes * 60,
        resolver=options.resolver,
        join_claims=options.linker.join_claims if isinstance(options.linker, HostedLinker) else (),
    )
    policy = plugins.authorize if plugins.judges_speakers else None
    gate = Gate(Authorizer(rules, registry, policy=policy, linker=options.linker), rules, default)

    # What is accepted, and what is delivered
    journal, continuations = Journal(runner_store), Continuations(runner_store)
    check_pairing(plugins, runner, execution.unstorable_types)
    outbox = Outbox(plugins, runner, execution.output_types)
    outbox.register()

    # One turn
    sessions = Sessions(
        execution.new_session,
        partial(fork, options.target),
        store,
        live_limit=settings.max_live_sessions,
        snapshots=settings.snapshot_sessions,
    )
    lanes = Lanes(running_limit=settings.max_concurrent_turns)
    turn_parts = TurnParts(
        target=options.target,
        plugins=plugins,
        gate=gate,
        registry=registry,
        sessions=sessions,
        lanes=lanes,
        execution=execution,
        journal=journal,
        continuations=continuations,
        outbox=outbox,
        timeout_seconds=settings.turn_timeout_seconds,
    )
    proactive, steps = Proactive(turn_parts), Steps(turn_parts)
    deferred = Deferred(steps)
    recovery = Recovery(steps, deferred.start, on_interrupted=settings.on_interrupted)
    inbound = Inbound(steps, deferred)

    async def notify(identity: ChannelIdentity, text: str) -> None:
        await proactive.deliver(as_answer(text), ResponseTarget.identity(identity), person=None)

    async def reset_session(isolation_key: str, key: str | None) -> None:
        await sessions.reset(isolation_key, key)
        await execution.reset(isolation_key, key=key)

    async def load() -> None:
        await registry.load()
        if isinstance(options.linker, HostedLinker):
            await options.linker.load()

    linking = connect_linker(
        options.linker,
        paths=paths,
        explicit_links=isinstance(given_paths, Mapping) and "links" in paths,
        registry=registry,
        store=store,
        notify=notify,
    )
    stores = (store, runner_store)
    readiness = Readiness(plugins.channels, stores, journal, runner)
    commands = Commands(inbound, linking, reset_session)

    def context_of(channel: Channel) -> HostChannelContext:
        return HostChannelContext(
            channel,
            target=options.target,
            store=StoreNamespace(store, channel.name),
            inbound=inbound,
            gate=gate,
            proactive=proactive,
            commands=commands,
            reset=reset_session,
        )

    lifecycle = Lifecycle(
        LifecycleParts(
            stores,
            runner,
            load,
            lanes,
            inbound,
            deferred,
            recovery,
            steps.endings,
            readiness,
            control_server(
                control_socket(given_paths),
                turn_parts,
                store=store,
                runner=runner,
                runner_store=runner_store,
                linker=options.linker,
                reset_checkpoints=execution.reset,
            ),
            open_doors(rules.values()),
            f"{mode}: {reason}",
        ),
    )
    return Parts(
        options=options,
        plugins=plugins,
        runtime_mode=mode,
        default_allowlist=default,
        runner=runner,
        gate=gate,
        continuations=continuations,
        proactive=proactive,
        inbound=inbound,
        readiness=readiness,
        lifecycle=lifecycle,
        reset_session=reset_session,
        contribute=lambda: collect(plugins, commands, context_of),
    )

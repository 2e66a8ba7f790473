"""Build every part of a host from its options and give each the ones below it. Decides nothing."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ..authorization.gate import Gate
from ..authorization.validate import check_access, check_people, open_doors
from ..commands import Commands
from ..context import HostChannelContext
from ..delivery.continuations import Continuations
from ..delivery.journal import Journal
from ..delivery.outbox import Outbox
from ..execution.history import fork
from ..execution.targets import execution_for
from ..hookspecs import Channel
from ..inbound import Inbound
from ..linking.ports import HostedLinker
from ..model.durable import RuntimeMode
from ..model.identity import ChannelIdentity
from ..model.target import ResponseTarget
from ..operations.place import move_in_earlier
from ..operations.tables import TABLES
from ..plugins.manager import PluginManager
from ..ports import DurableTaskRunner, HousedTaskRunner, IdentityAllowlist, Lanes
from ..records import Catalog
from ..sessions.conversations import Sessions
from ..sessions.lanes import ProcessLanes, SharedLanes
from ..sessions.people import People
from ..state.memory import MemoryStore
from ..state.namespace import StoreNamespace
from ..state.ownership import Ownership
from ..turns.ending import Endings
from ..turns.proactive import Proactive, as_answer
from ..turns.recovery import Recovery
from ..turns.steps import Steps
from .checkpoints import checkpoints_of
from .contributions import Contributions, collect
from .lifecycle import Lifecycle
from .linking import connect_linker
from .operator import control_server
from .options import HostOptions
from .plugins import assemble_plugins
from .readiness import Readiness
from .runner import check_pairing, choose_runner
from .state import choose_store, control_socket, detect_runtime_mode, resolve_state_paths


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
    execution = execution_for(options.target, checkpoint_location=checkpoints_of(options, paths))

    # What is kept, by whom
    runner = choose_runner(options, mode)
    check_pairing(plugins, runner, execution.unstorable_types)
    store, shared = choose_store(options.store, runner, paths)
    remembers = options.store is not None or not isinstance(given_paths, Mapping) or "sessions" in paths
    ownership = Ownership(store, shared=shared, seconds=settings.lease_seconds)
    if isinstance(runner, HousedTaskRunner):
        runner.keep_in(store, ownership)
    catalog = Catalog(store, (*TABLES, *(runner.tables if isinstance(runner, HousedTaskRunner) else ())))

    # Who may speak, and who is who
    default = settings.allowlist if options.default_allowlist is None else options.default_allowlist
    check_people(options.linker, options.resolver)
    rules = check_access(plugins.channels, default_allowlist=default, links=options.linker is not None)
    people = People(
        store,
        catalog,
        active_window_seconds=settings.active_window_minutes * 60,
        resolver=options.resolver,
        join_claims=options.linker.join_claims if isinstance(options.linker, HostedLinker) else (),
        shared=shared,
        remembers=remembers,
    )
    gate = Gate(
        rules,
        people,
        policy=plugins.authorize if plugins.judges_speakers else None,
        linker=options.linker,
        default_allowlist=default,
        refresh=people.refresh if shared else None,
    )

    # What is accepted, and what is delivered
    journal, continuations = Journal(store, ownership), Continuations(store)
    outbox = Outbox(plugins, runner, store, execution.output_types)
    outbox.register()

    # One turn
    sessions = Sessions(
        execution.new_session,
        partial(fork, options.target),
        store,
        live_limit=settings.max_live_sessions,
        snapshots=settings.snapshot_sessions,
        shared=shared,
        remembers=remembers,
    )
    lanes = _lanes(ProcessLanes(running_limit=settings.max_concurrent_turns), ownership)
    steps = Steps(
        target=options.target,
        plugins=plugins,
        gate=gate,
        people=people,
        sessions=sessions,
        lanes=lanes,
        execution=execution,
        journal=journal,
        continuations=continuations,
        endings=Endings(journal, continuations, outbox, sessions, plugins),
        timeout_seconds=settings.turn_timeout_seconds,
    )
    inbound = Inbound(steps)
    proactive = Proactive(
        target=options.target,
        plugins=plugins,
        gate=gate,
        people=people,
        sessions=sessions,
        lanes=lanes,
        journal=journal,
        outbox=outbox,
    )

    async def notify(identity: ChannelIdentity, text: str) -> None:
        await proactive.deliver(as_answer(text), ResponseTarget.identity(identity), person=None)

    async def reset_session(isolation_key: str, key: str | None) -> None:
        await sessions.reset(isolation_key, key)
        await execution.reset(isolation_key, key=key)

    async def load() -> None:
        if options.store is None:
            await move_in_earlier(paths, store)
        await catalog.load()
        await people.load()
        if isinstance(options.linker, HostedLinker):
            await options.linker.load()

    linking = connect_linker(
        options.linker,
        paths=paths,
        explicit_links=isinstance(given_paths, Mapping) and "links" in paths,
        people=people,
        store=store if remembers else MemoryStore(),
        notify=notify,
    )
    readiness = Readiness(plugins.channels, store, journal, runner)
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
            ownership=ownership,
            reset=reset_session,
        )

    lifecycle = Lifecycle(
        store=store,
        ownership=ownership,
        catalog=catalog,
        load=load,
        runner=runner,
        lanes=lanes,
        inbound=inbound,
        recovery=Recovery(steps, on_interrupted=settings.on_interrupted),
        endings=steps.endings,
        readiness=readiness,
        control=control_server(
            control_socket(given_paths),
            store=store,
            catalog=catalog,
            journal=journal,
            people=people,
            sessions=sessions,
            lanes=lanes,
            plugins=plugins,
            runner=runner,
            linker=options.linker,
            reset_checkpoints=execution.reset,
            makes_directory=options.store is not None,
        ),
        open_doors=open_doors(rules.values()),
        mode=f"{mode}: {reason}",
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
        contribute=lambda: collect(plugins, commands, catalog, context_of),
    )


def _lanes(lanes: ProcessLanes, ownership: Ownership) -> Lanes:
    if not ownership.shared:
        return lanes

    async def hold(name: str) -> bool:
        return await ownership.hold(name) is not None

    return SharedLanes(lanes, hold, ownership.let_go)

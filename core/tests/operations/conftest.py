"""A host's opened state, all of it in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from agent_framework_hosting.delivery.delivery import PUSH_TASK, lane_of
from agent_framework_hosting.delivery.journal import Journal
from agent_framework_hosting.model.durable import RetryPolicy
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.operations.opened import OpenedState
from agent_framework_hosting.operations.tables import TABLES
from agent_framework_hosting.ports import DurableTask
from agent_framework_hosting.records import Catalog
from agent_framework_hosting.sessions.people import People
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.state.ownership import Ownership
from agent_framework_hosting.tasks.inprocess import InProcessTaskRunner


class Bench:
    """A store, its catalog, a runner and people, and what forgetting told the other parts."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.runner = InProcessTaskRunner(store=self.store)
        self.catalog = Catalog(self.store, (*TABLES, *self.runner.tables))
        self.people = People(self.store, self.catalog, shared=True)
        self.journal = Journal(self.store, Ownership(self.store, shared=False))
        self.runner.register(PUSH_TASK, self._push, lane=lane_of)
        self.push: Callable[[DurableTask], object] = lambda task: "receipt"
        self.busy: set[str] = set()
        self.forgotten: list[str] = []
        self.told: dict[str, list[ChannelIdentity]] = {}
        self.left: Sequence[str] = ()

    @property
    def state(self) -> OpenedState:
        return OpenedState(
            store=self.store,
            catalog=self.catalog,
            journal=self.journal,
            people=self.people,
            tasks=lambda: self.runner.tasks,
            sessions=self.forgotten.append,
            checkpoints=self._forget,
            linker=self._of_linker,
            channels=self._of_channels,
            busy=lambda owners: bool(self.busy & owners),
        )

    async def saw(
        self, key: str, identity: ChannelIdentity, conversation_id: str | None = None, *, is_group: bool = False
    ) -> None:
        """Know a person from one message."""
        sighting = await self.people.sighting(key, identity, conversation_id, is_group=is_group)
        if sighting is not None:
            await self.store.commit(sighting.writes)
            self.people.apply(sighting)

    async def deliver(self, to: str, *, turn_id: str | None = None, by: str | None = None, attempts: int = 1) -> str:
        """Schedule a delivery and wait until it was tried."""
        payload: dict[str, object] = {
            "destination": {
                "channel": "echo",
                "native_id": to,
                "attributes": {"callback": f"https://u:p@x.org/{to}?k=v"},
            },
            "turn_id": turn_id,
            "request": None if by is None else {"identity": {"channel": "echo", "native_id": by}},
            "answer": {"text": "see https://x.org/page"},
        }
        handle = await self.runner.schedule(PUSH_TASK, payload, retry_policy=RetryPolicy(max_attempts=attempts))
        return handle.task_id

    async def _push(self, task: DurableTask) -> object:
        done = self.push(task)
        return await done if hasattr(done, "__await__") else done  # type: ignore[misc]

    async def _forget(self, key: str) -> None:
        self.forgotten.append(key)

    async def _of_linker(self, identities: Sequence[ChannelIdentity]) -> None:
        self.told["linker"] = list(identities)

    async def _of_channels(self, identities: Sequence[ChannelIdentity]) -> Sequence[str]:
        self.told["channels"] = list(identities)
        return self.left


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.runner.shutdown(timeout=0)

"""People on channels who write link commands to one host, and everything the host writes back to them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NoReturn

import pytest

from agent_framework_hosting.errors import StoreError
from agent_framework_hosting.linking.one_time_code import OneTimeCodeLinker
from agent_framework_hosting.model.command import ChannelCommandContext
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.model.request import ChannelRequest
from agent_framework_hosting.ports import Write
from agent_framework_hosting.records import Catalog
from agent_framework_hosting.sessions.people import People
from agent_framework_hosting.state.memory import MemoryStore


class KeptStore(MemoryStore):
    """A durable store as far as its users can tell; ``full`` makes it refuse commits."""

    full = False

    @property
    def durable(self) -> bool:
        return True

    async def commit(self, writes: Sequence[Write]) -> int:
        if self.full:
            raise StoreError("The disk is full.")
        return await super().commit(writes)

    async def everything(self) -> str:
        tables = ("links", "identities", "pending_links")
        return "\n".join([f"{key} {text}" for table in tables for key, text in await self.scan(table)])


async def nothing_of_the_kind(*_: object) -> NoReturn:
    raise AssertionError("A link command neither runs the agent nor resets a session.")


class LinkHost:
    """People and linker as a host connects them; ``restart`` builds both anew on the same store."""

    def __init__(self, **options: object) -> None:
        self.now = 1_000_000.0
        self.store = KeptStore()
        self.unreachable: set[str] = set()
        self.read: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.options = options
        self.build()

    def build(self) -> None:
        self.linker = OneTimeCodeLinker(clock=lambda: self.now, **self.options)  # type: ignore[arg-type]
        joins, catalog = self.linker.join_claims, Catalog(self.store)
        self.people = People(self.store, catalog, clock=lambda: self.now, join_claims=joins)
        self.linker.connect(self.people, self.store, self.notify)

    async def restart(self) -> None:
        self.build()
        await self.people.load()
        await self.linker.load()

    async def notify(self, identity: ChannelIdentity, text: str) -> None:
        if identity.channel in self.unreachable:
            raise ConnectionError(identity.channel)
        self.read[identity.channel, identity.native_id].append(text)

    async def say(self, who: ChannelIdentity, text: str, *, is_group: bool = False, keep_name: bool = True) -> str:
        """Write a command and return the last thing read in answer."""
        name, _, rest = text.removeprefix("/").partition(" ")
        answers: list[str] = []

        async def reply(answer: str) -> None:
            answers.append(answer)

        request = ChannelRequest(
            who.channel,
            "command.invoke",
            text if keep_name else rest,
            identity=who,
            is_group=is_group,
            conversation_id="room" if is_group else None,
        )
        command = next(command for command in self.linker.commands if command.name == name)
        await command.handle(ChannelCommandContext(request, reply, nothing_of_the_kind, nothing_of_the_kind))
        (answer,) = answers
        return answer

    async def key(self, who: ChannelIdentity) -> str:
        return await self.people.key_for(who, {})

    async def code_for(self, who: ChannelIdentity) -> str:
        return self.code_in(await self.say(who, "/link"))

    def question_to(self, who: ChannelIdentity) -> str:
        return self.read[who.channel, who.native_id][-1]

    async def link(self, asker: ChannelIdentity, claimant: ChannelIdentity) -> None:
        await self.say(claimant, f"/link {await self.code_for(asker)}")
        await self.say(asker, f"/link confirm {self.number_in(self.question_to(asker))}")

    @staticmethod
    def code_in(text: str) -> str:
        found = re.search(r"[A-Z0-9]{5}-[A-Z0-9]{5}", text)
        assert found, text
        return found[0]

    @staticmethod
    def number_in(text: str) -> str:
        found = re.search(r"/link confirm (\d{4})", text)
        assert found, text
        return found[1]


@pytest.fixture
def make_host() -> Callable[..., LinkHost]:
    return LinkHost


@pytest.fixture
def host() -> LinkHost:
    return LinkHost()

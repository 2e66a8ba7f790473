"""What docs/state.md says of the tables of the store, and of a conversation's memory."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import pytest
from agent_framework import Agent, BaseChatClient, ChatResponse, HistoryProvider, Message

from agent_framework_hosting import BY_KEY, Expiry, InProcessTaskRunner
from agent_framework_hosting.operations.tables import TABLES
from agent_framework_hosting.records.catalog import DECLARATIONS

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).resolve().parent.parent / "docs" / "state.md"
DECLARED = {table.name: table for table in (DECLARATIONS, *TABLES, *InProcessTaskRunner().tables)}
OF_NOBODY = {"nobody's", "with its turn"}


class Listening(BaseChatClient):
    """Answer with everything that stands in the conversation."""

    def _inner_get_response(self, *, messages, stream, options, **_):
        text = " ".join(message.text for message in messages if message.role == "user")

        async def whole() -> ChatResponse:
            return ChatResponse(messages=[Message("assistant", [text])])

        return whole()


class Pages(HistoryProvider):
    """Keep messages by session id, somewhere that outlives the process."""

    def __init__(self) -> None:
        super().__init__("pages")
        self.pages: dict[str | None, list[Message]] = {}

    async def get_messages(self, session_id, *, state=None, **_):
        return list(self.pages.get(session_id, []))

    async def save_messages(self, session_id, messages, *, state=None, **_):
        self.pages.setdefault(session_id, []).extend(messages)


def tables_of_the_page() -> dict[str, list[str]]:
    """Return the rows of the list of tables, by the table's name."""
    after = PAGE.read_text("utf-8").partition("| table | kept by |")[2].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in takewhile(str.strip, after)]
    return {name.strip("`"): rest for name, *rest in cells}


def end_of(expiry: Expiry) -> str:
    """Say when records end; empty when their table does not."""
    days = "" if expiry.seconds is None else f"after {expiry.seconds / 86_400:g} day{'s' * (expiry.seconds > 86_400)}"
    most = "" if expiry.most is None else f"{expiry.most:,} at most"
    return ", ".join(filter(None, (days, most, "with its person" if expiry.with_person else "")))


@pytest.mark.requirement("docs.tables")
async def test_the_page_lists_every_table_as_it_is_declared() -> None:
    told = tables_of_the_page()
    assert list(told) == sorted(DECLARED)
    for name, (keeper, holds, ends, whose) in told.items():
        table = DECLARED[name]
        assert (keeper, holds) == (f"`{table.owner.removeprefix('agent_framework_hosting.')}`", table.holds)
        assert ends == (end_of(table.expiry) or ends) != "", name
        paths = ["its key" if path == BY_KEY else f"`{path}`" for path in table.person_paths]
        assert whose == ", ".join(paths) if paths else whose in OF_NOBODY, name


@pytest.mark.requirement("docs.persists")
@pytest.mark.parametrize(
    ("stores", "snapshots", "remembered"),
    [(False, False, "two"), (False, True, "one two"), (True, False, "one two"), (True, True, "one two")],
)
async def test_a_chat_after_a_restart(hosted, tmp_path: Path, stores: bool, snapshots: bool, remembered: str) -> None:
    pages = Pages()

    def agent() -> Agent:
        return Agent(client=Listening(), context_providers=[pages] if stores else [])

    options = {"config": {"snapshot_sessions": snapshots}, "state_dir": tmp_path}
    async with hosted(agent(), **options) as wires:
        assert await wires.say("one") == "one"
    async with hosted(agent(), **options) as wires:
        assert await wires.say("two") == remembered
        await wires.host.reset_session("echo:ada")
        assert await wires.say("three") == "three"
    assert sorted(map(str, pages.pages)) == (["echo:ada", "echo:ada~1"] if stores else [])


@pytest.mark.requirement("docs.persists")
@pytest.mark.parametrize("stores", [False, True])
async def test_responses_after_a_restart(hosted, tmp_path: Path, stores: bool) -> None:
    pages = Pages()

    def agent() -> Agent:
        return Agent(client=Listening(), context_providers=[pages] if stores else [])

    async with hosted(agent(), state_dir=tmp_path) as wires:
        first = await wires.respond("one")
    async with hosted(agent(), state_dir=tmp_path) as wires:
        left = await wires.respond("two", previous_response_id=first.id)
        right = await wires.respond("three", previous_response_id=first.id)
    assert (left.output_text, right.output_text) == ("one two", "one three")

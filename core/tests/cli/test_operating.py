from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from agent_framework_hosting.cli.operating import Duration, facts, shown, table, when
from agent_framework_hosting.ports import Put
from agent_framework_hosting.state.disk import DiskStore

Invoke = Callable[..., Result]
COMMANDS = [
    ("deliveries", "list"),
    ("deliveries", "show"),
    ("deliveries", "replay"),
    ("deliveries", "drop"),
    ("deliveries", "purge"),
    ("trace",),
    ("state",),
    ("identities", "list"),
    ("identities", "show"),
    ("identities", "forget"),
    ("links", "list"),
    ("links", "revoke"),
]
REMOVING = [
    ("deliveries", "drop", "x"),
    ("deliveries", "purge", "--older-than", "0s"),
    ("identities", "forget", "echo:x"),
    ("links", "revoke", "echo:x"),
]


@pytest.fixture
def state(folder: Path) -> Path:
    (folder / "host.toml").write_text('state_dir = "kept"\n')
    asyncio.run(begin(folder / "kept" / "runner"))
    return folder / "kept"


async def begin(place: Path) -> None:
    """Leave what a host leaves that nobody spoke to."""
    store = DiskStore(place)
    await store.open()
    await store.close()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_examples_and_the_same_options(invoke: Invoke, words: tuple[str, ...]) -> None:
    shown = invoke(*words, "--help")
    assert shown.exit_code == 0
    assert f"agent-host {' '.join(words)}" in shown.output.partition("Examples:")[2]
    for option in ("--config", "--state-dir", "--json", "--debug"):
        assert option in shown.output


@pytest.mark.parametrize("words", REMOVING, ids=lambda words: " ".join(words[:2]))
def test_nothing_is_removed_before_somebody_said_yes(state: Path, invoke: Invoke, words: tuple[str, ...]) -> None:
    kept = state / "runner" / "cache.db"
    before = kept.stat()
    asked = invoke(*words)
    assert (asked.exit_code, asked.stdout) == (1, "")
    assert "[y/N]" in asked.stderr
    assert kept.stat() == before


@pytest.mark.parametrize(
    ("words", "empty"),
    [
        (("deliveries", "list"), {"deliveries": [], "more": False}),
        (("identities", "list"), {"people": [], "known": 0}),
        (("links", "list"), {"links": [], "known": 0}),
    ],
)
def test_an_empty_state_is_no_fault(state: Path, invoke: Invoke, words: tuple[str, ...], empty: object) -> None:
    done = invoke(*words, "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, empty)
    assert invoke(*words).stdout in {"There are none.\n", "Nobody is known.\n", "Nobody is linked.\n"}
    assert stat.S_IMODE((state / "runner").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("deliveries", "show", "x"), "No delivery 'x' is known."),
        (("trace", "x"), "No accepted message has the id 'x'."),
        (("identities", "show", "x"), "Nobody is known as 'x'."),
        (("links", "revoke", "x", "--yes"), "'x' is linked with nobody."),
    ],
)
def test_what_is_not_known_is_a_fault_in_a_sentence(
    state: Path, invoke: Invoke, words: tuple[str, ...], sentence: str
) -> None:
    done = invoke(*words)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: {sentence}")


def test_state_by_component_is_found_too(folder: Path, invoke: Invoke) -> None:
    (folder / "host.toml").write_text('[state_dir]\nrunner = "r"\nsessions = "s"\n')
    assert invoke("deliveries", "list").stderr.startswith("Error: There is no state directory r.")
    (folder / "r").mkdir()
    assert invoke("deliveries", "list").stderr.startswith("Error: There is no state in r or s: no host was started")
    assert list((folder / "r").iterdir()) == []
    asyncio.run(begin(folder / "r"))
    assert invoke("deliveries", "list").exit_code == 0
    assert invoke("identities", "list").exit_code == 0
    assert not (folder / "s").exists()
    (folder / "host.toml").write_text('[state_dir]\nsessions = "s"\n')
    assert "--state-dir" in invoke("deliveries", "list").stderr


def test_every_table_is_shown_with_what_it_holds_and_whether_it_names_people(state: Path, invoke: Invoke) -> None:
    tables = {each["name"]: each for each in json.loads(invoke("state", "--json").stdout)["tables"]}
    assert {"turns", "turns.ended", "events", "identities", "links", "snapshots", "tasks"} <= tables.keys()
    assert {each["records"] for each in tables.values()} == {each["set_aside"] for each in tables.values()} == {0}
    head, *rows = invoke("state").stdout.splitlines()
    assert head.split() == ["TABLE", "RECORDS", "SET", "ASIDE", "PEOPLE", "WHAT"]
    assert [row.split()[0] for row in rows] == sorted(tables)
    (snapshots,) = [row.split() for row in rows if row.startswith("snapshots ")]
    assert snapshots == ["snapshots", "0", "0", "yes", "conversations"]


async def fill(place: Path) -> None:
    store = DiskStore(place)
    await store.open()
    await store.commit([Put("of.gone.notes", "1", "{}")])
    await store.close()


def test_a_table_that_nobody_declares_is_said_to_be_one(state: Path, invoke: Invoke) -> None:
    asyncio.run(fill(state / "runner"))
    (row,) = [row for row in invoke("state").stdout.splitlines() if row.startswith("of.gone.notes")]
    assert row.split(maxsplit=4)[1:] == ["1", "0", "no", "declared by nobody"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("12h", 43_200), ("1.5d", 129_600), ("0s", 0)]
)
def test_a_time_span_is_read_with_its_unit(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "5", "d", "-1d", "1w", "1 d"])
def test_anything_else_is_no_time_span(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no time span"):
        Duration().convert(text, None, None)


def test_a_table_is_aligned_and_safe_for_a_terminal() -> None:
    lines = table(("ID", "ERROR"), [("1", "x" * 80), ("22\x1b[2J\n", "")]).splitlines()
    assert lines == ["ID       ERROR", f"1        {'x' * 59}…", "22?[2J?  -"]
    assert shown("tab\tbell\x07é") == "tab?bell?é"
    assert facts([("a", 1), ("none", None), ("long", "x\ny")]) == "a     1\nlong  x?y"
    assert (when(None), len(when(0.0))) == ("-", 19)

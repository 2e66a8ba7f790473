"""What a workflow remembers between turns, where it is kept, and for whom."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from agent_framework import InMemoryCheckpointStorage

from agent_framework_hosting import ChannelCommand
from agent_framework_hosting.testing import EchoAgent

pytestmark = pytest.mark.anyio

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])

ORDINARY = ["telegram:42", "a.b.c", "k" * 200, "Ada Lovelace", "a..b"]
HOSTILE = ["../x", "a/b", "a\\b", "x\0y", "C:", "c:/x", "...", "..", "/etc/x"]


def resolver(key: str):
    async def resolve(identity) -> str | None:
        return key

    return resolve


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def warnings_of(caplog) -> list[str]:
    records = [one for one in caplog.records if one.name.startswith("agent_framework_hosting.execution")]
    return [one.getMessage() for one in records if one.levelname == "WARNING"]


# Where they are, and for how long


@both_ways
@pytest.mark.parametrize("place", ["state_dir", "components", "checkpoint_location", "storage"])
@pytest.mark.requirement("workflows.checkpoints")
async def test_a_conversation_goes_on_in_the_next_process(hosted, workflows, tmp_path, place, stream, caplog) -> None:
    options = {
        "state_dir": {"state_dir": tmp_path},
        "components": {"state_dir": {"checkpoints": str(tmp_path / "checkpoints")}},
        "checkpoint_location": {"checkpoint_location": tmp_path / "checkpoints"},
        "storage": {"checkpoint_location": InMemoryCheckpointStorage()},
    }[place]
    for told in ("a", "a,b", "a,b,c"):
        async with hosted(workflows.collector(), **options) as wires:
            assert await wires.say(told[-1], stream=stream) == told
    if place != "storage":
        [checkpoint] = files_below(tmp_path / "checkpoints")
        assert checkpoint.parent == tmp_path / "checkpoints" / "echo:ada"
        assert stat.S_IMODE((tmp_path / "checkpoints").stat().st_mode) == 0o700
    assert warnings_of(caplog) == []


@both_ways
@pytest.mark.requirement("workflows.checkpoints")
async def test_responses_that_continue_one_another_share_their_checkpoint(hosted, workflows, tmp_path, stream) -> None:
    async with hosted(workflows.collector(), state_dir=tmp_path) as wires:
        first = await wires.respond("a", stream=stream)
    async with hosted(workflows.collector(), state_dir=tmp_path) as wires:
        left = await wires.respond("b", stream=stream, previous_response_id=first.id)
        right = await wires.respond("c", stream=stream, previous_response_id=first.id)
        fresh = await wires.respond("d", stream=stream)
    assert [one.output_text for one in (first, left, right, fresh)] == ["a", "a,b", "a,c", "d"]


@both_ways
@pytest.mark.requirement("workflows.checkpoints")
async def test_a_checkpoint_that_restores_nothing_is_a_warning(hosted, workflows, tmp_path, stream, caplog) -> None:
    async with hosted(workflows.collector(), state_dir=tmp_path) as wires:
        await wires.say("a", stream=stream)
    [checkpoint] = files_below(tmp_path / "checkpoints")
    checkpoint.write_text("{")
    async with hosted(workflows.collector(), state_dir=tmp_path) as wires:
        assert await wires.say("b", stream=stream) == "b"
        assert await wires.say("c", stream=stream) == "b,c"
    assert ["restored nothing" in told for told in warnings_of(caplog)] == [True]


# Keys


@both_ways
@pytest.mark.parametrize("key", ORDINARY, ids=lambda key: key[:12])
@pytest.mark.requirement("workflows.keys")
async def test_an_ordinary_key_names_its_directory_unmodified(hosted, workflows, tmp_path, key, stream, caplog) -> None:
    for told in ("a", "a,b"):
        async with hosted(workflows.collector, state_dir=tmp_path, identity_resolver=resolver(key)) as wires:
            assert await wires.say(told[-1], stream=stream) == told
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [key]
    assert warnings_of(caplog) == []


@both_ways
@pytest.mark.parametrize("key", HOSTILE)
@pytest.mark.requirement("workflows.keys")
async def test_a_hostile_key_writes_nothing_and_the_run_goes_on(
    hosted, workflows, ask, tmp_path, key, stream, caplog
) -> None:
    state = tmp_path / "deep" / "state"
    options = {"checkpoint_location": state / "checkpoints", "identity_resolver": resolver(key)}
    async with hosted(workflows.collector(), **options) as wires:
        assert await ask(wires, "a", stream) == "a"
    assert list(tmp_path.rglob("*")) == []
    told = warnings_of(caplog)
    assert told
    assert all("isolation_key" in text for text in told)


async def test_a_hostile_name_on_the_wire_is_no_path(hosted, workflows, tmp_path, caplog) -> None:
    async with hosted(workflows.collector, checkpoint_location=tmp_path / "deep") as wires:
        assert await wires.say("a", user="../../x") == "a"
        assert await wires.say("b", user="../../y") == "b"
    assert list(tmp_path.rglob("*")) == []
    assert ["isolation_key" in text for text in warnings_of(caplog)] == [True, True]


async def test_a_hostile_key_beside_a_state_directory_stays_in_it(hosted, workflows, tmp_path) -> None:
    state = tmp_path / "state"
    async with hosted(workflows.collector, state_dir=state, identity_resolver=resolver("../../x")) as wires:
        assert await wires.say("a") == "a"
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert files_below(state / "checkpoints") == []


# Reset


async def reset(command) -> None:
    await command.reset_session()
    await command.reply("Forgotten.")


@pytest.mark.requirement("workflows.reset")
@pytest.mark.parametrize("place", ["files", "storage"])
async def test_reset_session_removes_checkpoints(hosted, workflows, tmp_path, place) -> None:
    location = tmp_path if place == "files" else InMemoryCheckpointStorage()
    command = ChannelCommand("reset", "Start afresh.", reset)
    async with hosted(workflows.collector(), checkpoint_location=location, commands=[command]) as wires:
        assert [await wires.say(text, user="ada") for text in ("a", "b")] == ["a", "a,b"]
        assert await wires.say("x", user="grace") == "x"
        assert await wires.say("/reset", user="ada") == "Forgotten."
        if place == "files":
            assert [path.name for path in tmp_path.iterdir()] == ["echo:grace"]
        assert await wires.say("c", user="ada") == "c"
        assert await wires.say("y", user="grace") == "x,y"
        await wires.host.reset_session("echo:grace")
        assert await wires.say("z", user="grace") == "z"


@pytest.mark.requirement("workflows.reset")
async def test_a_deleted_response_takes_its_checkpoint_along(hosted, workflows, tmp_path) -> None:
    async with hosted(workflows.collector(), state_dir=tmp_path) as wires:
        first = await wires.respond("a")
        second = await wires.respond("b", previous_response_id=first.id)
        assert len(files_below(tmp_path / "checkpoints")) == 2
        await (await wires.client()).responses.delete(first.id)
        [left] = files_below(tmp_path / "checkpoints")
        assert left.parent.name == second.id
        third = await wires.respond("c", previous_response_id=second.id)
        assert third.output_text == "a,b,c"


@pytest.mark.requirement("workflows.reset")
async def test_responses_beyond_the_limit_take_their_checkpoints_along(hosted, workflows, tmp_path) -> None:
    async with hosted(workflows.collector(), state_dir=tmp_path, responses={"max_stored_responses": 2}) as wires:
        made = [(await wires.respond(said)).id for said in "abc"]
    assert sorted(path.parent.name for path in files_below(tmp_path / "checkpoints")) == sorted(made[1:])


async def test_what_is_not_stored_leaves_no_checkpoint(hosted, workflows, tmp_path) -> None:
    async with hosted(workflows.collector(), state_dir=tmp_path) as wires:
        assert (await wires.respond("a", store=False)).output_text == "a"
    assert files_below(tmp_path / "checkpoints") == []


# Which setting wins


@pytest.mark.requirement("workflows.precedence")
async def test_an_explicit_location_wins_over_the_state_directory_and_warns(hosted, workflows, tmp_path) -> None:
    explicit, state = tmp_path / "explicit", tmp_path / "state"
    for given in (state, {"checkpoints": str(state / "checkpoints")}):
        hosting = hosted(workflows.collector(), checkpoint_location=explicit, state_dir=given)
        with pytest.warns(UserWarning, match="checkpoint_location is given"):
            wires = await hosting.__aenter__()
        await wires.say("a")
        await hosting.__aexit__(None, None, None)
    assert [path.name for path in explicit.iterdir()] == ["echo:ada"]
    assert not (state / "checkpoints").exists()


@pytest.mark.requirement("workflows.precedence")
async def test_an_agent_with_one_state_directory_has_no_checkpoints_and_no_warning(hosted, tmp_path, recwarn) -> None:
    async with hosted(EchoAgent(), state_dir=tmp_path) as wires:
        await wires.say("a")
    assert "checkpoints" not in [path.name for path in tmp_path.iterdir()]
    assert [str(one.message) for one in recwarn if one.category is UserWarning] == []


@pytest.mark.requirement("workflows.precedence")
@pytest.mark.parametrize("which", ["mapping", "explicit"])
async def test_checkpoints_asked_for_an_agent_are_a_warning(hosted, tmp_path, which) -> None:
    asked = str(tmp_path / "asked")
    options = {"state_dir": {"checkpoints": asked}} if which == "mapping" else {"checkpoint_location": asked}
    hosting = hosted(EchoAgent(), **options)
    with pytest.warns(UserWarning, match="agent, which has no checkpoints"):
        wires = await hosting.__aenter__()
    await wires.say("a")
    await hosting.__aexit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.requirement("workflows.precedence")
@pytest.mark.parametrize("form", ["instance", "factory"])
@pytest.mark.parametrize("which", ["state_dir", "mapping", "checkpoint_location"])
async def test_a_workflow_with_a_storage_of_its_own_takes_no_other(hosted, workflows, tmp_path, form, which) -> None:
    place = tmp_path / "checkpoints"
    options = {
        "state_dir": {"state_dir": tmp_path},
        "mapping": {"state_dir": {"checkpoints": str(place)}},
        "checkpoint_location": {"checkpoint_location": place},
    }[which]
    build = workflows.owning_storage(InMemoryCheckpointStorage())
    with pytest.raises(RuntimeError, match="checkpoint storage of its own"):
        async with hosted(build() if form == "instance" else build, **options):
            pass
    assert list(tmp_path.iterdir()) == []


async def test_a_workflow_with_a_storage_of_its_own_runs_without_ours(hosted, workflows, ask) -> None:
    storage = InMemoryCheckpointStorage()
    async with hosted(workflows.owning_storage(storage)) as wires:
        assert await ask(wires, "a", False) == "a"
    assert await storage.list_checkpoints(workflow_name="Collector") != []

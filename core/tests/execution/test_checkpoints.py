from __future__ import annotations

import asyncio
import dataclasses
import stat

import pytest
from agent_framework import InMemoryCheckpointStorage, WorkflowBuilder, WorkflowContext, executor

from agent_framework_hosting.execution.targets import execution_for

pytestmark = pytest.mark.anyio

HOSTILE = ["../x", "a/b", "x\0y", "C:", "...", "/etc/x", "", "a\\b"]


def remembering(doubles, location, name="memory"):
    return execution_for(doubles.workflow(doubles.Collector(), name=name), checkpoint_location=location)


async def say(execution, given):
    return (await execution.run(given)).result.get_outputs()


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize("key", ["telegram:42", "a.b.c", "k" * 200])
async def test_a_conversation_goes_on_after_a_restart(doubles, turn, tmp_path, key, caplog):
    for number, said in enumerate("abc", 1):
        assert await say(remembering(doubles, tmp_path), turn(said, who=key)) == [",".join("abc"[:number])]
    assert [path.name for path in tmp_path.iterdir()] == [key]
    assert len(list((tmp_path / key).glob("*.json"))) == 1
    assert warnings(caplog) == []


async def test_a_nameless_workflow_is_found_again(doubles, turn, tmp_path):
    for location in (tmp_path, InMemoryCheckpointStorage()):
        assert await say(remembering(doubles, location, None), turn("a")) == ["a"]
        assert await say(remembering(doubles, location, None), turn("b")) == ["a,b"]


async def test_directories_are_their_owners_alone(doubles, turn, tmp_path):
    await say(remembering(doubles, tmp_path / "state" / "checkpoints"), turn("a", key="thread"))
    made = [path for path in tmp_path.rglob("*") if path.is_dir() and "checkpoints" in path.parts]
    assert len(made) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}


@pytest.mark.parametrize("key", HOSTILE)
@pytest.mark.parametrize("streaming", [False, True])
async def test_a_hostile_key_is_refused_and_the_run_goes_on(doubles, turn, tmp_path, key, streaming, caplog):
    root = tmp_path / "deep" / "checkpoints"
    execution = remembering(doubles, root)
    given = turn("a", who=key)
    result = await (execution.stream(given).get_final_response() if streaming else execution.run(given))
    assert result.result.get_outputs() == ["a"]
    assert list(tmp_path.rglob("*")) == []
    assert ["isolation_key" in told for told in warnings(caplog)] == [True]
    await execution.reset(key)


async def test_a_hostile_thread_is_refused_too(doubles, turn, tmp_path, caplog):
    assert await say(remembering(doubles, tmp_path), turn("a", key="../../x")) == ["a"]
    assert list(tmp_path.rglob("*")) == []
    assert len(warnings(caplog)) == 1


async def test_a_hostile_key_can_still_answer_while_the_process_lives(doubles, turn, tmp_path):
    execution = execution_for(doubles.workflow(doubles.Clerk()), checkpoint_location=tmp_path)
    await execution.run(turn("cake", who="a/b"))
    assert await say(execution, turn("yes", who="a/b")) == ["cake: True"]
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("answer_type", [bool, str, "Decision"])
async def test_a_question_is_answered_after_a_restart(doubles, turn, tmp_path, answer_type):
    wanted = doubles.Decision if answer_type == "Decision" else answer_type
    words = {bool: "yes", str: "blue", doubles.Decision: '{"approved": true}'}[wanted]

    def start():
        return execution_for(lambda: doubles.workflow(doubles.Clerk(wanted), name="w"), checkpoint_location=tmp_path)

    asked = (await start().run(turn("cake"))).result.get_request_info_events()
    [said] = await say(start(), turn("", attributes={"responses": {asked[0].request_id: words}}))
    assert said.startswith("cake: ")
    assert (await start().run(turn("tea"))).result.get_request_info_events() != []


async def test_people_are_kept_apart(doubles, turn, tmp_path):
    for location in (tmp_path, InMemoryCheckpointStorage()):
        execution = remembering(doubles, location)
        people = [f"inbox:{number}" for number in range(10)]
        for _ in range(2):
            results = await asyncio.gather(*(say(execution, turn(who, who=who)) for who in people))
        assert results == [[f"{who},{who}"] for who in people]
        execution = remembering(doubles, location)
        assert await say(execution, turn("x", who="inbox:3")) == ["inbox:3,inbox:3,x"]


async def test_a_checkpoint_of_another_person_is_not_taken(doubles, turn, tmp_path, caplog):
    await say(remembering(doubles, tmp_path), turn("secret", who="inbox:Bob"))
    (tmp_path / "inbox:Bob").rename(tmp_path / "inbox:bob")
    assert await say(remembering(doubles, tmp_path), turn("hi", who="inbox:bob")) == ["hi"]
    assert ["restored nothing" in told for told in warnings(caplog)] == [True]


@pytest.mark.parametrize("damage", ["graph", "name", "file"])
async def test_what_cannot_be_restored_is_told_and_the_run_starts_afresh(doubles, turn, tmp_path, damage, caplog):
    await say(remembering(doubles, tmp_path), turn("a"))
    execution = remembering(doubles, tmp_path)
    if damage == "graph":
        execution = execution_for(
            doubles.workflow(doubles.Collector("other"), name="memory"), checkpoint_location=tmp_path
        )
    elif damage == "name":
        execution = remembering(doubles, tmp_path, "renamed")
    else:
        [path] = (tmp_path / "inbox:1").glob("*.json")
        path.write_text("{")
    assert await say(execution, turn("b")) == ["b"]
    ours = [record for record in caplog.records if record.name.startswith("agent_framework_hosting")]
    assert [("restored nothing" in one.getMessage(), one.levelname) for one in ours] == [(True, "WARNING")]
    assert await say(execution, turn("c")) == ["b,c"]


async def test_an_empty_checkpoint_restores_nothing(doubles, turn, caplog):
    storage = InMemoryCheckpointStorage()
    await say(remembering(doubles, storage), turn("a"))
    [kept] = await storage.list_checkpoints(workflow_name="memory")
    await storage.save(dataclasses.replace(kept, state={}))
    assert await say(remembering(doubles, storage), turn("b")) == ["b"]
    assert ["it is empty" in told for told in warnings(caplog)] == [True]


async def test_a_failed_turn_leaves_the_conversation_where_it_was(doubles, turn, tmp_path):
    def build():
        @executor(id="guard")
        async def guard(text: str, ctx: WorkflowContext[None, str]) -> None:
            if "poison" in text:
                raise LookupError("cannot")
            await ctx.yield_output(text)

        collector = doubles.Forwarder()
        return WorkflowBuilder(start_executor=collector, name="guarded").add_edge(collector, guard).build()

    execution = execution_for(build, checkpoint_location=tmp_path)
    assert await say(execution, turn("a")) == ["a"]
    for _ in range(2):
        with pytest.raises(LookupError):
            await execution.run(turn("poison"))
    assert await say(execution, turn("b")) == ["a,b"]


async def test_threads_branch(doubles, turn, tmp_path):
    for location in (tmp_path, InMemoryCheckpointStorage()):
        execution = remembering(doubles, location)
        assert await say(execution, turn("a", key="r1")) == ["a"]
        assert await say(execution, turn("b", key="r2", parent="r1")) == ["a,b"]
        assert await say(execution, turn("c", key="r3", parent="r1")) == ["a,c"]
        assert await say(execution, turn("d", key="r4", parent="r2")) == ["a,b,d"]
        assert await say(execution, turn("e", key="r5")) == ["e"]
        assert await say(execution, turn("f")) == ["f"]


async def test_reset_removes_a_thread_or_everything(doubles, turn, tmp_path):
    for location in (tmp_path, InMemoryCheckpointStorage()):
        execution = remembering(doubles, location)
        for who in ("inbox:1", "inbox:2"):
            await say(execution, turn("a", who=who))
            await say(execution, turn("a", who=who, key="r1"))
        await execution.reset("inbox:1", key="r1")
        assert await say(execution, turn("b", key="r1")) == ["b"]
        assert await say(execution, turn("b")) == ["a,b"]
        await execution.reset("inbox:1")
        assert await say(execution, turn("c")) == ["c"]
        assert await say(execution, turn("c", key="r1")) == ["c"]
        assert await say(execution, turn("c", who="inbox:2")) == ["a,c"]
        assert await say(execution, turn("c", who="inbox:2", key="r1")) == ["a,c"]


async def test_state_that_cannot_be_stored_is_told_and_the_answer_stands(doubles, turn, tmp_path, caplog):
    class Opaque:
        pass

    class Hoarder(doubles.Collector):
        async def on_checkpoint_save(self):
            return {"told": [Opaque()]}

    execution = execution_for(lambda: doubles.workflow(Hoarder()), checkpoint_location=tmp_path)
    assert await say(execution, turn("a")) == ["a"]
    [told] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "register_checkpoint_type" in told.getMessage()


async def test_a_storage_of_the_developers_holds_one_checkpoint_for_each_conversation(doubles, turn):
    storage = InMemoryCheckpointStorage()
    execution = remembering(doubles, storage)
    for said in "abc":
        await execution.run(turn(said))
    await execution.run(turn("x", who="inbox:2"))
    assert len(await storage.list_checkpoint_ids(workflow_name="memory")) == 2
    for checkpoint_id in await storage.list_checkpoint_ids(workflow_name="memory"):
        await storage.delete(checkpoint_id)
    assert await say(execution, turn("d")) == ["d"]


@pytest.mark.parametrize("kept", ["files", "storage", "nowhere"])
async def test_a_question_that_was_not_answered_is_open_in_the_thread_that_asked_again(doubles, turn, tmp_path, kept):
    location = {"files": tmp_path, "storage": InMemoryCheckpointStorage(), "nowhere": None}[kept]
    execution = execution_for(doubles.workflow(doubles.Clerk()), checkpoint_location=location)
    [asked] = (await execution.run(turn("cake", key="a"))).result.get_request_info_events()
    await execution.run(turn("which cake?", key="b", parent="a"))
    answer = {"responses": {asked.request_id: True}}
    assert await say(execution, turn("", key="c", parent="b", attributes=answer)) == ["cake: True"]
    if location is not None:
        assert await say(execution, turn("", key="d", parent="a", attributes=answer)) == ["cake: True"]


async def test_what_was_forgotten_during_a_run_stays_forgotten(doubles, turn, tmp_path):
    reached, let_on = asyncio.Event(), asyncio.Event()

    @executor(id="start")
    async def start(text: str, ctx: WorkflowContext[None, str]) -> None:
        reached.set()
        await let_on.wait()
        await ctx.yield_output(text)

    for location in (tmp_path, InMemoryCheckpointStorage()):
        workflow = WorkflowBuilder(start_executor=start, name="start").build()
        execution = execution_for(workflow, checkpoint_location=location)
        reached.clear()
        let_on.clear()
        running = asyncio.create_task(execution.run(turn("a")))
        await reached.wait()
        await execution.reset("inbox:1")
        let_on.set()
        assert (await running).result.get_outputs() == ["a"]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert await location.list_checkpoints(workflow_name="start") == []

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent_framework import (
    Executor,
    FileCheckpointStorage,
    InMemoryCheckpointStorage,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    handler,
)

from agent_framework_hosting import AgentFrameworkHost, ChannelIdentity, LinkedIdentity
from agent_framework_hosting.assembly.state import detect_runtime_mode, resolve_state_paths
from agent_framework_hosting.testing import EchoAgent, InboxChannel

Make = Callable[..., AgentFrameworkHost]
COMPONENTS = ("runner", "sessions", "checkpoints", "links")


class Repeat(Executor):
    @handler
    async def repeat(self, text: str, ctx: WorkflowContext[str, str]) -> None:
        await ctx.yield_output(text)


def workflow(**options: Any) -> Workflow:
    return WorkflowBuilder(start_executor=Repeat(id="repeat"), **options).build()


class PlainLinker:
    async def resolve(self, identity: ChannelIdentity) -> LinkedIdentity:
        return LinkedIdentity(identity.native_id)


class PathLinker(PlainLinker):
    path: str | None = None

    def configure_link_store_path(self, path: str) -> None:
        self.path = path


@pytest.fixture
def make() -> Make:
    def build(target: object = None, **options: Any) -> AgentFrameworkHost:
        return AgentFrameworkHost(target or EchoAgent(), channels=[InboxChannel()], config={}, **options)

    return build


@pytest.fixture(autouse=True)
def strict() -> Any:
    """Make every warning an error, unless a test expects it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", RuntimeWarning)
        yield


def test_one_path_is_a_directory_for_each_component(tmp_path: Path) -> None:
    expected = {name: str(tmp_path / name) for name in COMPONENTS}
    assert resolve_state_paths(tmp_path) == resolve_state_paths(str(tmp_path)) == expected
    assert resolve_state_paths(None) == {}
    assert resolve_state_paths({"runner": tmp_path, "links": None}) == {"runner": str(tmp_path)}


def test_an_unknown_component_is_refused_by_name(make: Make, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown component 'session'.*runner, sessions, checkpoints, links"):
        make(state_dir={"session": str(tmp_path)})


def test_constructing_creates_nothing_and_warns_of_nothing(make: Make, tmp_path: Path) -> None:
    make(state_dir=tmp_path / "a")
    make(state_dir={"runner": str(tmp_path / "b")})
    make(workflow(), state_dir=tmp_path / "c")
    make(workflow(), checkpoint_location=tmp_path / "d")
    make(state_dir=tmp_path / "e", identity_linker=PlainLinker())
    assert list(tmp_path.iterdir()) == []


def test_an_agent_that_is_given_checkpoints_on_purpose_warns(make: Make, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="agent, which has no checkpoints"):
        make(state_dir={"checkpoints": str(tmp_path)})
    with pytest.warns(UserWarning, match="agent, which has no checkpoints"):
        make(checkpoint_location=tmp_path)


def test_an_explicit_checkpoint_location_wins_and_says_so(make: Make, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="checkpoints directory of state_dir is not used"):
        make(workflow(), state_dir=tmp_path / "state", checkpoint_location=tmp_path / "mine")
    with pytest.warns(UserWarning, match="checkpoints directory of state_dir is not used"):
        make(workflow(), state_dir=tmp_path / "state", checkpoint_location=InMemoryCheckpointStorage())


def test_a_workflow_with_a_storage_of_its_own_takes_no_other(make: Make, tmp_path: Path) -> None:
    for option in ({"state_dir": tmp_path}, {"checkpoint_location": tmp_path}):
        with pytest.raises(RuntimeError, match="storage of its own"):
            make(workflow(checkpoint_storage=FileCheckpointStorage(tmp_path / "own")), **option)


def test_the_linkers_directory_goes_to_a_linker_that_takes_one(make: Make, tmp_path: Path) -> None:
    linker = PathLinker()
    make(state_dir=tmp_path, identity_linker=linker)
    assert linker.path == str(tmp_path / "links")
    make(state_dir={"links": str(tmp_path / "mine")}, identity_linker=linker)
    assert linker.path == str(tmp_path / "mine")


@pytest.mark.parametrize(
    ("linker", "fault"), [(None, "there is no identity_linker"), (PlainLinker(), "takes no links path")]
)
def test_a_links_directory_nobody_uses_warns(make: Make, tmp_path: Path, linker: object, fault: str) -> None:
    with pytest.warns(UserWarning, match=fault):
        make(state_dir={"links": str(tmp_path)}, identity_linker=linker)


@pytest.mark.parametrize(
    ("variable", "mode"),
    [
        ("FOUNDRY_HOSTING_ENVIRONMENT", "ephemeral"),
        ("AZURE_FUNCTIONS_ENVIRONMENT", "ephemeral"),
        ("AWS_LAMBDA_FUNCTION_NAME", "ephemeral"),
        ("SOMETHING_ELSE", "long_running"),
    ],
)
def test_the_runtime_mode_is_found_out_from_the_environment(variable: str, mode: str) -> None:
    found, reason = detect_runtime_mode(None, {variable: "x"})
    assert found == mode
    assert (variable in reason) == (mode == "ephemeral")
    assert detect_runtime_mode("long_running", {variable: "x"}) == ("long_running", "configured")
    assert detect_runtime_mode(None, {variable: ""})[0] == "long_running"


@pytest.mark.parametrize("wrong", [5, ["state"], {"runner": 5}])
def test_what_is_no_path_is_refused(make: Make, wrong: object) -> None:
    with pytest.raises(TypeError, match="PathLike"):
        make(state_dir=wrong)


@pytest.mark.anyio
async def test_the_mode_and_its_reason_are_logged_at_the_start(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with make(runtime_mode="long_running"):
        assert "Started (long_running: configured)" in caplog.messages


def test_an_unknown_runtime_mode_is_refused(make: Make) -> None:
    with pytest.raises(ValueError, match="long_running, ephemeral"):
        make(runtime_mode="forever")


def test_the_in_process_runner_is_refused_where_processes_are_short_lived(make: Make) -> None:
    with pytest.raises(RuntimeError, match="allow_in_process_runner"):
        make(runtime_mode="ephemeral")
    with pytest.warns(RuntimeWarning, match="ephemeral"):
        host = make(runtime_mode="ephemeral", allow_in_process_runner=True)
    assert host.runtime_mode == "ephemeral"

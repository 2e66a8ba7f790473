from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent_framework import Agent, Workflow

from agent_framework_hosting.config import TargetError, resolve_target

AGENT = """
from agent_framework import Agent, WorkflowBuilder, FunctionExecutor
from agent_framework_hosting.cli.demo_agent import demo_agent

agent = demo_agent()
number = 5

def make_agent():
    return demo_agent()

def make_workflow():
    def shout(text: str) -> None: ...
    return WorkflowBuilder(start_executor=FunctionExecutor(shout, id="shout")).build()

workflow = make_workflow()

async def later(): return agent
def broken(): raise KeyError("s3cr3t-value")
def number_factory(): return 5

class Box:
    inner = agent

class App:
    router = object()
    def __call__(self): ...

app = App()
"""

Write = Callable[[str, str], str]


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Write]:
    """Write a module into a directory of its own and return the spec's first half."""
    path = list(sys.path)

    def write(name: str, source: str) -> str:
        (tmp_path / f"{name}.py").write_text(source)
        return name

    yield write
    sys.path[:] = path
    for name, found in list(sys.modules.items()):
        if str(getattr(found, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def test_what_a_spec_may_name(tmp_path: Path, module: Write) -> None:
    app = module("app_kinds", AGENT)
    assert isinstance(resolve_target(f"{app}:agent", directory=tmp_path), Agent)
    assert isinstance(resolve_target(f"{app}:Box.inner", directory=tmp_path), Agent)
    assert isinstance(resolve_target(f"{app}:make_agent", directory=tmp_path), Agent)
    assert isinstance(resolve_target(f"{app}:workflow", directory=tmp_path), Workflow)
    factory = resolve_target(f"{app}:make_workflow", directory=tmp_path)
    assert callable(factory)
    assert isinstance(factory(), Workflow)


@pytest.mark.parametrize(
    ("attribute", "sentence"),
    [
        ("agnt", "does not exist: app_faults has no 'agnt'. Did you mean 'agent'?"),
        ("Box.iner", "does not exist: app_faults:Box has no 'iner'. Did you mean 'inner'?"),
        ("number", "is a int; it must be an agent, a workflow, a factory of one, or a host."),
        ("number_factory", "is a int; it must be an agent, a workflow, a factory of one, or a host."),
        ("app", "a factory of one, or a host. An ASGI app is served by any ASGI server."),
        ("later", "is async; make it a plain function."),
        ("broken", "raised KeyError. Run again with --debug to see where."),
    ],
)
def test_what_a_spec_may_not_name(tmp_path: Path, module: Write, attribute: str, sentence: str) -> None:
    with pytest.raises(TargetError) as caught:
        resolve_target(f"{module('app_faults', AGENT)}:{attribute}", directory=tmp_path)
    assert str(caught.value).endswith(sentence)


@pytest.mark.parametrize("spec", ["app", ":agent", "app:", ""])
def test_a_spec_has_two_halves(spec: str) -> None:
    with pytest.raises(TargetError, match=r"is not module:attribute; write for example app:agent\."):
        resolve_target(spec)


def test_a_module_that_is_not_there_or_does_not_import(tmp_path: Path, module: Write) -> None:
    module("app_there", "import not_installed_anywhere")
    module("app_raises", "raise RuntimeError('s3cr3t-value')")
    module("app_exits", "raise SystemExit(3)")
    with pytest.raises(TargetError, match=r"There is no module 'app_ther' in .*Did you mean 'app_there'\?"):
        resolve_target("app_ther:x", directory=tmp_path)
    with pytest.raises(TargetError, match="needs the module 'not_installed_anywhere', which is not installed"):
        resolve_target("app_there:x", directory=tmp_path)
    with pytest.raises(TargetError, match="Importing 'app_raises' raised RuntimeError") as caught:
        resolve_target("app_raises:x", directory=tmp_path)
    assert "s3cr3t-value" not in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(TargetError, match="Importing 'app_exits' raised SystemExit"):
        resolve_target("app_exits:x", directory=tmp_path)

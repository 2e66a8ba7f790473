"""A hook nobody documents or tests does not exist for its readers."""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path

import pytest

from agent_framework_hosting import Channel
from agent_framework_hosting.hookspecs import HOOK_NAMES, HookSpecs

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "hooks"
HOOKS = [name for name, _ in inspect.getmembers(HookSpecs, inspect.isfunction) if not name.startswith("_")]


def test_the_list_of_hooks_is_the_class() -> None:
    assert sorted(HOOK_NAMES) == HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_a_page_made_from_its_specification_with_code_that_runs(hook: str) -> None:
    page = (PAGES / f"{hook}.md").read_text(encoding="utf-8")
    assert f".. automethod:: agent_framework_hosting.hookspecs.HookSpecs.{hook}\n" in page
    assert re.search(rf"@hookimpl\n\s+(?:async )?def {hook}\(", page)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_a_requirement_and_so_a_test(hook: str) -> None:
    assert f"hooks.{hook}" in runpy.run_path(str(ROOT / "tests" / "requirements.py"))["REQUIREMENTS"]


def test_there_is_no_page_for_a_hook_that_is_gone() -> None:
    assert sorted(page.stem for page in PAGES.glob("*.md") if page.stem != "index") == HOOKS


def test_a_channel_does_not_implement_hooks_by_inheritance() -> None:
    assert [hook for hook in HOOKS if hasattr(Channel, hook)] == []

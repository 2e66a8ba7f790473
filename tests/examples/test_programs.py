"""Each example does what its page says, in processes of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.requirement("examples.run")
def test_two_channels_share_a_memory(example) -> None:
    shown = example("two-channels")
    with shown.serving() as url:
        assert shown.run("talk.py", url) == shown.promised()["talk.py"]


@pytest.mark.requirement("examples.run")
def test_a_workflow_asks_and_is_answered_after_a_restart(example) -> None:
    shown = example("approval")
    promised = shown.promised()
    with shown.serving() as url:
        assert shown.run("ask.py", url) == promised["ask.py"]
    with shown.serving() as url:
        assert shown.run("answer.py", url) == promised["answer.py"]
        assert shown.run("chat.py", url) == promised["chat.py"]


@pytest.mark.requirement("examples.run")
def test_a_policy_redacts_both_ways(example) -> None:
    shown = example("redaction")
    with shown.serving() as url:
        assert shown.run("talk.py", url) == shown.promised()["talk.py"]


def test_every_example_has_a_page_and_stands_in_the_list() -> None:
    listing = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    folders = [path.name for path in EXAMPLES.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))]
    assert sorted(folders) == ["approval", "host-channel-pager", "redaction", "two-channels"]
    assert [name for name in folders if f"[{name}]({name}/)" not in listing] == []
    assert [name for name in folders if not (EXAMPLES / name / "README.md").is_file()] == []

from __future__ import annotations

import pytest
from agent_framework import Content, Message

from agent_framework_hosting.errors import TargetInputError
from agent_framework_hosting.execution.messages import messages_of_input

IMAGE = Content.from_uri("https://example.com/a.png", media_type="image/png")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("hello", [("user", ["text"])]),
        (IMAGE, [("user", ["uri"])]),
        (Message("system", ["be brief"]), [("system", ["text"])]),
        (["look", IMAGE], [("user", ["text", "uri"])]),
        (
            ["first", Message("assistant", ["said"]), "second"],
            [("user", ["text"]), ("assistant", ["text"]), ("user", ["text"])],
        ),
        ([], []),
    ],
)
def test_input_becomes_messages(given, expected):
    assert [(one.role, [content.type for content in one.contents]) for one in messages_of_input(given)] == expected


def test_anything_else_names_the_run_hook():
    with pytest.raises(TargetInputError, match=r"not dict.*run hook"):
        messages_of_input({"text": "hello"})

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting import ChannelIdentity, ChannelRequest
from host_channel_echo.parsing import BadMessageError, EchoMessage, parse, to_request

FIELDS = [name for name in EchoMessage.__slots__ if name not in ("text", "user")]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_the_smallest_message() -> None:
    assert parse({"text": "hello", "user": "ada"}) == EchoMessage("hello", "ada")


def test_a_full_message() -> None:
    body = {
        "text": "/reset now",
        "user": "ada",
        "callback": "http://localhost/x",
        "conversation": "room",
        "group": True,
        "mentioned": False,
        "event_id": "e1",
        "target": "active",
        "later": True,
        "stream": True,
    }
    message = parse(body)
    assert message == EchoMessage(**body)
    assert to_request(message, "support") == ChannelRequest(
        channel="support",
        operation="command.invoke",
        input="/reset now",
        identity=ChannelIdentity("support", "ada", {"callback": "http://localhost/x"}),
        conversation_id="room",
        is_group=True,
        addressed=False,
        event_id="e1",
        stream=True,
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (None, "JSON object"),
        ([], "JSON object"),
        ("text", "JSON object"),
        ({}, "'text' is missing"),
        ({"text": "x"}, "'user' is missing"),
        ({"text": "", "user": "a"}, "'text' is missing"),
        ({"text": "x", "user": None}, "'user' is missing"),
        ({"text": 1, "user": "a"}, "'text' must be a string"),
        ({"text": "x", "user": ["a"]}, "'user' must be a string"),
        ({"text": "x", "user": "a", "group": "yes"}, "'group' must be a boolean"),
        ({"text": "x", "user": "a", "later": 1}, "'later' must be a boolean"),
        ({"text": "x", "user": "a", "later": True}, "needs a 'callback'"),
        ({"text": "x", "user": "a", "role": "system"}, "not known"),
        ({"text": "\ud800", "user": "a"}, "'text' is not valid Unicode"),
        ({"text": "x", "user": "\udfff"}, "'user' is not valid Unicode"),
    ],
)
def test_what_is_no_message_is_refused_by_its_field(body: object, says: str) -> None:
    with pytest.raises(BadMessageError, match=says):
        parse(body)


@given(json_values | st.dictionaries(st.sampled_from(["text", "user", *FIELDS, "other"]), json_values))
def test_any_json_is_a_message_or_refused(body: object) -> None:
    message = None
    with suppress(BadMessageError):
        message = parse(json.loads(json.dumps(body)))
    if message is not None:
        attributes = {} if message.callback is None else {"callback": message.callback}
        assert message.text
        assert message.user
        assert to_request(message, "echo").identity == ChannelIdentity("echo", message.user, attributes)


@given(st.text(min_size=1), st.text(min_size=1))
def test_text_and_user_pass_unchanged(text: str, user: str) -> None:
    request = to_request(parse({"text": text, "user": user}), "echo")
    assert (request.input, request.identity) == (text, ChannelIdentity("echo", user))


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/reset", "reset"),
        ("/Reset all", "reset"),
        ("  /reset", "reset"),
        ("/", None),
        ("say /reset", None),
        ("hello", None),
        (" ", None),
    ],
)
def test_a_text_that_starts_with_a_slash_is_a_command(text: str, command: str | None) -> None:
    assert EchoMessage(text, "a").command == command

"""Requests through JSON text and back."""

from __future__ import annotations

import json

import pytest
from agent_framework import Content, Message
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.delivery.codec import decode_request, encode_context, encode_request
from agent_framework_hosting.errors import PushPayloadNotSerializable
from agent_framework_hosting.model.identity import ChannelIdentity, ChannelSession
from agent_framework_hosting.model.request import ChannelRequest
from agent_framework_hosting.model.target import ResponseTarget

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(st.text(), json_values, max_size=3)
identities = st.builds(ChannelIdentity, st.text(), st.text(), mappings)
texts = st.none() | st.text()
requests = st.builds(
    ChannelRequest,
    channel=st.text(),
    operation=st.sampled_from(["message.create", "command.invoke"]),
    input=json_values,
    session=st.none() | st.builds(ChannelSession, texts, texts, texts, texts),
    options=st.none() | mappings,
    session_mode=st.sampled_from(["auto", "required", "disabled"]),
    metadata=mappings,
    attributes=mappings,
    stream=st.booleans(),
    identity=st.none() | identities,
    response_target=st.one_of(
        st.sampled_from([ResponseTarget.none, ResponseTarget.active, ResponseTarget.channel("x", echo_input=True)]),
        st.lists(identities, min_size=1, max_size=2).map(ResponseTarget.identities),
    ),
    conversation_id=texts,
    is_group=st.booleans(),
    addressed=st.booleans(),
    event_id=texts,
    background=st.booleans(),
)


@given(requests)
def test_a_request_comes_back_equal(request: ChannelRequest) -> None:
    assert decode_request(json.loads(json.dumps(encode_request(request)))) == request
    assert encode_context(request) == encode_request(request)


def test_a_turn_stored_with_an_operation_of_an_earlier_version_is_a_message() -> None:
    stored = encode_request(ChannelRequest("a", "command.invoke", "hi"))
    assert decode_request(stored | {"operation": "button.press"}) == ChannelRequest("a", "message.create", "hi")


@pytest.mark.parametrize(
    "asked",
    [
        Message("user", ["hi", Content.from_uri("https://example.com/a.png", media_type="image/png")]),
        Content.from_text("hi"),
        [Message("user", ["one"]), Content.from_text("two"), "three"],
    ],
)
def test_messages_and_contents_come_back_equal(asked: object) -> None:
    def plain(value: object) -> object:
        if isinstance(value, list):
            return [plain(one) for one in value]
        return value.to_dict() if isinstance(value, (Message, Content)) else value

    stored = json.loads(json.dumps(encode_request(ChannelRequest("a", "message.create", asked))))
    assert plain(decode_request(stored).input) == plain(asked)


def test_what_a_provider_hung_on_a_message_stays_behind() -> None:
    asked = Message("user", ["hi"], raw_representation=object())
    stored = json.loads(json.dumps(encode_request(ChannelRequest("a", "message.create", asked))))
    restored = decode_request(stored).input
    assert isinstance(restored, Message)
    assert restored.text == "hi"


@pytest.mark.parametrize("odd", [object(), b"bytes", {1: "key"}, float("nan")])
@pytest.mark.parametrize("field", ["input", "options", "metadata", "attributes"])
def test_what_json_cannot_carry_is_named_or_left_out(field: str, odd: object) -> None:
    value = odd if field == "input" else {"odd": odd}
    request = ChannelRequest(**{"channel": "a", "operation": "message.create", "input": "", field: value})
    with pytest.raises(PushPayloadNotSerializable, match=field):
        encode_request(request)
    kept = decode_request(encode_context(request))
    assert getattr(kept, field) in ("", None, {})


def test_the_wires_own_object_is_left_out() -> None:
    request = ChannelRequest("a", "message.create", "", attributes={"protocol_request": object(), "kept": 1})
    assert decode_request(encode_request(request)).attributes == {"kept": 1}

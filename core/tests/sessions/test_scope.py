from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.hookspecs import ConversationScope, GroupAddressing
from agent_framework_hosting.model.identity import ChannelIdentity, ChannelSession
from agent_framework_hosting.model.request import ChannelRequest
from agent_framework_hosting.sessions.scope import conversation_of, is_addressed, own_key, owner_of, shared_key

SCOPES = (None, "per_user", "per_user_per_conversation", "per_conversation")
scopes = st.sampled_from(SCOPES)


def message(
    *,
    room: str | None = "room",
    is_group: bool = True,
    operation: str = "message.create",
    addressed: bool = True,
    session: ChannelSession | None = None,
) -> ChannelRequest:
    return ChannelRequest(
        "chat",
        operation,
        "hi",
        conversation_id=room,
        is_group=is_group,
        addressed=addressed,
        session=session,
        identity=ChannelIdentity("chat", "1"),
    )


@pytest.mark.requirement("groups.addressing")
@pytest.mark.parametrize(
    ("mode", "plain", "mentioned", "command", "command_for_bot"),
    [
        ("mention_only", False, True, False, True),
        ("command_only", False, False, True, True),
        ("mention_or_command", False, True, True, True),
        ("all", True, True, True, True),
    ],
)
def test_a_group_message_is_answered_as_the_channel_says(
    mode: GroupAddressing, plain: bool, mentioned: bool, command: bool, command_for_bot: bool
) -> None:
    assert is_addressed(message(addressed=False), mode) is plain
    assert is_addressed(message(addressed=True), mode) is mentioned
    assert is_addressed(message(operation="command.invoke", addressed=False), mode) is command
    assert is_addressed(message(operation="command.invoke", addressed=True), mode) is command_for_bot


@pytest.mark.parametrize("mode", ["mention_only", "command_only", "mention_or_command", "all"])
def test_every_direct_message_is_answered(mode: GroupAddressing) -> None:
    assert is_addressed(message(is_group=False, addressed=False), mode)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_direct_chat_is_the_persons_own_conversation(scope: ConversationScope | None) -> None:
    conversation = conversation_of(message(is_group=False), "chat:1", scope)
    assert (conversation.lane, conversation.isolation_key, conversation.key) == ("chat:1", "chat:1", None)


@pytest.mark.requirement("groups.scope")
@pytest.mark.parametrize("scope", [None, "per_user_per_conversation"])
def test_a_group_is_apart_from_the_direct_chat_and_from_other_people(scope: ConversationScope | None) -> None:
    anna, ben = conversation_of(message(), "chat:1", scope), conversation_of(message(), "chat:2", scope)
    elsewhere = conversation_of(message(room="other"), "chat:1", scope)
    assert anna.isolation_key == elsewhere.isolation_key == "chat:1"
    assert anna.key not in (None, elsewhere.key)
    assert len({anna.lane, ben.lane, elsewhere.lane, "chat:1"}) == 4


def test_per_user_shares_one_conversation_everywhere() -> None:
    assert conversation_of(message(), "chat:1", "per_user") == conversation_of(
        message(is_group=False), "chat:1", "per_user"
    )


@pytest.mark.requirement("groups.scope")
def test_per_conversation_is_shared_by_everybody_in_the_room() -> None:
    anna = conversation_of(message(), "chat:1", "per_conversation")
    assert anna == conversation_of(message(), "chat:2", "per_conversation")
    assert anna.isolation_key == shared_key("chat", "room") == "chat:conversation:room"
    assert anna != conversation_of(message(room="other"), "chat:1", "per_conversation")


@pytest.mark.parametrize("scope", [None, "per_user_per_conversation", "per_conversation"])
def test_a_group_that_does_not_name_itself_shares_nothing(scope: ConversationScope | None) -> None:
    anna = conversation_of(message(room=None), "chat:1", scope)
    assert anna.isolation_key == "chat:1"
    assert anna.lane != "chat:1"


def test_what_the_channel_sets_comes_first() -> None:
    session = ChannelSession(isolation_key="tenant:9", key="thread", parent="before", conversation_id="c")
    conversation = conversation_of(message(is_group=False, session=session), "chat:1", None)
    assert (conversation.isolation_key, conversation.key, conversation.parent) == ("tenant:9", "thread", "before")
    threaded = conversation_of(message(is_group=False, session=ChannelSession(key="t")), "chat:1", None)
    assert (threaded.isolation_key, threaded.key) == ("chat:1", "t")
    assert threaded.lane not in ("chat:1", "t")


def test_nobody_has_no_session_and_waits_for_nobody() -> None:
    one, other = message(is_group=False), message(is_group=False)
    first, second = conversation_of(one, None, None), conversation_of(other, None, None)
    assert first.isolation_key is None
    assert first.lane != second.lane


def test_an_ordinary_key_is_channel_and_id() -> None:
    assert own_key("telegram", "42") == "telegram:42"


native_ids = st.text(max_size=8) | st.sampled_from(["conversation:5", "~conversation:5", "~", "~~", "conversation:"])


@given(native_ids, native_ids, st.text(max_size=8))
def test_no_user_id_is_taken_for_another_or_for_a_room(one: str, other: str, room: str) -> None:
    key = own_key("chat", one)
    assert key != shared_key("chat", room)
    assert (key == own_key("chat", other)) == (one == other)


@given(scopes, scopes, st.booleans(), st.booleans(), st.sampled_from(["r1", "r2"]))
def test_what_one_person_says_in_private_reaches_no_room_that_others_read(
    scope: ConversationScope | None, other: ConversationScope | None, is_group: bool, grouped: bool, room: str
) -> None:
    anna = conversation_of(message(is_group=is_group, room=room), "chat:1", scope)
    ben = conversation_of(message(is_group=grouped), "chat:2", other)
    if anna.isolation_key == ben.isolation_key:
        assert is_group
        assert grouped
        assert scope == other == "per_conversation"


def test_the_owner_of_a_lane_is_whose_conversation_it_is() -> None:
    request = ChannelRequest("telegram", "message.create", "hi", conversation_id="room", is_group=True)
    for scope in ("per_user", "per_user_per_conversation"):
        assert owner_of(conversation_of(request, "telegram:1", scope).lane) == "telegram:1"
    assert owner_of(conversation_of(request, "telegram:1", "per_conversation").lane) == shared_key("telegram", "room")

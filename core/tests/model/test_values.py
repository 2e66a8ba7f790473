from __future__ import annotations

import contextvars
import dataclasses
from datetime import UTC, datetime

import pytest

from agent_framework_hosting import (
    Accepted,
    Allowed,
    AuthorizationError,
    Busy,
    ChannelIdentity,
    ChannelRequest,
    ChannelSession,
    ContinuationToken,
    Denied,
    Duplicate,
    Failed,
    IsolationKeys,
    LinkChallenge,
    LinkRequired,
    Reply,
    ResponseTarget,
    ResponseTargetKind,
    RetryPolicy,
    SendAttempt,
    SendRecord,
    TaskHandle,
    TaskStatus,
    get_current_isolation_keys,
    reset_current_isolation_keys,
    set_current_isolation_keys,
)

VALUES = [
    lambda: ChannelIdentity("echo", "ada", {"chat": [1, {"a": 2}]}),
    lambda: ChannelSession("a", "b", "c", "d"),
    lambda: ChannelRequest(
        "echo", "message.create", ["text"], options={"a": 1}, metadata={"b": []}, verified_claims={"c": ["d"]}
    ),
    lambda: ResponseTarget.identities([ChannelIdentity("echo", "ada", {"n": {}})], echo_input=True),
    lambda: Allowed("a", {"groups": ["x"]}),
    lambda: Denied("code", "message", {"detail": []}),
    lambda: LinkRequired(LinkChallenge("id", attributes={"x": []})),
    lambda: Accepted("t", ("a",), "token"),
    lambda: Duplicate("e"),
    lambda: Busy(3),
    lambda: Failed("a", "b", 400),
    lambda: TaskHandle("a", "b"),
    RetryPolicy,
    lambda: IsolationKeys("a", "b"),
]


@pytest.mark.parametrize("make", VALUES, ids=lambda make: type(make()).__name__)
def test_values_are_equal_hashable_and_frozen(make) -> None:
    one, two = make(), make()
    assert one == two
    assert hash(one) == hash(two)
    assert len({one, two}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(one, dataclasses.fields(one)[0].name, "other")


def test_identities_differ_by_every_part() -> None:
    ada = ChannelIdentity("echo", "ada", {"chat": 1})
    others = [ChannelIdentity("x", "ada", {"chat": 1}), ChannelIdentity("echo", "x"), ChannelIdentity("echo", "ada")]
    assert ada not in others


@pytest.mark.parametrize(
    ("outcome", "status", "kind"),
    [
        (Reply(), 200, "reply"),
        (Accepted("t"), 202, "accepted"),
        (Duplicate("e"), 200, "duplicate"),
        (Denied("secret_reason"), 403, "denied"),
        (LinkRequired(LinkChallenge("secret-id")), 403, "link_required"),
        (Busy(), 429, "busy"),
        (Failed(), 500, "failed"),
    ],
)
def test_every_outcome_has_a_status_and_what_a_wire_may_show(outcome, status: int, kind: str) -> None:
    shown = outcome.to_public_dict()
    assert (outcome.status_code, shown["outcome"]) == (status, kind)
    assert "secret" not in str(shown)


def test_an_authorization_error_says_what_may_be_shown() -> None:
    refused = AuthorizationError(Denied("secret_reason", "Not you.", {"why": "secret"}))
    assert (str(refused), refused.outcome.reason_code) == ("Not you.", "secret_reason")


def test_response_targets_keep_order_and_drop_repeats() -> None:
    assert ResponseTarget.channels(["b", "a", "b"]).targets == ("b", "a")
    assert ResponseTarget.channel("a", echo_input=True) == ResponseTarget.channels(["a"], echo_input=True)
    ada = ChannelIdentity("echo", "ada")
    assert ResponseTarget.identities([ada, ada]) == ResponseTarget.identity(ada)
    assert ResponseTarget.active.kind is ResponseTargetKind.ACTIVE
    assert ResponseTargetKind.all_linked == "all_linked"


def test_response_targets_refuse_what_is_surely_a_mistake() -> None:
    with pytest.raises(TypeError, match=r"ResponseTarget\.channel"):
        ResponseTarget.channels("abc")
    with pytest.raises(ValueError, match=r"ResponseTarget\.none"):
        ResponseTarget.channels([])
    with pytest.raises(ValueError, match="at least one"):
        ResponseTarget.identities([])


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"initial_backoff_seconds": -1},
        {"backoff_multiplier": 0.5},
        {"max_backoff_seconds": -0.1},
    ],
)
def test_a_retry_policy_that_could_never_deliver_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match="RetryPolicy"):
        RetryPolicy(**wrong)


def test_isolation_keys_are_set_and_undone_in_their_own_context() -> None:
    assert IsolationKeys().is_empty
    assert not IsolationKeys(chat_key="c").is_empty

    def inside() -> None:
        outer = set_current_isolation_keys(IsolationKeys("u"))
        inner = set_current_isolation_keys(None)
        assert get_current_isolation_keys() is None
        reset_current_isolation_keys(inner)
        assert get_current_isolation_keys() == IsolationKeys("u")
        reset_current_isolation_keys(outer)
        assert get_current_isolation_keys() is None

    contextvars.copy_context().run(inside)


def test_a_task_status_and_a_token_read_as_their_names() -> None:
    assert TaskStatus.succeeded == "succeeded"
    assert {field.name for field in dataclasses.fields(ContinuationToken)} == {
        *("token", "status", "created_at", "completed_at", "result", "error")
    }


@pytest.mark.parametrize(
    ("operation", "hint"),
    [
        ("message.created", " Did you mean 'message.create'?"),
        ("COMMAND.INVOKE", " Did you mean 'command.invoke'?"),
        (7, ""),
    ],
)
def test_an_operation_is_one_of_those_there_are(operation: object, hint: str) -> None:
    with pytest.raises(ValueError, match="operation") as refused:
        ChannelRequest("echo", operation, "hi")
    assert str(refused.value) == (
        f'operation is {operation!r}; a request\'s operation is "message.create" or "command.invoke".{hint}'
    )
    with pytest.raises(ValueError, match="operation"):
        dataclasses.replace(ChannelRequest("echo", "message.create", "hi"), operation=operation)


def test_the_attributes_the_host_reads_are_told_from_the_channels_own() -> None:
    given = {"protocol_request": None, "responses": {"q": 1}, "response_id": 7, "previous_response_id": "r", "own": 1}
    request = ChannelRequest("echo", "message.create", "hi", attributes=given)
    assert request.known_attributes == {
        "protocol_request": None,
        "responses": {"q": 1},
        "previous_response_id": "r",
    }


def test_a_send_began_with_its_latest_attempt_and_reads_like_the_mapping_it_was() -> None:
    made, first, last = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3))
    record = SendRecord("d", ChannelIdentity("echo", "ada"), made, stored={"id": "d"})
    assert record.last_started_at == made
    tried = dataclasses.replace(record, tries=(SendAttempt(first, "TimeoutError"), SendAttempt(last)))
    assert tried.last_started_at == last
    assert (dict(tried), tried["id"], tried.get("payload")) == ({"id": "d"}, "d", None)
    assert tried != record
    assert hash(record) == hash(dataclasses.replace(record, stored={}))

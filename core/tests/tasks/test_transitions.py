from __future__ import annotations

import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent_framework_hosting.errors import PermanentPushError, RetryLater
from agent_framework_hosting.model.durable import TaskStatus, Try
from agent_framework_hosting.tasks.record import TaskRecord, task_codec
from agent_framework_hosting.tasks.transitions import (
    begun,
    cancelled,
    failed,
    left_unknown,
    maybe_applied,
    not_applied,
    replayed,
    succeeded,
)

NOW = 1000.0
FRESH = TaskRecord(
    id="0001",
    name="push",
    lane="telegram:1",
    status="pending",
    attempts=0,
    max_attempts=3,
    backoff=(1.0, 2.0, 60.0),
    created=900.0,
    next_attempt=900.0,
    payload_json=msgspec.Raw(b'{"text":"hello"}'),
    receipt_json=msgspec.Raw(b"null"),
)


def all_jitter() -> float:
    return 1.0


def test_an_attempt_counts_before_it_is_made() -> None:
    record = begun(FRESH, NOW)
    assert (record.attempts, record.in_attempt, record.status) == (1, True, "pending")


def test_success_keeps_the_receipt_and_lets_the_payload_go() -> None:
    record = succeeded(begun(FRESH, NOW), msgspec.Raw(b'"m1"'), NOW)
    assert record.status == "succeeded"
    assert record.public_status is TaskStatus.SUCCEEDED
    assert (record.receipt, record.payload, record.finished, record.in_attempt) == ("m1", {}, NOW, False)


def test_failure_waits_until_the_attempts_are_used_up() -> None:
    record = FRESH
    pauses: list[float] = []
    while record.status == "pending":
        record = failed(begun(record, NOW), OSError("down"), NOW, all_jitter)
        pauses.append(record.next_attempt - NOW)
    assert pauses[:2] == [1.0, 2.0]
    assert (record.status, record.attempts, record.last_error) == ("dead", 3, "OSError: down")
    assert record.payload == {"text": "hello"}
    assert record.public_status is TaskStatus.FAILED


def test_a_permanent_error_kills_at_once_and_a_pause_is_kept() -> None:
    assert failed(begun(FRESH, NOW), PermanentPushError("gone"), NOW, all_jitter).status == "dead"
    later = failed(begun(FRESH, NOW), RetryLater(30), NOW, all_jitter)
    assert (later.status, later.next_attempt) == ("pending", NOW + 30)
    assert failed(begun(replace(FRESH, attempts=2), NOW), RetryLater(30), NOW, all_jitter).status == "dead"


def test_each_attempt_is_noted_with_its_time_and_its_error() -> None:
    first = failed(begun(FRESH, 1.0), OSError("down"), 2.0, all_jitter)
    second = maybe_applied(begun(first, 3.0), "cut off", 4.0, all_jitter)
    done = succeeded(begun(replayed(second, 5.0), 6.0), msgspec.Raw(b"null"), 7.0)
    assert done.tries == (Try(1.0, "OSError: down"), Try(3.0, "cut off"), Try(6.0))
    assert task_codec.load(task_codec.dump(done)).tries == done.tries
    for now in range(100):
        done = begun(done, now)
    assert [done.tries[0].at, done.tries[-1].at, len(done.tries)] == [80, 99, 20]


def test_no_pause_is_endless() -> None:
    assert failed(begun(FRESH, NOW), RetryLater(math.inf), NOW, all_jitter).next_attempt == NOW + 30 * 86_400


def test_what_may_have_been_applied_is_flagged_and_stays_flagged() -> None:
    flagged = maybe_applied(begun(FRESH, NOW), "cut off", NOW, all_jitter)
    assert (flagged.status, flagged.maybe_duplicate, flagged.in_attempt) == ("pending", True, False)
    done = succeeded(begun(flagged, NOW), msgspec.Raw(b"null"), NOW)
    assert done.maybe_duplicate
    last = maybe_applied(begun(replace(FRESH, attempts=2), NOW), "cut off", NOW, all_jitter)
    assert (last.status, last.maybe_duplicate, last.payload) == ("dead", True, {"text": "hello"})


def test_what_was_not_applied_is_tried_again_unflagged() -> None:
    again = not_applied(begun(FRESH, NOW), "not there", NOW, all_jitter)
    assert (again.status, again.maybe_duplicate) == ("pending", False)


def test_unknown_keeps_its_payload_and_replay_starts_over() -> None:
    unknown = left_unknown(begun(FRESH, NOW), "timeout", NOW)
    assert (unknown.status, unknown.payload, unknown.public_status) == (
        "unknown",
        {"text": "hello"},
        TaskStatus.FAILED,
    )
    fresh = replayed(unknown, NOW + 5)
    assert (fresh.status, fresh.attempts, fresh.next_attempt, fresh.finished) == ("pending", 0, NOW + 5, None)
    assert cancelled(FRESH, NOW).public_status is TaskStatus.CANCELLED


STEPS = st.lists(st.sampled_from(["fail", "later", "permanent", "uncertain", "not applied", "unknown", "succeed"]))


@given(STEPS)
def test_no_way_through_leads_past_the_last_attempt_or_out_of_a_terminal_state(steps: list[str]) -> None:
    record = FRESH
    for step in steps:
        if record.status != "pending":
            break
        record = begun(record, NOW)
        assert record.attempts <= record.max_attempts
        match step:
            case "fail":
                record = failed(record, OSError(), NOW, all_jitter)
            case "later":
                record = failed(record, RetryLater(5), NOW, all_jitter)
            case "permanent":
                record = failed(record, PermanentPushError(), NOW, all_jitter)
            case "uncertain":
                record = maybe_applied(record, "?", NOW, all_jitter)
            case "not applied":
                record = not_applied(record, "?", NOW, all_jitter)
            case "unknown":
                record = left_unknown(record, "?", NOW)
            case _:
                record = succeeded(record, msgspec.Raw(b"1"), NOW)
        assert not record.in_attempt
        assert (record.finished is None) == (record.status == "pending")
        assert (record.payload == {}) == (record.status == "succeeded")
        assert task_codec.load(task_codec.dump(record)).to_dict() == record.to_dict()

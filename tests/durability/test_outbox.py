"""One delivery against a platform that misbehaves: order, retries, uncertain sends, echoes, dead letters."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import httpx2
import pytest

from agent_framework_hosting import (
    Channel,
    ChannelIdentity,
    HostedRunResult,
    PermanentPushError,
    ResponseTarget,
    RetryLater,
    RetryPolicy,
    SendRecord,
    TaskStatus,
    hookimpl,
    result_text,
)
from agent_framework_hosting.testing import InboxChannel

pytestmark = pytest.mark.anyio


class Uncertain(Channel):
    """Push over HTTP; a send of unknown effect is left unknown unless ``truth`` settles it."""

    name, path = "uncertain", "/uncertain"
    on_uncertain_send = "unknown"

    def __init__(self, truth: str | None = None) -> None:
        self.truth = truth
        self.asked: list[SendRecord] = []

    @hookimpl
    async def push(self, identity: ChannelIdentity, payload: HostedRunResult) -> str:
        async with httpx2.AsyncClient(timeout=0.3) as http:
            answer = await http.post(str(identity.attributes["callback"]), json={"text": result_text(payload)})
            answer.raise_for_status()
            return answer.json()["id"]

    async def reconcile(self, record: SendRecord):
        self.asked.append(record)
        return self.truth


async def record_of(world, handle):
    found = await world.runner.tasks.get(handle.task_id)
    assert found is not None
    return found


@pytest.mark.requirement("outbox.receipts")
async def test_the_platforms_receipt_is_kept(make_world, platform) -> None:
    async with make_world() as world:
        (handle,) = await world.host.deliver("hello", ResponseTarget.identity(world.address("bob")))
        await platform.wait_for("echo/bob", 1)
        await world.settled()
        record = await record_of(world, handle)
        assert (record.status, record.receipt, record.attempts) == ("succeeded", platform.posts[0].receipt, 1)
        assert await world.host.durable_task_runner.get(handle) == TaskStatus.SUCCEEDED


@pytest.mark.requirement("outbox.faults")
async def test_429_waits_as_long_as_asked_and_is_no_duplicate(make_world, platform, fault) -> None:
    platform.faults["echo/bob"] = [fault(429, (("retry-after", "0.05"),))] * 2
    async with make_world() as world:
        (handle,) = await world.host.deliver("hello", ResponseTarget.identity(world.address("bob")))
        assert await platform.wait_for("echo/bob", 1) == ["hello"]
        await world.settled()
        record = await record_of(world, handle)
    assert (record.attempts, record.maybe_duplicate, platform.requests["echo/bob"]) == (3, False, 3)


@pytest.mark.requirement("outbox.faults")
@pytest.mark.parametrize(
    ("fault_fields", "seen"),
    [
        ({"status": 500, "applies": True}, ["hello", "hello"]),
        ({"status": 503}, ["hello"]),
        ({"drops": True, "applies": True}, ["hello", "hello"]),
        ({"hangs": True, "applies": True}, ["hello", "hello"]),
    ],
)
async def test_a_send_that_may_have_been_applied_is_repeated_and_flagged(
    make_world, platform, fault, fault_fields: dict[str, object], seen: list[str]
) -> None:
    platform.faults["echo/bob"] = [fault(**fault_fields)]
    async with make_world(timeout_seconds=0.3) as world:
        (handle,) = await world.host.deliver("hello", ResponseTarget.identity(world.address("bob")))
        assert await platform.wait_for("echo/bob", len(seen)) == seen
        await world.settled()
        record = await record_of(world, handle)
    assert (record.status, record.maybe_duplicate) == ("succeeded", True)


@pytest.mark.requirement("outbox.uncertain")
@pytest.mark.parametrize(
    ("truth", "status", "sent"), [(None, "unknown", 1), ("sent", "succeeded", 1), ("not_sent", "succeeded", 2)]
)
@pytest.mark.parametrize("fault_fields", [{"status": 502}, {"hangs": True}, {"drops": True}])
async def test_a_channel_may_leave_it_unknown_and_reconcile(
    make_world, platform, fault, truth: str | None, status: str, sent: int, fault_fields: dict[str, object]
) -> None:
    platform.faults["echo/bob"] = [fault(applies=True, **fault_fields)]
    channel = Uncertain(truth)
    to = ChannelIdentity("uncertain", "bob", {"callback": platform.at("echo/bob")})
    async with make_world(channels=[channel]) as world:
        (handle,) = await world.host.deliver("hello", ResponseTarget.identity(to))
        await platform.wait_for("echo/bob", sent)
        await world.settled()
        record = await record_of(world, handle)
    assert (record.status, record.maybe_duplicate) == (status, False)
    assert len(platform.texts("echo/bob")) == sent
    (asked,) = channel.asked
    assert (asked.delivery_id, asked.identity, asked.kind, asked.text) == (handle.task_id, to, "answer", "hello")
    assert (asked.attempts, len(asked.tries), asked.envelope) == (1, 1, None)
    assert asked.created_at <= asked.last_started_at <= datetime.now(UTC)
    assert (asked["id"], asked["payload"]["destination"]["native_id"]) == (handle.task_id, "bob")


@pytest.mark.requirement("outbox.dead-letters")
@pytest.mark.parametrize("status", [403, 410])
async def test_a_refusal_for_ever_is_a_dead_letter_that_can_be_replayed(make_world, platform, fault, status) -> None:
    platform.always["echo/bob"] = fault(status)
    async with make_world() as world:
        (handle,) = await world.host.deliver("hello", ResponseTarget.identity(world.address("bob")))
        await platform.until(lambda: platform.requests["echo/bob"] == 1)
        counts = await world.settled()
        dead = await record_of(world, handle)
        assert (counts["dead"], dead.status, dead.attempts) == (1, "dead", 1)
        assert dead.payload["destination"] == {
            "channel": "echo",
            "native_id": "bob",
            "attributes": {"callback": platform.at("echo/bob")},
        }
        del platform.always["echo/bob"]
        await world.runner.tasks.replay(handle.task_id)
        assert await platform.wait_for("echo/bob", 1) == ["hello"]
        assert (await world.settled())["dead"] == 0


@pytest.mark.requirement("outbox.dead-letters")
async def test_attempts_end_and_their_cap_survives_restarts(make_world, platform, fault) -> None:
    policy = RetryPolicy(max_attempts=3, initial_backoff_seconds=0.0)
    platform.faults["echo/bob"] = [fault(500), fault(hangs=True), fault(500), fault(500)]
    async with make_world(policy=policy) as world:
        (handle,) = await world.host.deliver("hello", ResponseTarget.identity(world.address("bob")))
        await platform.until(lambda: platform.requests["echo/bob"] == 2)
    async with make_world(policy=policy) as world:
        counts = await world.settled()
        record = await record_of(world, handle)
    assert (counts["dead"], record.status, record.attempts, record.maybe_duplicate) == (1, "dead", 3, True)
    assert platform.requests["echo/bob"] == 3


@pytest.mark.requirement("outbox.order")
async def test_order_is_kept_through_faults_and_others_are_not_held_up(make_world, platform, fault) -> None:
    late, hanging = fault(429, (("retry-after", "0.1"),)), fault(hangs=True)
    platform.faults["echo/slow"] = [late, fault(500), late]
    platform.always["echo/stuck"] = hanging
    async with make_world() as world:
        for number in range(5):
            for user in ("slow", "stuck", "quick"):
                await world.host.deliver(str(number), ResponseTarget.identity(world.address(user)))
        assert await platform.wait_for("echo/quick", 5) == list("01234")
        assert await platform.wait_for("echo/slow", 5) == list("01234")
        assert platform.texts("echo/stuck") == []
        assert platform.requests["echo/stuck"] == 1


@pytest.mark.requirement("outbox.echo")
async def test_an_echo_is_sent_once_and_its_failure_never_stops_the_answer(make_world, platform, fault) -> None:
    class Redirect:
        @hookimpl
        def run_hook(self, request):
            to = ChannelIdentity("second", "bob", {"callback": platform.at("bob")})
            return replace(request, response_target=ResponseTarget.identity(to, echo_input=True))

    later = fault(429, (("retry-after", "0.02"),))
    async with make_world(plugins=[Redirect()]) as world:
        platform.faults["bob"] = [fault(applies=True), later, fault(503)]
        await world.say("one")
        assert await platform.wait_for("bob", 2) == ["one", "1: one"]
        platform.faults["bob"] = [fault(410), later]
        await world.say("two")
        assert await platform.wait_for("bob", 3) == ["one", "1: one", "2: two"]
        counts = await world.settled()
    assert (counts["succeeded"], counts["dead"], platform.requests["bob"]) == (2, 0, 7)


@pytest.mark.requirement("outbox.faults")
@pytest.mark.parametrize("error", [PermanentPushError("gone"), RetryLater(0.01), ConnectionRefusedError("nobody")])
async def test_what_a_channel_raises_decides(make_world, error: Exception) -> None:
    inbox = InboxChannel()
    inbox.failures = [error]
    async with make_world(channels=[inbox]) as world:
        (handle,) = await world.host.deliver("hi", ResponseTarget.identity(ChannelIdentity("inbox", "bob")))
        await world.settled()
        record = await record_of(world, handle)
    permanent = isinstance(error, PermanentPushError)
    assert record.status == ("dead" if permanent else "succeeded")
    assert record.maybe_duplicate is False
    assert len(inbox.inbox) == (0 if permanent else 1)

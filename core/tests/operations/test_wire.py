from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.errors import OperationRefused
from agent_framework_hosting.operations import requests as ask
from agent_framework_hosting.operations.answers import Changed, Counted, DeliveryPage, DeliveryRow
from agent_framework_hosting.operations.wire import (
    answer_from_line,
    answer_to_line,
    refusal_to_line,
    request_from_line,
    request_to_line,
)

REQUESTS = [
    ask.ListDeliveries(status=("dead", "unknown"), channel="echo", native_id="ada", since=1.5, after="x", limit=7),
    ask.ShowDelivery("1"),
    ask.ReplayDeliveries(("1", "2")),
    ask.ReplayDeliveries(all_dead=True, channel="echo"),
    ask.DropDeliveries(("1",)),
    ask.PurgeDeliveries(("succeeded",), 1000.0),
    ask.TraceMessage("t"),
    ask.ListIdentities("echo", 3),
    ask.ShowIdentity("echo:ada"),
    ask.ForgetIdentity("echo:ada"),
    ask.ListLinks(5),
    ask.RevokeLink("echo:ada"),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: type(each).__name__)
def test_a_request_arrives_as_it_was_sent(request_: ask.Request) -> None:
    line = request_to_line(request_)
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    assert request_from_line(line) == request_


@given(
    st.binary(max_size=200)
    | st.sampled_from([request_to_line(each) for each in REQUESTS]).flatmap(
        lambda line: st.builds(
            lambda at, byte: line[:at] + byte + line[at + 1 :], st.integers(0, len(line)), st.binary(max_size=2)
        )
    )
)
def test_any_bytes_are_a_request_or_refused(line: bytes) -> None:
    try:
        found = request_from_line(line)
    except OperationRefused:
        return
    assert request_from_line(request_to_line(found)) == found


@pytest.mark.parametrize(
    "body",
    [
        {"operation": "deliveries.list", "limit": 0},
        {"operation": "deliveries.list", "limit": 1001},
        {"operation": "deliveries.show", "id": ""},
        {"operation": "deliveries.drop", "ids": ["x"] * 1001},
        {"operation": "identities.forget", "key": "k" * 5000},
        {"operation": "identities.forget"},
        {"id": "x"},
    ],
)
def test_what_is_out_of_bounds_is_refused(body: object) -> None:
    with pytest.raises(OperationRefused, match="cannot read the request"):
        request_from_line(msgspec.json.encode(body))


def test_an_answer_arrives_as_it_was_given() -> None:
    row = DeliveryRow("1", "dead", "echo", "ada", 5, 5, 1.0, None, 2.0, "OSError: down", True, {"any": ["json"]})
    page = DeliveryPage([row], more=True)
    assert answer_from_line(answer_to_line(page), DeliveryPage) == page
    assert answer_from_line(answer_to_line(Changed(["a"], {"b": "no"})), Changed) == Changed(["a"], {"b": "no"})


def test_a_refusal_arrives_as_its_sentence_and_anything_else_as_one_of_its_own() -> None:
    with pytest.raises(OperationRefused, match=r"^No delivery\.$"):
        answer_from_line(refusal_to_line("No delivery."), Counted)
    for line in (b"", b"nonsense\n", b"{}\n", b'{"ok":{"removed":"many"}}\n'):
        with pytest.raises(OperationRefused, match="another version"):
            answer_from_line(line, Counted)

"""The validator is an oracle of every stream test, so each of its rules is tried on a stream that breaks it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import pytest
from agent_framework import AgentResponseUpdate, Content

from host_channel_responses import events
from host_channel_responses.config import ResponsesOptions
from host_channel_responses.encoding import encode
from host_channel_responses.ids import new_id
from host_channel_responses.log import DONE
from host_channel_responses.parsing import TurnRequest, parse_fields
from host_channel_responses.projection import Projection
from host_channel_responses.response_object import FAILED, ended, ending_of, opening
from host_channel_responses.shown import Shown

Events = list[dict]


def turn() -> TurnRequest:
    return parse_fields({"input": "hi"}, ResponsesOptions(), new_id)


def good_stream(*, fails: bool = False) -> Events:
    projection = Projection(Shown(functions=frozenset({"lookup"}), summaries=True), new_id)
    response = opening(turn(), response_id="resp_1", created_at=1, model="m")
    made = [events.lifecycle("created", response), events.lifecycle("in_progress", response)]
    note = {"type": "citation", "url": "https://a.example", "title": "A"}
    for content in (
        Content.from_text_reasoning(text="hm"),
        Content.from_text("Hel"),
        Content.from_text("lo", annotations=[note]),
        Content.from_function_call("c1", "lookup", arguments='{"q":1}'),
    ):
        made += projection.feed(AgentResponseUpdate(contents=[content], role="assistant", message_id="m"))
    made += projection.finish("incomplete" if fails else "completed")
    ending = FAILED if fails else ending_of("stop", {"input_token_count": 1, "output_token_count": 2})
    if fails:
        made.append(events.failure())
    done = ended(response, ending, projection.output.items, 2)
    made.append(events.lifecycle(ending.status, done))
    return [{**copy.deepcopy(event), "sequence_number": number} for number, event in enumerate(made)]


def raw(stream: Events, separator: str = "\n", done: bytes = DONE) -> bytes:
    frames = (f"event: {each['type']}{separator}data: {json.dumps(each)}{separator * 2}" for each in stream)
    return "".join(frames).encode() + done


def numbered(stream: Events) -> Events:
    return [{**event, "sequence_number": number} for number, event in enumerate(stream)]


def without(kind: str) -> Callable[[Events], Events]:
    return lambda stream: numbered([event for event in stream if event["type"] != f"response.{kind}"])


def changed(kind: str, **fields: object) -> Callable[[Events], Events]:
    return lambda stream: [{**e, **fields} if e["type"] == f"response.{kind}" else e for e in stream]


def terminal(**fields: object) -> Callable[[Events], Events]:
    def change(stream: Events) -> Events:
        return [*stream[:-1], {**stream[-1], "response": {**stream[-1]["response"], **fields}}]

    return change


def lifecycle_without(key: str) -> Callable[[Events], Events]:
    def change(stream: Events) -> Events:
        for event in stream:
            event.get("response", {}).pop(key, None)
        return stream

    return change


def swapped(stream: Events) -> Events:
    stream[3], stream[4] = stream[4], stream[3]
    return numbered(stream)


def repeated(kind: str) -> Callable[[Events], Events]:
    def change(stream: Events) -> Events:
        twice = [[event, event] if event["type"] == f"response.{kind}" else [event] for event in stream]
        return numbered([event for pair in twice for event in pair])

    return change


def other_ids(stream: Events) -> Events:
    output = [{**item, "id": item["id"] + "x"} for item in stream[-1]["response"]["output"]]
    return terminal(output=output)(stream)


def overlapping(stream: Events) -> Events:
    first = next(i for i, event in enumerate(stream) if event["type"] == "response.output_item.done")
    stream[first], stream[first + 1] = stream[first + 1], stream[first]
    return numbered(stream)


DEFECTS: dict[str, Callable[[Events], Events]] = {
    "no created": without("created"),
    "no in_progress": without("in_progress"),
    "in_progress repeated": repeated("in_progress"),
    "no terminal event": without("completed"),
    "two terminal events": repeated("completed"),
    "no item added": without("output_item.added"),
    "no item done": without("output_item.done"),
    "items overlap": overlapping,
    "no part added": without("content_part.added"),
    "no part done": without("content_part.done"),
    "no text done": without("output_text.done"),
    "no delta": without("output_text.delta"),
    "a delta repeated": repeated("output_text.delta"),
    "text done differs": changed("output_text.done", text="other"),
    "part done differs": changed("content_part.done", part={"type": "output_text", "text": "?", "annotations": []}),
    "no annotation event": without("output_text.annotation.added"),
    "arguments differ": changed("function_call_arguments.done", arguments="{}"),
    "no arguments done": without("function_call_arguments.done"),
    "summary differs": changed("reasoning_summary_text.done", text="?"),
    "no summary part": without("reasoning_summary_part.added"),
    "item id differs": changed("output_text.delta", item_id="msg_other"),
    "output index differs": changed("output_text.delta", output_index=7),
    "part index differs": changed("output_text.delta", content_index=1),
    "final output empty": terminal(output=[]),
    "final ids differ": other_ids,
    "no usage": terminal(usage=None),
    "float time": terminal(completed_at=2.5),
    "another response id": terminal(id="resp_2"),
    "a key is missing": lifecycle_without("truncation"),
    "a gap in the numbers": lambda stream: [*stream[:3], *stream[4:]],
    "numbers from one": lambda stream: [{**e, "sequence_number": e["sequence_number"] + 1} for e in stream],
    "two events swapped": swapped,
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_rejected(defect: str, check_stream, stream_fault) -> None:
    with pytest.raises(stream_fault):
        check_stream(raw(DEFECTS[defect](good_stream())), usage=True)


FRAMING = {
    "no event line": lambda good: good.replace(b"event: response.created\n", b"", 1),
    "wrong event line": lambda good: good.replace(b"event: response.created\n", b"event: message\n", 1),
    "CRLF": lambda good: good.replace(b"\n", b"\r\n"),
    "no [DONE]": lambda good: good.removesuffix(DONE),
    "an id line": lambda good: b"id: 1\n" + good,
}


@pytest.mark.parametrize("defect", FRAMING)
def test_wrong_framing_is_rejected(defect: str, check_stream, stream_fault) -> None:
    with pytest.raises(stream_fault):
        check_stream(FRAMING[defect](raw(good_stream())))


@pytest.mark.parametrize("defect", ["no error event", "flat error event"])
def test_a_failure_needs_its_error_event(defect: str, check_stream, stream_fault) -> None:
    stream = good_stream(fails=True)
    check_stream(raw(stream))
    if defect == "no error event":
        stream = numbered([event for event in stream if event["type"] != "error"])
    else:
        stream[-2].pop("error")
    with pytest.raises((stream_fault, KeyError)):
        check_stream(raw(stream))


def test_legal_streams_pass(check_stream) -> None:
    assert len(check_stream(raw(good_stream()), usage=True)) == len(good_stream())
    with_comments = raw(good_stream()).replace(
        b"event: response.in_progress", b": keep-alive\nevent: response.in_progress"
    )
    assert check_stream(with_comments, usage=True)
    cut_off = [*good_stream()[:-1], {**good_stream()[-1], "type": "response.incomplete"}]
    assert check_stream(raw(without_differing_ids(cut_off)))


def without_differing_ids(stream: Events) -> Events:
    """Give the terminal event of another run the items of this one."""
    items = [event["item"] for event in stream if event["type"] == "response.output_item.done"]
    return terminal(output=items)(stream)


def test_the_log_writes_what_the_validator_reads(check_stream) -> None:
    frames = b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), encode(e)) for e in good_stream())
    assert check_stream(frames + DONE, usage=True)

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence

import pytest
from agent_framework import AgentResponse, AgentResponseUpdate, Annotation, Content
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from host_channel_responses import events
from host_channel_responses.log import DONE, EventLog
from host_channel_responses.projection import Projection
from host_channel_responses.shown import Shown

CLIENT = frozenset({"lookup", "save"})
FOR_CLIENT = Shown(functions=CLIENT)
EVENT = TypeAdapter(ResponseStreamEvent)
Check = Callable[..., list[dict]]


def counting() -> Callable[[str], str]:
    numbers = itertools.count()
    return lambda prefix: f"{prefix}_{next(numbers)}"


def text(value: str, **fields: object) -> Content:
    return Content.from_text(value, **fields)


def update(*contents: Content, **fields: object) -> AgentResponseUpdate:
    return AgentResponseUpdate(**{"contents": contents, "role": "assistant", "message_id": "m1", **fields})


def lifecycle_object(status: str, output: Sequence[dict]) -> dict:
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "completed_at": None, "status": status,
        "background": False, "error": None, "incomplete_details": None, "instructions": None,
        "max_output_tokens": None, "max_tool_calls": None, "metadata": {}, "model": "a", "output": list(output),
        "parallel_tool_calls": True, "previous_response_id": None, "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None}, "safety_identifier": None, "service_tier": "default",
        "store": True, "temperature": 1.0, "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [],
        "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "usage": None, "user": None,
        "presence_penalty": 0.0, "frequency_penalty": 0.0,
    }  # fmt: skip


def streamed(updates: Sequence[AgentResponseUpdate], shown: Shown, check: Check) -> tuple[Projection, list[dict]]:
    projection, log = Projection(shown, counting()), EventLog(10**7)
    log.append([events.lifecycle(name, lifecycle_object("in_progress", [])) for name in ("created", "in_progress")])
    for each in updates:
        log.append(projection.feed(each))
    log.append(projection.finish())
    log.append([events.lifecycle("completed", lifecycle_object("completed", projection.output.items))])
    checked = check(log.frames_from(0) + DONE)
    for event in checked:
        assert EVENT.validate_python(event).type == event["type"]
    Response.model_validate(checked[-1]["response"])
    return projection, checked


def whole(updates: Sequence[AgentResponseUpdate], shown: Shown) -> Projection:
    projection = Projection(shown, counting())
    projection.feed_whole(AgentResponse.from_updates(updates).messages)
    projection.finish()
    return projection


def without_ids(items: Sequence[dict]) -> list[dict]:
    return [{key: value for key, value in item.items() if key != "id"} for item in items]


def both(updates: Sequence[AgentResponseUpdate], check: Check, shown: Shown = FOR_CLIENT) -> list[dict]:
    stream, _ = streamed(updates, shown, check)
    at_once = whole(updates, shown)
    assert without_ids(stream.output.items) == without_ids(at_once.output.items)
    assert stream.pending_calls == at_once.pending_calls
    assert [asked.to_dict() for asked in stream.approvals.values()] == [
        asked.to_dict() for asked in at_once.approvals.values()
    ]
    return without_ids(stream.output.items)


def texts(items: Sequence[dict]) -> list[str]:
    return ["".join(part.get("text", part.get("refusal")) for part in item["content"]) for item in items]


def test_deltas_of_one_message_join(check_stream: Check) -> None:
    items = both([update(text("Hel")), update(text("lo"))], check_stream)
    assert texts(items) == ["Hello"]


def test_a_new_message_id_is_a_new_item(check_stream: Check) -> None:
    items = both([update(text("a")), update(text("b"), message_id="m2")], check_stream)
    assert texts(items) == ["a", "b"]


def test_a_run_without_any_update_has_no_output(check_stream: Check) -> None:
    assert both([], check_stream) == []


def test_a_refusal_is_a_part_of_its_own(check_stream: Check) -> None:
    refusal = text("I will not.", additional_properties={"core": {"model_output_kind": "refusal"}})
    items = both([update(text("Sorry. ")), update(refusal)], check_stream)
    assert [part["type"] for part in items[0]["content"]] == ["output_text", "refusal"]


def test_annotations_point_into_the_text(check_stream: Check) -> None:
    region = {"type": "text_span", "start_index": 0, "end_index": 3}
    notes = [
        Annotation(type="citation", url="https://a.example", title="A", annotated_regions=[region]),
        Annotation(type="citation", file_id="f1", url="a.txt", additional_properties={"index": 2}),
        Annotation(type="citation", file_id="f2", additional_properties={"index": 4}),
        Annotation(type="citation", file_id="f3", title="c", additional_properties={"container_id": "c1"}),
        Annotation(type="citation", snippet="points nowhere"),
    ]
    items = both([update(text("See this", annotations=notes))], check_stream)
    kinds = [note["type"] for note in items[0]["content"][0]["annotations"]]
    assert kinds == ["url_citation", "file_citation", "file_path", "container_file_citation"]
    assert items[0]["content"][0]["annotations"][3]["end_index"] == len("See this")


def test_reasoning_is_shown_as_a_summary_only_when_asked_for(check_stream: Check) -> None:
    thoughts = [update(Content.from_text_reasoning(id="r", text=piece)) for piece in ("Let me ", "think.")]
    answer = [*thoughts, update(Content.from_text_reasoning(id="r", protected_data="sealed")), update(text("42"))]
    assert [item["type"] for item in both(answer, check_stream)] == ["message"]
    items = both(answer, check_stream, Shown(summaries=True))
    assert items[0]["summary"] == [{"type": "summary_text", "text": "Let me think."}]
    assert "encrypted_content" not in items[0]
    assert both(answer, check_stream, Shown(summaries=True, encrypted=True))[0]["encrypted_content"] == "sealed"


def call(name: str, arguments: object, call_id: str = "c1", **fields: object) -> Content:
    return Content.from_function_call(call_id, name, arguments=arguments, id=f"af-{call_id}", **fields)


def test_a_call_of_the_client_is_joined_and_not_repeated(check_stream: Check) -> None:
    again = call("lookup", None)
    again.user_input_request = True
    updates = [
        update(call("lookup", "")),
        update(call("", '{"q":')),
        update(call("", '"x"}')),
        update(again, message_id=None),
    ]
    items = both(updates, check_stream)
    assert [(item["name"], item["arguments"], item["call_id"]) for item in items] == [("lookup", '{"q":"x"}', "c1")]


def test_parallel_calls_never_overlap(check_stream: Check) -> None:
    pieces = [("c1", "lookup", '{"a":'), ("c2", "save", '{"b":'), ("c1", "", "1}"), ("c2", "", "2}")]
    items = both([update(call(name, piece, call_id)) for call_id, name, piece in pieces], check_stream)
    assert [(item["call_id"], item["arguments"]) for item in items] == [("c1", '{"a":1}'), ("c2", '{"b":2}')]


def test_arguments_given_as_a_mapping_are_encoded_once(check_stream: Check) -> None:
    items = both([update(call("lookup", {"q": "x"}))], check_stream)
    assert json.loads(items[0]["arguments"]) == {"q": "x"}


def test_tools_of_the_host_stay_hidden(check_stream: Check) -> None:
    failed = Content.from_function_result("h1", result="Error: Function failed.", exception="secret trace")
    updates = [
        update(text("Looking.")),
        update(call("internal", '{"k":1}', "h1")),
        update(failed, role="tool", message_id=None),
        update(text("Done."), message_id="m2"),
    ]
    items = both(updates, check_stream)
    assert texts(items) == ["Looking.", "Done."]
    shown = both(updates, check_stream, Shown(host_tools=True))
    assert [item["type"] for item in shown] == ["message", "mcp_call", "message"]
    assert shown[1]["status"] == "failed"
    assert "secret" not in json.dumps(shown)


def test_an_approval_replaces_the_call_it_asks_about(check_stream: Check) -> None:
    asked = call("delete_all", '{"now":true}', "h1")
    request = Content.from_function_approval_request("af-h1", asked)
    items = both([update(asked), update(request)], check_stream)
    assert [(item["type"], item["name"], item["arguments"]) for item in items] == [
        ("mcp_approval_request", "delete_all", '{"now":true}')
    ]


def test_text_before_a_call_is_commentary_when_a_format_is_set(check_stream: Check) -> None:
    shown = Shown(functions=CLIENT, structured=True)
    updates = [update(text("Let me look.")), update(call("lookup", "{}"))]
    items = both(updates, check_stream, shown)
    assert [(item["type"], item.get("phase")) for item in items] == [
        ("message", "commentary"),
        ("function_call", None),
    ]


def test_structured_text_streams_at_once(check_stream: Check) -> None:
    shown = Shown(structured=True)
    projection = Projection(shown, counting())
    assert any(event["type"] == "response.output_text.delta" for event in projection.feed(update(text('{"a"'))))
    assert both([update(text('{"a"')), update(text(":1}"))], check_stream, shown)[0].get("phase") is None


def test_a_snapshot_sends_only_what_is_new(check_stream: Check) -> None:
    updates = [update(text("Hel")), update(text("Hello", merge_mode="replace"))]
    assert texts(both(updates, check_stream)) == ["Hello"]


def test_a_snapshot_that_takes_text_back_opens_a_new_item(check_stream: Check) -> None:
    updates = [update(text("Hello")), update(text("Bye", merge_mode="replace"))]
    projection, _ = streamed(updates, Shown(), check_stream)
    assert [(item["status"], texts([item])) for item in projection.output.items] == [
        ("incomplete", ["Hello"]),
        ("completed", ["Bye"]),
    ]


def test_an_update_that_replaces_its_message_does_the_same(check_stream: Check) -> None:
    updates = [update(text("Hel")), update(text("Hello"), merge_mode="replace")]
    assert texts(both(updates, check_stream)) == ["Hello"]
    updates = [update(text("Wrong")), update(text("Right"), merge_mode="replace")]
    projection, _ = streamed(updates, Shown(), check_stream)
    assert [item["status"] for item in projection.output.items] == ["incomplete", "completed"]


PIXEL = "data:image/png;base64,iVBORw0KGgo="


def test_images_go_out_as_generated_images_and_files_as_a_note(check_stream: Check) -> None:
    image = Content.from_uri(PIXEL, media_type="image/png")
    made = Content.from_image_generation_tool_result(image_id="i", outputs=image)
    document = Content.from_data(b"abc", "application/pdf", name="a.pdf")
    link = Content.from_uri("https://files.example/b.csv", media_type="text/csv")
    items = both([update(text("Here:"), image, made, made, document, link)], check_stream)
    assert [item["type"] for item in items] == [
        "message",
        "image_generation_call",
        "image_generation_call",
        "message",
    ]
    assert items[1]["result"] == "iVBORw0KGgo="
    assert texts(items[3:]) == ["[a.pdf, 3 bytes]\nhttps://files.example/b.csv"]


def test_tools_of_the_provider_are_joined_by_call(check_stream: Check) -> None:
    updates = [
        update(Content.from_mcp_server_tool_call("p1", "fetch", server_name="docs", arguments={"u": 1})),
        update(Content.from_mcp_server_tool_result("p1", output=[text("found")])),
        update(Content.from_search_tool_call("p2", tool_name="web_search", arguments={"query": "x"})),
        update(Content.from_search_tool_result("p2", tool_name="web_search", result="r")),
        update(Content.from_search_tool_call("p3", tool_name="file_search", arguments={"query": "y"})),
        update(Content.from_search_tool_result("p3", tool_name="file_search", result="r")),
        update(Content.from_code_interpreter_tool_call(call_id="p4", inputs=[text("1+1")])),
        update(Content.from_code_interpreter_tool_result(call_id="p4", outputs=[text("2")])),
        update(Content.from_mcp_server_tool_call("p5", "cut_off")),
    ]
    assert both(updates, check_stream) == []
    items = both(updates, check_stream, Shown(host_tools=True))
    assert [item["type"] for item in items] == [
        "mcp_call",
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "mcp_call",
    ]
    assert (items[0]["server_label"], items[0]["output"]) == ("docs", "found")
    assert items[3]["outputs"] == [{"type": "logs", "logs": "2"}]


def test_what_no_client_may_see_is_left_out(check_stream: Check) -> None:
    updates = [
        update(text("system words"), role="system", message_id="s"),
        update(Content.from_usage({"input_token_count": 3})),
        update(text("shown"), message_id="m2"),
    ]
    assert texts(both(updates, check_stream)) == ["shown"]


def test_an_error_content_fails_the_response() -> None:
    projection = Projection(Shown(), counting())
    projection.feed(update(Content.from_error(message="secret")))
    assert projection.failed
    assert projection.output.items == []


def test_an_answer_that_is_cut_off_closes_what_is_open() -> None:
    projection = Projection(Shown(functions=CLIENT), counting())
    projection.feed(update(text("Hel")))
    projection.feed(update(call("lookup", '{"q":')))
    projection.finish("incomplete")
    assert [(item["type"], item["status"]) for item in projection.output.items] == [
        ("message", "completed"),
        ("function_call", "incomplete"),
    ]
    assert projection.pending_calls == []


pieces = st.one_of(
    st.text(max_size=5).map(text),
    st.text(max_size=5).map(lambda words: text(words, additional_properties={"model_output_kind": "refusal"})),
    st.tuples(st.sampled_from(["r1", "r2"]), st.text(max_size=5)).map(
        lambda pair: Content.from_text_reasoning(id=pair[0], text=pair[1])
    ),
    st.just(Content.from_uri(PIXEL, media_type="image/png")),
    st.just(Content.from_usage({"output_token_count": 1})),
    st.just(Content.from_oauth_consent_request("https://consent.example")),
)
messages = st.lists(st.lists(pieces, min_size=1, max_size=6), max_size=5)


@st.composite
def update_sequences(draw: st.DrawFn) -> list[AgentResponseUpdate]:
    """Messages in pieces, with calls of the client and of the host, whole or cut, between them."""
    updates: list[AgentResponseUpdate] = []
    for number, contents in enumerate(draw(messages)):
        updates += [update(content, message_id=f"m{number}") for content in contents]
        name = draw(st.sampled_from(["lookup", "save", "internal", ""]))
        if name:
            arguments = json.dumps({"k": draw(st.text(max_size=4))})
            cut = draw(st.integers(0, len(arguments)))
            for piece in (arguments[:cut], arguments[cut:]):
                updates.append(update(call(name, piece, f"c{number}"), message_id=f"m{number}"))
            if name == "internal":
                result = Content.from_function_result(f"c{number}", result="ok")
                updates.append(update(result, role="tool", message_id=None))
    return updates


@given(updates=update_sequences(), host_tools=st.booleans(), summaries=st.booleans(), structured=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_streamed_and_whole_are_equal(
    check_stream: Check, updates: list[AgentResponseUpdate], host_tools: bool, summaries: bool, structured: bool
) -> None:
    shown = Shown(functions=CLIENT, host_tools=host_tools, summaries=summaries, structured=structured)
    both(updates, check_stream, shown)


@pytest.mark.parametrize("kind", ["function_call", "text", "text_reasoning"])
def test_an_event_is_valid_for_the_official_client(kind: str, check_stream: Check) -> None:
    contents = {
        "function_call": call("lookup", "{}"),
        "text": text("x"),
        "text_reasoning": Content.from_text_reasoning(text="x"),
    }
    _, checked = streamed([update(contents[kind])], Shown(functions=CLIENT, summaries=True), check_stream)
    assert checked[2]["type"] == "response.output_item.added"

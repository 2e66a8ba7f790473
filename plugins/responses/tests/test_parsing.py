from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseItem
from pydantic import TypeAdapter

from host_channel_responses.config import ResponsesOptions
from host_channel_responses.errors import WireError
from host_channel_responses.ids import new_id
from host_channel_responses.parsing import TurnRequest, parse_body

ITEM = TypeAdapter(ResponseItem)
PIXEL = "data:image/png;base64,iVBORw0KGgo="


def parse(options: ResponsesOptions | None = None, **fields: object) -> TurnRequest:
    return parse_body(json.dumps(fields).encode(), options or ResponsesOptions(), new_id)


def refused(options: ResponsesOptions | None = None, **fields: object) -> WireError:
    with pytest.raises(WireError) as caught:
        parse(options, **fields)
    return caught.value


def test_a_text_is_one_user_message() -> None:
    (item,) = parse(input="hi").items
    assert (item["type"], item["role"], item["content"]) == (
        "message",
        "user",
        [{"type": "input_text", "text": "hi"}],
    )


ECHOED = [
    {"role": "user", "content": "a"},
    {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": PIXEL}]},
    {"role": "user", "content": [{"type": "input_image", "image_url": {"url": "https://a.example/x.png"}}]},
    {"role": "user", "content": [{"type": "input_file", "filename": "a.txt", "file_data": "YWJj"}]},
    {"role": "user", "content": [{"type": "input_file", "file_url": "https://a.example/a.pdf", "detail": None}]},
    {"type": "message", "role": "assistant", "status": None, "content": [{"type": "output_text", "text": "b"}]},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "phase": "final_answer"},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "namespace": None, "caller": None},
    {"type": "function_call_output", "call_id": "c", "output": "1"},
    {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "1"}]},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x", "content": None},
    {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
    {"type": "mcp_call", "id": "mcp_1", "server_label": "a", "name": "f", "arguments": "{}", "output": "x"},
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
    {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"},
]


@pytest.mark.parametrize("item", ECHOED, ids=lambda item: str(item.get("type", item.get("role"))))
def test_items_that_clients_send_are_listed_as_the_client_reads_them(item: dict) -> None:
    (parsed,) = parse(input=[item]).items
    assert ITEM.validate_python(parsed).type == parsed["type"]


@pytest.mark.parametrize("reference", [{"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}])
def test_a_reference_needs_no_type(reference: dict) -> None:
    assert parse(input=[reference]).items == ({"type": "item_reference", "id": "msg_1"},)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({}, "missing_required_parameter", "input"),
        ({"input": 3}, "invalid_type", "input"),
        ({"input": [3]}, "invalid_type", "input[0]"),
        ({"input": [{"type": "telepathy"}]}, "invalid_value", "input[0].type"),
        ({"input": [{"content": "x"}]}, "missing_required_parameter", "input[0].type"),
        ({"input": [{"role": "root", "content": "x"}]}, "invalid_value", "input[0].role"),
        ({"input": [{"role": "system", "content": "x"}]}, "invalid_value", "input[0].role"),
        ({"input": [{"role": "developer", "content": "x"}]}, "invalid_value", "input[0].role"),
        ({"input": [{"role": "user"}]}, "missing_required_parameter", "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "x"}]}]}, "invalid_value", "input[0].content[0].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://a/b"}]}]},
            "invalid_value",
            "input[0].content[0].image_url",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "file:///etc/passwd"}]}]},
            "invalid_value",
            "input[0].content[0].image_url",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": PIXEL + "!"}]}]},
            "invalid_value",
            "input[0].content[0].image_url",
        ),
        (
            {"input": [{"type": "function_call_output", "output": "x"}]},
            "missing_required_parameter",
            "input[0].call_id",
        ),
        ({"input": "x", "stream": "yes"}, "invalid_type", "stream"),
        ({"input": "x", "temperature": 3}, "invalid_value", "temperature"),
        ({"input": "x", "max_output_tokens": 0}, "invalid_value", "max_output_tokens"),
        ({"input": "x", "top_logprobs": 1.5}, "invalid_type", "top_logprobs"),
        ({"input": "x", "metadata": {"a": 1}}, "invalid_type", "metadata.a"),
        ({"input": "x", "metadata": {str(i): "" for i in range(17)}}, "invalid_value", "metadata"),
        ({"input": "x", "prompt": {"id": "p"}}, "unsupported_parameter", "prompt"),
        ({"input": "x", "background": True, "store": False}, "unsupported_parameter", "background"),
        (
            {"input": "x", "conversation": "c", "previous_response_id": "r"},
            "mutually_exclusive_parameters",
            "conversation",
        ),
        ({"input": "x", "previous_response_id": ""}, "invalid_type", "previous_response_id"),
        ({"input": "x", "previous_response_id": "r" * 257}, "invalid_type", "previous_response_id"),
        ({"input": "x", "tools": [{"type": "function"}]}, "missing_required_parameter", "tools[0].name"),
        (
            {"input": "x", "tools": [{"type": "function", "name": "f"}, {"type": "function", "name": "f"}]},
            "invalid_value",
            "tools[1].name",
        ),
        ({"input": "x", "tool_choice": {"type": "function", "name": "g"}}, "invalid_value", "tool_choice.name"),
        ({"input": "x", "text": {"format": {"type": "xml"}}}, "invalid_value", "text.format.type"),
    ],
)
def test_a_wrong_field_is_named(fields: dict, code: str, param: str) -> None:
    error = refused(**fields)
    assert (error.status, error.code, error.param) == (400, code, param)


def test_null_is_absent_and_unknown_keys_are_ignored() -> None:
    turn = parse(input="x", temperature=None, tools=None, stream_options={"a": 1}, store=None, acme=3)
    assert turn.store
    assert "acme" not in turn.echo


def test_the_operator_can_let_callers_steer() -> None:
    options = ResponsesOptions(allow_system_messages=True)
    (item,) = parse(options, input=[{"role": "developer", "content": "Be brief."}]).items
    assert item["role"] == "developer"


def test_what_the_strict_client_would_not_read_is_not_echoed() -> None:
    turn = parse(input="x", service_tier="gold", reasoning={"effort": "heroic"}, tools=[{"type": "telepathy"}])
    assert turn.echo["service_tier"] == "default"
    assert turn.echo["reasoning"] == {"effort": None, "summary": None}
    assert turn.echo["tools"] == []


def test_limits_of_items_tools_and_schemas() -> None:
    assert refused(ResponsesOptions(max_input_items=2), input=[{"role": "user", "content": "x"}] * 3).param == "input"
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    assert refused(ResponsesOptions(max_tools=1), input="x", tools=[tool, tool]).param == "tools"
    assert refused(ResponsesOptions(max_schema_bytes=5), input="x", tools=[tool]).param == "tools[0].parameters"
    deep: dict = {}
    for _ in range(100):
        deep = {"a": deep}
    assert refused(input="x", tools=[{**tool, "parameters": deep}]).param == "tools[0].parameters"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"1", b"{", b'{"input": NaN}', b"[" * 100_000, b'{"input": "\xff"}', b'{"input": "\\ud800"}'],
    ids=["empty", "array", "number", "cut off", "NaN", "nested", "no UTF-8", "lone surrogate"],
)
def test_a_body_that_is_no_object_is_a_400(body: bytes) -> None:
    with pytest.raises(WireError) as caught:
        parse_body(body, ResponsesOptions(), new_id)
    assert caught.value.status == 400


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = (
    "input", "model", "stream", "store", "previous_response_id", "conversation", "instructions", "tools", "tool_choice",
    "parallel_tool_calls", "text", "reasoning", "include", "metadata", "max_output_tokens", "temperature", "top_p",
    "truncation", "user", "type", "role", "content", "id", "output", "call_id", "name", "arguments", "summary",
    "approve", "format", "schema",
)  # fmt: skip
keys = st.sampled_from(KEYS)
wire_like = st.recursive(
    json_values | st.sampled_from(["message", "user", "function_call", "function", "input_text", "json_schema"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=20,
)


@given(st.dictionaries(keys, wire_like, max_size=8) | json_values)
def test_any_json_is_parsed_or_refused(body: object) -> None:
    try:
        turn = parse_body(json.dumps(body).encode("utf-8", "replace"), ResponsesOptions(), new_id)
    except WireError as error:
        assert 400 <= error.status < 500  # noqa: PT017 - either outcome is right, a crash is not
    else:
        assert all("id" in item for item in turn.items)

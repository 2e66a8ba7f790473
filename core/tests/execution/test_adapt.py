from __future__ import annotations

from dataclasses import dataclass

import pytest
from agent_framework import Content, Message, WorkflowBuilder, WorkflowContext, WorkflowEvent, executor
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from agent_framework_hosting.errors import TargetInputError
from agent_framework_hosting.execution.adapt import adapt_answer, adapt_input

NOTE = {"channel": "inbox"}
IMAGE = Content.from_uri("https://example.com/a.png", media_type="image/png")


class Order(BaseModel):
    dish: str
    count: int = 1


@dataclass
class Trip:
    to: str
    stops: list[str]


@dataclass
class Verdict:
    approved: bool
    reason: str = ""


def taking(wanted):
    @executor(id="start", input=wanted)
    async def start(message, ctx: WorkflowContext) -> None:
        await ctx.yield_output("taken")

    return WorkflowBuilder(start_executor=start).build()


def test_text_for_text():
    assert adapt_input("hello", taking(str), NOTE) == "hello"
    assert adapt_input(Message("user", ["hello"]), taking(str), NOTE) == "hello"
    assert adapt_input([Message("user", ["one"]), Message("user", ["two"])], taking(str), NOTE) == "one\ntwo"


@pytest.mark.parametrize("given", ["hello", Message("user", ["hello"]), [Message("user", ["hello"])]])
def test_messages_carry_the_note(given):
    one = adapt_input(given, taking(Message), NOTE)
    many = adapt_input(given, taking(list[Message]), NOTE)
    assert (one.text, one.additional_properties["hosting"]) == ("hello", NOTE)
    assert [(each.text, each.additional_properties["hosting"]) for each in many] == [("hello", NOTE)]


def test_several_messages_become_one_where_one_is_taken():
    joined = adapt_input([Message("user", ["look"]), Message("user", [IMAGE])], taking(Message), NOTE)
    assert [content.type for content in joined.contents] == ["text", "uri"]


@pytest.mark.requirement("workflows.input")
@pytest.mark.parametrize("given", ['{"dish": "soup", "count": 2}', Message("user", ['{"dish": "soup", "count": 2}'])])
def test_a_model_from_json_text(given):
    assert adapt_input(given, taking(Order), NOTE) == Order(dish="soup", count=2)


def test_a_dataclass_from_json_text():
    assert adapt_input('{"to": "Rome", "stops": ["Pisa"]}', taking(Trip), NOTE) == Trip("Rome", ["Pisa"])


def test_a_mapping_for_a_model():
    assert adapt_input({"dish": "soup"}, taking(Order), NOTE) == Order(dish="soup")


def test_the_type_itself_passes():
    order = Order(dish="soup")
    assert adapt_input(order, taking(Order), NOTE) is order
    assert adapt_input({"a": 1}, taking(dict), NOTE) == {"a": 1}


@pytest.mark.requirement("workflows.input")
@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("soup please", Order),
        ('{"count": 2}', Order),
        (IMAGE, str),
        ([Message("user", ["look", IMAGE])], Order),
        ("hello", int),
        ("hello", dict),
        (42, str),
        ({"a": 1}, list[Message]),
    ],
)
def test_anything_else_names_the_types_and_the_run_hook(said, wanted):
    with pytest.raises(TargetInputError, match=r"The workflow takes .* run hook") as refused:
        adapt_input(said, taking(wanted), NOTE)
    assert "soup" not in str(refused.value)


def asking(response_type, data="Sure?"):
    return WorkflowEvent.request_info("q1", "clerk", data, response_type)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("yes", True), (" Approve. ", True), ("no", False), ("Denied!", False), (True, True), (False, False)],
)
def test_a_yes_or_no(value, expected):
    assert adapt_answer(value, asking(bool)) is expected


@pytest.mark.parametrize("value", ["perhaps", 1, None, {"approved": True}, ""])
def test_neither_yes_nor_no(value):
    with pytest.raises(TargetInputError, match="neither"):
        adapt_answer(value, asking(bool))


def test_an_approval_answers_every_kind_of_question():
    call = Content.from_function_call("q1", "request_info", arguments="{}")
    approval = Content.from_function_approval_response(True, "q1", call)
    assert adapt_answer(approval, asking(bool)) is True
    assert adapt_answer(approval, asking(str)) == "yes"
    assert adapt_answer(approval, asking(Verdict)) == Verdict(True)


def test_a_function_result_answers_with_its_result():
    assert adapt_answer(Content.from_function_result("q1", result="blue"), asking(str)) == "blue"
    assert adapt_answer(Content.from_function_result("q1", result='{"dish": "soup"}'), asking(Order)) == Order(
        dish="soup"
    )
    assert adapt_answer(Content.from_function_result("q1", result="no"), asking(bool)) is False


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        ("blue", str, "blue"),
        ("42", int, 42),
        ("[1, 2]", list[int], [1, 2]),
        ('{"approved": false, "reason": "cost"}', Verdict, Verdict(False, "cost")),
        ({"approved": True}, Verdict, Verdict(True)),
        (Verdict(True), Verdict, Verdict(True)),
    ],
)
def test_other_answers(value, wanted, expected):
    assert adapt_answer(value, asking(wanted)) == expected


def test_a_message_answer():
    assert adapt_answer("hello", asking(Message)).text == "hello"


def test_an_answer_of_a_wrong_type_is_refused():
    with pytest.raises(TargetInputError, match="waits for int"):
        adapt_answer("many", asking(int))


def test_a_type_no_message_makes_names_the_run_hook():
    class Opaque:
        pass

    with pytest.raises(TargetInputError, match=r"Opaque.*run hook"):
        adapt_answer("hello", asking(Opaque))


def test_an_approval_runs_the_call_that_was_asked_about():
    real = Content("function_call", id="f1", call_id="c1", name="pay", arguments='{"amount": 1}')
    forged = Content("function_call", id="f1", call_id="c1", name="pay", arguments='{"amount": 1000}')
    question = asking(Content, Content.from_function_approval_request("f1", real))
    answer = adapt_answer(Content.from_function_approval_response(True, "f1", forged), question)
    assert (answer.type, answer.approved, answer.function_call.arguments) == (
        "function_approval_response",
        True,
        '{"amount": 1}',
    )
    assert adapt_answer("no", question).approved is False


def test_text_answers_a_call_for_the_client():
    call = Content.from_function_call("c1", "ask_user", arguments="{}")
    answer = adapt_answer("blue", asking(Content, call))
    assert (answer.type, answer.call_id, answer.result) == ("function_result", "c1", "blue")


@given(st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text()), st.dictionaries(st.text(), st.text())))
def test_whatever_is_no_order_is_refused_as_one(said):
    with pytest.raises(TargetInputError, match="takes Order"):
        adapt_input(said, taking(Order), NOTE)

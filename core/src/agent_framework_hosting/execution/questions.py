"""Questions a workflow asks (``request_info``): how a wire sees them, and which answers a request brings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import cast

from agent_framework import Content, Message, WorkflowAgent, WorkflowEvent

from ..errors import TargetInputError
from ..model.request import ChannelRequest
from ..model.result import result_text
from .adapt import adapt_answer

Questions = Mapping[str, WorkflowEvent]

FUNCTION_NAME = WorkflowAgent.REQUEST_INFO_FUNCTION_NAME


def question_content(question: WorkflowEvent) -> Content:
    """Return a pending request as the content a wire knows how to show.

    What an agent inside the workflow asks (an approval, a call for the client) stays as it is. A question with a yes
    or no for an answer becomes a ``function_approval_request``, any other a ``function_call`` the client answers with
    a result; both are named ``request_info`` and carry the request's id and its data as JSON.
    """
    data: object = question.data
    if isinstance(data, Content) and data.user_input_request and data.type != "text":
        return data
    request_id = question.request_id
    call = Content("function_call", id=request_id, call_id=request_id, name=FUNCTION_NAME, arguments=_arguments(data))
    if question.response_type is bool:
        return Content.from_function_approval_request(request_id, call)
    call.user_input_request = True
    return call


def answers_in(request: ChannelRequest, questions: Questions) -> dict[str, object] | None:
    """Return the answers a request brings, by request id, or None when it brings none that fits.

    ``request.attributes["responses"]`` (request id to value) is taken at its word: an id that is not pending or a
    value of a wrong type raises ``TargetInputError``. Otherwise contents that name a pending request answer it, and a
    plain message answers the oldest question when it can be read as an answer to it.
    """
    explicit = request.known_attributes.get("responses")
    if explicit is not None:
        return _explicit(explicit, questions)
    if not questions:
        return None
    contents = list(_contents_of(request.input))
    named = {found: content for content in contents if (found := _asked_by(content, questions)) is not None}
    try:
        if named:
            return {request_id: adapt_answer(content, questions[request_id]) for request_id, content in named.items()}
        request_id, oldest = next(iter(questions.items()))
        return {request_id: adapt_answer(_plain_input(request.input, contents), oldest)}
    except TargetInputError:
        return None


def _explicit(answers: Mapping[str, object], questions: Questions) -> dict[str, object]:
    if not answers:
        raise TargetInputError('attributes["responses"] is empty; leave it out when nothing is answered.')
    unknown = [request_id for request_id in answers if request_id not in questions]
    if unknown:
        raise TargetInputError(
            f"{len(unknown)} of {len(answers)} responses answer no pending request of this conversation; "
            "it may have been answered before. Ask the workflow again."
        )
    return {request_id: adapt_answer(value, questions[request_id]) for request_id, value in answers.items()}


def _asked_by(content: Content, questions: Questions) -> str | None:
    if content.type not in ("function_approval_response", "function_result"):
        return None
    name = content.id if content.type == "function_approval_response" else content.call_id
    if name is None or name in questions:
        return name
    for request_id, question in questions.items():
        data: object = question.data
        if isinstance(data, Content) and name in (data.id, data.call_id):
            return request_id
    return None


def _contents_of(given: object) -> Iterable[Content]:
    if isinstance(given, Content):
        yield given
    elif isinstance(given, Message):
        yield from given.contents
    elif isinstance(given, (list, tuple)):
        for one in cast("list[object]", given):
            yield from _contents_of(one)


def _plain_input(given: object, contents: list[Content]) -> object:
    """Return the text of an all-text input, else the input itself."""
    if contents and all(content.type == "text" for content in contents):
        return "\n".join(content.text or "" for content in contents)
    return given


def _arguments(data: object) -> str:
    shown: object = data
    if not isinstance(data, str):
        try:
            shown = json.loads(result_text(data))
        except ValueError:
            shown = result_text(data)
    return json.dumps({"request": shown}, ensure_ascii=False)

"""What a message becomes on its way into a workflow."""

from __future__ import annotations

from dataclasses import replace

import openai
import pytest

from agent_framework_hosting import hookimpl

pytestmark = pytest.mark.anyio

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])

SENT = {
    "texts": ("Hello.", "str Hello."),
    "messages": ("Hello.", "Message user Hello."),
    "lists": ("Hello.", "list 1 Hello."),
    "orders": ('{"item": "tea", "count": 3}', "Order 3 tea"),
    "parcels": ('{"item": "tea", "weight": 0.5}', "Parcel tea 0.5"),
}


@both_ways
@pytest.mark.parametrize("form", ["instance", "factory"])
@pytest.mark.parametrize("takes", SENT)
@pytest.mark.requirement("workflows.input", "workflows.forms")
async def test_a_text_becomes_what_the_workflow_takes(hosted, workflows, ask, takes, form, stream) -> None:
    build = getattr(workflows, takes)
    sent, answered = SENT[takes]
    async with hosted(build() if form == "instance" else build) as wires:
        assert await ask(wires, sent, stream) == answered


@both_ways
async def test_a_list_of_items_arrives_as_messages(hosted, workflows, stream) -> None:
    items = [{"role": "user", "content": "One."}, {"role": "user", "content": "Two."}]
    async with hosted(workflows.lists) as wires:
        assert (await wires.respond(items, stream=stream)).output_text == "list 2 Two."


@both_ways
@pytest.mark.parametrize("takes", ["orders", "parcels", "numbers"])
@pytest.mark.requirement("workflows.input")
async def test_what_cannot_be_adapted_is_a_400_that_names_the_run_hook(hosted, workflows, takes, stream) -> None:
    async with hosted(getattr(workflows, takes)) as wires:
        with pytest.raises(openai.BadRequestError, match="in a run hook"):
            await wires.respond("Just words.", stream=stream)
        answer = await wires.post("Just words.", stream=stream)
        assert (answer.status_code, "in a run hook" in answer.json()["message"]) == (400, True)


@both_ways
async def test_a_picture_is_no_text(hosted, workflows, stream) -> None:
    picture = {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"}
    items = [{"role": "user", "content": [picture]}]
    async with hosted(workflows.messages) as wires:
        assert (await wires.respond(items, stream=stream)).output_text == "Message user "
    async with hosted(workflows.texts) as wires:
        with pytest.raises(openai.BadRequestError, match="The workflow takes str"):
            await wires.respond(items, stream=stream)


@both_ways
async def test_json_that_does_not_fit_the_model_is_refused(hosted, workflows, stream) -> None:
    async with hosted(workflows.orders) as wires:
        answer = await wires.post('{"count": "many"}', stream=stream)
        assert (answer.status_code, "takes Order" in answer.json()["message"]) == (400, True)


class Counting:
    """Turn what was said into its length."""

    @hookimpl
    def run_hook(self, request):
        said = request.input if isinstance(request.input, str) else request.input[-1].text
        return replace(request, input=len(said))


@both_ways
@pytest.mark.requirement("workflows.input")
async def test_a_run_hook_makes_anything_of_a_message(hosted, workflows, ask, stream) -> None:
    async with hosted(workflows.numbers, plugins=[Counting()]) as wires:
        assert await ask(wires, "four", stream) == "int 4"

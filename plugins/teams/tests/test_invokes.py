"""What is answered in the same response: clicks, opinions, files, dialogs, sign-in."""

from __future__ import annotations

import asyncio
import json

import pytest
from agent_framework import AgentResponse, AgentResponseUpdate, Content, Message, ResponseStream

from agent_framework_hosting import NativeIdAllowlist
from agent_framework_hosting.testing import EchoAgent


class Asking(EchoAgent):
    """An agent that asks for approval of a transfer, and says what was decided."""

    async def _whole(self, messages: object, session: object) -> AgentResponse:
        said = messages[-1] if isinstance(messages, list) else messages
        self.heard.append(said)
        decided = [content for content in said.contents if content.type == "function_approval_response"]
        if decided:
            text = "done" if decided[0].approved else "left alone"
            return AgentResponse(messages=[Message("assistant", [f"{text}: {decided[0].function_call.arguments}"])])
        call = Content.from_function_call("call-1", "transfer", arguments='{"amount": 7}')
        return AgentResponse(messages=[Message("assistant", [Content.from_function_approval_request("req-1", call)])])

    def run(self, messages=None, *, stream=False, session=None, **_):
        if not stream:
            return self._whole(messages, session)

        async def updates():
            answer = await self._whole(messages, session)
            yield AgentResponseUpdate(contents=answer.messages[0].contents, role="assistant", message_id="answer")

        return ResponseStream(updates(), finalizer=AgentResponse.from_updates)


class Making(EchoAgent):
    """An agent that answers with a file."""

    def run(self, messages=None, *, stream=False, session=None, **_):
        contents = [
            Content.from_text("Here it is."),
            Content.from_data(b"a,b\n1,2\n", "text/csv", additional_properties={"name": "../list<1>.csv"}),
        ]

        async def updates():
            yield AgentResponseUpdate(contents=contents, role="assistant", message_id="answer")

        async def whole():
            return AgentResponse(messages=[Message("assistant", contents)])

        return ResponseStream(updates(), finalizer=AgentResponse.from_updates) if stream else whole()


def actions_of(post) -> dict[str, dict[str, object]]:
    return {action["title"]: action for action in post.body["attachments"][0]["content"]["actions"]}


def click(action: dict[str, object]) -> dict[str, object]:
    return {"action": {"type": "Action.Execute", "verb": action["verb"], "data": action["data"]}}


async def asked(bot, ada, chat):
    """Have the agent ask; return the card."""
    await bot.send(bot.microsoft.write.message("transfer it", ada, chat))
    posts = await bot.microsoft.connector.wait_for(lambda posts: any(post.body.get("attachments") for post in posts))
    return next(post for post in posts if post.body.get("attachments"))


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["nobody/knows", "", "composeExtension/query", "suggestedActions/submit"])
async def test_an_unknown_invoke_is_501(run, ada, chat, microsoft, name: str) -> None:
    async with run() as bot:
        assert (await bot.send(microsoft.write.invoke(name, {}, ada, chat))).status == 501


@pytest.mark.anyio
@pytest.mark.parametrize(("title", "outcome"), [("Approve", "done"), ("Reject", "left alone")])
async def test_a_decision_replaces_the_card_and_the_agent_goes_on(run, ada, chat, microsoft, title, outcome) -> None:
    agent = Asking()
    async with run(agent) as bot, asyncio.timeout(10):
        card = await asked(bot, ada, chat)
        assert "transfer" in json.dumps(card.body["attachments"])
        assert "req-1" not in json.dumps(card.body)
        pressed = click(actions_of(card)[title])
        answer = await bot.send(microsoft.write.invoke("adaptiveCard/action", pressed, ada, chat))
        posts = await microsoft.connector.wait_for(lambda posts: posts[-1].text.startswith(outcome))
    told = answer.json()
    assert (answer.status, told["statusCode"]) == (200, 200)
    assert told["type"] == "application/vnd.microsoft.card.adaptive"
    assert "actions" not in told["value"]
    assert posts[-1].text == f'{outcome}: {{"amount": 7}}'


@pytest.mark.requirement("teams.cards")
@pytest.mark.anyio
async def test_a_decision_counts_once_and_only_of_who_was_asked(run, ada, bob, chat, group, microsoft) -> None:
    agent = Asking()
    async with run(agent) as bot, asyncio.timeout(10):
        card = await asked(bot, ada, chat)
        approve = click(actions_of(card)["Approve"])
        for who, room in ((bob, chat), (ada, group)):
            answer = (await bot.send(microsoft.write.invoke("adaptiveCard/action", approve, who, room))).json()
            assert answer["type"] == "application/vnd.microsoft.activity.message"
            assert answer["value"] == "Only the person who was asked may decide."
        both = [microsoft.write.invoke("adaptiveCard/action", approve, ada, chat) for _ in range(2)]
        answers = await asyncio.gather(*(bot.send(each) for each in both))
        later = (await bot.send(microsoft.write.invoke("adaptiveCard/action", approve, ada, chat))).json()
        await microsoft.connector.wait_for(lambda posts: posts[-1].text.startswith("done"))
    kinds = sorted(answer.json()["type"].rsplit(".", 1)[1] for answer in answers)
    assert kinds == ["adaptive", "message"]
    assert later["value"] == "This question is no longer open."
    assert len(agent.heard) == 2


@pytest.mark.anyio
async def test_a_question_survives_a_restart_and_an_old_one_is_closed(run, ada, chat, microsoft, tmp_path) -> None:
    async with run(Asking(), state_dir=tmp_path) as bot, asyncio.timeout(10):
        card = await asked(bot, ada, chat)
    approve = click(actions_of(card)["Approve"])
    async with run(Asking(), state_dir=tmp_path) as bot, asyncio.timeout(10):
        answer = await bot.send(microsoft.write.invoke("adaptiveCard/action", approve, ada, chat))
        assert answer.json()["type"].endswith("adaptive")
        await microsoft.connector.wait_for(lambda posts: posts[-1].text.startswith("done"))
    async with run(Asking(), approval_hours=1e-9) as bot, asyncio.timeout(10):
        microsoft.connector.posts.clear()
        old = click(actions_of(await asked(bot, ada, chat))["Approve"])
        answer = await bot.send(microsoft.write.invoke("adaptiveCard/action", old, ada, chat))
    assert answer.json()["value"] == "This question is no longer open."


@pytest.mark.anyio
async def test_clients_without_execute_submit_the_same_decision(run, ada, chat, microsoft) -> None:
    async with run(Asking()) as bot, asyncio.timeout(10):
        card = await asked(bot, ada, chat)
        fallback = actions_of(card)["Approve"]["fallback"]
        assert fallback["type"] == "Action.Submit"
        submit = microsoft.write.activity("message", ada, chat, value=fallback["data"], replyToId=card.id)
        assert (await bot.send(submit)).status == 200
        posts = await microsoft.connector.wait_for(
            lambda posts: "update" in {p.kind for p in posts} and any(p.text.startswith("done") for p in posts)
        )
    (changed,) = [post for post in posts if post.kind == "update"]
    assert changed.id == card.id
    assert "actions" not in changed.body["attachments"][0]["content"]


@pytest.mark.anyio
async def test_a_click_on_an_agents_own_card_reaches_the_agent(run, ada, chat, microsoft) -> None:
    agent = EchoAgent()
    async with run(agent) as bot, asyncio.timeout(10):
        value = {"action": {"type": "Action.Execute", "verb": "order", "data": {"size": "L"}}}
        answer = await bot.send(microsoft.write.invoke("adaptiveCard/action", value, ada, chat))
        await bot.send(microsoft.write.activity("message", ada, chat, value={"size": "M"}))
        await microsoft.connector.wait_for_messages(2)
    assert answer.json()["type"] == "application/vnd.microsoft.activity.message"
    assert [json.loads(text) for text in agent.texts] == [{"action": "order", "data": {"size": "L"}}, {"size": "M"}]


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["adaptiveCard/action", "message/submitAction", "task/submit", "fileConsent/invoke"])
@pytest.mark.parametrize("value", [None, [], "x", 7, {"action": None}, {"action": {"data": []}}, {"context": "x"}])
async def test_no_value_makes_an_invoke_fail(run, ada, chat, microsoft, name: str, value: object) -> None:
    async with run() as bot:
        assert (await bot.send(microsoft.write.invoke(name, value, ada, chat))).status == 200


@pytest.mark.anyio
async def test_who_may_not_speak_may_not_click(run, ada, chat, microsoft) -> None:
    agent = EchoAgent()
    async with run(agent, allowlist=NativeIdAllowlist([])) as bot:
        value = {"action": {"verb": "order", "data": {}}}
        card = await bot.send(microsoft.write.invoke("adaptiveCard/action", value, ada, chat))
        form = await bot.send(microsoft.write.invoke("task/submit", {"data": {"text": "x"}}, ada, chat))
    assert card.json()["value"] == "You are not allowed to talk to this agent."
    assert form.status == 403
    assert agent.heard == []


@pytest.mark.anyio
async def test_feedback_is_kept_and_handed_on(run, ada, chat, microsoft) -> None:
    heard = []

    async def on_feedback(feedback) -> None:
        heard.append((feedback.reaction, feedback.text, feedback.message_id))

    async with run(on_feedback=on_feedback) as bot:
        given = {"reaction": "dislike", "feedback": '{"feedbackText": "too long"}'}
        value = {"actionName": "feedback", "actionValue": given}
        answer = await bot.send(microsoft.write.invoke("message/submitAction", value, ada, chat, replyToId="m1"))
        emoji = microsoft.write.activity(
            "messageReaction", ada, chat, reactionsAdded=[{"type": "like"}], replyToId="m1"
        )
        assert (await bot.send(emoji)).status == 200
    assert (answer.status, answer.body) == (200, b"")
    assert heard == [("dislike", "too long", "m1"), ("like", "", "m1")]


@pytest.mark.anyio
async def test_a_feedback_form_and_a_dialog_are_task_modules(run, ada, chat, microsoft) -> None:
    agent = EchoAgent()
    async with run(agent, feedback="custom") as bot, asyncio.timeout(10):
        form = (await bot.send(microsoft.write.invoke("message/fetchTask", {}, ada, chat))).json()
        dialog = (await bot.send(microsoft.write.invoke("task/fetch", {"data": {}}, ada, chat))).json()
        value = {"data": {"text": "from the dialog"}}
        done = (await bot.send(microsoft.write.invoke("task/submit", value, ada, chat))).json()
        (reply,) = await microsoft.connector.wait_for_messages(1)
    for shown in (form, dialog):
        assert shown["task"]["type"] == "continue"
        assert shown["task"]["value"]["card"]["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert done["task"]["type"] == "message"
    assert reply.text == "1: from the dialog"
    assert reply.body["channelData"]["feedbackLoop"] == {"type": "custom"}


@pytest.mark.anyio
async def test_a_file_is_uploaded_once_somebody_agrees(run, ada, bob, chat, microsoft) -> None:
    async with run(Making()) as bot, asyncio.timeout(10):
        card = await asked(bot, ada, chat)
        (consent,) = card.body["attachments"]
        assert consent["contentType"] == "application/vnd.microsoft.teams.card.file.consent"
        assert consent["content"]["sizeInBytes"] == 8
        assert "/" not in consent["name"]
        upload = {
            "uploadUrl": f"{microsoft.url}/files/list.csv",
            "contentUrl": "https://x.sharepoint.com/list.csv",
            "name": "list.csv",
            "uniqueId": "u1",
            "fileType": "csv",
        }
        context = consent["content"]["acceptContext"]
        value = {"type": "fileUpload", "action": "accept", "context": context, "uploadInfo": upload}
        foreign = await bot.send(microsoft.write.invoke("fileConsent/invoke", value, bob, chat))
        answer = await bot.send(microsoft.write.invoke("fileConsent/invoke", value, ada, chat, replyToId=card.id))
        again = await bot.send(microsoft.write.invoke("fileConsent/invoke", value, ada, chat))
        await microsoft.connector.wait_for(lambda posts: any("file.info" in json.dumps(post.body) for post in posts))
        posts = await microsoft.connector.wait_for(lambda posts: "update" in {post.kind for post in posts})
    assert [each.status for each in (foreign, answer, again)] == [200, 200, 200]
    assert answer.body == b""
    assert microsoft.storage.files == {"list.csv": b"a,b\n1,2\n"}
    assert microsoft.storage.asked == [("PUT", "list.csv", None)]
    assert len([post for post in posts if "file.info" in json.dumps(post.body)]) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/x", "https://evil.example/x", "http://127.0.0.1:1/x", "file:///etc/passwd", ""]
)
async def test_a_file_is_uploaded_to_trusted_places_only(run, ada, chat, microsoft, url: str) -> None:
    async with run(Making()) as bot, asyncio.timeout(10):
        card = await asked(bot, ada, chat)
        context = card.body["attachments"][0]["content"]["acceptContext"]
        value = {"action": "accept", "context": context, "uploadInfo": {"uploadUrl": url}}
        await bot.send(microsoft.write.invoke("fileConsent/invoke", value, ada, chat))
        await microsoft.connector.wait_for(lambda posts: "could not be stored" in posts[-1].text)
    assert microsoft.storage.asked == []


@pytest.mark.anyio
async def test_a_declined_file_is_forgotten_and_groups_are_told(run, ada, chat, group, microsoft) -> None:
    async with run(Making()) as bot, asyncio.timeout(10):
        card = await asked(bot, ada, chat)
        context = card.body["attachments"][0]["content"]["declineContext"]
        for action in ("decline", "accept"):
            value = {"action": action, "context": context, "uploadInfo": {"uploadUrl": f"{microsoft.url}/files/x"}}
            assert (await bot.send(microsoft.write.invoke("fileConsent/invoke", value, ada, chat))).status == 200
        await bot.send(microsoft.write.message("a file", ada, group))
        posts = await microsoft.connector.wait_for(
            lambda posts: (posts[-1].room, posts[-1].kind) == (group.id, "message")
        )
    assert microsoft.storage.asked == []
    assert "personal chat only" in posts[-1].text


def offer(exchange: str = "e1", connection: str = "graph") -> dict[str, object]:
    return {"id": exchange, "connectionName": connection, "token": "user-assertion"}


@pytest.mark.requirement("teams.sign-in")
@pytest.mark.anyio
async def test_a_sign_in_is_exchanged_once_for_all_clients(run, ada, chat, microsoft) -> None:
    async with run(oauth_connection="graph") as bot:
        answers = [await bot.send(microsoft.write.invoke("signin/tokenExchange", offer(), ada, chat)) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert [each["token"] for each in microsoft.exchanges] == ["user-assertion"]
    assert microsoft.exchanges[0]["userId"] == ada.account


@pytest.mark.anyio
async def test_a_failed_exchange_is_412_and_may_be_offered_again(run, ada, chat, microsoft) -> None:
    microsoft.exchange_status = 400
    async with run(oauth_connection="graph") as bot:
        failed = await bot.send(microsoft.write.invoke("signin/tokenExchange", offer(), ada, chat))
        strange = await bot.send(microsoft.write.invoke("signin/tokenExchange", offer("e2", "other"), ada, chat))
        microsoft.exchange_status = 200
        again = await bot.send(microsoft.write.invoke("signin/tokenExchange", offer(), ada, chat))
    assert failed.status == 412
    assert failed.json() == {"id": "e1", "connectionName": "graph", "failureDetail": "The sign-in did not work."}
    assert strange.status == 412
    assert again.status == 200


@pytest.mark.anyio
async def test_without_a_connection_a_sign_in_fails_and_never_in_a_group(run, ada, chat, group, microsoft) -> None:
    async with run() as bot:
        assert (await bot.send(microsoft.write.invoke("signin/tokenExchange", offer(), ada, chat))).status == 412
    async with run(oauth_connection="graph") as bot:
        assert (await bot.send(microsoft.write.invoke("signin/tokenExchange", offer(), ada, group))).status == 400
        assert (await bot.send(microsoft.write.invoke("signin/verifyState", {"state": "1"}, ada, chat))).status == 200
    assert microsoft.exchanges == []

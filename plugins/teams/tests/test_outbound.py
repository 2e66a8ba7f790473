"""What happens when Microsoft does not take what is sent."""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import json
import time

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from agent_framework_hosting import AgentFrameworkHost, ChannelConfigurationError, ChannelIdentity, ResponseTarget
from agent_framework_hosting.testing import EchoAgent, call
from host_channel_teams import TeamsChannel
from host_channel_teams.client import retry_after_seconds
from host_channel_teams.testing import Fault
from host_channel_teams.testing.microsoft import APP_ID, TENANT


@pytest.mark.anyio
@pytest.mark.parametrize("times", [1, 2])
async def test_429_is_tried_again_when_teams_says_so(run, ada, group, microsoft, times: int) -> None:
    microsoft.connector.faults.append(Fault("message", 429, headers={"Retry-After": "1"}, times=times))
    async with run() as bot, asyncio.timeout(20):
        await bot.send(microsoft.write.message("hello", ada, group))
        started = microsoft.connector
        (reply,) = await started.wait_for_messages(1)
    assert reply.text == "1: hello"


def test_retry_after_is_seconds_or_a_date() -> None:
    now = time.time()
    assert retry_after_seconds("7", now) == 7
    assert 8 <= retry_after_seconds(email.utils.formatdate(now + 10, usegmt=True), now) <= 10
    assert retry_after_seconds("Thu, 01 Jan 1970 00:00:00 GMT", now) == 0
    for unreadable in (None, "", "soon", "nan"):
        assert retry_after_seconds(unreadable, now) == 0.5
    assert retry_after_seconds("inf", now) == 3600


@pytest.mark.requirement("teams.outbound")
@pytest.mark.anyio
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
async def test_what_may_have_arrived_is_not_sent_again(run, ada, group, microsoft, status: int) -> None:
    microsoft.connector.faults.append(Fault("message", status, applied=True))
    async with run() as bot, asyncio.timeout(10):
        await bot.send(microsoft.write.message("one", ada, group))
        await microsoft.connector.wait_for_messages(1)
        await bot.send(microsoft.write.message("two", ada, group))
        await microsoft.connector.wait_for_messages(2)
    assert [reply.text for reply in microsoft.connector.messages] == ["1: one", "2: two"]


@pytest.mark.anyio
async def test_a_slow_connector_holds_up_nobody_else(run, ada, bob, chat, group, microsoft) -> None:
    release = asyncio.Event()
    microsoft.connector.faults.append(Fault("message", 200, applied=True, release=release))
    async with run(streaming=False, timeout_seconds=0.5) as bot, asyncio.timeout(10):
        await bot.send(microsoft.write.message("slow", ada, chat))
        await microsoft.connector.wait_for_messages(1)
        await bot.send(microsoft.write.message("quick", bob, group))
        await microsoft.connector.wait_for_messages(2)
        await bot.send(microsoft.write.message("next", ada, chat))
        await microsoft.connector.wait_for_messages(3)
        release.set()
    assert [reply.text for reply in microsoft.connector.messages] == ["1: slow", "1: quick", "2: next"]


@pytest.mark.anyio
async def test_a_message_teams_calls_too_large_is_sent_in_smaller_parts(run, ada, group, microsoft) -> None:
    async def long(_: str) -> None:
        return None

    microsoft.connector.faults.append(Fault("message", 413, "MessageSizeTooBig"))
    text = "\n\n".join(f"Paragraph {number}. " + "word " * 40 for number in range(60))
    async with run(EchoAgent(long)) as bot, asyncio.timeout(10):
        await bot.send(microsoft.write.message(text, ada, group))
        await microsoft.connector.wait_for(lambda posts: any("Paragraph 59" in post.text for post in posts))
    told = "".join(post.text for post in microsoft.connector.messages)
    assert told.replace("\n", "").replace(" ", "") == f"1: {text}".replace("\n", "").replace(" ", "")
    assert len(microsoft.connector.messages) > 1


@pytest.mark.anyio
async def test_a_refused_shape_is_sent_as_plain_text_once(run, ada, group, microsoft) -> None:
    microsoft.connector.faults.append(Fault("message", 400, "BadSyntax"))
    async with run() as bot, asyncio.timeout(10):
        await bot.send(microsoft.write.message("hello", ada, group))
        (reply,) = await microsoft.connector.wait_for_messages(1)
    assert (reply.text, reply.body["textFormat"]) == ("1: hello", "plain")
    assert "entities" not in reply.body


@pytest.mark.anyio
@pytest.mark.parametrize("code", ["MessageWritesBlocked", "BotNotInConversationRoster", "BotDisabledByAdmin"])
async def test_a_closed_conversation_is_left_alone_until_somebody_writes_there(
    run, ada, chat, microsoft, tmp_path, code: str
) -> None:
    microsoft.connector.faults.append(Fault("message", 403, code))
    where = {
        "service_url": microsoft.service_url,
        "conversation_id": chat.id,
        "kind": "personal",
        "tenant_id": TENANT,
        "bot_id": f"28:{APP_ID}",
        "user_id": ada.account,
    }
    person = ResponseTarget.identity(ChannelIdentity("teams", f"{TENANT}/{ada.aad_id}", where))
    async with run(streaming=False, state_dir=tmp_path) as bot, asyncio.timeout(10):
        await bot.send(microsoft.write.message("one", ada, chat))
        await microsoft.connector.wait_for(lambda _: not microsoft.connector.faults)
    asked = microsoft.connector.asked
    async with run(streaming=False, state_dir=tmp_path) as bot:
        await bot.host.deliver("are you there?", person)
    assert microsoft.connector.asked == asked
    async with run(streaming=False, state_dir=tmp_path) as bot, asyncio.timeout(10):
        await bot.send(microsoft.write.message("two", ada, chat))
        await microsoft.connector.wait_for_messages(1)
        await bot.host.deliver("there you are", person)
        replies = await microsoft.connector.wait_for_messages(2)
    assert [reply.text.rpartition(": ")[2] for reply in replies] == ["two", "there you are"]


@pytest.mark.anyio
async def test_one_token_serves_many_and_is_renewed_when_it_is_refused(run, ada, chat, group, microsoft) -> None:
    async with run(streaming=False) as bot, asyncio.timeout(10):
        for number in range(3):
            await bot.send(microsoft.write.message(str(number), ada, chat))
        await microsoft.connector.wait_for_messages(3)
        assert microsoft.token_hits == 1
        microsoft.desk.revoked.update(microsoft.desk.issued)
        await bot.send(microsoft.write.message("again", ada, chat))
        await microsoft.connector.wait_for_messages(4)
        assert microsoft.token_hits == 2


@pytest.mark.anyio
async def test_no_token_means_later_not_never(run, ada, group, microsoft) -> None:
    microsoft.token_status = 503
    async with run() as bot, asyncio.timeout(30):
        assert (await bot.send(microsoft.write.message("hello", ada, group))).status == 200
        await microsoft.until(lambda: microsoft.token_hits == 1)
        microsoft.token_status = 200
        (reply,) = await microsoft.connector.wait_for_messages(1)
    assert reply.text == "1: hello"


def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bot")])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.serial_number(1).not_valid_before(day).not_valid_after(day.replace(year=2036))
    signed = dated.sign(key, hashes.SHA256())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode() + signed.public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.anyio
async def test_a_certificate_or_a_federated_token_proves_who_the_bot_is(run, ada, group, microsoft, tmp_path) -> None:
    file = tmp_path / "token"
    file.write_text("federated\n")
    for credential in ({"certificate": pem()}, {"federated_token_file": file}):
        async with run(client_secret=None, **credential) as bot, asyncio.timeout(10):
            await bot.send(microsoft.write.message("hello", ada, group))
            await microsoft.connector.wait_for_messages(len(microsoft.desk.asked) or 1)
    by_certificate, by_file = microsoft.desk.asked
    head = jwt.get_unverified_header(by_certificate["client_assertion"])
    assert head["alg"] == "RS256"
    assert len(head["x5t#S256"]) == 43
    assert by_file["client_assertion"] == "federated"


@pytest.mark.requirement("teams.push")
@pytest.mark.anyio
async def test_a_person_never_spoken_to_gets_a_conversation_of_their_own(run, bob, microsoft) -> None:
    async with run() as bot, asyncio.timeout(10):
        target = ResponseTarget.identity(ChannelIdentity("teams", f"{TENANT}/{bob.aad_id}"))
        await bot.host.deliver("one", target)
        await bot.host.deliver("two", target)
        replies = await microsoft.connector.wait_for_messages(2)
    created = [post for post in microsoft.connector.posts if post.kind == "create"]
    assert [post.body["members"] for post in created] == [[{"id": bob.aad_id}]]
    assert {reply.room for reply in replies} == {f"a:with-{bob.aad_id}"}
    assert [reply.text for reply in replies] == ["one", "two"]


@pytest.mark.anyio
async def test_a_stored_service_url_is_checked_again_before_a_send(run, ada, microsoft) -> None:
    forged = ChannelIdentity("teams", f"{TENANT}/{ada.aad_id}", {
        "service_url": "https://smba.trafficmanager.net.evil.example/", "conversation_id": "a:ada", "kind": "personal",
        "tenant_id": TENANT, "bot_id": "28:x", "user_id": "29:ada",
    })  # fmt: skip
    async with run() as bot, asyncio.timeout(10):
        await bot.host.deliver("secret", ResponseTarget.identity(forged))
        await bot.host.deliver("fine", ResponseTarget.identity(ChannelIdentity("teams", f"{TENANT}/{ada.aad_id}")))
        await microsoft.connector.wait_for_messages(1)
    assert [post.text for post in microsoft.connector.messages] == ["fine"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_secret": None},
        {"client_secret": ""},
        {"federated_token_file": "x"},
        {"app_id": ""},
        {"openid_metadata_url": "http://keys.example/"},
        {"token_url": "ftp://x"},
        {"allowed_service_hosts": ["https://x"]},
        {"allowed_service_hosts": ["*"]},
        {"stream_interval_seconds": 0.5},
        {"client_secret": None, "certificate": "no PEM"},
        {"skip_checks": True},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_when_the_channel_is_made(microsoft_options, wrong: dict[str, object]) -> None:
    with pytest.raises(ChannelConfigurationError) as refused:
        TeamsChannel(**{**microsoft_options, **wrong})
    assert "the-secret" not in str(refused.value)


@pytest.fixture
def microsoft_options() -> dict[str, object]:
    return {"app_id": APP_ID, "tenant_id": TENANT, "client_secret": "the-secret"}


@pytest.mark.anyio
async def test_check_says_what_does_not_work_and_nothing_secret(microsoft) -> None:
    assert await TeamsChannel(**microsoft.options).check() == []
    microsoft.keys_status = 500
    faults = await TeamsChannel(**{**microsoft.options, "client_secret": "wrong-one"}).check()
    assert len(faults) == 2
    assert "HTTP 401, invalid_client" in faults[0]
    assert "signing keys" in faults[1]
    assert "wrong-one" not in str(faults)


@pytest.mark.anyio
async def test_a_file_and_the_environment_configure_it(microsoft, ada, chat, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TEAMS_SECRET", microsoft.options["client_secret"])
    monkeypatch.setenv("AGENT_HOST_TEAMS_ALLOWED_SERVICE_HOSTS", f"other.example,{microsoft.host}")
    table = {**microsoft.options, "client_secret": "env:TEAMS_SECRET", "tenants": [TENANT]}
    del table["allowed_service_hosts"]
    file = tmp_path / "host.toml"
    lines = [f"{name} = {json.dumps(value)}" for name, value in table.items()]
    file.write_text("\n".join(["[channels.teams]", *lines, ""]))
    host = AgentFrameworkHost(EchoAgent(), channels=["teams"], config=file)
    async with host, asyncio.timeout(10):
        sent = microsoft.write.message("hello", ada, chat)
        answer = await call(host.app, "POST", "/api/messages", json_body=sent, headers=microsoft.headers())
        (reply,) = await microsoft.connector.wait_for_messages(1)
    assert (answer.status, reply.text) == (200, "1: hello")


@pytest.mark.anyio
async def test_no_secret_reaches_a_log_or_a_file(run, ada, chat, group, microsoft, tmp_path, caplog) -> None:
    caplog.set_level("DEBUG", logger="host_channel_teams")
    caplog.set_level("DEBUG", logger="agent_framework_hosting")
    microsoft.connector.faults.append(Fault("message", 401, times=2))
    async with run(state_dir=tmp_path) as bot, asyncio.timeout(20):
        await bot.send(microsoft.write.message("hello", ada, chat))
        await bot.send(microsoft.write.message("hello", ada, group), {"authorization": "Bearer a.b.c"})
        await microsoft.connector.wait_for_messages(1)
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    told = str([record.__dict__ for record in caplog.records])
    for secret in (microsoft.options["client_secret"], *microsoft.desk.issued):
        assert secret not in told
        assert secret.encode() not in kept

"""What is let in, and that nothing else is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from agent_framework_hosting.testing import EchoAgent, call
from host_channel_teams.testing import FakeMicrosoft, People, Room
from host_channel_teams.testing.authority import SigningPair, claims_for
from host_channel_teams.testing.microsoft import APP_ID, TENANT

STRANGER = SigningPair()
OTHER_TENANT = "99999999-0000-0000-0000-000000000009"

Forge = Callable[[FakeMicrosoft, dict[str, object]], str]


def claims(microsoft: FakeMicrosoft, **changes: object) -> dict[str, object]:
    return claims_for(APP_ID, microsoft.service_url, **changes)


def signed(**changes: object) -> Forge:
    return lambda microsoft, _: microsoft.token(**changes)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(microsoft: FakeMicrosoft, _: object) -> str:
    return f"{part({'alg': 'none', 'kid': microsoft.pairs[0].kid})}.{part(claims(microsoft))}."


def signed_with_the_public_key(microsoft: FakeMicrosoft, _: object) -> str:
    public = microsoft.pairs[0].private.public_key()
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head = f"{part({'alg': 'HS256', 'kid': microsoft.pairs[0].kid})}.{part(claims(microsoft))}"
    digest = hmac.new(public.public_bytes(*form), head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def by_a_stranger(microsoft: FakeMicrosoft, _: object) -> str:
    return STRANGER.sign(claims(microsoft))


def by_a_stranger_under_a_known_id(microsoft: FakeMicrosoft, _: object) -> str:
    return STRANGER.sign(claims(microsoft), {"kid": microsoft.pairs[0].kid})


def without_a_key_id(microsoft: FakeMicrosoft, _: object) -> str:
    return jwt.encode(claims(microsoft), microsoft.pairs[0].private, algorithm="RS256")


def in_rs512(microsoft: FakeMicrosoft, _: object) -> str:
    pair = microsoft.pairs[0]
    return jwt.encode(claims(microsoft), pair.private, algorithm="RS512", headers={"kid": pair.kid})


def by_a_key_for_another_channel(microsoft: FakeMicrosoft, _: object) -> str:
    microsoft.pairs.append(SigningPair(["webchat", "directline"]))
    return microsoft.pairs[-1].sign(claims(microsoft))


def by_a_key_without_endorsements(microsoft: FakeMicrosoft, _: object) -> str:
    microsoft.pairs.append(SigningPair(None))
    return microsoft.pairs[-1].sign(claims(microsoft))


def altered(microsoft: FakeMicrosoft, _: object) -> str:
    head, _, tail = microsoft.token(exp=1).split(".")
    return f"{head}.{part(claims(microsoft))}.{tail}"


def body(**changes: object) -> Forge:
    def forge(microsoft: FakeMicrosoft, activity: dict[str, object]) -> str:
        for name, value in changes.items():
            activity.pop(name) if value is None else activity.update({name: value})
        return microsoft.token()

    return forge


def elsewhere(url: str) -> Forge:
    def forge(microsoft: FakeMicrosoft, activity: dict[str, object]) -> str:
        activity["serviceUrl"] = url.replace("PORT", str(microsoft.port))
        return microsoft.token(serviceurl=activity["serviceUrl"])

    return forge


def of_tenant(conversation: str | None, data: str | None) -> Forge:
    def forge(microsoft: FakeMicrosoft, activity: dict[str, object]) -> str:
        activity["conversation"] = {**activity["conversation"], "tenantId": conversation}
        activity["channelData"] = {"tenant": {"id": data}}
        return microsoft.token()

    return forge


NOW = int(time.time())
BAD = {
    "alg none": unsigned,
    "HS256 with the public key": signed_with_the_public_key,
    "another algorithm": in_rs512,
    "unknown kid": by_a_stranger,
    "known kid, strange key": by_a_stranger_under_a_known_id,
    "no kid": without_a_key_id,
    "altered claims": altered,
    "no token at all": lambda *_: "no-token",
    "two parts": lambda microsoft, _: microsoft.token().rpartition(".")[0],
    "huge": lambda *_: "a." * 20_000,
    "wrong audience": signed(aud="33333333-0000-0000-0000-000000000003"),
    "audience of outbound tokens": signed(aud="https://api.botframework.com"),
    "several audiences": signed(aud=[APP_ID, "https://api.botframework.com"]),
    "no audience": signed(aud=None),
    "wrong issuer": signed(iss="https://sts.windows.net/common/"),
    "issuer with a slash": signed(iss="https://api.botframework.com/"),
    "no issuer": signed(iss=None),
    "wrong tid": signed(tid=OTHER_TENANT),
    "no exp": signed(exp=None),
    "expired": signed(exp=NOW - 3600),
    "expired beyond the skew": signed(exp=NOW - 310),
    "exp is no number": signed(exp="tomorrow"),
    "future nbf": signed(nbf=NOW + 3600),
    "missing endorsement": by_a_key_for_another_channel,
    "no endorsements": by_a_key_without_endorsements,
    "serviceurl claim differs": signed(serviceurl="https://smba.trafficmanager.net/emea/"),
    "no serviceurl claim": signed(serviceurl=None),
    "body without serviceUrl": body(serviceUrl=None),
    "body with another serviceUrl": body(serviceUrl="https://smba.trafficmanager.net/emea/"),
    "serviceUrl is no text": body(serviceUrl=["https://smba.trafficmanager.net"]),
    "body of another channel": body(channelId="webchat"),
    "body of no channel": body(channelId=None),
    "host with a longer name": elsewhere("https://smba.trafficmanager.net.evil.example/emea/"),
    "host with a prefix": elsewhere("https://evilsmba.trafficmanager.net/"),
    "trusted name as user": elsewhere("https://smba.trafficmanager.net@evil.example/"),
    "trusted host, other port": elsewhere("https://smba.trafficmanager.net:8443/"),
    "trusted host, plain http": elsewhere("http://smba.trafficmanager.net/"),
    "loopback, another port": elsewhere("http://127.0.0.1:1/"),
    "loopback by another name": elsewhere("http://localhost:PORT/emea/"),
    "path that climbs": elsewhere("http://127.0.0.1:PORT/emea/../x"),
    "metadata service": elsewhere("http://169.254.169.254/"),
    "backslash": elsewhere("http://127.0.0.1:PORT\\@evil.example/"),
    "foreign tenant": of_tenant(OTHER_TENANT, OTHER_TENANT),
    "two tenants": of_tenant(TENANT, OTHER_TENANT),
    "two tenants, the other way": of_tenant(OTHER_TENANT, TENANT),
}


@pytest.mark.requirement("teams.tokens")
@pytest.mark.anyio
@pytest.mark.parametrize("forge", BAD.values(), ids=BAD.keys())
async def test_is_refused_and_nothing_is_posted_anywhere(run, ada, chat, forge: Forge) -> None:
    agent = EchoAgent()
    async with run(agent) as bot, asyncio.timeout(20):
        activity = bot.microsoft.write.message("let me in", ada, chat)
        token = forge(bot.microsoft, activity)
        answer = await bot.send(activity, {"authorization": f"Bearer {token}"})
        invoke = {**activity, "type": "invoke", "name": "adaptiveCard/action", "value": {}}
        second = await bot.send(invoke, {"authorization": f"Bearer {token}"})
    assert (answer.status, answer.body) == (403, b"")
    assert second.status == 403
    assert agent.heard == []
    assert bot.microsoft.connector.asked == 0
    assert bot.microsoft.token_hits == 0


GOOD = {
    "plain": signed(),
    "api:// audience": signed(aud=f"api://{APP_ID}"),
    "botid audience": signed(aud=f"api://botid-{APP_ID}"),
    "expired within the skew": signed(exp=NOW - 60),
    "nbf within the skew": signed(nbf=NOW + 120),
    "own tid": signed(tid=TENANT),
    "claim without the slash": lambda microsoft, _: microsoft.token(serviceurl=microsoft.service_url.rstrip("/")),
}


@pytest.mark.anyio
@pytest.mark.parametrize("forge", GOOD.values(), ids=GOOD.keys())
async def test_is_let_in(run, ada, chat, forge: Forge) -> None:
    async with run() as bot, asyncio.timeout(20):
        activity = bot.microsoft.write.message("hello", ada, chat)
        answer = await bot.send(activity, {"authorization": f"Bearer {forge(bot.microsoft, activity)}"})
        (reply,) = await bot.microsoft.connector.wait_for_messages(1)
    assert answer.status == 200
    assert reply.text == "1: hello"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "headers", [{}, {"authorization": ""}, {"authorization": "Basic abc"}, {"authorization": "Bearer "}]
)
async def test_no_bearer_token_is_401(run, ada, chat, headers: dict[str, str]) -> None:
    async with run() as bot:
        assert (await bot.send(bot.microsoft.write.message("hello", ada, chat), headers)).status == 401
    assert bot.microsoft.metadata_hits == 0


@pytest.mark.anyio
async def test_a_body_beyond_the_limit_is_413(run, ada, chat) -> None:
    async with run() as bot:
        activity = bot.microsoft.write.message("x" * 300_000, ada, chat)
        assert (await bot.send(activity)).status == 413


@pytest.mark.anyio
async def test_a_listed_tenant_is_served_and_its_people_are_apart(run, microsoft) -> None:
    microsoft.connector.rooms.add("a:eve")
    agent = EchoAgent()
    async with run(agent, tenants=[OTHER_TENANT.upper()]) as bot, asyncio.timeout(10):
        eve, room = People("eve", OTHER_TENANT, "the-same-id"), Room("a:eve", "personal", OTHER_TENANT)
        home, own_room = People("eve", TENANT, "the-same-id"), Room("a:eve", "personal", TENANT)
        await bot.send(microsoft.write.message("one", eve, room))
        await bot.send(microsoft.write.message("two", home, own_room))
        await microsoft.connector.wait_for_messages(2)
    assert sorted(post.text for post in microsoft.connector.messages) == ["1: one", "1: two"]


@pytest.mark.anyio
async def test_an_unknown_kid_fetches_the_keys_once_and_a_rotated_key_is_found(run, ada, chat, microsoft) -> None:
    async with run() as bot, asyncio.timeout(10):
        assert (await bot.send(microsoft.write.message("one", ada, chat))).status == 200
        assert microsoft.keys_hits == 1
        microsoft.pairs.insert(0, SigningPair())
        assert (await bot.send(microsoft.write.message("two", ada, chat))).status == 200
        assert microsoft.keys_hits == 2
        for _ in range(3):
            token = STRANGER.sign(claims(microsoft))
            refused = await bot.send(microsoft.write.message("x", ada, chat), {"authorization": f"Bearer {token}"})
            assert refused.status == 403
        assert microsoft.keys_hits == 2


@pytest.mark.requirement("teams.keys")
@pytest.mark.anyio
async def test_an_outage_is_503_without_keys_and_nothing_with_them(run, ada, chat, microsoft) -> None:
    microsoft.keys_status = 500
    async with run() as bot, asyncio.timeout(10):
        answer = await bot.send(microsoft.write.message("one", ada, chat))
        assert (answer.status, answer.body) == (503, b"")
        microsoft.keys_status = 200
        assert (await bot.send(microsoft.write.message("two", ada, chat))).status == 200
        microsoft.keys_status = 500
        assert (await bot.send(microsoft.write.message("three", ada, chat))).status == 200
        await microsoft.connector.wait_for_messages(2)


@pytest.mark.anyio
async def test_slow_keys_stall_nobody_else(run, ada, chat, microsoft) -> None:
    async with run() as bot, asyncio.timeout(10):
        assert (await bot.send(microsoft.write.message("one", ada, chat))).status == 200
        microsoft.keys_gate = asyncio.Event()
        microsoft.pairs.append(SigningPair())
        token = microsoft.pairs[-1].sign(claims(microsoft))
        slow = asyncio.create_task(
            bot.send(microsoft.write.message("slow", ada, chat), {"authorization": f"Bearer {token}"})
        )
        await microsoft.until(lambda: microsoft.keys_hits == 2)
        assert (await bot.send(microsoft.write.message("quick", ada, chat))).status == 200
        assert not slow.done()
        microsoft.keys_gate.set()
        assert (await slow).status == 200


@pytest.mark.anyio
async def test_a_refusal_is_logged_without_the_token(run, ada, chat, microsoft, caplog) -> None:
    token = microsoft.token(iss="https://evil.example/")
    async with run() as bot:
        await bot.send(microsoft.write.message("hello", ada, chat), {"authorization": f"Bearer {token}"})
    (record,) = [each for each in caplog.records if each.name.startswith("host_channel_teams")]
    assert record.issuer == "https://evil.example/"
    assert record.audience == APP_ID
    assert token.split(".")[2] not in str(record.__dict__)


@pytest.mark.anyio
@pytest.mark.parametrize("room", ["a:\n", "..", ".", "", "a:\x00b", "x" * 2000, None, 7])
async def test_an_id_that_can_be_none_is_refused(run, ada, microsoft, room: object) -> None:
    async with run() as bot:
        activity = microsoft.write.message("hello", ada, Room(room, "personal", TENANT))
        assert (await bot.send(activity)).status == 400
    assert microsoft.connector.asked == 0


@pytest.mark.anyio
@pytest.mark.parametrize("room", ["a:x/../../../keys", "a:x?y=1", "a:x#y", "a:%2e%2e/x", "a:ü ö"])
async def test_an_evil_id_stays_one_segment_of_the_path(run, ada, microsoft, room: str) -> None:
    microsoft.connector.rooms.add(room)
    async with run() as bot, asyncio.timeout(10):
        assert (await bot.send(microsoft.write.message("hello", ada, Room(room, "personal", TENANT)))).status == 200
        (reply,) = await microsoft.connector.wait_for_messages(1)
    assert reply.room == room


@pytest.mark.anyio
async def test_another_method_is_no_door(run) -> None:
    async with run() as bot:
        assert (await call(bot.host.app, "GET", "/api/messages")).status == 405

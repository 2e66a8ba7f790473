"""A linker of somebody else's: a redirect through an identity provider, with state, PKCE and its own callback."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from agent_framework_hosting import (
    AgentFrameworkHost,
    ChannelContext,
    ChannelContribution,
    ChannelIdentity,
    ChannelRequest,
    Denied,
    LinkChallenge,
    LinkedClaimAllowlist,
    LinkedIdentity,
    LinkRequired,
    LinkResolution,
    Outcome,
    Reply,
    hookimpl,
    result_text,
)
from agent_framework_hosting.testing import EchoAgent, InboxChannel

pytestmark = pytest.mark.anyio


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class IdentityProvider:
    """An OAuth provider with one browser signed in as ``user``; checks PKCE, and gives each code once."""

    def __init__(self) -> None:
        self.user = "anna"
        self._codes: dict[str, tuple[str, str, str]] = {}
        self.app = Starlette(
            routes=[Route("/authorize", self._authorize), Route("/token", self._token, methods=["POST"])]
        )

    async def _authorize(self, http: Request) -> Response:
        asked = http.query_params
        if asked["code_challenge_method"] != "S256":
            return PlainTextResponse("PKCE is required", 400)
        code = secrets.token_urlsafe()
        self._codes[code] = (self.user, asked["code_challenge"], asked["redirect_uri"])
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")

    async def _token(self, http: Request) -> Response:
        form = dict(pair.split("=", 1) for pair in (await http.body()).decode().split("&"))
        user, challenge, _ = self._codes.pop(form["code"], ("", "", ""))
        if not user or challenge_of(form["code_verifier"]) != challenge:
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse({"sub": user, "email": f"{user}@x"})


class RedirectLinker:
    """Send people to a provider and believe what it says; keeps its links in a file of its own."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.here = ""
        self._file: Path | None = None
        self._open: dict[str, tuple[ChannelIdentity, str]] = {}
        self._links: dict[str, dict[str, str]] = {}

    def configure_link_store_path(self, path: str, /) -> None:
        self._file = Path(path) / "links.json"
        if self._file.exists():
            self._links = json.loads(self._file.read_text())

    async def resolve(self, identity: ChannelIdentity, /) -> LinkResolution:
        claims = self._links.get(f"{identity.channel} {identity.native_id}")
        if claims is not None:
            return LinkedIdentity(f"oidc:{claims['sub']}", claims)
        state, verifier = secrets.token_urlsafe(), secrets.token_urlsafe(48)
        self._open[state] = (identity, verifier)
        asked = {
            "state": state,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
            "redirect_uri": f"{self.here}/link/callback",
        }
        return LinkChallenge(state, url=f"{self.provider}/authorize?{urlencode(asked)}")

    @hookimpl
    def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
        return ChannelContribution(routes=[Route("/link/callback", self._callback)])

    async def _callback(self, http: Request) -> Response:
        opened = self._open.pop(http.query_params.get("state", ""), None)
        if opened is None:
            return PlainTextResponse("This link is not valid any more.", 400)
        identity, verifier = opened
        async with httpx2.AsyncClient() as client:
            answer = await client.post(
                f"{self.provider}/token",
                content=urlencode({"code": http.query_params["code"], "code_verifier": verifier}),
            )
        if answer.status_code != 200:
            return PlainTextResponse("The sign-in failed.", 400)
        self._links[f"{identity.channel} {identity.native_id}"] = answer.json()
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(self._links))
        return PlainTextResponse("Linked.")


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        async with httpx2.AsyncClient() as client:
            await client.get(url)  # answered once the app has started
        yield url
    finally:
        server.should_exit = True
        await running
        listener.close()


class Site:
    """A running host with two channels, a provider beside it, and a browser."""

    def __init__(self, provider: IdentityProvider, linker: RedirectLinker, channels: dict[str, InboxChannel]) -> None:
        self.provider = provider
        self.linker = linker
        self.channels = channels

    async def say(self, channel: str, native_id: str, text: str = "hello") -> Outcome:
        request = ChannelRequest(channel, "message.create", text, identity=ChannelIdentity(channel, native_id))
        return await self.channels[channel].context.dispatch(request)

    async def url_for(self, channel: str, native_id: str) -> str:
        outcome = await self.say(channel, native_id)
        assert isinstance(outcome, LinkRequired)
        assert outcome.challenge.url is not None
        return outcome.challenge.url

    async def browse(self, url: str, *, follow: bool = True) -> httpx2.Response:
        async with httpx2.AsyncClient(follow_redirects=follow) as client:
            return await client.get(url)


@asynccontextmanager
async def site(agent: EchoAgent, **options: object) -> AsyncIterator[Site]:
    provider = IdentityProvider()
    channels = {name: InboxChannel(name=name) for name in ("phone", "desk")}
    for name, channel in channels.items():
        channel.path, channel.require_link = f"/{name}", True
    async with served(provider.app) as provider_url:
        linker = RedirectLinker(provider_url)
        options = {"channels": list(channels.values()), "identity_linker": linker, "config": {}, **options}
        host = AgentFrameworkHost(agent, **options)  # type: ignore[arg-type]
        async with served(host.app) as here:
            linker.here = here
            async with asyncio.timeout(20):
                yield Site(provider, linker, channels)


async def test_a_person_links_through_the_provider_and_is_one_on_both_channels() -> None:
    agent = EchoAgent()
    async with site(agent) as here:
        for channel, native_id in (("phone", "1"), ("desk", "a")):
            answer = await here.browse(await here.url_for(channel, native_id))
            assert (answer.status_code, answer.text) == (200, "Linked.")
        assert agent.heard == []
        for channel, native_id, expected in (("phone", "1", "1: hello"), ("desk", "a", "2: hello")):
            outcome = await here.say(channel, native_id)
            assert isinstance(outcome, Reply)
            assert result_text(outcome.result) == expected
        assert isinstance(await here.say("phone", "2"), LinkRequired)


async def test_a_callback_works_once_and_only_with_its_own_state() -> None:
    async with site(EchoAgent()) as here:
        redirect = await here.browse(await here.url_for("phone", "1"), follow=False)
        back = redirect.headers["location"]
        forged = back.partition("state=")[0] + "state=forged"
        assert (await here.browse(forged)).status_code == 400
        assert (await here.browse(back)).status_code == 200
        assert (await here.browse(back)).status_code == 400


async def test_a_code_of_another_sign_in_is_worth_nothing() -> None:
    async with site(EchoAgent()) as here:
        here.provider.user = "eve"
        eves = (await here.browse(await here.url_for("phone", "eve"), follow=False)).headers["location"]
        here.provider.user = "anna"
        annas = (await here.browse(await here.url_for("phone", "1"), follow=False)).headers["location"]
        mixed = f"{eves.partition('&state=')[0]}&state={annas.partition('&state=')[2]}"
        assert (await here.browse(mixed)).status_code == 400
        assert isinstance(await here.say("phone", "1"), LinkRequired)


async def test_claims_of_the_provider_decide_who_enters() -> None:
    agent = EchoAgent()
    async with site(agent, default_allowlist=LinkedClaimAllowlist("email", ["anna@x"])) as here:
        for user, native_id in (("anna", "1"), ("eve", "2")):
            here.provider.user = user
            await here.browse(await here.url_for("phone", native_id))
        assert isinstance(await here.say("phone", "1"), Reply)
        assert isinstance(await here.say("phone", "2"), Denied)
        assert agent.texts == ["hello"]


async def test_a_linker_with_files_of_its_own_keeps_them_in_the_state_directory(tmp_path: Path) -> None:
    async with site(EchoAgent(), state_dir=tmp_path) as here:
        await here.browse(await here.url_for("phone", "1"))
    assert [path.name for path in (tmp_path / "links").iterdir()] == ["links.json"]
    async with site(EchoAgent(), state_dir=tmp_path) as here:
        assert isinstance(await here.say("phone", "1"), Reply)

"""Pagers as a channel: the hooks, and nothing else."""

import secrets
from typing import Any

from pydantic import BaseModel, Field, SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from agent_framework_hosting import (
    Channel,
    ChannelContext,
    ChannelContribution,
    ChannelIdentity,
    HostedRunResult,
    hookimpl,
    result_text,
)
from host_channel_pager.client import PagerClient
from host_channel_pager.parsing import BadPage, parse

__all__ = ["PagerChannel", "PagerOptions"]


class PagerOptions(BaseModel):
    """What the operator may set: the secret the platform sends along, and where its API is."""

    secret: SecretStr
    api_url: str
    timeout_seconds: float = Field(default=10.0, gt=0)


class PagerChannel(Channel[PagerOptions]):
    """The platform wants its 200 within a second and sends again without it; answers go out through its API."""

    name = "pager"
    path = "/pager"
    Options = PagerOptions

    def __init__(self, options: PagerOptions | None = None, /, **settings: object) -> None:
        super().__init__(options, **settings)
        self._secret = self.options.secret.get_secret_value().encode()
        self._client = PagerClient(self.options.api_url, self.options.timeout_seconds)

    @hookimpl
    def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
        async def receive(http: Request) -> JSONResponse:
            if not secrets.compare_digest(http.headers.get("x-pager-secret", "").encode(), self._secret):
                return JSONResponse({"error": "Wrong secret."}, status_code=401)
            try:
                request = parse(self.name, await http.body())
            except BadPage as error:
                return JSONResponse({"error": str(error)}, status_code=400)
            outcome = await context.admit(request)
            return JSONResponse(outcome.to_public_dict(), status_code=outcome.status_code)

        return ChannelContribution(
            routes=[Route("/", receive, methods=["POST"])],
            on_startup=[self._client.open],
            on_shutdown=[self._client.close],
        )

    @hookimpl
    async def push(self, identity: ChannelIdentity, payload: HostedRunResult[Any]) -> str:
        return await self._client.send(identity.native_id, result_text(payload))

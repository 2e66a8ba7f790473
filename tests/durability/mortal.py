"""Hosts that die: a program that forks one host per line it reads, each killing itself where it is told to.

Forking from a process that has imported everything makes a host in milliseconds instead of seconds. Each line is JSON:
``{"root", "stage", "count"}``. The host writes its port; when it is dead the program writes its status.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from agent_framework_hosting import (
    AgentFrameworkHost,
    Channel,
    ChannelContext,
    ChannelContribution,
    ChannelIdentity,
    ChannelRequest,
    HostedRunResult,
    InProcessTaskRunner,
    PermanentPushError,
    ResponseTarget,
    RetryPolicy,
    hookimpl,
    result_text,
)
from agent_framework_hosting.ports import Write
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.testing import EchoAgent, call

TLS = ssl.create_default_context()  # costly, and the same in every life


class Death:
    """Kill this process the ``count``-th time it comes to ``stage``."""

    def __init__(self, stage: str, count: int) -> None:
        self.stage = stage
        self.left = count

    def at(self, stage: str) -> None:
        if stage == self.stage:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class MortalStore(DiskStore):
    """Die while a group of commits is on its way to the disk."""

    def __init__(self, path: str, death: Death) -> None:
        super().__init__(path)
        self.death = death

    async def commit(self, writes: Sequence[Write]) -> None:
        if self.death.stage == "in commit" and self.death.left == 1:
            under_way = asyncio.ensure_future(super().commit(writes))
            await asyncio.sleep(0)
            time.sleep(0.0005 * (len(writes) % 3))  # anywhere in the transaction
            self.death.at("in commit")
            await under_way
        else:
            self.death.at("in commit")
            await super().commit(writes)


class Wire(Channel):
    """``POST /wire`` takes a message; answers go to its callback."""

    name, path = "wire", "/wire"

    def __init__(self, death: Death) -> None:
        self.death = death
        self.http = httpx2.AsyncClient(timeout=5, verify=TLS)

    @hookimpl
    def authorize(self) -> None:
        self.death.at("before journal")

    @hookimpl
    def run_hook(self, request: ChannelRequest) -> ChannelRequest | None:
        self.death.at("after journal")
        if request.attributes.get("echo"):
            assert request.identity is not None
            away = replace(request.identity, native_id=f"away-{request.identity.native_id}")
            return replace(request, response_target=ResponseTarget.identity(away, echo_input=True))
        return None

    @hookimpl
    def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
        async def receive(http: Request) -> JSONResponse:
            body = await http.json()
            who = ChannelIdentity(self.name, body["user"], {"callback": body["callback"]})
            outcome = await context.admit(
                ChannelRequest(
                    self.name,
                    "message.create",
                    body["text"],
                    identity=who,
                    event_id=body["text"],
                    attributes={"echo": body["echo"]},
                )
            )
            return JSONResponse(outcome.to_public_dict(), status_code=outcome.status_code)

        return ChannelContribution(routes=[Route("/", receive, methods=["POST"])])

    @hookimpl
    async def push(self, identity: ChannelIdentity, payload: HostedRunResult) -> str:
        role = payload.result.messages[0].role
        if role == "assistant":
            self.death.at("before send")
        body = {"text": result_text(payload), "role": role}
        answer = await self.http.post(str(identity.attributes["callback"]), json=body)
        self.death.at("after echo" if role == "user" else "after send")
        if answer.status_code == 410:
            raise PermanentPushError("The platform knows nobody there.")
        answer.raise_for_status()
        return str(answer.json()["id"])


class Shy(Wire):
    """A channel that would rather not say something twice."""

    name, path = "shy", "/shy"
    on_uncertain_send = "unknown"


def mortal_host(root: str, death: Death, platform: str) -> AgentFrameworkHost:
    wire = Wire(death)

    async def run(text: str) -> None:
        await wire.http.post(f"{platform}/ran", json={"text": text})
        death.at("mid-run")

    runner = InProcessTaskRunner(
        default_retry_policy=RetryPolicy(max_attempts=50, initial_backoff_seconds=0.001, max_backoff_seconds=0.01),
        terminal_cache_size=1_000_000,
        store=MortalStore(f"{root}/runner", death),
    )
    state = {"sessions": f"{root}/sessions"}
    return AgentFrameworkHost(
        EchoAgent(run), channels=[wire, Shy(death)], config={}, durable_task_runner=runner, state_dir=state
    )


async def serve(app: Starlette, listener: socket.socket) -> None:
    await uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on")).serve(sockets=[listener])


def import_everything(platform: str) -> None:
    """Live once without state, so that what is imported late is there before the first fork."""

    async def live() -> None:
        async with AgentFrameworkHost(EchoAgent(), channels=[Wire(Death("", 0))], config={}) as host:
            message = {"text": "x", "user": "x", "callback": f"{platform}/warm", "echo": True}
            await call(host.app, "POST", "/wire", json_body=message)
            while json.loads((await call(host.app, "GET", "/readiness")).body)["deliveries"]["succeeded"] == 0:
                await asyncio.sleep(0.01)

    asyncio.run(live())
    uvicorn.Config(mortal_host("/nowhere", Death("", 0), platform).app).load()
    gc.collect()
    gc.freeze()


def tell(what: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(platform: str) -> None:
    import_everything(platform)
    for line in sys.stdin:
        asked = json.loads(line)
        listener = socket.create_server(("127.0.0.1", 0))
        child = os.fork()
        if child == 0:
            death = Death(asked["stage"], asked["count"])
            asyncio.run(serve(mortal_host(asked["root"], death, platform).app, listener))
            os._exit(0)
        port = listener.getsockname()[1]
        listener.close()
        tell({"pid": child, "port": port})
        _, status = os.waitpid(child, 0)
        tell({"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0})


if __name__ == "__main__":
    main(sys.argv[1])

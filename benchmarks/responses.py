"""Responses channel against a bare Starlette route around the same instant agent.

``python benchmarks/responses.py`` starts two Hypercorn servers of one worker each, asks them in alternating rounds
over kept-alive connections, and prints requests per second, server CPU per request, and the ratios. A ratio of 0.80
means the channel serves 80 % of what the bare route serves. Nothing leaves the machine; the run ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from agent_framework import AgentResponse, AgentResponseUpdate, AgentSession, Content, Message, ResponseStream
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agent_framework_hosting import AgentFrameworkHost
from host_channel_responses import ResponsesChannel

PIECES = [f"word{number} " for number in range(20)]
WHOLE = json.dumps({"model": "bench", "input": "Say something."}).encode()
STREAM = json.dumps({"model": "bench", "input": "Say something.", "stream": True}).encode()


class InstantAgent:
    """Answers at once with the same words, whole or in pieces."""

    id = name = "bench"
    description = ""

    def run(self, _messages: object = None, *, stream: bool = False, **_: object) -> object:
        if stream:
            return ResponseStream(self._pieces(), finalizer=AgentResponse.from_updates)
        return self._whole()

    async def _whole(self) -> AgentResponse:
        return AgentResponse(messages=[Message("assistant", ["".join(PIECES)])])

    async def _pieces(self) -> AsyncIterator[AgentResponseUpdate]:
        for piece in PIECES:
            yield AgentResponseUpdate(contents=[Content.from_text(piece)], role="assistant", message_id="m")

    def create_session(self, *, session_id: str | None = None) -> AgentSession:
        return AgentSession(session_id=session_id)


def bare_app():
    """A route as one would write it by hand: the same agent, the same JSON, as many events."""
    agent = InstantAgent()
    recorded = json.loads(os.environ["BENCH_RESPONSE"])
    frames = json.loads(os.environ["BENCH_EVENTS"])

    async def events(text: str) -> AsyncIterator[str]:
        deltas = 0
        stream = agent.run(text, stream=True)
        before = [event for event in frames if not event["type"].endswith(".delta")]
        for event in before[:4]:
            yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
        async for update in stream:
            event = {
                "type": "response.output_text.delta",
                "item_id": "msg_1",
                "output_index": 0,
                "content_index": 0,
                "delta": update.text,
                "logprobs": [],
                "sequence_number": 4 + deltas,
            }
            deltas += 1
            yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
        for event in before[4:]:
            yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
        yield "data: [DONE]\n\n"

    async def create(request: Request) -> Response:
        body = await request.json()
        if body.get("stream"):
            return StreamingResponse(events(body["input"]), media_type="text/event-stream")
        answer = await agent.run(body["input"])
        content = [{"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}]
        item = {**recorded["output"][0], "content": content}
        return JSONResponse({**recorded, "output": [item]})

    return Starlette(routes=[Route("/responses", create, methods=["POST"])])


def host_app():
    return AgentFrameworkHost(InstantAgent(), channels=[ResponsesChannel()], config={}).app


def serve(kind: str, listener: int) -> None:
    config = Config()
    config.bind = [f"fd://{listener}"]
    config.loglevel = "ERROR"
    config.keep_alive_max_requests = 10**9
    app = bare_app() if kind == "bare" else host_app()
    asyncio.run(hypercorn_serve(app, config))


@dataclass
class Server:
    kind: str
    process: asyncio.subprocess.Process
    port: int
    rates: dict[str, list[float]] = field(default_factory=lambda: {"whole": [], "stream": []})
    cpu: dict[str, list[float]] = field(default_factory=lambda: {"whole": [], "stream": []})

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def start(kind: str, environment: dict[str, str]) -> Server:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.set_inheritable(True)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        "--serve",
        kind,
        "--fd",
        str(listener.fileno()),
        pass_fds=[listener.fileno()],
        env={**os.environ, **environment},
    )
    port = listener.getsockname()[1]
    listener.close()
    return Server(kind, process, port)


class Connection:
    """One kept-alive HTTP/1.1 connection, reading just enough to find the end of an answer."""

    async def open(self, port: int) -> Connection:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        return self

    async def post(self, body: bytes) -> bytes:
        lines = ("POST /responses HTTP/1.1", "host: bench", "content-type: application/json")
        head = "\r\n".join([*lines, f"content-length: {len(body)}", "", ""])
        self._writer.write(head.encode() + body)
        headers = await self._reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in headers.partition(b"\r\n")[0], headers
        lower = headers.lower()
        if b"content-length:" in lower:
            length = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
            return await self._reader.readexactly(length)
        pieces = []
        while True:
            size = int((await self._reader.readuntil(b"\r\n")).strip(), 16)
            piece = await self._reader.readexactly(size + 2)
            if size == 0:
                return b"".join(pieces)
            pieces.append(piece[:-2])

    def close(self) -> None:
        self._writer.close()


async def measure(server: Server, mode: str, requests: int, connections: int) -> None:
    body = WHOLE if mode == "whole" else STREAM
    opened = [await Connection().open(server.port) for _ in range(connections)]
    for connection in opened:
        await connection.post(body)

    async def ask(connection: Connection) -> None:
        for _ in range(requests // connections):
            await connection.post(body)

    cpu, begun = server.cpu_seconds(), time.perf_counter()
    await asyncio.gather(*map(ask, opened))
    seconds = time.perf_counter() - begun
    server.rates[mode].append(requests / seconds)
    server.cpu[mode].append((server.cpu_seconds() - cpu) / requests * 1e6)
    for connection in opened:
        connection.close()


async def record(port: int) -> dict[str, str]:
    """Take one answer of each kind from the channel, so that the bare route writes the same."""
    connection = await Connection().open(port)
    whole = await connection.post(WHOLE)
    stream = await connection.post(STREAM)
    connection.close()
    events = [line[6:] for line in stream.split(b"\n") if line.startswith(b"data: {")]
    return {"BENCH_RESPONSE": whole.decode(), "BENCH_EVENTS": f"[{','.join(map(bytes.decode, events))}]"}


async def run(rounds: int, requests: int, connections: int) -> dict[str, float]:
    host = await start("host", {})
    bare = await start("bare", await record(host.port))
    try:
        for each in (host, bare):
            for mode in ("whole", "stream"):
                await measure(each, mode, requests // 4, connections)
                each.rates[mode].clear()
                each.cpu[mode].clear()
        for number in range(rounds):
            for mode in ("whole", "stream"):
                for each in (host, bare) if number % 2 else (bare, host):
                    await measure(each, mode, requests, connections)
    finally:
        for each in (host, bare):
            each.process.terminate()
            await each.process.wait()
    return {mode: report(mode, host, bare) for mode in ("whole", "stream")}


def report(mode: str, host: Server, bare: Server) -> float:
    ratio = statistics.median(h / b for h, b in zip(host.rates[mode], bare.rates[mode], strict=True))
    h_rate, b_rate = (statistics.median(each.rates[mode]) for each in (host, bare))
    h_cpu, b_cpu = (statistics.median(each.cpu[mode]) for each in (host, bare))
    print(
        f"{mode:<7} channel {h_rate:7.0f}/s {h_cpu:6.0f} us cpu   bare {b_rate:7.0f}/s {b_cpu:6.0f} us cpu   "
        f"ratio {ratio:.2f} (by cpu {b_cpu / h_cpu:.2f})"
    )
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=600, help="per round, mode and server")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--json", action="store_true", help="print the ratios as JSON as well")
    parser.add_argument("--serve", choices=("bare", "host"), help=argparse.SUPPRESS)
    parser.add_argument("--fd", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve, chosen.fd)
        return
    ratios = asyncio.run(run(chosen.rounds, chosen.requests, chosen.connections))
    if chosen.json:
        print(json.dumps({mode: round(ratio, 3) for mode, ratio in ratios.items()}))


if __name__ == "__main__":
    main()

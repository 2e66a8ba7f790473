"""The live host's ear for its operator: a socket in the state directory that only its owner can reach."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

from ..errors import OperationRefused
from .desk import Desk
from .place import unreachable
from .wire import MOST_REQUEST_BYTES, answer_to_line, refusal_to_line, request_from_line

logger = logging.getLogger("agent_framework_hosting.operations")

_READ_SECONDS = 30.0
_GRACE_SECONDS = 5.0


class ControlServer:
    """Answer requests on ``path`` while the host runs. Where that cannot be, the host runs without and says so."""

    def __init__(self, desk: Desk, path: Path, *, makes_directory: bool = False) -> None:
        """``makes_directory`` when nothing else of the host does, because its store is elsewhere."""
        self._desk = desk
        self._path = path
        self._makes_directory = makes_directory
        self._server: asyncio.Server | None = None
        self._file: tuple[int, int] | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._at_work = 0
        self._rested = asyncio.Event()

    async def open(self) -> None:
        """Begin to listen, in the place of a socket that a dead process left."""
        self._rested = asyncio.Event()  # a host may be started again on another loop
        fault = unreachable(self._path)
        try:
            if fault is None:
                if self._makes_directory:
                    self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                listener = _bound(self._path)
                self._server = await asyncio.start_unix_server(self._greet, sock=listener, limit=MOST_REQUEST_BYTES)
                self._file = _identity(self._path)
                return
        except OSError as error:
            fault = f"{self._path} cannot be made ({type(error).__name__}: {error.strerror})"
        logger.warning("agent-host cannot operate this host while it runs: %s.", fault)

    async def close(self) -> None:
        """Stop listening, let what was begun come to its end for a moment, and remove the socket."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        if _identity(self._path) == self._file:
            with contextlib.suppress(OSError):
                self._path.unlink()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_SECONDS):
                while self._at_work:
                    self._rested.clear()
                    await self._rested.wait()
        for talk in self._talks:
            talk.cancel()
        if self._talks:
            await asyncio.wait(self._talks)

    def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.get_running_loop().create_task(self._talk(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._over)

    def _over(self, talk: asyncio.Task[None]) -> None:
        self._talks.discard(talk)
        if not talk.cancelled() and (error := talk.exception()) is not None:
            logger.error("An operator's request broke off", exc_info=error)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            writer.write(await self._answer(reader))

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            line = await _line(reader)
            self._at_work += 1
            try:
                return answer_to_line(await self._desk.answer(request_from_line(line)))
            finally:
                self._at_work -= 1
                self._rested.set()
        except OperationRefused as refusal:
            return refusal_to_line(str(refusal))
        except Exception:
            logger.exception("An operator's request failed")
            return refusal_to_line("The operation failed; the host's log says why.")


def _bound(path: Path) -> socket.socket:
    """Bind inside a directory nobody else can enter, and move the socket to its place once its mode is right."""
    with tempfile.TemporaryDirectory(prefix=".c", dir=path.parent) as private:
        made = Path(private) / "s"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(made))
            made.chmod(0o600)
            made.replace(path)
        except BaseException:
            listener.close()
            raise
    listener.setblocking(False)
    return listener


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


async def _line(reader: asyncio.StreamReader) -> bytes:
    """Return one line. Raises ``OperationRefused`` for silence and for what is no line."""
    try:
        async with asyncio.timeout(_READ_SECONDS):
            return await reader.readuntil(b"\n")
    except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError) as error:
        raise OperationRefused(f"A request is one line of at most {MOST_REQUEST_BYTES} bytes.") from error


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncGenerator[None]:
    try:
        yield
        with contextlib.suppress(ConnectionError):  # who asked has gone
            await writer.drain()
    finally:
        writer.close()

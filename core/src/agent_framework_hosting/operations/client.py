"""The operator's end: ask the live host over its socket, or answer from the files of a stopped one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TypeVar

from ..errors import OperationRefused, StateDirectoryInUse
from .place import StatePlace, unreachable
from .requests import Request
from .wire import MOST_ANSWER_BYTES, answer_from_line, request_to_line

AnswerT = TypeVar("AnswerT")

_PATIENCE_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.1


async def ask(request: Request, kind: type[AnswerT], place: StatePlace) -> AnswerT:
    """Return the answer of the host that owns this state, live or stopped.

    Somebody else's turn at the files, another operator's or that of a host which is just starting, is waited for.
    Raises ``OperationRefused``, and ``StateDirectoryInUse`` for a live host that does not listen.
    """
    give_up = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while True:
        line = await _ask_live(request, place.socket)
        if line is not None:
            return answer_from_line(line, kind)
        try:
            return await _ask_files(request, kind, place)
        except StateDirectoryInUse as error:
            if asyncio.get_running_loop().time() > give_up:
                raise OperationRefused(
                    f"{error} It does not listen on {place.socket}, and its log says why; once it is stopped, this "
                    "command works on its files."
                ) from error
        await asyncio.sleep(_LOOK_EVERY_SECONDS)


async def _ask_live(request: Request, path: Path) -> bytes | None:
    """Return a live host's answer, None when nobody listens."""
    if unreachable(path) is not None:
        return None
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=MOST_ANSWER_BYTES + 1024)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        return None
    except OSError as error:
        raise OperationRefused(
            f"The host's socket {path} cannot be opened ({type(error).__name__}: {error.strerror}). Run the command as "
            "the user the host runs as."
        ) from error
    try:
        writer.write(request_to_line(request))
        return await reader.readuntil(b"\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError) as error:
        raise OperationRefused(
            "The host went away before it had answered; look whether the operation was done, then run it again."
        ) from error
    finally:
        writer.close()


async def _ask_files(request: Request, kind: type[AnswerT], place: StatePlace) -> AnswerT:
    from .files import opened  # noqa: PLC0415 - a live host is asked without what its files need

    async with opened(place) as desk:
        answer = await desk.answer(request)
    if not isinstance(answer, kind):
        raise TypeError(f"{type(request).__name__} is answered with {type(answer).__name__}, not {kind.__name__}.")
    return answer

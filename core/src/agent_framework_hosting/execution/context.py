"""Run an awaitable in a fixed context, whichever task happens to await it."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from contextvars import Context
from typing import Generic, TypeVar

T = TypeVar("T")


class InContext(Generic[T]):
    """Await ``awaitable`` with ``context`` as the current context, inside the awaiting task.

    A stream is pulled, closed and finalised by tasks of the server's choosing. Context variables that a run sets and
    resets, and the caller's own ones, need every step to happen in one context.
    """

    __slots__ = ("_awaitable", "_context")

    def __init__(self, context: Context, awaitable: Awaitable[T]) -> None:
        """Prepare; nothing runs before it is awaited."""
        self._context = context
        self._awaitable = awaitable

    def __await__(self) -> Generator[object, object, T]:
        """Step the awaitable, entering the context for each step only."""
        enter = self._context.run
        steps = self._awaitable.__await__()
        try:
            waits_for = enter(steps.send, None)
            while True:
                try:
                    value = yield waits_for
                except BaseException as error:
                    waits_for = enter(steps.throw, error)
                else:
                    waits_for = enter(steps.send, value)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

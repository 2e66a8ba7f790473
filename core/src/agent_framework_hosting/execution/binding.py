"""Providers that want to know the request: bound for one run, released exactly once."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from typing import cast

from ..model.request import ChannelRequest
from .teardown import log_teardown, teardown, uninterrupted


class Bindings:
    """Hold what ``bind_request_context`` of a target's context providers returned.

    ``release`` may be called from every end a run can have; only the first call does anything.
    """

    def __init__(self) -> None:
        self._stack: AsyncExitStack | None = None
        self._waits = False

    async def enter(self, target: object, request: ChannelRequest) -> None:
        """Bind every provider that can be bound, in the agent's order; releases them again when one fails."""
        found: object = getattr(target, "context_providers", None)
        providers = cast("Sequence[object]", found) if isinstance(found, (list, tuple)) else ()
        bindable = [
            bind for bind in (getattr(one, "bind_request_context", None) for one in providers) if callable(bind)
        ]
        if not bindable:
            return
        response_id, previous = (request.attributes.get(name) for name in ("response_id", "previous_response_id"))
        if response_id is None:  # wires without response ids: providers still get one to file the turn under
            response_id = f"resp_{uuid.uuid4().hex}"
        try:
            for bind in bindable:
                await self._hold(bind(response_id=response_id, previous_response_id=previous))
        except BaseException:
            await self.release()
            raise

    async def _hold(self, manager: object) -> None:
        if inspect.isawaitable(manager):
            manager = await manager
        self._stack = self._stack or AsyncExitStack()
        if isinstance(manager, AbstractContextManager):
            self._stack.enter_context(manager)  # type: ignore[reportUnknownArgumentType]
        elif isinstance(manager, AbstractAsyncContextManager):
            self._waits = True
            await self._stack.enter_async_context(manager)  # type: ignore[reportUnknownArgumentType]
        else:
            raise TypeError(
                f"bind_request_context returned {type(manager).__name__}; return a context manager, sync or async."
            )

    async def release(self) -> None:
        """Release in reverse order; failures are logged, cancellation waits."""
        stack, self._stack = self._stack, None
        if stack is None:
            return
        with teardown("bindings"):
            if self._waits:
                async with uninterrupted():
                    await stack.aclose()
            else:
                await stack.aclose()

    def drop(self) -> None:
        """Release now, outside any task, when no manager needs to wait; otherwise leave it to ``release``."""
        if self._waits or self._stack is None:
            return
        closing, self._stack = self._stack.aclose(), None
        try:
            closing.send(None)
        except StopIteration:
            pass
        except Exception as error:
            log_teardown(error, "bindings")

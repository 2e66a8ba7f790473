"""Function calls of one run, joined from their pieces: whose they are and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .encoding import decode_object
from .tool_items import arguments_text

if TYPE_CHECKING:
    from agent_framework import Content

CallState = Literal["waiting", "open", "done", "host"]


@dataclass(slots=True)
class Call:
    """One call. ``waiting`` may still grow, ``open`` is being shown, ``host`` is none of the client's business.

    ``asked`` says that the target waits for somebody outside to answer it.
    """

    id: str | None
    call_id: str
    name: str
    arguments: str = ""
    state: CallState = "waiting"
    server: str | None = None
    asked: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether the arguments are one whole JSON object, to which nothing can be added."""
        return self.arguments.endswith("}") and decode_object(self.arguments.encode("utf-8", "replace")) is not None


class Calls:
    """The calls seen so far, in order. Pieces are matched by the content's id, then by call id, then by neighbour."""

    def __init__(self) -> None:
        """Start without calls."""
        self.all: list[Call] = []

    def take(self, content: Content) -> tuple[Call, str]:
        """Return the call a piece belongs to and what the piece adds to its arguments."""
        call = self._match(content)
        if call is None:
            call = Call(content.id, content.call_id or "", content.name or "", server=content.server_name)
            self.all.append(call)
        call.id = call.id or content.id
        call.asked = call.asked or bool(content.user_input_request)
        call.name = call.name or content.name or ""
        call.call_id = call.call_id or content.call_id or ""
        added = arguments_text(content.arguments)
        if content.merge_mode == "replace" or (call.arguments and not isinstance(content.arguments, str)):
            added = added[len(call.arguments) :] if added.startswith(call.arguments) else ""
        call.arguments += added
        return call, added

    def of_result(self, result: Content) -> Call | None:
        """Return the call a result settles."""
        return next((call for call in reversed(self.all) if call.call_id == result.call_id), None)

    def waiting(self) -> list[Call]:
        """Return the calls for the client that were not shown yet."""
        return [call for call in self.all if call.state == "waiting"]

    def _match(self, content: Content) -> Call | None:
        if content.id:
            for call in reversed(self.all):
                if call.id == content.id:
                    return call
        if content.call_id:
            for call in reversed(self.all):
                if call.call_id == content.call_id and not (call.id and content.id):
                    return call
            return None
        if content.id or content.name or not self.all:
            return None
        return self.all[-1]

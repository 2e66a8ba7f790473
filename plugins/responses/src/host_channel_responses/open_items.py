"""Items while they are written: each turns what arrives into its events and ends in one finished item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from . import events, items
from .encoding import Json
from .events import Event
from .ids import NewId
from .items import Status


class Output:
    """The items finished so far and the events not yet taken. Items never overlap, so the next index is the count."""

    def __init__(self, new_id: NewId, *, recording: bool = True) -> None:
        """Start empty; ``new_id`` makes an id from a prefix. Without ``recording`` nobody will take events."""
        self.new_id = new_id
        self.recording = recording
        self.items: list[Json] = []
        self.events: list[Event] = []

    def take(self) -> list[Event]:
        """Return the waiting events and forget them."""
        taken, self.events = self.events, []
        return taken

    def emit(self, build: Callable[..., Event], *arguments: object, **fields: object) -> None:
        """Add the event that ``build`` makes of the arguments."""
        if self.recording:
            self.events.append(build(*arguments, **fields))

    def begin(self, item: Json) -> int:
        """Announce an item and return its index."""
        index = len(self.items)
        self.emit(events.item_added, index, item)
        return index

    def end(self, index: int, item: Json) -> None:
        """Finish the item announced last."""
        self.emit(events.item_done, index, item)
        self.items.append(item)

    def whole(self, item: Json) -> None:
        """Announce and finish an item that has nothing in between."""
        self.end(self.begin(item), item)


class OpenItem(Protocol):
    """An announced item that is not finished."""

    def close(self, status: Status) -> None:
        """Finish the item with what it has."""
        ...


class OpenMessage:
    """A message: parts of text and refusals, one after the other."""

    def __init__(self, output: Output, phase: str | None = None) -> None:
        """Announce the message."""
        self._output = output
        self._phase = phase
        self.id = output.new_id("msg")
        self.index = output.begin(items.message(self.id, "in_progress", (), phase))
        self._parts: list[Json] = []
        self._kind: str | None = None
        self._pieces: list[str] = []
        self._annotations: list[Mapping[str, object]] = []

    def write(self, kind: str, text: str, annotations: Sequence[Mapping[str, object]] | None) -> None:
        """Append to the part of this kind (``text`` or ``refusal``), opening it when another one is open."""
        if self._kind != kind:
            self._close_part()
            self._open_part(kind)
        if annotations:
            self._annotations.extend(annotations)
        if text:
            self._pieces.append(text)
            if self._output.recording:
                delta = events.text_delta if kind == "text" else events.refusal_delta
                self._output.events.append(delta(self.id, self.index, len(self._parts), text))

    def text_of(self, kind: str) -> str:
        """Return what the open part of this kind holds so far."""
        return "".join(self._pieces) if self._kind == kind else ""

    def close(self, status: Status) -> None:
        """Finish the part and the message; a message without any gets one empty part."""
        if self._kind is None:
            self._open_part("text")
        self._close_part()
        self._output.end(self.index, items.message(self.id, status, self._parts, self._phase))

    def _open_part(self, kind: str) -> None:
        self._kind = kind
        part = items.text_part("") if kind == "text" else items.refusal_part("")
        self._output.emit(events.part_added, self.id, self.index, len(self._parts), part)

    def _close_part(self) -> None:
        if self._kind is None:
            return
        text, place = "".join(self._pieces), (self.id, self.index, len(self._parts))
        emit = self._output.emit
        if self._kind == "text":
            noted = [note for given in self._annotations if (note := items.annotation(given, len(text)))]
            for position, note in enumerate(noted):
                emit(events.annotation_added, *place, position, note)
            emit(events.text_done, *place, text)
            part = items.text_part(text, noted)
        else:
            emit(events.refusal_done, *place, text)
            part = items.refusal_part(text)
        emit(events.part_done, *place, part)
        self._parts.append(part)
        self._kind = None
        self._pieces.clear()
        self._annotations.clear()


class OpenReasoning:
    """A reasoning item: one summary, streamed, and perhaps an encrypted content at its end."""

    def __init__(self, output: Output, source_id: str | None) -> None:
        """Announce the item; ``source_id`` is agent-framework's id of the content."""
        self._output = output
        self.source_id = source_id
        self.id = output.new_id("rs")
        self.index = output.begin(items.reasoning(self.id, "in_progress", None, None))
        self._pieces: list[str] = []
        self.encrypted: str | None = None

    @property
    def text(self) -> str:
        """The summary so far."""
        return "".join(self._pieces)

    def write(self, text: str) -> None:
        """Append to the summary."""
        if not text:
            return
        if not self._pieces:
            self._output.emit(events.summary_part_added, self.id, self.index)
        self._pieces.append(text)
        self._output.emit(events.summary_delta, self.id, self.index, text)

    def close(self, status: Status) -> None:
        """Finish the summary and the item."""
        text = self.text if self._pieces else None
        if text is not None:
            self._output.emit(events.summary_done, self.id, self.index, text)
            self._output.emit(events.summary_part_done, self.id, self.index, text)
        self._output.end(self.index, items.reasoning(self.id, status, text, self.encrypted))


class OpenCall:
    """A call of a function the client runs."""

    def __init__(self, output: Output, call_id: str, name: str) -> None:
        """Announce the call."""
        self._output = output
        self.call_id = call_id
        self.name = name
        self.id = output.new_id("fc")
        self.index = output.begin(items.function_call(self.id, "in_progress", call_id, name, ""))
        self.arguments = ""

    def write(self, arguments: str) -> None:
        """Append to the arguments."""
        if arguments:
            self.arguments += arguments
            self._output.emit(events.arguments_delta, "function_call", self.id, self.index, arguments)

    def close(self, status: Status) -> None:
        """Finish the arguments and the call."""
        emit = self._output.emit
        emit(events.arguments_done, "function_call", self.id, self.index, self.name, self.arguments)
        item = items.function_call(self.id, status, self.call_id, self.name, self.arguments)
        self._output.end(self.index, item)

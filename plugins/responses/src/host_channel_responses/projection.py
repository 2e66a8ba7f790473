"""From agent-framework's updates to the items and events of the wire; a whole answer goes the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from . import items, tool_items
from .calls import Call, Calls
from .encoding import Json
from .events import Event
from .ids import NewId
from .items import Status
from .open_items import OpenCall, OpenItem, OpenMessage, OpenReasoning, Output
from .shown import Shown

if TYPE_CHECKING:
    from agent_framework import AgentResponseUpdate, Content, Message


class Projection:
    """Feed it updates or messages in order, then ``finish``. ``output.items`` is the answer's output.

    ``pending_calls`` and ``approvals`` are what the client has to answer; ``failed`` says the agent reported an error.
    """

    failed: bool = False
    _image: Content | None = None
    _image_id: str | None = None
    _replacing: bool = False
    _open: OpenItem | None = None
    _open_call: Call | None = None
    _message: tuple[str | None, str | None, str | None] = (None, None, None)
    _message_ended: bool = False

    def __init__(self, shown: Shown, new_id: NewId, *, recording: bool = True) -> None:
        """Start an empty answer; without ``recording`` there are no events."""
        self.output = Output(new_id, recording=recording)
        self.pending_calls: list[str] = []
        self.approvals: dict[str, Content] = {}
        self._shown = shown
        self._calls = Calls()
        self._tools: dict[str, Content] = {}
        self._held: list[Content] = []

    def feed(self, update: AgentResponseUpdate) -> list[Event]:
        """Take one update and return the events it causes."""
        self._notice_message(update)
        if update.merge_mode == "replace":
            self._held.clear()
            self._replacing = isinstance(self._open, OpenMessage | OpenReasoning)
        if update.role in (None, "assistant", "tool"):
            for content in update.contents:
                self._take(content)
        if self._replacing:  # nothing took the place of what was shown
            self._replacing = False
            self._close("incomplete")
        return self.output.take()

    def feed_whole(self, messages: Sequence[Message]) -> None:
        """Take the messages of a whole answer; ``finish`` returns their events."""
        for message in messages:
            self._message_ended = True
            if message.role in ("assistant", "tool"):
                for content in message.contents:
                    self._take(content)

    def finish(self, status: Status = "completed") -> list[Event]:
        """Finish what is open and return the last events. ``incomplete`` says the answer was cut off."""
        self._release_held(None)
        self._close(status)
        if status == "completed":
            self._flush_calls()
            self._flush_tools()
        self._flush_image()
        return self.output.take()

    # Where messages end

    def _notice_message(self, update: AgentResponseUpdate) -> None:
        message_id, role, author = self._message
        if (
            (update.message_id and message_id and update.message_id != message_id)
            or (update.role and role and update.role != role)
            or (update.author_name and author and update.author_name != author)
        ):
            self._message_ended = True
            message_id = role = author = None
        self._message = (update.message_id or message_id, update.role or role, update.author_name or author)

    # What arrives

    def _take(self, content: Content) -> None:
        taker = self._TAKERS.get(content.type)
        if taker is not None:  # usage is read from the final answer; the rest has no place on this wire
            taker(self, content)

    def _take_text(self, content: Content) -> None:
        if self._message_ended:
            self._message_ended = False
            self._release_held("commentary")
            if isinstance(self._open, OpenMessage):
                self._close("completed")
        self._flush_image()
        if not self._shown.structured or isinstance(self._open, OpenMessage):
            self._write_text(content, None)
            return
        self._held.append(content)
        start = "".join(held.text or "" for held in self._held).lstrip()[:1]
        if start in ("{", "["):  # surely the structured answer: no need to wait for what follows
            self._release_held(None)

    def _write_text(self, content: Content, phase: str | None) -> None:
        kind, text = _kind_of(content), content.text or ""
        message = self._open if isinstance(self._open, OpenMessage) else None
        replaces, self._replacing = content.merge_mode == "replace" or self._replacing, False
        if replaces and message is not None:
            before = message.text_of(kind)
            if text.startswith(before):
                text = text[len(before) :]
            else:
                self._close("incomplete")
                message = None
        if message is None:
            if not text and not content.annotations and phase is None:
                return
            self._close("completed")
            self._flush_calls()
            self._open = message = OpenMessage(self.output, phase)
        message.write(kind, text, content.annotations)

    def _release_held(self, phase: str | None) -> None:
        held, self._held = self._held, []
        if not any(content.text for content in held):
            return
        for content in held:
            self._write_text(content, phase)
        if phase is not None:
            self._close("completed")

    def _say(self, text: str | None) -> None:
        """Add a line of the channel's own, unless the text must parse as the caller's format."""
        if not text or self._shown.structured:
            return
        message = self._begin_text()
        lead = "\n" if message.text_of("text") else ""
        message.write("text", lead + text, None)

    def _begin_text(self) -> OpenMessage:
        if self._message_ended and isinstance(self._open, OpenMessage):
            self._close("completed")
        self._message_ended = False
        self._flush_image()
        if isinstance(self._open, OpenMessage):
            return self._open
        self._close("completed")
        self._flush_calls()
        self._open = message = OpenMessage(self.output)
        return message

    def _take_reasoning(self, content: Content) -> None:
        text = content.text if self._shown.summaries else None
        encrypted = content.protected_data if self._shown.encrypted else None
        if not text and not encrypted:
            return
        item = self._open if isinstance(self._open, OpenReasoning) else None
        if item is not None and content.id and item.source_id and content.id != item.source_id:
            item = None
        if item is not None and text and content.merge_mode == "replace":
            if text.startswith(item.text):
                text = text[len(item.text) :]
            else:
                self._close("incomplete")
                item = None
        if item is None:
            self._interrupt()
            self._open = item = OpenReasoning(self.output, content.id)
        item.write(text or "")
        item.encrypted = encrypted or item.encrypted

    # Calls

    def _take_call(self, content: Content) -> None:
        self._release_held("commentary")
        if isinstance(self._open, OpenMessage | OpenReasoning):
            self._close("incomplete" if self._replacing else "completed")
            self._replacing = False
        call, added = self._calls.take(content)
        if call.state in ("waiting", "host") and call.name:
            call.state = "waiting" if self._is_for_client(call) and not content.hosted else "host"
        if call.state == "open" and isinstance(self._open, OpenCall):
            self._open.write(added)
        elif call.state == "waiting" and call.name:
            if self._open_call is not None and self._open_call.is_complete:
                self._close("completed")
            if self._open is None and self._calls.waiting()[0] is call:
                self._open_one(call)

    def _is_for_client(self, call: Call) -> bool:
        return call.name in self._shown.functions or (self._shown.questions and call.asked)

    def _open_one(self, call: Call) -> None:
        self._flush_image()
        call.state = "open"
        self._open_call = call
        self._open = opened = OpenCall(self.output, call.call_id, call.name)
        opened.write(call.arguments)

    def _flush_calls(self) -> None:
        for call in self._calls.waiting():
            if self._is_for_client(call):
                self._open_one(call)
                self._close("completed")
            else:
                call.state = "host"

    def _take_result(self, content: Content) -> None:
        call = self._calls.of_result(content)
        if call is None or call.state != "host":
            return
        call.state = "done"
        if self._shown.host_tools:
            self._interrupt()
            label = call.server or items.HOST_LABEL
            tool_items.emit_mcp_call(self.output, call.name, call.arguments, content, label)

    def _take_approval(self, content: Content) -> None:
        asked = content.function_call
        if asked is None:
            return
        self._interrupt()
        for call in self._calls.all:
            if call.state != "open" and call.id and call.id == asked.id:
                call.state = "done"
        item_id = self.output.new_id("mcpr")
        arguments = tool_items.arguments_text(asked.arguments) or "{}"
        label = asked.server_name or items.HOST_LABEL
        name = asked.name or asked.tool_name or "tool"
        self.output.whole(items.approval_request(item_id, label, name, arguments))
        self.approvals[item_id] = content

    # Tools of the provider, images and files

    def _take_host_tool(self, content: Content) -> None:
        if not self._shown.host_tools:
            return
        key = content.call_id or ""
        if content.type.endswith("_call"):
            self._tools[key] = content
            return
        call = self._tools.pop(key, None)
        if call is not None:
            self._interrupt()
            tool_items.emit_host_tool(self.output, call, content)

    def _flush_tools(self) -> None:
        tools, self._tools = self._tools, {}
        for call in tools.values():
            tool_items.emit_host_tool(self.output, call, None)

    def _take_media(self, content: Content) -> None:
        if tool_items.is_image(content) and (content.uri or "").startswith("data:"):
            self._interrupt()
            tool_items.emit_image(self.output, content)
        else:
            self._say(tool_items.file_note(content))

    def _take_generated(self, content: Content) -> None:
        """Hold a generated image: a later one of the same id is the same image, further along."""
        image = tool_items.first_image(content.outputs)
        if image is None:
            return
        if not (content.image_id and content.image_id == self._image_id):
            self._interrupt()
        self._image, self._image_id = image, content.image_id

    def _flush_image(self) -> None:
        image, self._image, self._image_id = self._image, None, None
        if image is not None:
            self._take_media(image)

    def _take_file(self, content: Content) -> None:
        if isinstance(self._open, OpenMessage) and content.file_id:
            cited = {"file_id": content.file_id, "title": content.name or content.file_id}
            self._open.write("text", "", [cited])

    def _take_consent(self, content: Content) -> None:
        self._say(content.consent_link)

    def _take_error(self, content: Content) -> None:
        del content  # its text is the agent's own and stays here
        self.failed = True

    # Closing

    def _interrupt(self) -> None:
        """End what is being written, because an item of another kind comes next."""
        self._release_held("commentary")
        self._close("completed")
        self._flush_calls()
        self._flush_image()

    def _close(self, status: Status) -> None:
        opened, self._open = self._open, None
        if opened is None:
            return
        opened.close(status)
        call, self._open_call = self._open_call, None
        if call is not None:
            call.state = "done"
            if status == "completed":
                self.pending_calls.append(call.call_id)

    _TAKERS: ClassVar[Mapping[str, Callable[..., None]]] = {
        "text": _take_text,
        "text_reasoning": _take_reasoning,
        "function_call": _take_call,
        "function_result": _take_result,
        "function_approval_request": _take_approval,
        "data": _take_media,
        "uri": _take_media,
        "image_generation_tool_result": _take_generated,
        "hosted_file": _take_file,
        "oauth_consent_request": _take_consent,
        "error": _take_error,
        "mcp_server_tool_call": _take_host_tool,
        "mcp_server_tool_result": _take_host_tool,
        "search_tool_call": _take_host_tool,
        "search_tool_result": _take_host_tool,
        "code_interpreter_tool_call": _take_host_tool,
        "code_interpreter_tool_result": _take_host_tool,
    }


def _kind_of(content: Content) -> str:
    extra = content.additional_properties
    if not extra:
        return "text"
    core = extra.get("core")
    kind = cast("Json", core).get("model_output_kind") if isinstance(core, dict) else None
    return "refusal" if (kind or extra.get("model_output_kind")) == "refusal" else "text"

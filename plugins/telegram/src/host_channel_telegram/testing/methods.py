"""The methods of the Bot API that the fake knows, each as strict as the server."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from ..reading import Json, as_object, flag, number, part, parts, text
from ..utf16 import units
from . import oracle
from .faults import Refused
from .limits import Limiter
from .world import Shown, World

Params: TypeAlias = Mapping[str, object]
Files: TypeAlias = Mapping[str, bytes]

_FILES = ("photo", "document", "audio", "voice", "video", "animation")
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_REACTIONS = frozenset(
    "👍👎❤🔥🥰👏😁🤔🤯😱🤬😢🎉🤩🤮💩🙏👌🕊🤡🥱🥴😍🐳🌚🌭💯🤣⚡🍌🏆💔🤨😐🍓🍾💋🖕😈😴😭🤓👻👀🎃🙈😇😨🤝✍🤗🫡🎅🎄☃💅🤪🗿🆒💘🙉🦄😘💊🙊😎👾🤷😡"
)


class Methods:
    """Carry out calls on a world. ``limiter`` counts messages and edits, when there is one."""

    def __init__(self, world: World, limiter: Limiter | None) -> None:
        self.world = world
        self.limiter = limiter
        self.rejections: list[str] = []
        self._methods: dict[str, Callable[[Params, Files], object]] = {
            "getme": self._get_me,
            "sendmessage": self._send_message,
            "sendmessagedraft": self._send_draft,
            "editmessagetext": self._edit_text,
            "editmessagereplymarkup": self._edit_markup,
            "deletemessage": self._delete,
            "sendmediagroup": self._send_album,
            "sendchataction": self._chat_action,
            "setmessagereaction": self._react,
            "answercallbackquery": self._answer_query,
            "setmycommands": self._set_commands,
            "getfile": self._get_file,
            **{f"send{kind}": self._sends(kind) for kind in _FILES},
        }

    def __contains__(self, method: str) -> bool:
        """Whether a method is known here."""
        return method in self._methods

    def call(self, method: str, params: Params, files: Files) -> object:
        """Carry out one call. Raises ``Refused``."""
        return self._methods[method](params, files)

    def _get_me(self, _: Params, __: Files) -> object:
        world = self.world
        return {
            "id": world.bot_id,
            "is_bot": True,
            "first_name": "Fake",
            "username": world.username,
            "can_join_groups": True,
            "can_read_all_group_messages": world.reads_everything,
        }

    def _send_message(self, params: Params, _: Files) -> object:
        chat_id, thread = self._where(params)
        said, entities = self._text(params, "text", "entities", 4096, required=True)
        self._count(chat_id)
        return self._place(params, chat_id, thread, "text", said, entities)

    def _sends(self, kind: str) -> Callable[[Params, Files], object]:
        def send(params: Params, files: Files) -> object:
            chat_id, thread = self._where(params)
            data, source = files.get(kind), params.get(kind)
            if data is None and not isinstance(source, str):
                raise Refused(400, f"Bad Request: there is no {kind} in the request")
            if data is not None and len(data) > (10_000_000 if kind == "photo" else 50_000_000):
                raise Refused(413, "Request Entity Too Large")
            said, entities = self._text(params, "caption", "caption_entities", 1024, required=False)
            self._count(chat_id)
            return self._place(params, chat_id, thread, kind, said, entities, file=data)

        return send

    def _send_album(self, params: Params, files: Files) -> object:
        chat_id, thread = self._where(params)
        media = parts(params, "media")
        if not 2 <= len(media) <= 10:
            raise Refused(400, "Bad Request: an album has 2-10 items")
        kinds = {text(item, "type") for item in media}
        if len(kinds) > 1 and not kinds <= {"photo", "video"}:
            raise Refused(400, "Bad Request: documents and audio cannot be mixed with other types")
        self._count(chat_id)
        album, sent = self.world.next_name("album"), list[object]()
        for item in media:
            source = text(item, "media")
            data = files.get(source.removeprefix("attach://"))
            if source.startswith("attach://") and data is None:
                raise Refused(400, f"Bad Request: the file {source} is missing")
            said, entities = self._text(item, "caption", "caption_entities", 1024, required=False)
            kind = text(item, "type")
            sent.append(self._place(params, chat_id, thread, kind, said, entities, file=data, album=album))
        return sent

    def _send_draft(self, params: Params, _: Files) -> object:
        chat_id = self.world.reach(number(params, "chat_id") or 0)
        if chat_id < 0:
            raise Refused(400, "Bad Request: TEXTDRAFT_PEER_INVALID")
        if not number(params, "draft_id"):
            raise Refused(400, "Bad Request: draft_id must not be 0")
        if text(params, "text"):
            self._text(params, "text", "entities", 4096, required=True)
        self.world.drafts.append(params)
        return True

    def _edit_text(self, params: Params, _: Files) -> object:
        chat_id = self.world.reach(number(params, "chat_id") or 0)
        message = self.world.at(chat_id, number(params, "message_id") or 0)
        said, entities = self._text(params, "text", "entities", 4096, required=True)
        keyboard = part(params, "reply_markup") or None
        self._count(chat_id)
        if (said, entities, keyboard) == (message.text, message.entities, message.keyboard):
            raise Refused(
                400,
                "Bad Request: message is not modified: specified new message content and reply markup are exactly the "
                "same as a current content and reply markup of the message",
            )
        message.text, message.entities, message.keyboard = said, entities, keyboard
        message.history.append(said)
        return message.to_json()

    def _edit_markup(self, params: Params, _: Files) -> object:
        message = self.world.at(self.world.reach(number(params, "chat_id") or 0), number(params, "message_id") or 0)
        message.keyboard = part(params, "reply_markup") or None
        return message.to_json()

    def _delete(self, params: Params, _: Files) -> object:
        message = self.world.at(number(params, "chat_id") or 0, number(params, "message_id") or 0)
        del self.world.messages[message.chat_id, message.message_id]
        return True

    def _chat_action(self, params: Params, _: Files) -> object:
        self.world.reach(number(params, "chat_id") or 0)
        if not text(params, "action"):
            raise Refused(400, "Bad Request: wrong parameter action in request")
        return True

    def _react(self, params: Params, _: Files) -> object:
        self.world.reach(number(params, "chat_id") or 0)
        for reaction in parts(params, "reaction"):
            if text(reaction, "emoji").rstrip("\ufe0f") not in _REACTIONS:
                raise Refused(400, "Bad Request: REACTION_INVALID")
        return True

    def _answer_query(self, params: Params, _: Files) -> object:
        query = text(params, "callback_query_id")
        if query not in self.world.queries or self.world.queries[query] is not None:
            raise Refused(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        if units(text(params, "text")) > 200:
            raise Refused(400, "Bad Request: MESSAGE_TOO_LONG")
        self.world.queries[query] = text(params, "text")
        return True

    def _set_commands(self, params: Params, _: Files) -> object:
        commands = parts(params, "commands")
        if len(commands) > 100:
            raise Refused(400, "Bad Request: BOT_COMMANDS_TOO_MUCH")
        for command in commands:
            if not _COMMAND.fullmatch(text(command, "command")) or not 1 <= len(text(command, "description")) <= 256:
                raise Refused(400, "Bad Request: BOT_COMMAND_INVALID")
        scope = text(part(params, "scope"), "type") or "default"
        self.world.commands[scope, text(params, "language_code")] = commands
        return True

    def _get_file(self, params: Params, _: Files) -> object:
        data = self.world.files.get(text(params, "file_id"))
        if data is None:
            raise Refused(400, "Bad Request: invalid file_id")
        if len(data) > 20_000_000:
            raise Refused(400, "Bad Request: file is too big")
        return {
            "file_id": text(params, "file_id"),
            "file_size": len(data),
            "file_path": f"files/{text(params, 'file_id')}",
        }

    # What the methods share

    def _where(self, params: Params) -> tuple[int, int | None]:
        chat_id = self.world.reach(number(params, "chat_id") or 0)
        thread = number(params, "message_thread_id")
        if thread == 1 or (chat_id, thread) in self.world.closed_topics:
            raise Refused(400, "Bad Request: message thread not found")
        reply = part(params, "reply_parameters")
        wanted = number(reply, "message_id")
        known = (chat_id, wanted) in self.world.asked or (chat_id, wanted) in self.world.messages
        if wanted is not None and not known and not flag(reply, "allow_sending_without_reply"):
            raise Refused(400, "Bad Request: message to be replied not found")
        for row in _rows(part(params, "reply_markup")):
            for button in row:
                if not 1 <= len(text(button, "callback_data").encode()) <= 64:
                    raise Refused(400, "Bad Request: BUTTON_DATA_INVALID")
        return chat_id, thread

    def _text(
        self, params: Json, name: str, entities_name: str, limit: int, *, required: bool
    ) -> tuple[str, list[Json]]:
        said, entities = text(params, name), parts(params, entities_name)
        if mode := text(params, "parse_mode"):
            answer = oracle.parsed(said, mode)
            if isinstance(answer, str):
                self.rejections.append(answer)
                raise Refused(400, answer)
            said, entities = answer
        elif (why := oracle.refusal_of(said, entities)) is not None:
            self.rejections.append(f"{why}: {said[:80]!r}")
            raise Refused(400, why)
        if required and not said.strip():
            self.rejections.append("empty text")
            raise Refused(400, "Bad Request: message text is empty")
        if oracle.visible_units(said) > limit:
            self.rejections.append(f"{units(said)} units")
            raise Refused(400, f"Bad Request: {'message is' if required else 'message caption is'} too long")
        if len(entities) > 100:
            self.rejections.append(f"{len(entities)} entities")
        return said, entities

    def _count(self, chat_id: int) -> None:
        if self.limiter is not None:
            self.limiter.check(chat_id)

    def _place(  # noqa: PLR0917 - what a message is made of, in the order of Shown
        self,
        params: Params,
        chat_id: int,
        thread: int | None,
        kind: str,
        said: str,
        entities: list[Json],
        *,
        file: bytes | None = None,
        album: str | None = None,
    ) -> object:
        shown = Shown(
            chat_id,
            self.world.next_message_id(),
            kind,
            said,
            entities,
            thread,
            number(part(params, "reply_parameters"), "message_id"),
            part(params, "reply_markup") or None,
            file,
            album,
            flag(params, "disable_notification"),
            [said],
        )
        self.world.messages[chat_id, shown.message_id] = shown
        return shown.to_json()


def _rows(keyboard: Json) -> list[list[Json]]:
    rows = keyboard.get("inline_keyboard")
    return [[as_object(button) for button in row] for row in rows] if isinstance(rows, list) else []  # type: ignore[reportUnknownVariableType]

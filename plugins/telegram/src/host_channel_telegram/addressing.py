"""Whether a group message is meant for the bot, and which command it is. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .reading import Json, number, part, parts, text
from .utf16 import cut, units, without


@dataclass(frozen=True, slots=True)
class Profile:
    """Who the bot is, as getMe says; without a user name as long as Telegram was not reached."""

    bot_id: int
    username: str = ""
    reads_everything: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A command with what follows it; ``named`` says that it carries the bot's own name."""

    name: str
    rest: str
    named: bool


@dataclass(frozen=True, slots=True)
class Said:
    """The words of a message without the bot's own name, and whether they are meant for it."""

    words: str
    addressed: bool
    command: Command | None = None
    for_another: bool = False


def said_in(message: Json, me: Profile, commands: Collection[str]) -> Said:
    """Return what a message says to the bot.

    It is addressed by a mention, by a reply to one of the bot's messages or by one of its commands; a command for
    another bot is not.
    """
    field = "text" if text(message, "text") else "caption"
    words = text(message, field)
    entities = parts(message, "entities" if field == "text" else "caption_entities")
    addressed = number(part(part(message, "reply_to_message"), "from"), "id") == me.bot_id
    mentions: list[tuple[int, int]] = []
    command: Command | None = None
    for entity in entities:
        kind, offset, length = text(entity, "type"), number(entity, "offset"), number(entity, "length")
        if offset is None or length is None or offset < 0 or length <= 0:
            continue
        marked = cut(words, offset, length)
        if kind == "bot_command" and offset == 0:
            name, _, bot = marked[1:].partition("@")
            if bot and bot.lower() != me.username.lower():
                return Said(words, addressed=False, for_another=True)
            command = Command(name.lower(), cut(words, length, units(words)).strip(), named=bool(bot))
        elif (kind == "mention" and me.username and marked.lower() == f"@{me.username.lower()}") or (
            kind == "text_mention" and number(part(entity, "user"), "id") == me.bot_id
        ):
            mentions.append((offset, length))
    for offset, length in sorted(mentions, reverse=True):
        words = without(words, offset, length)
    if command is not None:
        addressed = addressed or command.named or command.name in commands
        words = f"/{command.name} {command.rest}".strip()
    return Said(words.strip() if mentions else words, addressed or bool(mentions), command)

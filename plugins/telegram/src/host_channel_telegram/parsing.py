"""From one update to what it asks for. Pure: a shape nobody knows is ignored, never an error."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from agent_framework_hosting import ChannelIdentity, ChannelRequest, ChannelSession

from .addressing import Command, Profile, said_in
from .places import Place
from .reading import Json, flag, number, part, parts, text
from .utf16 import storable, units

ANONYMOUS_ADMIN = 1087968824
GENERAL_TOPIC = 1
ALLOWED_UPDATES = ("message", "edited_message", "callback_query", "my_chat_member")

_MEDIA = ("document", "voice", "audio", "video", "video_note", "animation", "sticker")
_TYPES = {
    "photo": "image/jpeg",
    "voice": "audio/ogg",
    "audio": "audio/mpeg",
    "video": "video/mp4",
    "video_note": "video/mp4",
    "animation": "video/mp4",
    "sticker": "image/webp",
}


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing to do; ``reason`` is for the log."""

    reason: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A group became a supergroup."""

    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Reachable:
    """The bot was let into a chat, or shut out of it."""

    chat_id: int
    alive: bool


@dataclass(frozen=True, slots=True)
class Press:
    """Somebody pressed a button."""

    update_id: int
    query_id: str
    sender: str
    place: Place
    message_id: int
    data: str


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of a person, or of a chat that speaks as itself."""

    update_id: int
    message_id: int
    place: Place
    sender: str
    sender_name: str
    words: str
    addressed: bool
    command: Command | None
    media: tuple[Mapping[str, object], ...] = ()
    album: str | None = None
    in_general: bool = False

    @property
    def is_group(self) -> bool:
        """Whether several people read it."""
        return self.place.is_group


Parsed: TypeAlias = Heard | Press | Reachable | Moved | Ignored


def parse(update: Json, me: Profile, commands: Collection[str]) -> Parsed:
    """Return what an update asks for; ``commands`` are the names the bot knows."""
    update_id = number(update, "update_id")
    if update_id is None:
        return Ignored("no update id")
    message = part(update, "message")
    if message:
        return _message(update_id, message, me, commands)
    if query := part(update, "callback_query"):
        return _press(update_id, query)
    if change := part(update, "my_chat_member"):
        chat_id = number(part(change, "chat"), "id")
        status = text(part(change, "new_chat_member"), "status")
        return Ignored("no chat") if chat_id is None else Reachable(chat_id, status not in ("kicked", "left"))
    kinds = sorted(name for name in update if name != "update_id")
    return Ignored(kinds[0][:40] if kinds else "empty")


def to_request_of(place: Place, identity: ChannelIdentity, *, event_id: str, given: object) -> ChannelRequest:
    """Return a request that no message made: the answer to a question the agent asked here."""
    private_topic = not place.is_group and place.thread_id is not None
    return ChannelRequest(
        channel=identity.channel,
        operation="command.invoke",
        input=given,
        session=ChannelSession(key=f"{identity.channel}:{place.conversation}") if private_topic else None,
        identity=identity,
        conversation_id=place.conversation,
        is_group=place.is_group,
        event_id=event_id,
        attributes={"telegram": {"media": []}},
    )


def to_request(
    heard: Heard, channel: str, bot_id: str, *, context: str = "", reply_in_groups: bool = True
) -> ChannelRequest:
    """Return the request for the host; ``context`` is what others said before, ahead of the speaker's own words."""
    place, said = heard.place, f"{context}{heard.words}"
    private_topic = not heard.is_group and place.thread_id is not None
    return ChannelRequest(
        channel=channel,
        operation="message.create" if heard.command is None else "command.invoke",
        input=storable(said) or "".join(f"[{text(file, 'kind')}]" for file in heard.media),
        session=ChannelSession(key=f"{channel}:{place.conversation}") if private_topic else None,
        identity=ChannelIdentity(channel, heard.sender, place.attributes),
        conversation_id=place.conversation,
        is_group=heard.is_group,
        addressed=heard.addressed,
        event_id=f"{bot_id}:{heard.update_id}",
        attributes={
            "telegram": {
                "message_id": heard.message_id,
                "reply_to": heard.message_id if heard.is_group and reply_in_groups else None,
                "sender": heard.sender_name,
                "media": list(heard.media),
                "album": heard.album,
                "units": units(said),
                "general": heard.in_general,
            }
        },
    )


def place_in(message: Json) -> Place | None:
    """Return where a message was written; the General topic has no number of its own when answering."""
    chat_id = number(part(message, "chat"), "id")
    if chat_id is None:
        return None
    thread = number(message, "message_thread_id") if flag(message, "is_topic_message") else None
    return Place(chat_id, None if thread == GENERAL_TOPIC else thread)


def _message(  # noqa: PLR0911 - one return for each reason to ignore a message
    update_id: int, message: Json, me: Profile, commands: Collection[str]
) -> Parsed:
    place, message_id = place_in(message), number(message, "message_id")
    if place is None or message_id is None:
        return Ignored("no chat")
    if (new := number(message, "migrate_to_chat_id")) is not None:
        return Moved(place.chat_id, new)
    if (old := number(message, "migrate_from_chat_id")) is not None:
        return Moved(old, place.chat_id)
    speaker = _speaker(message)
    if isinstance(speaker, Ignored):
        return speaker
    said = said_in(message, me, commands)
    if said.for_another:
        return Ignored("a command for another bot")
    media = tuple(_media(message))
    words = said.words or _described(message)
    if not words.strip() and not media:
        return Ignored("nothing to read")
    context = "" if said.command else _quoted(message, me)
    return Heard(
        update_id,
        message_id,
        place,
        *speaker,
        f"{context}{words}",
        said.addressed,
        said.command,
        media,
        text(message, "media_group_id") or None,
        flag(part(message, "chat"), "is_forum") and place.thread_id is None,
    )


def _speaker(message: Json) -> tuple[str, str] | Ignored:
    """Return (id, name) of who speaks: a person, or the chat for anonymous admins and channels."""
    if flag(message, "is_automatic_forward"):
        return Ignored("a post of the linked channel")
    as_chat = part(message, "sender_chat")
    if (chat_id := number(as_chat, "id")) is not None:
        return str(chat_id), text(as_chat, "title")
    person = part(message, "from")
    person_id = number(person, "id")
    if person_id is None:
        return Ignored("nobody speaks")
    if person_id == ANONYMOUS_ADMIN:
        return Ignored("an anonymous admin of an unnamed chat")
    if flag(person, "is_bot"):
        return Ignored("another bot")
    name = f"{text(person, 'first_name')} {text(person, 'last_name')}".strip()
    return str(person_id), name or text(person, "username")


def actor_of(update: Json) -> str | None:
    """Return the id of who speaks or presses in an update, if anybody."""
    person = part(part(update, "callback_query"), "from")
    if (presser := number(person, "id")) is not None:
        return str(presser)
    speaker = _speaker(part(update, "message"))
    return None if isinstance(speaker, Ignored) else speaker[0]


def _press(update_id: int, query: Json) -> Parsed:
    message, sender = part(query, "message"), number(part(query, "from"), "id")
    place, message_id = place_in(message), number(message, "message_id")
    query_id, data = text(query, "id"), text(query, "data")
    if sender is None or place is None or message_id is None or not query_id:
        return Ignored("a press without a message")
    return Press(update_id, query_id, str(sender), place, message_id, data)


def _media(message: Json) -> list[dict[str, object]]:
    photos = parts(message, "photo")
    found: list[tuple[str, Json]] = []
    if photos:
        sizes = sorted(photos, key=lambda size: (number(size, "width") or 0) * (number(size, "height") or 0))
        found.append(("photo", sizes[-1]))
    kinds = [kind for kind in _MEDIA if part(message, kind)]
    if "animation" in kinds and "document" in kinds:
        kinds.remove("document")  # the same file, named twice
    found += [(kind, part(message, kind)) for kind in kinds]
    return [
        {
            "kind": kind,
            "file_id": text(file, "file_id"),
            "name": text(file, "file_name") or kind,
            "media_type": text(file, "mime_type") or _TYPES.get(kind, "application/octet-stream"),
            "size": number(file, "file_size") or 0,
        }
        for kind, file in found
        if text(file, "file_id")
    ]


def _described(message: Json) -> str:
    """Return in words what has no bytes."""
    if sticker := part(message, "sticker"):
        return f"[sticker {text(sticker, 'emoji')}]"
    if contact := part(message, "contact"):
        name = f"{text(contact, 'first_name')} {text(contact, 'last_name')}".strip()
        return f"[contact: {name}, {text(contact, 'phone_number')}]"
    where = part(message, "location")
    place = part(message, "venue")
    named = f"{text(place, 'title')}, {text(place, 'address')}, " if place else ""
    return f"[location: {named}{where.get('latitude')}, {where.get('longitude')}]" if where else ""


def _quoted(message: Json, me: Profile) -> str:
    """Return material the message refers to, marked as such: never the speaker's own words."""
    if origin := part(message, "forward_origin"):
        person, chat = part(origin, "sender_user"), part(origin, "chat") or part(origin, "sender_chat")
        name = text(person, "first_name") or text(origin, "sender_user_name") or text(chat, "title") or "somebody"
        return f"[Forwarded from {name}:]\n"
    replied, quote = part(message, "reply_to_message"), text(part(message, "quote"), "text")
    author = part(replied, "from")
    words = quote or (text(replied, "text") or text(replied, "caption") if number(author, "id") != me.bot_id else "")
    if not words:
        return ""
    whose = "you" if number(author, "id") == me.bot_id else text(author, "first_name") or "somebody"
    return f"[In reply to what {whose} wrote:]\n> " + words[:1000].replace("\n", "\n> ") + "\n\n"

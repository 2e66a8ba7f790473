"""From the JSON of one activity to what it asks for. Pure; the raw object decides, whatever its type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from agent_framework_hosting import ChannelIdentity, ChannelRequest

from .authentication import tenants_of
from .references import Kind, Reference, to_attributes

LONGEST_ID = 1024
NOTHING: Mapping[str, object] = {}


class BadActivity(ValueError):  # noqa: N818 - reads as the condition it names
    """The activity lacks what every activity of its kind has."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file or picture somebody sent: where it is, and whether fetching it needs the bot's token."""

    url: str
    media_type: str
    name: str
    needs_token: bool


@dataclass(frozen=True, slots=True)
class Activity:
    """One activity as Teams sent it. ``text`` is without the bot's own mention; ``mentioned`` says it was there."""

    type: str
    id: str | None
    name: str
    action: str
    reference: Reference
    text: str
    mentioned: bool
    is_group: bool
    value: object = None
    attachments: tuple[Attachment, ...] = ()
    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    reactions: tuple[str, ...] = ()
    raw: Mapping[str, object] = field(default_factory=dict[str, object], repr=False, hash=False, compare=False)

    @property
    def event_id(self) -> str | None:
        """What makes it the same activity when it is delivered again."""
        return None if self.id is None else f"{self.reference.conversation_id}|{self.id}"

    @property
    def command(self) -> str | None:
        """The command's name when the text is ``/name ...``."""
        word = self.text.split(maxsplit=1)[0] if self.text.strip() else ""
        return word[1:].lower() if len(word) > 1 and word.startswith("/") else None

    @property
    def data(self) -> Mapping[str, object]:
        """``value`` when it is an object."""
        return mapping(self.value)


def parse(raw: Mapping[str, object]) -> Activity:
    """Return what an activity says. Raises ``BadActivity`` when nobody, or no conversation, is named."""
    sender, recipient, conversation = (
        mapping(raw.get("from")),
        mapping(raw.get("recipient")),
        mapping(raw.get("conversation")),
    )
    user_id, bot_id, room = (
        identifier(sender.get("id")),
        identifier(recipient.get("id")),
        identifier(conversation.get("id")),
    )
    tenants = tenants_of(raw)
    if user_id is None or bot_id is None or room is None or len(tenants) != 1:
        raise BadActivity("The activity names no sender, recipient, conversation or tenant.")
    (tenant,) = tenants
    activity_id, kind = identifier(raw.get("id")), kind_of(conversation)
    text, mentioned = own_mention_stripped(str(raw.get("text") or ""), _listed(raw.get("entities")), bot_id)
    return Activity(
        type=str(raw.get("type") or ""),
        id=activity_id,
        name=str(raw.get("name") or ""),
        action=str(raw.get("action") or ""),
        reference=Reference(
            service_url=str(raw.get("serviceUrl") or ""),
            conversation_id=_with_thread(room, kind, identifier(raw.get("replyToId")) or activity_id),
            kind=kind,
            tenant_id=tenant,
            bot_id=bot_id,
            user_id=user_id,
            aad_id=_directory_id(sender.get("aadObjectId")),
        ),
        text=text.strip(),
        mentioned=mentioned,
        is_group=kind != "personal",
        value=raw.get("value"),
        attachments=tuple(_attachments(_listed(raw.get("attachments")))),
        added=_ids(raw.get("membersAdded")),
        removed=_ids(raw.get("membersRemoved")),
        reactions=tuple(str(each.get("type") or "") for each in _listed(raw.get("reactionsAdded"))),
        raw=raw,
    )


def to_request(activity: Activity, channel: str, given: object = None) -> ChannelRequest:
    """Return the request for the host; ``given`` replaces the activity's text as what the target runs on."""
    reference = activity.reference
    attachments = [
        {"url": each.url, "media_type": each.media_type, "name": each.name, "needs_token": each.needs_token}
        for each in activity.attachments
    ]
    return ChannelRequest(
        channel=channel,
        operation="message.create" if activity.command is None else "command.invoke",
        input=activity.text if given is None else given,
        identity=identity_of(reference, channel),
        conversation_id=reference.conversation_id,
        is_group=activity.is_group,
        addressed=activity.mentioned or not activity.is_group,
        event_id=activity.event_id,
        verified_claims=claims_of(reference),
        attributes={"activity_id": activity.id} | ({"attachments": attachments} if attachments else {}),
    )


def identity_of(reference: Reference, channel: str) -> ChannelIdentity:
    """Return who speaks: a person of a directory, else an account only this bot knows."""
    return ChannelIdentity(channel, reference.speaker, to_attributes(reference))


def claims_of(reference: Reference) -> dict[str, str]:
    """Return what Teams vouches for; nothing for an account that is in no directory."""
    return {} if reference.aad_id is None else {"tid": reference.tenant_id, "oid": reference.aad_id}


def kind_of(conversation: Mapping[str, object]) -> Kind:
    """Return the kind of a conversation; one that says nothing clear is taken as a group."""
    kind, room = conversation.get("conversationType"), str(conversation.get("id") or "")
    if kind == "personal":
        return "personal"
    if kind == "channel" or ";messageid=" in room:
        return "channel"
    if kind is None and not conversation.get("isGroup") and not room.startswith("19:"):
        return "personal"
    return "groupChat"


def own_mention_stripped(text: str, entities: Sequence[Mapping[str, object]], bot_id: str) -> tuple[str, bool]:
    """Return the text without the bot's mention and with other people's as plain names, and whether it had one."""
    mentioned = False
    for entity in entities:
        if str(entity.get("type")).lower() != "mention":
            continue
        who = mapping(entity.get("mentioned"))
        is_own = who.get("id") == bot_id
        mentioned = mentioned or is_own
        shown = entity.get("text")
        if isinstance(shown, str) and shown:
            text = text.replace(shown, "" if is_own else str(who.get("name") or ""))
    return text, mentioned


def identifier(value: object) -> str | None:
    """Return an id, or None for what can be none: control characters and lone dots would travel into addresses."""
    if not isinstance(value, str) or not value or len(value) > LONGEST_ID or not value.isprintable():
        return None
    return None if set(value) <= {"."} else value


def mapping(value: object) -> Mapping[str, object]:
    """Return an object, or an empty one for anything else."""
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else NOTHING


def _with_thread(room: str, kind: Kind, root: str | None) -> str:
    """Return a conversation's id with the thread in it; a channel's first message starts one."""
    return f"{room};messageid={root}" if kind == "channel" and ";messageid=" not in room and root else room


def _directory_id(value: object) -> str | None:
    found = identifier(value)
    return None if found is None or "/" in found or ":" in found else found


def _listed(value: object) -> Sequence[Mapping[str, object]]:
    return [mapping(each) for each in cast("list[object]", value)] if isinstance(value, list) else []


def _ids(value: object) -> frozenset[str]:
    return frozenset(str(each.get("id") or "") for each in _listed(value))


def _attachments(listed: Sequence[Mapping[str, object]]) -> Sequence[Attachment]:
    found: list[Attachment] = []
    for each in listed:
        media, name, content = (
            str(each.get("contentType") or ""),
            str(each.get("name") or "file"),
            mapping(each.get("content")),
        )
        if media == "application/vnd.microsoft.teams.file.download.info":
            found.append(Attachment(str(content.get("downloadUrl") or ""), "", name, needs_token=False))
        elif media.startswith(("image/", "audio/", "video/")):
            found.append(Attachment(str(each.get("contentUrl") or ""), media, name, needs_token=True))
    return [each for each in found if each.url]

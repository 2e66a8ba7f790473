"""From the platform's bytes to a request. Pure."""

import json

from agent_framework_hosting import ChannelIdentity, ChannelRequest


class BadPage(ValueError):
    """The body is no page; the text is safe to show."""


def parse(channel: str, body: bytes) -> ChannelRequest:
    """Return the request a page stands for; raises ``BadPage``."""
    try:
        page = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadPage("Send JSON.") from error
    fields = page if isinstance(page, dict) else {}
    event, pager, text = (fields.get(name) for name in ("event", "pager", "text"))
    if not (isinstance(event, str) and isinstance(pager, str) and isinstance(text, str) and event and pager):
        raise BadPage("Send an object with the texts 'event', 'pager' and 'text'.")
    return ChannelRequest(
        channel=channel,
        operation="message.create",
        input=text,
        identity=ChannelIdentity(channel, pager),
        event_id=event,
    )

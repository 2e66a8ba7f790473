"""A policy: card numbers never reach the agent, mail addresses never reach a reader."""

import re
from copy import copy
from dataclasses import replace

from agent_framework import AgentResponse, Content, Message

from agent_framework_hosting import ChannelRequest, ChannelResponseContext, HostedRunResult, hookimpl

CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
MAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")


class Redaction:
    """Needs no base class: two hooks, on every channel's traffic."""

    @hookimpl
    def run_hook(self, request: ChannelRequest) -> ChannelRequest:
        """Take card numbers out of what the agent is about to hear, and so out of its history."""
        return replace(request, input=without(CARD, "[card]", request.input))

    @hookimpl
    def response_hook(self, result: HostedRunResult, context: ChannelResponseContext) -> HostedRunResult | None:
        """Take mail addresses out of what one destination is about to see; the history keeps them."""
        if not isinstance(result.result, AgentResponse):
            return None  # a workflow's outputs may be anything: redact them where they are made
        shown = copy(result.result)
        shown.messages = without(MAIL, "[mail]", shown.messages)
        return result.replace(result=shown)


def without(pattern: re.Pattern[str], label: str, given: object) -> object:
    """Return text, contents, messages or lists of them with every match replaced; what is given stays as it is."""
    if isinstance(given, str):
        return pattern.sub(label, given)
    if isinstance(given, list):
        return [without(pattern, label, one) for one in given]
    if isinstance(given, Message):
        changed = copy(given)
        changed.contents = without(pattern, label, given.contents)
        return changed
    if isinstance(given, Content) and given.type == "text":
        return Content.from_text(pattern.sub(label, given.text or ""))
    return given

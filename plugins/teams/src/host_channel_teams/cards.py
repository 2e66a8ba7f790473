"""The bot's own Adaptive Cards, typed by Microsoft's models. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from microsoft_teams.cards.core import (
    Action,
    AdaptiveCard,
    ExecuteAction,
    SubmitAction,
    SubmitActionData,
    TextBlock,
    TextInput,
)

from agent_framework_hosting import ChannelCommand

from .rendering import Json

VERB = "host"
KEY = "host_core"


def question_card(text: str, pending_id: str) -> Json:
    """Return a card with a question and two buttons."""
    return _json(AdaptiveCard(body=[_text("Approval needed", bold=True), _text(text)], actions=[
        _button("Approve", {KEY: {"do": "decide", "id": pending_id, "approved": True}}, style="positive"),
        _button("Reject", {KEY: {"do": "decide", "id": pending_id, "approved": False}}, style="destructive"),
    ], fallback_text=text))  # fmt: skip


def outcome_card(title: str, text: str) -> Json:
    """Return a card that says what became of something, without buttons."""
    return _json(AdaptiveCard(body=[_text(title, bold=True), _text(text)], fallback_text=f"{title}: {text}"))


def commands_card(commands: Sequence[ChannelCommand]) -> Json:
    """Return a card that lists the commands, each with a button."""
    lines = [_text(f"/{each.name}: {each.description}") for each in commands]
    buttons = [_button(f"/{each.name}", {KEY: {"do": "command", "name": each.name}}) for each in commands[:6]]
    return _json(AdaptiveCard(body=[_text("What I can do", bold=True), *lines], actions=buttons, fallback_text="Help"))


def form_card(question: str, button: str, field: str) -> Json:
    """Return a form with one field, for a dialog."""
    entry = TextInput(id=field, is_multiline=True, label=escaped(question))
    submit = SubmitAction(title=button)
    return _json(AdaptiveCard(body=[entry], actions=[submit], fallback_text=question))


def escaped(text: str) -> str:
    """Return a text of unknown origin that no card reads as Markdown."""
    return "".join(f"\\{c}" if c in "\\*_[]`#" else c for c in text)


def _button(title: str, data: dict[str, object], style: str | None = None) -> Action:
    fallback = SubmitAction(title=title, data=SubmitActionData.model_validate(data))
    shown = fallback.model_dump(by_alias=True, exclude_none=True)
    return ExecuteAction.model_validate({"verb": VERB, "title": title, "data": data, "style": style, "fallback": shown})


def _text(text: str, *, bold: bool = False) -> TextBlock:
    return TextBlock(text=escaped(text)[:2000], wrap=True, weight="Bolder" if bold else None)


def _json(card: AdaptiveCard) -> Json:
    return cast("Json", card.model_dump(by_alias=True, exclude_none=True, mode="json"))

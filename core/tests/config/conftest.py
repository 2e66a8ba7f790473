"""Channels with options of every kind, as the configuration meets them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pytest
from pydantic import BaseModel, Field, SecretStr, model_validator

from agent_framework_hosting import Channel


class BotOptions(BaseModel):
    bot_token: SecretStr
    transport: Literal["polling", "webhook"] = "webhook"
    webhook_url: str | None = None
    api_keys: list[SecretStr] | Mapping[str, SecretStr] | None = None
    retries: int = Field(default=3, ge=0)
    silent: bool = False
    topics: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _webhook_needs_url(self) -> BotOptions:
        if self.transport == "webhook" and self.retries == 7:
            raise ValueError("transport webhook needs webhook_url")
        if self.retries == 9:
            raise ValueError(f"bad token {self.bot_token.get_secret_value()}")
        return self


class Bot(Channel):
    """A channel with an ``Options`` model."""

    name = "bot"
    path = "/bot"
    Options = BotOptions

    def __init__(self, **options: object) -> None:
        self.options = options


class Hook(Channel):
    """A channel whose constructor is its only description; it sets its own path."""

    name = "hook"

    def __init__(
        self,
        *,
        path: str = "/hook",
        token: SecretStr | None = None,
        limit: int = 10,
        on_message: Channel | None = None,
    ) -> None:
        self.path = path
        self.token = token
        self.limit = limit
        self.on_message = on_message


@pytest.fixture
def bot() -> type[Channel]:
    return Bot


@pytest.fixture
def hook() -> type[Channel]:
    return Hook

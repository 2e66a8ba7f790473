"""What an operator can set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

OFFICIAL_API = "https://api.telegram.org"
LONGEST_APPROVAL = 86_400.0

_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")


class TelegramOptions(BaseModel):
    """Options of the Telegram channel.

    ``bot_token`` is what BotFather gave. ``transport`` is ``polling`` (needs no address of one's own, one host
    at a time) or ``webhook`` (needs ``webhook_url``, a public HTTPS address that leads to this channel's path, and
    ``webhook_secret``, 1-256 of ``A-Z a-z 0-9 _ -``). ``keep_webhook`` leaves the webhook set when the host stops.
    ``api_base_url`` names a Bot API server of one's own, ``local_files`` the directory it stores files in.

    ``streaming``: ``edit`` one message while the answer grows, ``draft`` uses Telegram's own drafts in private chats,
    ``off`` sends whole answers. ``stop_button`` puts a button under a growing answer. ``typing`` shows that the bot
    works, ``ack_reaction`` is an emoji set on each message taken. ``link_previews`` shows previews of links in
    answers, ``reply_in_groups`` marks which message a group answer belongs to, ``protect_content`` forbids forwarding.

    ``group_context`` is how many messages not meant for the bot are kept per room and given to the agent with the next
    one that is (0-50; needs privacy mode off). ``max_parts`` is how many messages one answer may fill before it is
    sent as a file. ``merge_quick_messages`` makes one turn of what a person writes within a moment, and of long texts
    that their client cut; albums always are one. ``max_file_bytes`` bounds each file taken in. ``approval_seconds`` is
    how long a question for approval can be answered.

    ``welcome`` answers /start. ``register_commands`` publishes the command list, ``command_descriptions`` holds
    translations of it: language code to command name to text.
    """

    model_config = ConfigDict(extra="forbid")

    bot_token: SecretStr
    transport: Literal["polling", "webhook"] = "polling"
    api_base_url: str = OFFICIAL_API
    webhook_url: str | None = None
    webhook_secret: SecretStr | None = None
    max_connections: int = Field(40, ge=1, le=100)
    keep_webhook: bool = False
    poll_seconds: int = Field(30, ge=1, le=50)
    local_files: str | None = None
    streaming: Literal["edit", "draft", "off"] = "edit"
    stop_button: bool = False
    typing: bool = True
    ack_reaction: str | None = None
    link_previews: bool = False
    reply_in_groups: bool = True
    protect_content: bool = False
    group_context: int = Field(0, ge=0, le=50)
    max_parts: int = Field(8, ge=1, le=50)
    max_file_bytes: int = Field(20_000_000, ge=1)
    merge_quick_messages: bool = True
    approval_seconds: float = Field(LONGEST_APPROVAL, gt=0, le=LONGEST_APPROVAL)
    welcome: str = "Hello! Write me what you need. /help lists the commands I know."
    register_commands: bool = True
    command_descriptions: Mapping[str, Mapping[str, str]] = Field(default_factory=dict[str, Mapping[str, str]])

    @field_validator("bot_token")
    @classmethod
    def _has_token(cls, value: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[A-Za-z0-9:_-]+", value.get_secret_value()):
            raise ValueError("bot_token is not what BotFather gives, which looks like 123456:AAbb; copy it again.")
        return value

    @field_validator("api_base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).netloc:
            raise ValueError("api_base_url must be an address such as https://api.telegram.org.")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _webhook_is_complete(self) -> Self:
        if self.transport == "polling":
            return self
        if self.webhook_secret is None:
            raise ValueError(
                "webhook_secret is missing: without it anybody can speak as any user. Generate one, for example with "
                "openssl rand -hex 32, and set webhook_secret."
            )
        if not _SECRET.fullmatch(self.webhook_secret.get_secret_value()):
            raise ValueError("webhook_secret may hold 1-256 of A-Z, a-z, 0-9, _ and - only; generate another one.")
        if self.webhook_url is None or urlsplit(self.webhook_url).scheme not in ("http", "https"):
            raise ValueError("webhook_url is missing: set the public HTTPS address that leads to this channel's path.")
        if self.api_base_url == OFFICIAL_API and not self.webhook_url.startswith("https://"):
            raise ValueError("webhook_url must begin with https://; Telegram refuses any other address.")
        return self

    @property
    def bot_id(self) -> str:
        """The bot's id, which is the public part of its token."""
        return self.bot_token.get_secret_value().partition(":")[0]

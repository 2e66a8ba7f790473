"""What an operator can set."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, SecretStr


class EchoOptions(BaseModel):
    """Options of the echo channel.

    ``token`` is the bearer token callers must send; without one the channel believes every caller. ``callback_hosts``
    are the hosts answers may be pushed to. ``timeout_seconds`` bounds one push.
    """

    model_config = ConfigDict(extra="forbid")

    token: SecretStr | None = None
    callback_hosts: list[str] = ["127.0.0.1", "localhost", "::1"]
    timeout_seconds: float = 10.0

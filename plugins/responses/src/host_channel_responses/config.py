"""What an operator can set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

AgentOption: TypeAlias = Literal["max_output_tokens", "metadata", "reasoning", "temperature", "top_p", "user"]
Size = Annotated[int, Field(ge=1)]


class ResponsesOptions(BaseModel):
    """Options of the Responses channel.

    Keys: ``api_keys`` is a mapping of a name of yours to the key, or a list of keys; each is one principal. Without
    keys every caller is one anonymous principal, served on loopback only unless ``allow_anonymous``.

    What callers may steer: ``allow_instructions`` (the field ``instructions``), ``allow_system_messages`` (the roles
    ``system`` and ``developer``), ``allow_options`` (options passed to the agent). What is not allowed is ignored, or
    refused with ``refuse_options``. ``max_output_tokens`` is the ceiling for callers.

    What callers see: ``show_tool_calls`` (tools the host runs), ``show_reasoning`` (summaries, when asked for).

    ``shared_session`` lets a first turn join the person's one session, shared with other channels.
    Sizes are bytes where the name says so; ``keep_alive_seconds`` is the longest silence of a stream.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_keys: Mapping[str, SecretStr] | None = None
    allow_anonymous: bool = False
    model: str | None = None
    known_models_only: bool = False
    allow_instructions: bool = False
    allow_system_messages: bool = False
    allow_options: frozenset[AgentOption] = frozenset()
    refuse_options: bool = False
    max_output_tokens: Size | None = None
    show_tool_calls: bool = False
    show_reasoning: bool = False
    shared_session: bool = False
    max_body_bytes: Size = 8 * 1024 * 1024
    max_input_items: Size = 2_000
    max_tools: Size = 128
    max_schema_bytes: Size = 256 * 1024
    max_stored_responses: Size = 10_000
    keep_days: Size = 30
    max_log_bytes: Size = 8 * 1024 * 1024
    max_held_log_bytes: Size = 64 * 1024 * 1024
    keep_alive_seconds: Annotated[float, Field(gt=0)] = 15.0
    stalled_reader_seconds: Annotated[float, Field(gt=0)] = 60.0

    @field_validator("api_keys", mode="before")
    @classmethod
    def _name_listed_keys(cls, value: object) -> object:
        """Take a list of keys, or one key, where a mapping of names to keys is meant."""
        if isinstance(value, str):
            value = [key.strip() for key in value.split(",")]
        if isinstance(value, list | tuple):
            keys = cast("list[object]", value)
            return {f"#{position}": key for position, key in enumerate(keys, 1)}
        return value

    @field_validator("api_keys")
    @classmethod
    def _refuse_empty_keys(cls, value: Mapping[str, SecretStr] | None) -> Mapping[str, SecretStr] | None:
        if value is None:
            return None
        if not value:
            raise ValueError("api_keys is empty; leave it out to serve loopback only, or name a key.")
        for name, key in value.items():
            if not key.get_secret_value().strip():
                raise ValueError(f"The api key {name} is empty; generate one, for example with: openssl rand -hex 24")
        return value

"""One declaration of a channel's options: its model, taken by the constructor of every channel."""

from __future__ import annotations

from typing import ClassVar, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from agent_framework_hosting import AgentFrameworkHost, Channel, ChannelConfigurationError, NativeIdAllowlist, hookimpl
from agent_framework_hosting.testing import EchoAgent

SECRET = "token-4711-token"


class BellOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: SecretStr
    rings: int = 3
    tone: Literal["high", "low"] = "low"
    keys: list[SecretStr] = []

    @field_validator("token")
    @classmethod
    def _is_token(cls, value: SecretStr) -> SecretStr:
        if "-" not in value.get_secret_value():
            raise ValueError(f"{value.get_secret_value()} is no token.")
        return value

    @model_validator(mode="after")
    def _quotes_a_key(self):
        if self.rings == 13:
            raise ValueError(f"Thirteen rings open {self.keys[0].get_secret_value()}.")
        return self


class Bell(Channel[BellOptions]):
    name, path = "bell", "/bell"
    Options: ClassVar = BellOptions

    @hookimpl
    def push(self, identity, payload):
        return None


@pytest.mark.requirement("authors.options")
def test_options_are_taken_by_keyword_or_as_an_instance_of_the_model() -> None:
    by_keyword = Bell(token=SECRET, rings=5)
    by_instance = Bell(BellOptions(token=SecretStr(SECRET), rings=5))
    assert by_keyword.options == by_instance.options
    assert (by_keyword.options.rings, by_keyword.options.tone) == (5, "low")


@pytest.mark.requirement("authors.options")
def test_options_in_a_file_reach_a_channel_without_a_constructor(monkeypatch) -> None:
    monkeypatch.setenv("BELL", SECRET)
    from agent_framework_hosting.config import load_config  # noqa: PLC0415 - only this test reads a file
    from agent_framework_hosting.config.build import build_channel  # noqa: PLC0415 - as above

    table = load_config({"channels": {"bell": {"token": "env:BELL", "rings": 7}}}).channels["bell"]
    channel = build_channel("bell", table, channel_class=Bell)
    assert isinstance(channel, Bell)
    assert (channel.options.token.get_secret_value(), channel.options.rings) == (SECRET, 7)

    table = load_config({"channels": {"bell": {"token": "env:BELL", "stream_transform": "x"}}}).channels["bell"]
    with pytest.raises(ChannelConfigurationError, match="stream_transform: cannot be set here: build the channel in"):
        build_channel("bell", table, channel_class=Bell)


def test_the_settings_every_channel_has_are_keywords_too() -> None:
    only_ada = NativeIdAllowlist(["ada"])
    channel = Bell(
        token=SECRET,
        name="door",
        allowlist=only_ada,
        accept_in_group="all",
        conversation_scope="per_user",
        wire_targets=["active"],
        on_uncertain_send="unknown",
    )
    assert (channel.name, channel.path, channel.allowlist) == ("door", "/door", only_ada)
    assert (channel.accept_in_group, channel.conversation_scope) == ("all", "per_user")
    assert (list(channel.wire_targets), channel.on_uncertain_send) == (["active"], "unknown")
    assert Bell(token=SECRET, name="door", path="/d").path == "/d"
    assert (Bell(token=SECRET).name, Bell(token=SECRET).path, Bell.name) == ("bell", "/bell", "bell")
    assert AgentFrameworkHost(EchoAgent(), channels=[channel], config={}).channels == (channel,)


@pytest.mark.requirement("authors.options")
@pytest.mark.parametrize(
    ("given", "sentences"),
    [
        ({}, ["token: is required."]),
        ({"token": SECRET, "rings": "many"}, ["rings: must be a whole number."]),
        ({"token": SECRET, "tone": "hgih"}, ["tone: must be 'high' or 'low'."]),
        ({"token": SECRET, "ring": 1}, ["ring: unknown option. Did you mean 'rings'?"]),
        ({"token": SECRET, "pth": "/x"}, ["pth: unknown option. Did you mean 'path'?"]),
        ({"rings": "x", "tne": 1}, ["token: is required.", "rings: must be a whole number.", "Did you mean 'tone'?"]),
        ({"token": SECRET.replace("-", "")}, ["token: is not accepted."]),
        ({"token": SECRET, "rings": 13, "keys": ["hidden-key"]}, ["Channel 'bell': options: is not accepted."]),
    ],
)
def test_each_fault_is_a_sentence_and_none_holds_a_value(given: dict[str, object], sentences: list[str]) -> None:
    with pytest.raises(ChannelConfigurationError) as refused:
        Bell(**given)
    message = str(refused.value)
    assert message.startswith("Channel 'bell': ")
    assert [sentence for sentence in sentences if sentence not in message] == []
    assert not any(value in message for value in ("4711", "hidden", "hgih", "many"))
    assert refused.value.__context__ is None


@pytest.mark.parametrize("setting", ["accept_in_group", "conversation_scope", "on_uncertain_send"])
def test_a_setting_is_one_of_its_choices(setting: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=rf"^Channel 'bell': {setting}: must be '[a-z_]+' or "):
        Bell(token=SECRET, **{setting: "al"})


@pytest.mark.parametrize("rest", [{"rings": 4}, {"token": SECRET}])
def test_an_instance_and_keywords_are_not_mixed(rest: dict[str, object]) -> None:
    with pytest.raises(ChannelConfigurationError, match="and not both"):
        Bell(BellOptions(token=SecretStr(SECRET)), **rest)


def test_a_channel_without_options_takes_the_settings_only() -> None:
    class Plain(Channel):
        name = "plain"

    assert Plain(path="/p").path == "/p"
    with pytest.raises(
        ChannelConfigurationError, match=r"Channel 'plain': pathh: unknown option. Did you mean 'path'\?"
    ):
        Plain(pathh="/p")
    with pytest.raises(ChannelConfigurationError, match="as an instance of its Options"):
        Plain(BellOptions(token=SecretStr(SECRET)))


def test_a_model_that_would_ignore_a_stranger_does_not_and_one_that_allows_it_does() -> None:
    class Lax(Channel):
        name = "lax"

        class Options(BaseModel):
            size: int = Field(1, validation_alias="length")

    class Open(Channel):
        name = "open"

        class Options(BaseModel):
            model_config = ConfigDict(extra="allow")

    assert Lax(length=3).options == Lax.Options(length=3)
    with pytest.raises(ChannelConfigurationError, match=r"Channel 'lax': szie: unknown option. Did you mean 'size'"):
        Lax(szie=3)
    assert Open(any=1).options.model_dump() == {"any": 1}


def test_a_constructor_that_never_calls_the_base_works_as_ever() -> None:
    class Own(Channel):
        name = "own"

        def __init__(self, *, token: str) -> None:
            self.token = token

    assert (Own(token="t").token, Own(token="t").allowlist) == ("t", "inherit")

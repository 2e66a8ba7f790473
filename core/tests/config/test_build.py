from __future__ import annotations

import logging
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from agent_framework_hosting import Channel, ChannelConfigurationError, NativeIdAllowlist
from agent_framework_hosting.config import build_channel, build_channels, load_config
from agent_framework_hosting.errors import PluginError


def build(channel_class: type[Channel], table: dict[str, object], name: str | None = None, **environ: str) -> Channel:
    name = name or channel_class.name
    config = load_config({"channels": {name: {"use": channel_class.name, **table}}}, environ)
    return build_channel(name, config.channels[name], channel_class=channel_class)


def test_only_what_the_table_sets_reaches_the_constructor(bot: type[Channel]) -> None:
    channel = build(bot, {"bot_token": "t", "topics": ["a", "b"]})
    options = vars(channel)["options"]
    assert set(options) == {"bot_token", "topics"}
    assert options["bot_token"].get_secret_value() == "t"
    assert options["topics"] == ("a", "b")
    assert (channel.name, channel.path, channel.allowlist, channel.require_link) == ("bot", "/bot", "inherit", False)


@pytest.mark.requirement("discovery.twice")
def test_another_name_is_another_channel_with_a_path_of_its_own(bot: type[Channel]) -> None:
    sales = build(bot, {"bot_token": "t"}, name="sales-bot")
    assert (sales.name, sales.path) == ("sales-bot", "/sales-bot")
    shop = build(bot, {"bot_token": "t", "path": "/shop"}, name="sales-bot")
    assert (shop.name, shop.path) == ("sales-bot", "/shop")
    assert (bot.name, bot.path) == ("bot", "/bot")


def test_the_constructor_describes_a_channel_without_options(hook: type[Channel]) -> None:
    channel = build(hook, {"path": "/in", "limit": 3, "token": "env:T"}, T="sesame")
    assert channel.path == "/in"
    assert vars(channel)["limit"] == 3
    assert vars(channel)["token"].get_secret_value() == "sesame"


def test_a_common_key_the_constructor_knows_is_passed_and_honoured() -> None:
    class Guarded(Channel):
        name = "guarded"

        def __init__(self, *, allowlist: object = None, require_link: bool = False) -> None:
            self.seen = (allowlist, require_link)

    channel = build(Guarded, {"allowlist": {"native_ids": ["1"]}, "require_link": True})
    assert vars(channel)["seen"] == (NativeIdAllowlist(["1"]), True)
    assert channel.allowlist == NativeIdAllowlist(["1"])
    assert channel.require_link


def test_every_common_key_reaches_the_channel(bot: type[Channel]) -> None:
    common = {
        "allowlist": {"native_ids": ["1"]},
        "require_link": True,
        "wire_targets": ["active"],
        "conversation_scope": "per_user",
        "accept_in_group": "all",
    }
    channel = build(bot, {"bot_token": "t", **common})
    assert channel.allowlist == NativeIdAllowlist(["1"])
    assert channel.require_link
    assert channel.wire_targets == ("active",)
    assert channel.conversation_scope == "per_user"
    assert channel.accept_in_group == "all"
    assert set(vars(channel)["options"]) == {"bot_token"}


@pytest.mark.parametrize(
    ("table", "line"),
    [
        (
            {"on_message": "x"},
            "on_message: cannot be set here: build the channel in Python and pass the instance to the host.",
        ),
        ({"limit": True}, "limit: must be a whole number."),
        ({"limit": "3"}, "limit: must be a whole number."),
        ({"limt": 3}, "limt: unknown key of channel 'hook'. Did you mean 'limit'?"),
        ({"token": 5}, "token: must be a string."),
        ({"token": b"x"}, "token: must be plain data: text, finite numbers, true or false, lists and tables."),
    ],
)
def test_a_table_that_does_not_fit_the_constructor(hook: type[Channel], table: dict[str, object], line: str) -> None:
    with pytest.raises(ChannelConfigurationError) as caught:
        build(hook, table)
    assert str(caught.value) == f"config mapping: [channels.hook] {line}"


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"transport": "pigeon"}, " transport: must be 'polling' or 'webhook'."),
        ({"retries": -1}, " retries: must be 0 or more."),
        ({"silent": "yes"}, " silent: must be true or false."),
        ({"topics": "a"}, " topics: must be a list."),
        ({"topics": ["a", 2]}, " topics[1]: must be a string."),
        ({"api_keys": 5}, " api_keys: must be a list or must be a table."),
        ({"api_keys": ["k", 5]}, " api_keys[1]: must be a string."),
        ({"retries": 7}, ": transport webhook needs webhook_url."),
    ],
)
def test_a_table_that_does_not_fit_the_model(bot: type[Channel], table: dict[str, object], line: str) -> None:
    with pytest.raises(ChannelConfigurationError) as caught:
        build(bot, {"bot_token": "t0ken", **table})
    assert str(caught.value) == f"config mapping: [channels.bot]{line}"


@pytest.mark.requirement("config.environment")
def test_a_variable_is_text_for_a_text_and_toml_for_everything_else(bot: type[Channel]) -> None:
    channel = build(
        bot,
        {"bot_token": "old", "retries": 1},
        AGENT_HOST_BOT_BOT_TOKEN="12345",
        AGENT_HOST_BOT_RETRIES="2",
        AGENT_HOST_BOT_SILENT="true",
        AGENT_HOST_BOT_TRANSPORT="polling",
        AGENT_HOST_BOT_API_KEYS='["a", "env:B"]',
        B="bee",
    )
    options = vars(channel)["options"]
    assert options["bot_token"].get_secret_value() == "12345"
    assert (options["retries"], options["silent"], options["transport"]) == (2, True, "polling")
    assert [key.get_secret_value() for key in options["api_keys"]] == ["a", "bee"]


def test_a_variable_that_is_wrong_is_named_with_the_nearest_option(bot: type[Channel]) -> None:
    with pytest.raises(ChannelConfigurationError) as caught:
        build(bot, {"bot_token": "t"}, AGENT_HOST_BOT_RETRYS="2", AGENT_HOST_BOT_SILENT="yes")
    assert str(caught.value).splitlines()[1:] == [
        "  environment variable AGENT_HOST_BOT_RETRYS: [channels.bot] retrys: "
        "unknown key of channel 'bot'. Did you mean 'retries'?",
        "  environment variable AGENT_HOST_BOT_SILENT: [channels.bot] silent: must be true or false.",
    ]


def test_the_problems_of_all_channels_come_together(bot: type[Channel], hook: type[Channel]) -> None:
    tables = load_config({"channels": {"bot": {}, "hook": {"limit": "x"}}}, {}).channels
    with pytest.raises(ChannelConfigurationError) as caught:
        build_channels(tables, {"bot": bot, "hook": hook}.__getitem__)
    lines = str(caught.value).splitlines()
    assert [line.partition(" is")[0].partition(" must")[0] for line in lines] == [
        "config mapping: [channels.bot] bot_token:",
        "config mapping: [channels.hook] limit:",
    ]


def test_a_plugin_that_cannot_be_loaded_is_not_hidden() -> None:
    def missing(name: str) -> type[Channel]:
        raise PluginError(f"No channel {name!r} is installed.")

    with pytest.raises(PluginError, match="'bot'"):
        build_channels(load_config({"channels": {"bot": {}}}, {}).channels, missing)


def test_an_option_the_constructor_does_not_take_is_the_author_s_fault() -> None:
    class Forgetful(Channel):
        name = "forgetful"

        class Options(BaseModel):
            size: int = 1

        def __init__(self) -> None: ...

    with pytest.raises(ChannelConfigurationError, match=r"Forgetful declares the option 'size', which its constructor"):
        build(Forgetful, {"size": 2})


def test_options_that_are_no_model_are_the_author_s_fault() -> None:
    class Wrong(Channel):
        name = "wrong"
        Options = dict  # type: ignore[assignment]  # what the test is about

    with pytest.raises(ChannelConfigurationError, match=r"Wrong\.Options must be a pydantic model class"):
        build(Wrong, {})


def test_a_constructor_that_needs_an_object_cannot_come_from_a_file() -> None:
    class Live(Channel):
        name = "live"

        def __init__(self, *, client: Channel) -> None:
            self.client = client

    with pytest.raises(ChannelConfigurationError, match="needs 'client', which no file can express"):
        build(Live, {})


@pytest.mark.requirement("config.secrets-hidden")
def test_what_a_constructor_or_a_validator_says_is_shown_without_secrets(bot: type[Channel]) -> None:
    with pytest.raises(ChannelConfigurationError) as caught:
        build(bot, {"bot_token": "s3cr3t-value", "retries": 9})
    assert str(caught.value) == "config mapping: [channels.bot]: is not accepted."

    class Talkative(Channel):
        name = "talkative"

        def __init__(self, *, token: SecretStr, size: int = 0) -> None:
            raise ValueError(f"bad {token.get_secret_value()[:6]}" if size else "size must not be 0")

    with pytest.raises(ChannelConfigurationError) as caught:
        build(Talkative, {"token": "s3cr3t-value", "size": 1})
    assert "s3cr" not in str(caught.value)
    assert "refused its options (ValueError)" in str(caught.value)
    assert caught.value.__context__ is None
    with pytest.raises(ChannelConfigurationError, match=r"size must not be 0 \(ValueError\)"):
        build(Talkative, {"token": "s3cr3t-value"})


@pytest.mark.requirement("config.secrets-hidden")
def test_a_secret_in_plain_text_in_a_file_is_named_once_and_not_shown(
    tmp_path: Path, bot: type[Channel], caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "host.toml"
    file.write_text('[channels.bot]\nbot_token = "s3cr3t-value"\napi_keys = ["env:KEY", "k3y-value"]\n')
    config = load_config(file, {"KEY": "x"}, channel_class=lambda _: bot)
    with caplog.at_level(logging.WARNING, logger="agent_framework_hosting"):
        build_channel("bot", config.channels["bot"], channel_class=bot)
    assert [record.getMessage().partition(" is a secret")[0] for record in caplog.records] == [
        f"{file}: [channels.bot] bot_token",
        f"{file}: [channels.bot] api_keys[1]",
    ]
    assert "s3cr3t-value" not in caplog.text
    assert "k3y-value" not in caplog.text

from __future__ import annotations

from pathlib import Path

import pytest

from agent_framework_hosting import AllowAll, Channel, ChannelConfigurationError, NativeIdAllowlist
from agent_framework_hosting.config import HostSettings, load_config
from agent_framework_hosting.errors import HostConfigurationError, PluginError

EVERYTHING = """
target = "app:agent"
state_dir = "state"
runtime_mode = "long_running"
allow_in_process_runner = true
debug = true
max_body_bytes = 1000
body_timeout_seconds = 0
turn_timeout_seconds = 0
max_live_sessions = 5
max_concurrent_turns = 6
snapshot_sessions = false
on_interrupted = "rerun"
active_window_minutes = 30
allowlist = { native_ids = ["7"] }

[channels.bot]
bot_token = "env:TOKEN"

[channels.sales-bot]
use = "bot"
path = "/sales/"
allowlist = "open"
require_link = true
wire_targets = ["active", "bot"]
conversation_scope = "per_conversation"
accept_in_group = "mention_only"
bot_token = "env:TOKEN"
"""


def test_everything_a_file_can_say(tmp_path: Path) -> None:
    file = tmp_path / "host.toml"
    file.write_text(EVERYTHING)
    config = load_config(file, {})
    assert config.target == "app:agent"
    assert config.state_dir == str(tmp_path / "state")
    assert config.runtime_mode == "long_running"
    assert config.allow_in_process_runner
    assert config.debug
    assert config.settings == HostSettings(
        allowlist=NativeIdAllowlist(["7"]),
        max_body_bytes=1000,
        body_timeout_seconds=None,
        turn_timeout_seconds=None,
        max_live_sessions=5,
        max_concurrent_turns=6,
        snapshot_sessions=False,
        on_interrupted="rerun",
        active_window_minutes=30,
    )
    assert list(config.channels) == ["bot", "sales-bot"]
    assert config.channels["bot"].allowlist == "inherit"
    sales = config.channels["sales-bot"]
    assert (sales.plugin, sales.path, sales.require_link) == ("bot", "/sales", True)
    assert isinstance(sales.allowlist, AllowAll)
    assert sales.wire_targets == ("active", "bot")
    assert sales.conversation_scope == "per_conversation"
    assert sales.accept_in_group == "mention_only"


def test_state_dir_per_part() -> None:
    config = load_config({"state_dir": {"runner": "/r", "links": "l"}}, {})
    assert config.state_dir == {"runner": "/r", "links": "l"}


def test_nothing_given_reads_the_file_of_the_current_directory(tmp_path: Path, in_directory: None) -> None:
    assert load_config(None, {}).target is None
    Path("host.toml").write_text('target = "a:b"')
    assert load_config(None, {}).target == "a:b"


@pytest.fixture
def in_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.requirement("config.unknown-key")
def test_every_problem_of_a_file_is_one_line_in_one_error(tmp_path: Path, bot: type[Channel]) -> None:
    file = tmp_path / "host.toml"
    file.write_text('targett = "a:b"\ndebug = "yes"\n[channels.bot]\nbot_tokn = "x"\nretries = "many"\npth = "/"\n')
    with pytest.raises(HostConfigurationError) as caught:
        load_config(file, {}, channel_class=lambda _: bot)
    assert str(caught.value).splitlines() == [
        "6 problems in the configuration:",
        f"  {file}: targett: unknown key. Did you mean 'target'?",
        f"  {file}: debug: must be true or false.",
        f"  {file}: [channels.bot] bot_tokn: unknown key of channel 'bot'. Did you mean 'bot_token'?",
        f"  {file}: [channels.bot] pth: unknown key of channel 'bot'. Did you mean 'path'?",
        f"  {file}: [channels.bot] bot_token: is required: "
        'add bot_token = "env:NAME", or set AGENT_HOST_BOT_BOT_TOKEN.',
        f"  {file}: [channels.bot] retries: must be a whole number.",
    ]


@pytest.mark.requirement("config.wrong-type")
@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"debug": 1}, "config mapping: debug: must be true or false."),
        ({"max_body_bytes": 0}, "config mapping: max_body_bytes: must be a whole number above 0."),
        ({"max_body_bytes": True}, "config mapping: max_body_bytes: must be a whole number above 0."),
        ({"turn_timeout_seconds": -1}, "config mapping: turn_timeout_seconds: must be a number, 0 or more."),
        ({"on_interrupted": "retry"}, 'config mapping: on_interrupted: must be "apologise" or "rerun".'),
        (
            {"state_dir": {"sesions": "x"}},
            "config mapping: state_dir: must be a directory, "
            "or a table with the keys runner, sessions, checkpoints, links.",
        ),
        ({"channels": []}, "config mapping: channels: must be a table with one table per channel."),
        ({"channels": {"bot": 3}}, "config mapping: [channels.bot]: must be a table."),
        (
            {"channels": {"a/b": {}}},
            "config mapping: [channels.a/b]: is no name for a channel: use letters, digits, '-', '_' and '.'.",
        ),
        ({"channels": {"bot": {"path": "bot"}}}, 'config mapping: [channels.bot] path: must be a path such as "/bot".'),
        (
            {"channels": {"bot": {"require_link": "no"}}},
            "config mapping: [channels.bot] require_link: must be true or false.",
        ),
        (
            {"channels": {"bot": {"wire_targets": "all"}}},
            "config mapping: [channels.bot] wire_targets: must be a list of strings.",
        ),
        (
            {"channels": {"bot": {"accept_in_group": "never"}}},
            "config mapping: [channels.bot] accept_in_group: must be "
            '"mention_only" or "command_only" or "mention_or_command" or "all".',
        ),
    ],
)
def test_a_wrong_value_names_its_place(content: dict[str, object], line: str) -> None:
    with pytest.raises(HostConfigurationError) as caught:
        load_config(content, {})
    assert str(caught.value) == line


def test_a_problem_of_channels_alone_is_a_channel_problem() -> None:
    with pytest.raises(ChannelConfigurationError):
        load_config({"channels": {"bot": {"path": 1}}}, {})


def test_an_allowlist_that_is_wrong_names_its_channel() -> None:
    with pytest.raises(ChannelConfigurationError, match=r"config mapping: \[channels\.bot\] allowlist: .*native_ids"):
        load_config({"channels": {"bot": {"allowlist": {"native_id": ["1"]}}}}, {})


@pytest.mark.requirement("config.environment")
def test_the_environment_wins_over_the_file() -> None:
    table = {"path": "/a", "require_link": False, "wire_targets": ["x"], "allowlist": {"native_ids": ["1"]}}
    environ = {
        "AGENT_HOST_BOT_PATH": "/b",
        "AGENT_HOST_BOT_REQUIRE_LINK": "true",
        "AGENT_HOST_BOT_WIRE_TARGETS": '["y", "z"]',
        "AGENT_HOST_BOT_ALLOWLIST": '{ native_ids = ["2"] }',
    }
    channel = load_config({"channels": {"bot": table}}, environ).channels["bot"]
    assert (channel.path, channel.require_link, channel.wire_targets) == ("/b", True, ("y", "z"))
    assert channel.allowlist == NativeIdAllowlist(["2"])
    environ["AGENT_HOST_BOT_ALLOWLIST"] = "open"
    opened = load_config({"channels": {"bot": table}}, environ).channels["bot"]
    assert isinstance(opened.allowlist, AllowAll)


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(ChannelConfigurationError) as caught:
        load_config({"channels": {"bot": {}}}, {"AGENT_HOST_BOT_REQUIRE_LINK": "maybe"})
    expected = "environment variable AGENT_HOST_BOT_REQUIRE_LINK: [channels.bot] require_link: must be true or false."
    assert str(caught.value) == expected


def test_a_variable_belongs_to_the_longest_name_that_is_enabled() -> None:
    environ = {"AGENT_HOST_SALES_BOT_PATH": "/deep"}
    both = load_config({"channels": {"sales": {}, "sales-bot": {}}}, environ).channels
    assert both["sales"].variables == {}
    assert both["sales-bot"].path == "/deep"
    alone = load_config({"channels": {"sales": {}}}, environ).channels
    assert alone["sales"].variables == {"bot_path": "/deep"}


def test_two_names_with_the_same_variables_are_refused_once_one_is_set() -> None:
    content = {"channels": {"sales-bot": {}, "sales_bot": {}}}
    assert list(load_config(content, {}).channels) == ["sales-bot", "sales_bot"]
    with pytest.raises(
        ChannelConfigurationError, match=r"\[channels\.sales-bot\]: shares the variables AGENT_HOST_SALES_BOT_"
    ):
        load_config(content, {"AGENT_HOST_SALES_BOT_PATH": "/x"})


def test_only_enabled_channels_are_configured_and_checked(bot: type[Channel]) -> None:
    content = {"channels": {"bot": {"bot_token": "t"}, "off": {"use": "bot", "nonsense": 1}}}
    config = load_config(content, {"AGENT_HOST_OFF_PATH": "/x"}, enabled=["bot", "free"], channel_class=_only_bot(bot))
    assert list(config.channels) == ["bot", "free"]
    assert config.channels["free"].plugin == "free"


def _only_bot(bot: type[Channel]):
    def find(name: str) -> type[Channel]:
        if name != "bot":
            raise PluginError(f"no {name}")
        return bot

    return find


@pytest.mark.requirement("config.secrets-hidden")
def test_nothing_of_a_table_shows_in_a_repr() -> None:
    content = {"channels": {"bot": {"bot_token": "s3cr3t-value"}}}
    config = load_config(content, {"AGENT_HOST_BOT_API_KEYS": '["k3y-value"]', "OTHER": "0ther-value"})
    shown = repr(config) + repr(config.channels["bot"])
    assert "bot" in shown
    assert not [secret for secret in ("s3cr3t-value", "k3y-value", "0ther-value") if secret in shown]

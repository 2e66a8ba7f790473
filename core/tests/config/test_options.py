from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_framework_hosting import Channel, ChannelConfigurationError
from agent_framework_hosting.config import build_channel, load_config

if TYPE_CHECKING:
    from somewhere import OnlyForTypeCheckers  # type: ignore[import-not-found]  # what the test is about


class Puzzling(Channel):
    name = "puzzling"

    def __init__(self, *, size: int = 1, live: OnlyForTypeCheckers | None = None, bare=5, **rest: object) -> None:
        self.seen = (size, live, bare, rest)


def build(table: dict[str, object]) -> Channel:
    config = load_config({"channels": {"puzzling": table}}, {})
    return build_channel("puzzling", config.channels["puzzling"], channel_class=Puzzling)


def test_a_type_that_cannot_be_found_at_run_time_does_not_spoil_the_others() -> None:
    assert vars(build({"size": 2, "bare": "x"}))["seen"] == (2, None, "x", {})
    with pytest.raises(ChannelConfigurationError, match="live: cannot be set here"):
        build({"live": "x"})


def test_keywords_without_a_name_take_nothing_from_a_file() -> None:
    with pytest.raises(ChannelConfigurationError, match="colour: unknown key of channel 'puzzling'"):
        build({"colour": "red"})

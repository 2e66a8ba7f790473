from __future__ import annotations

import json

import pytest
from pydantic import BaseModel, SecretStr

from agent_framework_hosting import Channel
from agent_framework_hosting.config import config_schema
from agent_framework_hosting.config.keys import CHANNEL_KEYS, HOST_KEYS


class Inner(BaseModel):
    key: SecretStr


class Nested(Channel):
    name = "nested"

    class Options(BaseModel):
        inner: Inner

    def __init__(self, inner: Inner) -> None: ...


@pytest.mark.requirement("config.schema")
def test_the_schema_has_every_key_of_the_host_and_of_each_channel(bot: type[Channel], hook: type[Channel]) -> None:
    schema = json.loads(json.dumps(config_schema({"hook": hook, "bot": bot})))
    assert schema["properties"].keys() == {*HOST_KEYS, "channels"}
    assert schema["properties"]["max_live_sessions"]["default"] == 1024
    channels = schema["properties"]["channels"]["properties"]
    assert list(channels) == ["bot", "hook"]
    assert channels["bot"]["properties"].keys() > CHANNEL_KEYS.keys() | {"bot_token", "retries"}
    assert channels["bot"]["properties"]["bot_token"]["description"] == 'A secret: "env:NAME" or "file:PATH".'
    assert channels["bot"]["required"] == ["bot_token"]
    assert "on_message" not in channels["hook"]["properties"]
    assert channels["hook"]["additionalProperties"] is False


def test_definitions_of_channels_do_not_clash() -> None:
    schema = config_schema({"a": Nested, "b": Nested})
    text = json.dumps(schema)
    assert json.loads(text)["$defs"].keys() == {"a.Inner", "b.Inner"}
    assert '"#/$defs/a.Inner"' in text
    assert '"#/$defs/b.Inner"' in text

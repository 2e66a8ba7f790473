from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, field_validator

from agent_framework_hosting import Channel, ChannelConfigurationError
from agent_framework_hosting.config import build_channel, load_config


class Inner(BaseModel):
    key: SecretStr
    label: str = ""


class Keys(Channel):
    name = "keys"

    class Options(BaseModel):
        one: SecretStr | None = None
        many: list[SecretStr] = []
        named: dict[str, SecretStr] = {}
        nested: list[Inner] = []
        pair: tuple[str, SecretStr] | None = None
        label: str = ""
        loose: dict[str, SecretStr] = {}

        @field_validator("loose", mode="before")
        @classmethod
        def _take_lists(cls, value: object) -> object:
            if isinstance(value, str):
                value = [value]
            return {str(n): key for n, key in enumerate(value)} if isinstance(value, list) else value

    def __init__(self, **options: object) -> None:
        self.options = options


def options(table: dict[str, object], directory: Path | None = None, **environ: str) -> dict[str, object]:
    config = load_config({"channels": {"keys": table}}, environ)
    if directory is not None:
        file = directory / "host.toml"
        file.write_text("\n".join(["[channels.keys]", *(f'{key} = "{value}"' for key, value in table.items())]))
        config = load_config(file, environ)
    channel = build_channel("keys", config.channels["keys"], channel_class=Keys)
    return revealed(vars(channel)["options"])


def revealed(value: object) -> object:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case BaseModel():
            return {name: revealed(getattr(value, name)) for name in type(value).model_fields}
        case dict():
            return {name: revealed(item) for name, item in value.items()}
        case list() | tuple():
            return [revealed(item) for item in value]
        case _:
            return value


def test_a_reference_works_wherever_a_secret_may_stand() -> None:
    table = {
        "one": "env:A",
        "many": ["env:A", "plain"],
        "named": {"x": "env:B"},
        "nested": [{"key": "env:A", "label": "env:B"}],
        "pair": ["env:A", "env:B"],
        "label": "env:A",
    }
    assert options(table, A="alpha", B="beta") == {
        "one": "alpha",
        "many": ["alpha", "plain"],
        "named": {"x": "beta"},
        "nested": [{"key": "alpha", "label": "env:B"}],
        "pair": ["env:A", "beta"],
        "label": "env:A",
    }


def test_a_reference_works_in_a_shape_that_a_validator_takes() -> None:
    assert options({"loose": ["env:A"]}, A="alpha") == {"loose": {"0": "alpha"}}
    assert options({"loose": "env:A"}, A="alpha") == {"loose": {"0": "alpha"}}


def test_a_file_is_read_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from a file\r\n")
    assert options({"one": "file:token"}, tmp_path) == {"one": "from a file"}
    assert options({"one": f"file:{tmp_path / 'token'}"}) == {"one": "from a file"}


def test_only_one_newline_at_the_end_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(" a\n\n")
    assert options({"one": f"file:{tmp_path / 'token'}"}) == {"one": " a\n"}


@pytest.mark.requirement("config.missing-secret")
@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("env:NOT_THERE", "the environment variable NOT_THERE is not set. Set it: export NOT_THERE=..."),
        ("env:EMPTY", "the environment variable EMPTY is empty. Set it: export EMPTY=..."),
        (
            "env:RESPONSE_KEY",
            "the environment variable RESPONSE_KEY is not set. Did you mean RESPONSES_KEY? "
            "Set it: export RESPONSE_KEY=...",
        ),
        ("evn:EMPTY", 'looks like a reference and is none; write "env:NAME" or "file:PATH".'),
        ("ENV:EMPTY", 'looks like a reference and is none; write "env:NAME" or "file:PATH".'),
        ("flie:token", 'looks like a reference and is none; write "env:NAME" or "file:PATH".'),
        ("$EMPTY", 'looks like a reference and is none; write "env:NAME" or "file:PATH".'),
        ("${EMPTY}", 'looks like a reference and is none; write "env:NAME" or "file:PATH".'),
        ("{{ secrets.EMPTY }}", 'looks like a reference and is none; write "env:NAME" or "file:PATH".'),
        ("%EMPTY%", 'looks like a reference and is none; write "env:NAME" or "file:PATH".'),
        ("env:", 'names no environment variable; write "env:NAME".'),
        ("env:sk-123", 'names no environment variable; write "env:NAME".'),
        ("file:/no/such", "the file '/no/such' does not exist. Create it, readable for this user."),
        ("file:/", "the file '/' cannot be read (IsADirectoryError). Create it, readable for this user."),
        ("file:/dev/null", "the file '/dev/null' is empty. Create it, readable for this user."),
        ("file:/dev/zero", "the file '/dev/zero' is too long for a secret. Create it, readable for this user."),
        ("file:a\0b", "cannot be read (ValueError). Create it, readable for this user."),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(reference: str, reason: str) -> None:
    with pytest.raises(ChannelConfigurationError) as caught:
        options({"many": ["fine", reference]}, EMPTY="", RESPONSES_KEY="a secret")
    assert str(caught.value).startswith("config mapping: [channels.keys] many[1]: ")
    assert str(caught.value).endswith(reason)


@pytest.mark.parametrize(
    "secret", ["sk-123", "123456:AAF-x", "https://user:pass@db.example", "$ecret!", "p:env", "a{b}"]
)
def test_a_secret_in_plain_text_is_taken_as_it_is(secret: str) -> None:
    assert options({"one": secret}) == {"one": secret}

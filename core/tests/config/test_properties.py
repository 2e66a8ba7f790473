"""Whatever a file says: a configuration, or one clear error without a secret in it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from agent_framework_hosting import Channel
from agent_framework_hosting.config import build_channels, load_config
from agent_framework_hosting.config.keys import CHANNEL_KEYS, HOST_KEYS
from agent_framework_hosting.errors import HostConfigurationError

SECRET = "Zq9#Zq9#Zq9#"


class Options(BaseModel):
    token: SecretStr
    keys: list[SecretStr] | dict[str, SecretStr] = []
    mode: Literal["a", "b"] = "a"
    size: int | str = 1
    flag: bool = False


class Target(Channel):
    name = "target"
    Options = Options

    def __init__(self, **options: object) -> None: ...


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates() | st.binary(max_size=3)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
secrets = st.sampled_from([SECRET, f"env:{SECRET}", f"file:/{'x' * 3}", "env:MISSING", "env:HELD"])
own_keys = st.sampled_from([*CHANNEL_KEYS, *Options.model_fields, "tokn", "siz"])
tables = st.dictionaries(own_keys | st.text(max_size=6) | st.integers(), values | secrets, max_size=6)
contents = st.dictionaries(
    st.sampled_from([*HOST_KEYS, "channels", "chanels"]) | st.text(max_size=6) | st.integers(),
    values | st.dictionaries(st.sampled_from(["target", "other-one", "a b"]) | st.text(max_size=6), tables, max_size=3),
    max_size=5,
)


def load_and_build(content: object, environ: dict[str, str]) -> str:
    try:
        config = load_config(content, environ, channel_class=lambda _: Target)
        build_channels(config.channels, lambda _: Target)
    except HostConfigurationError as error:
        return str(error)
    return ""


@settings(max_examples=300, deadline=None)
@given(
    contents,
    st.dictionaries(st.sampled_from(["AGENT_HOST_TARGET_KEYS", "AGENT_HOST_TARGET_SIZE"]), st.text(max_size=9)),
)
def test_any_mapping_is_taken_or_refused_with_a_configuration_error(
    content: dict[object, object], environ: dict[str, str]
) -> None:
    complaint = load_and_build(content, environ)
    for line in complaint.splitlines()[1:]:
        assert line.startswith(("  config mapping: ", "  environment variable ", "config mapping: "))


secret_tables = st.fixed_dictionaries(
    {"token": st.just(SECRET)},
    optional={
        "keys": st.lists(st.just(SECRET) | st.integers(), max_size=2) | st.just({"n": SECRET}) | st.just(SECRET),
        "mode": st.sampled_from(["a", SECRET, f"xx{SECRET}"]) | st.integers(),
        "size": st.just(SECRET) | st.just([SECRET]),
        "flag": st.just(SECRET),
        "path": st.just(SECRET),
        "require_link": st.just(SECRET),
        "conversation_scope": st.just(SECRET),
        "wire_targets": st.just(SECRET),
        "extra": st.just(SECRET),
    },
)


@pytest.mark.requirement("config.secrets-hidden")
@settings(max_examples=300, deadline=None)
@given(secret_tables, st.fixed_dictionaries({}, optional={"AGENT_HOST_TARGET_FLAG": st.just(SECRET)}))
@example({"token": SECRET, "extra": SECRET}, {})
def test_a_value_never_shows_in_an_error(table: dict[str, object], environ: dict[str, str]) -> None:
    complaint = load_and_build({"channels": {"target": table}}, environ)
    assert SECRET[:4] not in complaint


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.text(alphabet="[]{}=\"'a.\n1#", max_size=60).map(str.encode))
def test_any_file_is_taken_or_refused_with_a_configuration_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "host.toml"
    file.write_bytes(content)
    complaint = load_and_build(file, {})
    assert not complaint or str(file) in complaint

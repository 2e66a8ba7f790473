"""The host takes its configuration as a mapping, as a path, or from the current directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_framework_hosting import AgentFrameworkHost, NativeIdAllowlist
from agent_framework_hosting.cli.demo_agent import demo_agent

TABLE = '[channels.desk]\nuse = "echo"\npath = "/front"\nallowlist = { native_ids = ["1"] }\n'


@pytest.mark.requirement("config.mapping")
def test_a_mapping_a_path_and_the_current_directory_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mapping = {"channels": {"desk": {"use": "echo", "path": "/front", "allowlist": {"native_ids": ["1"]}}}}
    Path("host.toml").write_text(TABLE)
    Path("other.toml").write_text(TABLE)
    for config in (mapping, Path("other.toml"), None):
        host = AgentFrameworkHost(demo_agent(), channels=["desk"], config=config)
        (desk,) = host.channels
        assert (desk.name, desk.path, desk.allowlist) == ("desk", "/front", NativeIdAllowlist(["1"]))


@pytest.mark.requirement("config.environment")
def test_a_variable_reaches_a_channel_that_has_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_HOST_ECHO_PATH", "/elsewhere")
    (echo,) = AgentFrameworkHost(demo_agent(), channels=["echo"], config={}).channels
    assert echo.path == "/elsewhere"


def test_a_host_from_its_file_alone(tmp_path: Path) -> None:
    (tmp_path / "shop_app.py").write_text(
        "from agent_framework_hosting.cli.demo_agent import demo_agent\nagent = demo_agent()\n"
    )
    (tmp_path / "host.toml").write_text(f'target = "shop_app:agent"\nstate_dir = "kept"\n{TABLE}')
    host = AgentFrameworkHost.from_config(tmp_path / "host.toml")
    assert [channel.name for channel in host.channels] == ["desk"]
    assert not (tmp_path / "kept").exists()

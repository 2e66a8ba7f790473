"""``agent-host teams manifest`` makes a package that Teams takes."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent_framework_hosting.cli.main import main

APP_ID = "22222222-0000-0000-0000-000000000002"


@pytest.fixture
def run_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["teams", "manifest", *arguments])

    return run


def test_the_command_is_listed_without_being_imported() -> None:
    assert "teams " in CliRunner().invoke(main, ["--help"]).output


def test_the_package_holds_a_manifest_and_two_icons(run_in, tmp_path: Path) -> None:
    (tmp_path / "host.toml").write_text(f'[channels.teams]\napp_id = "{APP_ID}"\n')
    assert run_in("--name", "Ada", "--website", "https://ada.example").exit_code == 0
    with zipfile.ZipFile(tmp_path / "teams-app.zip") as package:
        manifest = json.loads(package.read("manifest.json"))
        sizes = {name: struct.unpack(">II", package.read(name)[16:24]) for name in ("color.png", "outline.png")}
    assert sizes == {"color.png": (192, 192), "outline.png": (32, 32)}
    assert manifest["bots"][0]["botId"] == manifest["id"] == APP_ID
    assert manifest["bots"][0]["supportsFiles"] is True
    assert manifest["name"]["short"] == "Ada"
    assert "authorization" not in manifest


def test_consent_to_hear_everything_and_sign_in_are_asked_for(run_in, tmp_path: Path) -> None:
    run_in("--app-id", APP_ID, "--hear-everything", "--sign-in-host", "bot.example", "--scope", "team")
    with zipfile.ZipFile(tmp_path / "teams-app.zip") as package:
        manifest = json.loads(package.read("manifest.json"))
    names = [each["name"] for each in manifest["authorization"]["permissions"]["resourceSpecific"]]
    assert names == ["ChannelMessage.Read.Group", "ChatMessage.Read.Chat"]
    assert manifest["webApplicationInfo"]["resource"] == f"api://bot.example/botid-{APP_ID}"
    assert manifest["bots"][0]["scopes"] == ["team"]


def test_two_packages_of_one_app_are_the_same(run_in, tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        run_in("--app-id", APP_ID, "--output", name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[channels.teams]\n",
        '[channels.teams]\napp_id = "env:APP_ID"\n',
        "channels = 1\n",
        "=",
        "channels.teams = 1\n",
    ],
)
def test_without_an_app_id_it_says_how_to_give_one(run_in, tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "host.toml").write_text(text)
    result = run_in()
    assert result.exit_code == 2
    assert "--app-id" in result.output
    assert not (tmp_path / "teams-app.zip").exists()

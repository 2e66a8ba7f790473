"""The package that puts the bot into Teams: a manifest and two icons in a zip. Pure."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from .icons import color_icon, outline_icon

SCHEMA = "https://developer.microsoft.com/json-schemas/teams/v1.19/MicrosoftTeams.schema.json"
SCOPES = ("personal", "groupChat", "team")
_WHEN = (2026, 1, 1, 0, 0, 0)  # the same package every time


@dataclass(frozen=True, slots=True)
class AppDescription:
    """What people see of the app. ``website`` and what stands below it must be yours."""

    app_id: str
    name: str = "Assistant"
    description: str = "Ask me anything."
    developer: str = "Your organisation"
    website: str = "https://example.com"
    version: str = "1.0.0"
    accent: str = "#4F52B2"
    scopes: Sequence[str] = SCOPES
    hears_everything: bool = False
    sign_in_host: str | None = None


def manifest_of(app: AppDescription) -> dict[str, object]:
    """Return the manifest. ``hears_everything`` asks for consent to read messages that do not mention the bot."""
    commands = [
        {"title": "help", "description": "Show what I can do"},
        {"title": "new", "description": "Start our conversation afresh"},
        {"title": "stop", "description": "Stop what I am working on"},
    ]
    bot = {
        "botId": app.app_id,
        "scopes": list(app.scopes),
        "supportsFiles": "personal" in app.scopes,
        "isNotificationOnly": False,
        "commandLists": [{"scopes": list(app.scopes), "commands": commands}],
    }
    manifest: dict[str, object] = {
        "$schema": SCHEMA,
        "manifestVersion": "1.19",
        "version": app.version,
        "id": _package_id(app.app_id),
        "developer": {
            "name": app.developer[:32],
            "websiteUrl": app.website,
            "privacyUrl": f"{app.website.rstrip('/')}/privacy",
            "termsOfUseUrl": f"{app.website.rstrip('/')}/terms",
        },
        "icons": {"color": "color.png", "outline": "outline.png"},
        "name": {"short": app.name[:30], "full": app.name[:100]},
        "description": {"short": app.description[:80], "full": app.description[:4000]},
        "accentColor": app.accent,
        "bots": [bot],
        "permissions": ["identity", "messageTeamMembers"],
        "validDomains": ["token.botframework.com"] if app.sign_in_host else [],
    }
    if app.hears_everything:
        reads = ("ChannelMessage.Read.Group", "ChatMessage.Read.Chat")
        granted = [{"name": name, "type": "Application"} for name in reads]
        manifest["authorization"] = {"permissions": {"resourceSpecific": granted}}
    if app.hears_everything or app.sign_in_host:
        resource = f"api://{app.sign_in_host or ''}/botid-{app.app_id}" if app.sign_in_host else f"api://{app.app_id}"
        manifest["webApplicationInfo"] = {"id": app.app_id, "resource": resource}
    return manifest


def package_of(app: AppDescription) -> bytes:
    """Return the zip to upload to Teams."""
    files = {
        "manifest.json": json.dumps(manifest_of(app), indent=2).encode(),
        "color.png": color_icon(app.accent),
        "outline.png": outline_icon(),
    }
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in files.items():
            package.writestr(zipfile.ZipInfo(name, _WHEN), data)
    return held.getvalue()


def _package_id(app_id: str) -> str:
    """Return the app's own id, which must be a GUID: the bot's id where it is one."""
    try:
        return str(uuid.UUID(app_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"teams:{app_id}"))

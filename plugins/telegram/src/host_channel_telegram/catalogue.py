"""The list of commands that Telegram's clients show: per scope, per language, published when it changed."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from agent_framework_hosting import ChannelCommand, RecordCodec, Records, Store, Table

from .client import Bot
from .faults import TelegramError

logger = logging.getLogger(__name__)

MOST_COMMANDS = 60
SCOPES = ("all_private_chats", "all_group_chats")
PRIVATE_ONLY = frozenset({"link", "unlink", "start"})

TRANSLATIONS: Mapping[str, Mapping[str, str]] = {
    "de": {
        "new": "Ein neues Gespräch beginnen",
        "stop": "Die laufende Antwort abbrechen",
        "help": "Zeigen, was ich kann",
        "whoami": "Zeigen, als wen ich dich kenne",
        "link": "Dieses Konto mit einem anderen verbinden",
        "unlink": "Die Verbindung dieses Kontos lösen",
    },
    "es": {
        "new": "Empezar una conversación nueva",
        "stop": "Detener la respuesta en curso",
        "help": "Mostrar lo que sé hacer",
        "whoami": "Mostrar quién eres para mí",
        "link": "Vincular esta cuenta con otra tuya",
        "unlink": "Deshacer el vínculo de esta cuenta",
    },
    "fr": {
        "new": "Commencer une nouvelle conversation",
        "stop": "Arrêter la réponse en cours",
        "help": "Montrer ce que je sais faire",
        "whoami": "Montrer qui vous êtes pour moi",
        "link": "Lier ce compte à un autre des vôtres",
        "unlink": "Défaire le lien de ce compte",
    },
}

_NAME = re.compile(r"[a-z0-9_]{1,32}")
_KEY = "published"


@dataclass(frozen=True, slots=True)
class Published:
    """The digest of the list that was published last."""

    digest: str


CATALOGUE = Table(
    "catalogue",
    RecordCodec("telegram.catalogue", 1, Published, {0: lambda fields: {"digest": fields["text"]}}),
    unreadable="drop",
    holds="which list of commands was published last",
)


class Catalogue:
    """Publish commands; a failure is a warning, never a failed start."""

    def __init__(self, bot: Bot, store: Store, translations: Mapping[str, Mapping[str, str]]) -> None:
        self._bot = bot
        self._store = store
        self._published = Records(store, CATALOGUE)
        self._translations = translations

    async def publish(self, commands: Sequence[ChannelCommand]) -> None:
        """Publish the list, unless the same one was published before."""
        lists = calls_for(commands, merged_translations(self._translations))
        listed = Published(hashlib.blake2b(msgspec.json.encode(lists), digest_size=12).hexdigest())
        if await self._published.get(_KEY) == listed:
            return
        try:
            for params in lists:
                await self._bot.ask("setMyCommands", params)
        except TelegramError as error:
            logger.warning("The command list could not be published: %s", error)
            return
        await self._store.commit([self._published.put(_KEY, listed)])


def calls_for(
    commands: Sequence[ChannelCommand], translations: Mapping[str, Mapping[str, str]]
) -> list[dict[str, object]]:
    """Return the parameters of each call: every scope in the default language and in each translation."""
    valid = [command for command in commands if _NAME.fullmatch(command.name)][:MOST_COMMANDS]
    calls: list[dict[str, object]] = []
    for scope in SCOPES:
        offered = [each for each in valid if scope == "all_private_chats" or each.name not in PRIVATE_ONLY]
        for language, texts in _with_default(translations).items():
            listed = [
                {"command": each.name, "description": (texts.get(each.name) or each.description or each.name)[:256]}
                for each in offered
            ]
            named = {"language_code": language} if language else {}
            calls.append({"commands": listed, "scope": {"type": scope}, **named})
    return calls


def _with_default(translations: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]]:
    return {"": {}, **translations}


def merged_translations(given: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """Return the translations of the built-in commands with the operator's own over them."""
    languages = dict.fromkeys([*TRANSLATIONS, *given])
    return {language: {**TRANSLATIONS.get(language, {}), **given.get(language, {})} for language in languages}

"""One link on its way: offered by one side, claimed by the other, confirmed by the first. Pure.

    offer ──claim──> claimed ──answer──> Confirmed
      │                 │ └──answer (wrong)──> claimed, until too many
      └── time ── Refusal.GONE ──┘

Only the asker's own answer, with the number shown to the asker for this very claim, confirms.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from enum import Enum

from ..model.verdict import LinkParty

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH = 10
WRONG_ANSWERS = 3


class Refusal(Enum):
    """Why a step is not taken. ``GONE`` is never told apart from a code that never was."""

    GONE = "gone"
    OWN_CODE = "own_code"
    NOTHING_TO_CONFIRM = "nothing_to_confirm"
    WRONG_NUMBER = "wrong_number"


@dataclass(frozen=True, slots=True)
class PendingLink:
    """What ``asker`` offered; ``claimant`` is who entered the code, ``number`` what the asker confirms them with.

    ``expires_at`` is in seconds since 1970. The code itself is never kept.
    """

    asker: LinkParty
    code_hash: str
    expires_at: float
    claimant: LinkParty | None = None
    number: str | None = None
    wrong_answers: int = 0


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Both sides have proven themselves."""

    asker: LinkParty
    claimant: LinkParty


def new_code() -> str:
    """Return a code for people to type: 10 of 30 letters and digits that cannot be misread."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    return f"{letters[:5]}-{letters[5:]}"


def new_number() -> str:
    """Return a number of four digits for the asker to confirm with."""
    return f"{secrets.randbelow(10_000):04d}"


def hash_code(code: str) -> str:
    """Return what is kept of a code, however it was typed: capitals, spaces and dashes make no difference."""
    typed = "".join(letter for letter in code.upper() if letter.isalnum())
    return hashlib.sha256(f"agent-host link code\0{typed}".encode("utf-8", "replace")).hexdigest()


def offer(asker: LinkParty, code: str, *, now: float, lifetime: float) -> PendingLink:
    """Begin a link: whoever enters ``code`` in time may ask the asker to confirm."""
    return PendingLink(asker, hash_code(code), now + lifetime)


def claim(link: PendingLink, claimant: LinkParty, number: str, *, now: float) -> PendingLink | Refusal:
    """Enter the code: the first who does is the only one."""
    if now >= link.expires_at or link.claimant is not None:
        return Refusal.GONE
    if _same(claimant, link.asker):
        return Refusal.OWN_CODE
    return replace(link, claimant=claimant, number=number)


def answer(link: PendingLink, by: LinkParty, number: str, *, now: float) -> Confirmed | PendingLink | Refusal:
    """Confirm: by the asker, with the number of the claim shown to them.

    A wrong number returns the link with one more wrong answer, and ``Refusal.WRONG_NUMBER`` once there were too many:
    the link is over then.
    """
    if not _same(by, link.asker) or now >= link.expires_at:
        return Refusal.GONE
    if link.claimant is None or link.number is None:
        return Refusal.NOTHING_TO_CONFIRM
    if secrets.compare_digest(link.number.encode(), number.encode("utf-8", "replace")):
        return Confirmed(link.asker, link.claimant)
    if link.wrong_answers + 1 >= WRONG_ANSWERS:
        return Refusal.WRONG_NUMBER
    return replace(link, wrong_answers=link.wrong_answers + 1)


def _same(one: LinkParty, other: LinkParty) -> bool:
    return (one.identity.channel, one.identity.native_id) == (other.identity.channel, other.identity.native_id)

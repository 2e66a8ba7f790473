"""What people read while they link. Names from a platform are untrusted: one line, shortened, quoted."""

from __future__ import annotations

from ..model.identity import ChannelIdentity
from ..model.verdict import LinkParty

PRIVATE_ONLY = "Please ask me that in a private chat."
NO_IDENTITY = "I cannot tell who you are here, so there is nothing to link."
INVALID_CODE = (
    "That code is not valid. Codes work once and for a few minutes; type /link on your other account for one."
)
OWN_CODE = "That is this account's own code. Type it on the other account."
ALREADY_LINKED = "This account is linked already. Type /unlink first."
NOTHING_TO_CONFIRM = "There is nothing to confirm here."
WRONG_NUMBER = "That is not the number I asked for. Please look again."
TOO_MANY_WRONG_NUMBERS = "That was the wrong number too often, so the link is off. Type /link to begin again."
DECLINED = "The link is off. Nothing was shared."
TAKEN_MEANWHILE = "The link could not be made: the other account is linked already."
DECLINED_BY_ASKER = "The other account did not confirm the link."
CANCELLED_BY_CLAIMANT = "The account that used your code cancelled the link."
UNLINKED = "This account is on its own again."
NOT_LINKED = "This account is not linked."
LINK_FIRST = (
    "Please link your account first: on an account that I know already, type /link in a private chat with me. Then "
    "type /link here, followed by the code."
)


def minutes(seconds: float) -> str:
    """Return a duration in whole minutes, at least one."""
    count = max(1, round(seconds / 60))
    return f"{count} minute{'' if count == 1 else 's'}"


def offered(code: str, lifetime: float) -> str:
    """Show a code to the person who asked for it."""
    return (
        f"Your code is {code}. Type /link {code} in a private chat with me on the other account, within "
        f"{minutes(lifetime)}. I will then ask you here to confirm. Give the code to nobody."
    )


def question(claimant: LinkParty, number: str) -> str:
    """Ask the asker whether the claimant is theirs."""
    return (
        f"{name_of(claimant.identity)} used your code and wants to be linked with this account. If that is you, type "
        f"/link confirm {number}. If it is not, type /link deny: otherwise they will share your conversation."
    )


def asked(asker: LinkParty, *, reached: bool) -> str:
    """Tell the claimant who is asked, and what it means."""
    who_is = name_of(asker.identity)
    how = (
        f"I have asked {who_is} to confirm." if reached else f"Please type /link on {who_is}, to see my question there."
    )
    return (
        f"{how} Once it does, both accounts share one conversation. If that is not your own account, type "
        "/link cancel now."
    )


def linked_with(other: ChannelIdentity) -> str:
    """Tell one side that the link is made."""
    return f"This account is now linked with {name_of(other)}: both share one conversation. Type /unlink to end that."


def locked_out(seconds: float) -> str:
    """Tell somebody to wait."""
    return f"That was too often. Please try again in {minutes(seconds)}."


def who(identity: ChannelIdentity, others: tuple[ChannelIdentity, ...]) -> str:
    """Tell a person as whom the host knows them."""
    linked = f" It is linked with {', '.join(map(name_of, others))}." if others else " It is linked with no other."
    return f"You are {name_of(identity)}.{linked}"


def name_of(identity: ChannelIdentity) -> str:
    """Return how an identity is called: channel and id, with the name the platform shows when there is one."""
    shown = next(
        (
            value
            for key in ("display_name", "username", "name")
            if isinstance(value := identity.attributes.get(key), str) and value.strip()
        ),
        None,
    )
    called = f'"{_plain(shown)}" ({_plain(identity.native_id)})' if shown else _plain(identity.native_id)
    return f"{identity.channel} account {called}"


def _plain(text: str) -> str:
    printable = "".join(letter if letter.isprintable() and letter != '"' else " " for letter in text)
    joined = " ".join(printable.split())
    return joined if len(joined) <= 48 else f"{joined[:47]}…"

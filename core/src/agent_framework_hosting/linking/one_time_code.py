"""Link two accounts with a code: shown on one, typed on the other, confirmed on the first."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence

from ..errors import HostConfigurationError
from ..model.command import ChannelCommand, ChannelCommandContext
from ..model.identity import ChannelIdentity, shortened
from ..model.request import ChannelRequest
from ..model.verdict import LinkChallenge, LinkedIdentity, LinkParty, LinkResolution
from ..ports import Store
from . import texts
from .guesses import Guesses
from .pending import Confirmed, PendingLink, Refusal, answer, claim, hash_code, new_code, new_number, offer
from .pending_links import PendingLinks
from .ports import LinkDirectory, LinkNotice
from .records import record_key

logger = logging.getLogger("agent_framework_hosting.linking")

_CONFIRM = frozenset({"confirm", "yes"})
_END = frozenset({"deny", "no", "cancel"})


class OneTimeCodeLinker:
    """Let people link their accounts themselves, with proof on both sides.

    ``/link`` in a private chat shows a code; ``/link CODE`` in a private chat on the other account asks the first to
    confirm; then both share one isolation key, with its session, history and addresses. ``/unlink`` ends that,
    ``/whoami`` tells.

    A code works once, for ``code_lifetime`` seconds, and is stored hashed. ``wrong_codes`` wrong ones, or as many
    codes asked for, within ``lockout`` seconds lock an account out for as long. A person's verified claims hold for
    their other accounts too, until the channel that verified them has not seen the person for ``claims_lifetime``
    seconds. ``join_claims`` names verified claims that identify a person for good (such as ``"oid"``, never one that
    is given to somebody else later): a new account showing the same value joins without a code.
    ``clock`` gives seconds since 1970.
    """

    def __init__(
        self,
        *,
        code_lifetime: float = 600.0,
        wrong_codes: int = 5,
        lockout: float = 900.0,
        join_claims: Sequence[str] = (),
        claims_lifetime: float = 30 * 86_400.0,
        pending_limit: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if isinstance(join_claims, str):
            raise TypeError(f"join_claims takes a list of names; write [{join_claims!r}].")
        self._code_lifetime = code_lifetime
        self._claims_lifetime = claims_lifetime
        self._pending_limit = pending_limit
        self._join_claims = tuple(join_claims)
        self._clock = clock
        self._wrong_codes = Guesses(wrong_codes, window=lockout, lockout=lockout, clock=clock)
        self._offers = Guesses(wrong_codes, window=lockout, lockout=lockout, clock=clock)
        self._host: tuple[LinkDirectory, PendingLinks, LinkNotice] | None = None
        self._commands = (
            ChannelCommand("link", "Link this account with another one of yours", self._link),
            ChannelCommand("unlink", "End the link of this account", self._unlink),
            ChannelCommand("whoami", "Show as whom I know you", self._whoami),
        )

    # What the host calls

    @property
    def join_claims(self) -> Sequence[str]:
        """Names of the claims by which a new identity joins a person silently."""
        return self._join_claims

    @property
    def commands(self) -> Sequence[ChannelCommand]:
        """``link``, ``unlink`` and ``whoami``."""
        return self._commands

    def connect(self, directory: LinkDirectory, store: Store, notify: LinkNotice, /) -> None:
        """Take what the host offers. ``notify`` sends a text to one identity."""
        self._host = (directory, PendingLinks(store, self._pending_limit), notify)

    async def load(self) -> None:
        """Read the links under way, dropping those whose time is over."""
        await self._pending.load(self._clock())

    async def forget(self, identities: Sequence[ChannelIdentity], /) -> None:
        """Drop the links under way on either side of which one of these identities is."""
        for key in map(record_key, identities):
            await self._pending.drop_of(key)
            self._wrong_codes.clear(key)
            self._offers.clear(key)

    async def resolve(self, identity: ChannelIdentity, /) -> LinkResolution:
        """Return the linked person with the claims known of them, or how to link."""
        person = self._directory.person_of(identity)
        if person is None:
            return LinkChallenge(secrets.token_urlsafe(9), message=texts.LINK_FIRST)
        claims = self._directory.claims_of(person)
        if claims is None or self._clock() - claims[1] > self._claims_lifetime:
            return LinkedIdentity(person)
        return LinkedIdentity(person, claims[0])

    # The commands

    async def _link(self, context: ChannelCommandContext) -> None:
        party = _private(context.request)
        if party is None:
            await context.reply(_refused(context.request))
            return
        match _words(context.request, "link"):
            case []:
                text = await self._offer(party)
            case [word, *rest] if word.lower() in _CONFIRM:
                text = await self._confirm(party, "".join(rest))
            case [word] if word.lower() in _END:
                text = await self._end(party)
            case words:
                text = await self._claim(party, "".join(words))
        await context.reply(text)

    async def _unlink(self, context: ChannelCommandContext) -> None:
        party = _private(context.request)
        if party is None:
            await context.reply(_refused(context.request))
            return
        left = await self._directory.unlink(party.identity)
        if left:
            _log("unlinked", party)
        await context.reply(texts.UNLINKED if left else texts.NOT_LINKED)

    async def _whoami(self, context: ChannelCommandContext) -> None:
        party = _private(context.request)
        if party is None:
            await context.reply(_refused(context.request))
            return
        person = self._directory.person_of(party.identity)
        members = () if person is None else self._directory.members(person)
        key = record_key(party.identity)
        await context.reply(texts.who(party.identity, tuple(each for each in members if record_key(each) != key)))

    # The steps

    async def _offer(self, asker: LinkParty) -> str:
        """Show a new code, or, when somebody used the last one already, the question that is open."""
        key, now = record_key(asker.identity), self._clock()
        await self._pending.drop_expired(now)
        link = self._pending.get(key)
        if link is not None and link.claimant is not None and link.number is not None:
            return texts.question(link.claimant, link.number)
        wait = self._offers.locked_for(key)
        if wait or (link is None and self._pending.is_full):
            return texts.locked_out(wait or self._code_lifetime)
        self._offers.count(key)
        code = new_code()
        await self._pending.put(key, offer(asker, code, now=now, lifetime=self._code_lifetime))
        _log("code shown", asker)
        return texts.offered(code, self._code_lifetime)

    async def _claim(self, claimant: LinkParty, code: str) -> str:
        """Use a code: whoever is second, late or guessing reads the same."""
        me = record_key(claimant.identity)
        if wait := self._wrong_codes.locked_for(me):
            return texts.locked_out(wait)
        key, link = self._pending.find(hash_code(code))
        step = Refusal.GONE if link is None else claim(link, claimant, new_number(), now=self._clock())
        if step is Refusal.OWN_CODE:
            return texts.OWN_CODE
        if not isinstance(step, PendingLink):
            self._wrong_codes.count(me)
            _log("wrong code", claimant)
            return texts.INVALID_CODE
        if self._directory.person_of(claimant.identity) is not None:
            return texts.ALREADY_LINKED
        await self._pending.put(key, step)
        _log("code used", claimant)
        reached = await self._notify(step.asker.identity, texts.question(claimant, step.number or ""))
        return texts.asked(step.asker, reached=reached)

    async def _confirm(self, asker: LinkParty, number: str) -> str:
        key = record_key(asker.identity)
        link = self._pending.get(key)
        step = Refusal.GONE if link is None else answer(link, asker, number, now=self._clock())
        if isinstance(step, PendingLink):
            await self._pending.put(key, step)
            return texts.WRONG_NUMBER
        if isinstance(step, Confirmed):
            return await self._made(key, step)
        if step is Refusal.WRONG_NUMBER:
            await self._pending.drop([key])
            return texts.TOO_MANY_WRONG_NUMBERS
        return texts.NOTHING_TO_CONFIRM

    async def _made(self, key: str, confirmed: Confirmed) -> str:
        """Link both sides and use up the code, in one transaction."""
        async with self._pending.using_up(key) as used_up:
            person = await self._directory.link(confirmed.asker, confirmed.claimant, also=used_up)
        if person is None:
            await self._pending.drop([key])
            return texts.TAKEN_MEANWHILE
        _log("linked", confirmed.asker)
        self._offers.clear(key)
        await self._notify(confirmed.claimant.identity, texts.linked_with(confirmed.asker.identity))
        return texts.linked_with(confirmed.claimant.identity)

    async def _end(self, party: LinkParty) -> str:
        """Drop what this side offered, and what it claimed."""
        me = record_key(party.identity)
        ended = self._pending.of(me)
        await self._pending.drop([record_key(link.asker.identity) for link in ended])
        for link in ended:
            if record_key(link.asker.identity) != me:
                await self._notify(link.asker.identity, texts.CANCELLED_BY_CLAIMANT)
            elif link.claimant is not None:
                await self._notify(link.claimant.identity, texts.DECLINED_BY_ASKER)
        return texts.DECLINED if ended else texts.NOTHING_TO_CONFIRM

    async def _notify(self, identity: ChannelIdentity, text: str) -> bool:
        _, _, notify = self._connected()
        try:
            await notify(identity, text)
        except Exception:
            logger.exception("A notice about a link could not be sent", extra={"channel": identity.channel})
            return False
        return True

    @property
    def _directory(self) -> LinkDirectory:
        return self._connected()[0]

    @property
    def _pending(self) -> PendingLinks:
        return self._connected()[1]

    def _connected(self) -> tuple[LinkDirectory, PendingLinks, LinkNotice]:
        if self._host is None:
            raise HostConfigurationError("This OneTimeCodeLinker belongs to no host; pass it as identity_linker.")
        return self._host


def _private(request: ChannelRequest) -> LinkParty | None:
    if request.is_group or request.identity is None:
        return None
    return LinkParty(request.identity, request.conversation_id)


def _refused(request: ChannelRequest) -> str:
    return texts.PRIVATE_ONLY if request.is_group else texts.NO_IDENTITY


def _words(request: ChannelRequest, command: str) -> list[str]:
    """Return what follows the command, whether or not the channel left its name in the text."""
    words = request.input.split() if isinstance(request.input, str) else []
    named = bool(words) and words[0].startswith("/") and words[0][1:].partition("@")[0].lower() == command
    return words[1:] if named else words


def _log(step: str, party: LinkParty) -> None:
    who = shortened(party.identity)
    logger.info("link: %s", step, extra={"channel": party.identity.channel, "identity": who, "step": step})

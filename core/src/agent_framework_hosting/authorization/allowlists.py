"""The built-in allowlists. Each votes ALLOW, DENY or ABSTAIN; an empty one is nobody."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from ..model.verdict import AllowlistDecision, AuthorizationContext, ClaimValue
from ..ports import IdentityAllowlist

logger = logging.getLogger("agent_framework_hosting.authorization")

ALLOW, DENY, ABSTAIN = AllowlistDecision.ALLOW, AllowlistDecision.DENY, AllowlistDecision.ABSTAIN

ClaimScalar: TypeAlias = str | int | float | bool
AllowlistVote: TypeAlias = AllowlistDecision | bool | None
AllowlistFunction: TypeAlias = Callable[[AuthorizationContext], AllowlistVote | Awaitable[AllowlistVote]]
IdLoader: TypeAlias = Callable[[], Awaitable[Iterable[str | int]]]

RETRY_SECONDS = 5.0
LOAD_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class AllowAll:
    """Allow everyone: an open door that says so."""

    @property
    def requires_linked_claims(self) -> bool:
        """False: no claim is looked at."""
        return False

    async def evaluate(self, context: AuthorizationContext, /) -> AllowlistDecision:  # noqa: ARG002 - everyone
        """ALLOW."""
        return ALLOW


class LoadedIds:
    """Cache what an id loader returns for ``refresh_seconds``; however many ask at once, it is called once.

    A refresh that fails keeps the last good set and is tried again after a few seconds. Without any good set there
    is none (None), and whoever asks must refuse.
    """

    def __init__(self, loader: IdLoader, refresh_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        if not refresh_seconds >= 0:
            raise ValueError("refresh_seconds must be 0 or more.")
        self._loader = loader
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._ids: frozenset[str] | None = None
        self._fresh_until = float("-inf")
        self._loading: asyncio.Task[None] | None = None

    async def get(self) -> frozenset[str] | None:
        """Return the ids, loading them when they are due."""
        if self._clock() < self._fresh_until:
            return self._ids
        loading = self._loading
        if loading is None or loading.done() or loading.get_loop() is not asyncio.get_running_loop():
            loading = self._loading = asyncio.create_task(
                self._load(), name="allowlist refresh", context=contextvars.Context()
            )
        await asyncio.shield(loading)  # one caller that goes away must not take the list from the others
        return self._ids

    async def _load(self) -> None:
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                self._ids = _id_set(await self._loader())
        except Exception:
            kept = "everybody is refused until it succeeds" if self._ids is None else "the last good list stays"
            logger.exception("An allowlist could not be loaded; %s", kept)
            self._fresh_until = self._clock() + min(RETRY_SECONDS, self._refresh_seconds)
        else:
            self._fresh_until = self._clock() + self._refresh_seconds


@dataclass(frozen=True, init=False)
class NativeIdAllowlist:
    """Allow listed platform user ids and deny the others.

    ``native_ids`` is a collection of ids (whole numbers are taken as their text), or an async function returning
    one, which is asked again after ``refresh_seconds``; a refresh that fails keeps the last good list, and without
    one everybody is denied. With ``channel`` the list speaks for that channel only and abstains on the others.
    Raises ``TypeError`` for a bare string and for ids that are no strings.
    """

    native_ids: frozenset[str] | None
    channel: str | None
    loader: IdLoader | None
    _loaded: LoadedIds | None = field(repr=False, compare=False)

    def __init__(
        self,
        native_ids: Iterable[str | int] | IdLoader,
        *,
        channel: str | None = None,
        refresh_seconds: float = 300.0,
    ) -> None:
        loader = native_ids if callable(native_ids) else None
        fixed = None if callable(native_ids) else _id_set(native_ids)
        object.__setattr__(self, "native_ids", fixed)
        object.__setattr__(self, "channel", channel)
        object.__setattr__(self, "loader", loader)
        object.__setattr__(self, "_loaded", None if loader is None else LoadedIds(loader, refresh_seconds))

    @property
    def requires_linked_claims(self) -> bool:
        """False: a native id needs no link."""
        return False

    async def evaluate(self, context: AuthorizationContext, /) -> AllowlistDecision:
        """ALLOW a listed id, DENY any other; ABSTAIN on channels this list does not speak for."""
        if self.channel is not None and context.identity.channel != self.channel:
            return ABSTAIN
        ids = self.native_ids if self._loaded is None else await self._loaded.get()
        return ALLOW if ids is not None and context.identity.native_id in ids else DENY


@dataclass(frozen=True, init=False)
class LinkedClaimAllowlist:
    """Allow people whose verified ``claim`` has, or for a multi-valued claim contains, one of ``values``.

    Compares exactly: text is case-sensitive and ``True`` is not ``1``. Raises ``TypeError`` for a bare string.
    """

    claim: str
    values: frozenset[ClaimScalar]
    _accepted: frozenset[tuple[bool, ClaimScalar]] = field(repr=False, compare=False)

    def __init__(self, claim: str, values: Iterable[ClaimScalar]) -> None:
        if isinstance(values, str | bytes):
            raise TypeError(f"LinkedClaimAllowlist takes a list of values; write [{values!r}].")
        wanted = tuple(values)
        object.__setattr__(self, "claim", claim)
        object.__setattr__(self, "values", frozenset(wanted))
        object.__setattr__(self, "_accepted", frozenset((isinstance(value, bool), value) for value in wanted))

    @property
    def requires_linked_claims(self) -> bool:
        """True: only a linker, or a channel that verifies claims, can supply them."""
        return True

    async def evaluate(self, context: AuthorizationContext, /) -> AllowlistDecision:
        """ABSTAIN until claims are known, then ALLOW or DENY."""
        if context.phase == "pre_link":
            return ABSTAIN
        return ALLOW if any(map(self._accepts, _each(context.verified_claims.get(self.claim)))) else DENY

    def _accepts(self, value: object) -> bool:
        return isinstance(value, str | int | float) and (isinstance(value, bool), value) in self._accepted


def _each(value: ClaimValue) -> Iterable[object]:
    return value if isinstance(value, list | tuple) else (value,)


@dataclass(frozen=True, init=False)
class AnyOfAllowlists:
    """Allow when any member allows; deny when all deny; abstain otherwise."""

    members: tuple[IdentityAllowlist, ...]

    def __init__(self, *allowlists: IdentityAllowlist) -> None:
        object.__setattr__(self, "members", _members("AnyOfAllowlists", allowlists))

    @property
    def requires_linked_claims(self) -> bool:
        """Whether any member needs claims."""
        return any(member.requires_linked_claims for member in self.members)

    async def evaluate(self, context: AuthorizationContext, /) -> AllowlistDecision:
        """Ask the members in order until one allows."""
        verdict = DENY
        for member in self.members:
            vote = await vote_of(member, context)
            if vote is ALLOW:
                return ALLOW
            if vote is ABSTAIN:
                verdict = ABSTAIN
        return verdict


@dataclass(frozen=True, init=False)
class AllOfAllowlists:
    """Deny when any member denies; allow when all allow; abstain otherwise. Without members it denies."""

    members: tuple[IdentityAllowlist, ...]

    def __init__(self, *allowlists: IdentityAllowlist) -> None:
        object.__setattr__(self, "members", _members("AllOfAllowlists", allowlists))

    @property
    def requires_linked_claims(self) -> bool:
        """Whether any member needs claims."""
        return any(member.requires_linked_claims for member in self.members)

    async def evaluate(self, context: AuthorizationContext, /) -> AllowlistDecision:
        """Ask the members in order until one denies."""
        verdict = ALLOW if self.members else DENY
        for member in self.members:
            vote = await vote_of(member, context)
            if vote is DENY:
                return DENY
            if vote is ABSTAIN:
                verdict = ABSTAIN
        return verdict


@dataclass(frozen=True)
class CallableAllowlist:
    """Let a function decide, sync or async: True allows, False denies, None abstains, a decision stands as it is.

    Set ``requires_linked_claims`` when the function needs claims; it then abstains while ``context.phase`` is
    ``"pre_link"``. An exception, or any other answer, counts as DENY.
    """

    fn: AllowlistFunction
    requires_linked_claims: bool = field(default=False, kw_only=True)

    async def evaluate(self, context: AuthorizationContext, /) -> AllowlistDecision:
        """Return the function's vote. Raises ``TypeError`` for an answer that is none."""
        answer = self.fn(context)
        vote = await answer if inspect.isawaitable(answer) else answer
        if vote is None:
            return ABSTAIN
        if isinstance(vote, bool):
            return ALLOW if vote else DENY
        if isinstance(vote, AllowlistDecision):  # type: ignore[reportUnnecessaryIsInstance] - callers need not be typed
            return vote
        raise TypeError(f"The function of a CallableAllowlist returned {type(vote).__name__}, which is no vote.")


async def vote_of(allowlist: IdentityAllowlist, context: AuthorizationContext) -> AllowlistDecision:
    """Return an allowlist's vote; an exception, or an answer that is no vote, is logged and counts as DENY."""
    try:
        vote = await allowlist.evaluate(context)
    except Exception:
        logger.exception(
            "An allowlist failed, which counts as DENY",
            extra={"channel": context.identity.channel, "allowlist": type(allowlist).__name__},
        )
        return DENY
    if isinstance(vote, AllowlistDecision):  # type: ignore[reportUnnecessaryIsInstance] - allowlists need not be typed
        return vote
    logger.error(
        "An allowlist returned no AllowlistDecision, which counts as DENY",
        extra={"channel": context.identity.channel, "allowlist": type(allowlist).__name__},
    )
    return DENY


def _members(combinator: str, given: tuple[object, ...]) -> tuple[IdentityAllowlist, ...]:
    members: list[IdentityAllowlist] = []
    for member in given:
        if isinstance(member, type) or not isinstance(member, IdentityAllowlist):
            raise TypeError(f"{combinator} takes allowlists as separate arguments; {member!r} is none.")
        members.append(member)
    return tuple(members)


def _id_set(ids: Iterable[str | int]) -> frozenset[str]:
    """Return ids as a set of text. Raises ``TypeError`` for a bare string and for ids of another type."""
    if isinstance(ids, str | bytes):
        raise TypeError(f"native_ids takes a list of ids, and {type(ids).__name__} is one of letters; write [id].")
    return frozenset(map(_id_text, ids))


def _id_text(native_id: object) -> str:
    if isinstance(native_id, str) and native_id:
        return native_id
    if isinstance(native_id, int) and not isinstance(native_id, bool):
        return str(native_id)
    raise TypeError(f"native_ids holds a {type(native_id).__name__} that is no id; ids are strings that are not empty.")

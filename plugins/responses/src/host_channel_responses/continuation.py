"""What a request continues: its parent, the calls and questions it has to answer, the items it refers to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from agent_framework_hosting import ChannelSession

from .encoding import Json
from .errors import WireError, invalid, previous_not_found
from .parsing import TurnRequest
from .records import SHARED_SESSION, UNDER_WAY, Record, StoredResponses


class Continuation(msgspec.Struct, frozen=True):
    """A request in its place: resolved input, session, and the stored questions its approvals answer."""

    items: tuple[Json, ...]
    session: ChannelSession | None
    session_mode: Literal["auto", "disabled"]
    base: str | None
    approvals: dict[str, Json] = {}

    @property
    def kept_as(self) -> str | None:
        """The session key a child of this response continues from."""
        if self.session_mode == "disabled":
            return None
        return SHARED_SESSION if self.session is None else self.session.key


async def continuation_of(
    turn: TurnRequest,
    records: StoredResponses,
    *,
    principal: str,
    response_id: str,
    shared_session: bool,
    free_answers: bool,
) -> Continuation:
    """Look up what a request continues; raises ``WireError`` when its input does not fit there.

    With ``free_answers`` open calls may be left unanswered: a workflow takes words for an answer, or asks again.
    """
    parent = None if turn.previous_response_id is None else await _parent(turn.previous_response_id, records, principal)
    items, approvals = turn.items, dict[str, Json]()
    if parent is not None or not turn.only_messages:
        items = await _resolved(turn, records, principal)
        _check_calls(items, parent, free_answers=free_answers)
        approvals = _approvals(items, parent)
    if not items:
        raise invalid("input is empty.", "input", code="missing_required_parameter")
    if parent is None:
        if shared_session:
            return Continuation(items, None, "auto", SHARED_SESSION)
        # The key gives even a turn without a session a lane of its own.
        return Continuation(items, ChannelSession(key=response_id), "auto" if turn.store else "disabled", None)
    if parent.session == SHARED_SESSION:
        return Continuation(items, None, "auto", SHARED_SESSION, approvals)
    session = ChannelSession(key=response_id, parent=parent.session)
    return Continuation(items, session, "auto", parent.session, approvals)


async def _parent(response_id: str, records: StoredResponses, principal: str) -> Record:
    parent = await records.get(principal, response_id)
    if parent is None:
        raise previous_not_found()
    if parent.status in UNDER_WAY:
        raise invalid("The previous response is still in progress.", "previous_response_id")
    return parent


async def _resolved(turn: TurnRequest, records: StoredResponses, principal: str) -> tuple[Json, ...]:
    """Put stored items in the place of references; what the history already holds is not added again."""
    if all(item["type"] != "item_reference" for item in turn.items):
        return turn.items
    held = await _held_ids(turn.previous_response_id, records, principal)
    resolved: list[Json] = []
    for item in turn.items:
        if item["type"] != "item_reference":
            resolved.append(item)
            continue
        found = await records.find_item(principal, str(item["id"]))
        if found is None:
            raise WireError(404, "An item that input refers to was not found.", param="input")
        if found["id"] not in held:
            resolved.append(found)
    return tuple(resolved)


async def _held_ids(response_id: str | None, records: StoredResponses, principal: str) -> set[object]:
    """Return the ids of the items that the session of a response holds."""
    parent = None if response_id is None else await records.get(principal, response_id)
    if response_id is None or parent is None:
        return set()
    before = await records.history(principal, response_id) or []
    return {item["id"] for item in (*before, *parent.output())}


def _check_calls(items: Sequence[Json], parent: Record | None, *, free_answers: bool) -> None:
    """Every output answers a call, and every call of the client gets its output."""
    pending = set(() if parent is None else parent.calls)
    pending.update(str(item["call_id"]) for item in items if item["type"] == "function_call")
    answered: set[str] = set()
    for item in items:
        if item["type"] == "function_call_output":
            call_id = str(item["call_id"])
            if call_id not in pending:
                message = f"No tool call found for function call output with call_id {call_id}."
                raise WireError(400, message, param="input")
            answered.add(call_id)
    for call_id in () if free_answers else sorted(pending - answered):
        raise WireError(400, f"No tool output found for function call {call_id}.", param="input")


def _approvals(items: Sequence[Json], parent: Record | None) -> dict[str, Json]:
    stored = {} if parent is None else parent.approvals
    answered: dict[str, Json] = {}
    for item in items:
        if item["type"] != "mcp_approval_response":
            continue
        approval_id = str(item["approval_request_id"])
        if approval_id not in stored:
            raise unknown_approval(approval_id)
        if approval_id in answered:
            raise invalid(f"The approval request {approval_id} is answered twice.", "input")
        answered[approval_id] = stored[approval_id]
    return answered


def unknown_approval(approval_id: str) -> WireError:
    """Return the answer for a question that was never asked here, or is answered already."""
    return WireError(400, f"No open approval request found with id {approval_id}.", param="input")

"""One log line for every decision: who (shortened), where, what, why. Never a raw id, key or claim at INFO."""

from __future__ import annotations

import logging

from ..model.identity import ChannelIdentity, shortened
from ..model.verdict import Allowed, AuthorizationOutcome, Denied

logger = logging.getLogger("agent_framework_hosting.authorization")

_NAMES = {"Allowed": "allowed", "LinkRequired": "link_required", "Denied": "denied"}


def audit(channel: str, identity: ChannelIdentity | None, outcome: AuthorizationOutcome | None) -> None:
    """Log one decision; None stands for an anonymous speaker who may speak as nobody.

    Fields: channel, identity (shortened), outcome, reason_code, claim_source, phase (of the allowlist's last word).
    DEBUG adds what may help the operator and must not stay in ordinary logs: the native id and ``log_details``.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    name = "allowed" if outcome is None else _NAMES[type(outcome).__name__]
    reason = outcome.reason_code if isinstance(outcome, Denied) else None
    source = outcome.claim_source if isinstance(outcome, Allowed) else "none"
    who = "anonymous" if identity is None else shortened(identity)
    fields = {
        "channel": channel,
        "identity": who,
        "outcome": name,
        "reason_code": reason,
        "claim_source": source,
        "phase": "post_link" if source == "linker" or (reason or "").endswith("post_link") else "pre_link",
    }
    logger.info("authorize %s on %s: %s%s", who, channel, name, f" ({reason})" if reason else "", extra=fields)
    if logger.isEnabledFor(logging.DEBUG):
        details = dict(outcome.log_details) if isinstance(outcome, Denied) else {}
        native_id = None if identity is None else identity.native_id
        logger.debug(
            "authorize %s is %r on %s %s", who, native_id, channel, details, extra={"identity": who, "details": details}
        )

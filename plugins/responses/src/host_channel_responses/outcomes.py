"""What the host's outcomes look like to a client of this API."""

from __future__ import annotations

from agent_framework_hosting import Busy, Denied, Duplicate, Failed, LinkRequired

from .errors import NO_RETRY, WireError, previous_not_found


def from_outcome(outcome: Denied | LinkRequired | Busy | Failed | Duplicate) -> WireError:
    """Return the refusal an outcome without an answer stands for."""
    match outcome:
        case Denied():
            message = str(outcome.to_public_dict()["message"])
            return WireError(403, message, code="permission_denied")
        case LinkRequired():
            shown = outcome.to_public_dict()
            message = f"{shown['message']} {shown['url']}" if shown["url"] else str(shown["message"])
            return WireError(403, message, code="link_required")
        case Busy():
            message = str(outcome.to_public_dict()["message"])
            headers = {"retry-after": str(outcome.retry_after)}
            return WireError(429, message, code="rate_limit_exceeded", headers=headers)
        case Failed(code="unknown_parent"):
            return previous_not_found()
        case Failed():
            return _from_failure(outcome)
        case Duplicate():
            return WireError(400, "This request was answered before.", code="duplicate_request")


def _from_failure(failed: Failed) -> WireError:
    if failed.status_code == 503:  # nothing was started: the client may come back
        return WireError(503, failed.message, code="server_error", headers={"retry-after": "1"})
    if failed.status_code >= 500:
        return WireError(failed.status_code, failed.message, code="server_error", headers=NO_RETRY)
    return WireError(failed.status_code, failed.message, code=failed.code)

"""Every failure a client can see, in the API's own shape: ``{"error": {"message", "type", "param", "code"}}``."""

from __future__ import annotations

from collections.abc import Mapping

from .encoding import encode

AGENT_FAILED = "The agent failed. Please try again later."

# Clients repeat a POST after a 5xx by themselves; once the agent was started that would run it three times.
NO_RETRY: Mapping[str, str] = {"x-should-retry": "false"}


class WireError(Exception):
    """A refusal with its status, ``message`` (ours, safe to show), ``code``, ``param`` and extra headers."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Describe one refusal."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.headers = headers or {}

    @property
    def kind(self) -> str:
        """The ``type`` the API gives this status."""
        if self.status == 429:
            return "rate_limit_error"
        return "server_error" if self.status >= 500 else "invalid_request_error"

    def error(self) -> dict[str, object]:
        """Return the inner error object; all four keys are always there."""
        return {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}

    def body(self) -> bytes:
        """Return the HTTP body."""
        return encode({"error": self.error()})


def invalid(message: str, param: str | None = None, *, code: str | None = "invalid_value") -> WireError:
    """Return a 400 about one field."""
    return WireError(400, message, code=code, param=param)


def not_found(what: str, param: str | None = None) -> WireError:
    """Return the one answer for ids that are unknown and ids that are somebody else's."""
    return WireError(404, f"{what} not found.", param=param)


def previous_not_found() -> WireError:
    """Return the answer for a previous response that is unknown, foreign or gone."""
    return WireError(
        400,
        "The previous response was not found. Send the id of a stored response, or the whole conversation as input.",
        code="previous_response_not_found",
        param="previous_response_id",
    )


def agent_failed() -> WireError:
    """Return the answer for a run that raised; the client is told not to repeat it."""
    return WireError(500, AGENT_FAILED, code="server_error", headers=NO_RETRY)

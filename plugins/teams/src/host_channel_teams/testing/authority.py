"""The two issuers: Bot Framework, which signs what comes in, and Entra, which hands out the bot's tokens."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Mapping, Sequence

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER = "https://api.botframework.com"


class SigningPair:
    """One RSA key with its id and endorsements."""

    def __init__(self, endorsements: Sequence[str] | None = ("msteams",), kid: str | None = None) -> None:
        self.kid = kid or secrets.token_hex(8)
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.endorsements = endorsements

    def jwk(self) -> dict[str, object]:
        """Return the public half."""
        numbers = self.private.public_key().public_numbers()
        found: dict[str, object] = {
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": _encoded(numbers.n),
            "e": _encoded(numbers.e),
        }
        return found if self.endorsements is None else {**found, "endorsements": list(self.endorsements)}

    def sign(self, claims: Mapping[str, object], headers: Mapping[str, object] | None = None) -> str:
        """Return a token."""
        return jwt.encode(dict(claims), self.private, algorithm="RS256", headers={"kid": self.kid, **(headers or {})})


def claims_for(app_id: str, service_url: str, **changes: object) -> dict[str, object]:
    """Return what Bot Framework puts into a token; a change to None takes a claim out."""
    now = int(time.time())
    claims: dict[str, object] = {
        "iss": ISSUER,
        "aud": app_id,
        "nbf": now - 10,
        "exp": now + 3600,
        "serviceurl": service_url,
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


class TokenDesk:
    """Hand out the bot's tokens, and know them again."""

    def __init__(self, app_id: str, secret: str) -> None:
        self.app_id = app_id
        self.secret = secret
        self.issued: list[str] = []
        self.revoked: set[str] = set()
        self.asked: list[Mapping[str, str]] = []
        self.lifetime_seconds = 3600

    def issue(self, form: Mapping[str, str]) -> tuple[int, dict[str, object]]:
        """Answer one request for client credentials."""
        self.asked.append(dict(form))
        wrong = (
            form.get("grant_type") != "client_credentials"
            or form.get("client_id") != self.app_id
            or form.get("scope") != f"{ISSUER}/.default"
            or not (form.get("client_secret") == self.secret or form.get("client_assertion"))
        )
        if wrong:
            return 401, {"error": "invalid_client", "error_description": "The secret is wrong."}
        token = f"connector-{secrets.token_urlsafe(12)}"
        self.issued.append(token)
        return 200, {"token_type": "Bearer", "expires_in": self.lifetime_seconds, "access_token": token}

    def knows(self, authorization: str) -> bool:
        """Say whether a header carries a good token."""
        token = authorization.removeprefix("Bearer ")
        return token in self.issued and token not in self.revoked


def _encoded(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

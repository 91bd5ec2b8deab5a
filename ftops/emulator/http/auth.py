"""Authentication: keys and tokens.

A caller has the account's key, or a token for the owner or another principal. A token is a JSON Web Token
signed with the key. It expires in real time, because clients compare its expiry with the real clock.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftops.emulator.account.settings import Settings
from ftops.emulator.account.storage import replace_text
from ftops.emulator.http.errors import DATA_PLANES, Plane, ServiceError

TOKEN_SECONDS = 3600
OWNER = "emulator"
ISSUER = "https://token.actions.emulator.invalid"
_RESOURCE, _PROJECT = "https://cognitiveservices.azure.com", "https://ai.azure.com"
_DATA_AUDIENCES = (_RESOURCE, _PROJECT)
_AUDIENCES = {
    **dict.fromkeys(DATA_PLANES, _DATA_AUDIENCES),
    Plane.ARM: ("https://management.azure.com", "https://management.core.windows.net"),
}
_HEADER = {"alg": "HS256", "typ": "JWT"}


def stored_key(path: Path, new: str | None) -> str:
    """The key in ``path``; created once, or replaced by ``new``."""
    if new is None and path.exists():
        return path.read_text("ascii").strip()
    key = new or secrets.token_hex(16)
    replace_text(path, key + "\n")
    return key


class Credentials:
    """Issues tokens, and checks the key or token of a request."""

    def __init__(self, key: str) -> None:
        self.key = key

    def token(self, resource: str, principal: str = OWNER) -> dict[str, str]:
        """A new token in the format of the managed-identity endpoint (2019-08-01)."""
        expires = int(time.time()) + TOKEN_SECONDS
        return {
            "access_token": self._signed({"aud": resource, "oid": principal, "iss": "emulator"}, expires),
            "expires_on": str(expires),
            "resource": resource,
            "token_type": "Bearer",
        }

    def assertion(self, subject: str, audience: str) -> str:
        """An OIDC token as CI runners get it."""
        claims = {"iss": ISSUER, "sub": subject, "aud": audience}
        return self._signed(claims, int(time.time()) + TOKEN_SECONDS)

    def subject(self, assertion: str, audience: str) -> str | None:
        """The subject of a valid assertion of our own issuer for ``audience``."""
        claims = self._claims(assertion) or {}
        is_valid = claims.get("iss") == ISSUER and claims.get("aud") == audience
        return str(claims["sub"]) if is_valid else None

    def knows_key(self, key: str | None) -> bool:
        return key is not None and hmac.compare_digest(key.encode(), self.key.encode())

    def check(
        self, plane: Plane, headers: Mapping[str, str], settings: Settings, *, in_project: bool = False
    ) -> str:
        """The caller: ``OWNER`` or a principal's id. Raises ServiceError."""
        scheme, _, value = headers.get("authorization", "").partition(" ")
        bearer = value.strip() if scheme.lower() == "bearer" else None
        claims = self._claims(bearer or "") or {}
        # No token is for the emulator's own endpoints: they take only the key.
        audiences: tuple[str, ...] = _AUDIENCES.get(plane, ())
        if audiences == _DATA_AUDIENCES and settings.audience == "own":
            audiences = (_PROJECT,) if in_project else (_RESOURCE,)
        if claims.get("oid") and str(claims.get("aud")).rstrip("/") in audiences:
            return str(claims["oid"])
        by_key = self.knows_key(bearer)
        if plane is not Plane.ARM:
            by_key = by_key or self.knows_key(headers.get("api-key"))
        if by_key and settings.disable_local_auth and plane in DATA_PLANES:
            raise _KEYS_DISABLED
        if not by_key:
            raise _refusal(plane, bearer, settings)
        return OWNER

    def _signed(self, claims: dict[str, str], expires: int) -> str:
        head = ".".join(_base64(json.dumps(part).encode()) for part in (_HEADER, {**claims, "exp": expires}))
        return f"{head}.{self._signature(head)}"

    def _signature(self, head: str) -> str:
        return _base64(hmac.new(self.key.encode(), head.encode(), hashlib.sha256).digest())

    def _claims(self, token: str) -> dict[str, Any] | None:
        """The claims of a token, if we signed it and it has not expired."""
        head, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(head).encode()):
            return None
        payload = head.partition(".")[2]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims if isinstance(claims, dict) and claims["exp"] > time.time() else None


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


_KEYS_DISABLED = ServiceError(
    403, "AuthenticationTypeDisabled", "Key based authentication is disabled for this resource."
)
WRONG_KEY = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key "
    "for an active subscription and use a correct regional API endpoint for your resource."
)


def _refusal(plane: Plane, bearer: str | None, settings: Settings) -> ServiceError:
    if plane is not Plane.ARM:
        own = settings.v1_unauthorized_message if plane is Plane.V1 else ""
        return ServiceError(401, "401", own or WRONG_KEY)
    challenge = {"www-authenticate": 'Bearer error="invalid_token"'}
    if bearer is None:
        missing = "Authentication failed. The 'Authorization' header is missing."
        return ServiceError(401, "AuthenticationFailed", missing, challenge)
    return ServiceError(401, "InvalidAuthenticationToken", "The access token is invalid.", challenge)

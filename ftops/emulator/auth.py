"""Who may call: the account's key, and tokens as a managed identity would get them.

A token is a JSON Web Token signed with the key; it expires in real time, because its holder
compares it with a real clock.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftops.emulator.errors import Plane, ServiceError

TOKEN_SECONDS = 3600
_HEADER = {"alg": "HS256", "typ": "JWT"}


def stored_key(path: Path, wanted: str | None) -> str:
    """The key in ``path``; made once, or replaced by ``wanted``. Only its owner may read it."""
    if wanted is None and path.exists():
        return path.read_text("ascii").strip()
    key = wanted or secrets.token_hex(16)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
    temporary.replace(path)
    return key


class Credentials:
    """Checks what a request carries."""

    def __init__(self, key: str) -> None:
        self.key = key

    def token(self, resource: str) -> dict[str, str]:
        """A fresh token in the form of the managed-identity endpoint (2019-08-01)."""
        expires = int(time.time()) + TOKEN_SECONDS
        claims = {"aud": resource, "exp": expires, "oid": "emulator", "iss": "emulator"}
        return {
            "access_token": self._signed(claims),
            "expires_on": str(expires),
            "resource": resource,
            "token_type": "Bearer",
        }

    def knows_key(self, given: str | None) -> bool:
        """Whether ``given`` is the account's key."""
        return given is not None and hmac.compare_digest(given.encode(), self.key.encode())

    def check(self, plane: Plane, headers: Mapping[str, str], local_auth: bool) -> None:
        """Raise what the plane answers to a caller without valid credentials."""
        bearer = _bearer(headers)
        by_token = bearer is not None and self._knows_token(bearer)
        by_key = self.knows_key(bearer) or self.knows_key(headers.get("api-key"))
        if plane is Plane.ARM:
            by_key = self.knows_key(bearer)
        if by_key and not by_token and not local_auth and plane in (Plane.DATED, Plane.V1):
            raise _KEYS_DISABLED
        if not by_token and not by_key:
            raise _refusal(plane, bearer)

    def _signed(self, claims: dict[str, Any]) -> str:
        head = f"{_encoded(_HEADER)}.{_encoded(claims)}"
        return f"{head}.{self._signature(head)}"

    def _signature(self, head: str) -> str:
        digest = hmac.new(self.key.encode(), head.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def _knows_token(self, token: str) -> bool:
        head, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(head).encode()):
            return False
        payload = head.partition(".")[2]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return bool(claims["exp"] > time.time())


def _encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _bearer(headers: Mapping[str, str]) -> str | None:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


_KEYS_DISABLED = ServiceError(
    403,
    "AuthenticationTypeDisabled",
    "Key based authentication is disabled for this resource.",
)


def _refusal(plane: Plane, bearer: str | None) -> ServiceError:
    if plane is not Plane.ARM:
        return ServiceError(
            401,
            "401",
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to "
            "provide a valid key for an active subscription and use a correct regional API "
            "endpoint for your resource.",
        )
    challenge = {"www-authenticate": 'Bearer error="invalid_token"'}
    if bearer is None:
        missing = "Authentication failed. The 'Authorization' header is missing."
        return ServiceError(401, "AuthenticationFailed", missing, challenge)
    return ServiceError(401, "InvalidAuthenticationToken", "The access token is invalid.", challenge)

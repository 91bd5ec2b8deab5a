"""Authentication: keys and tokens.

A caller has one of the account's two keys, or a token for the owner or another principal. A token is a JSON
Web Token. It expires in real time, because clients compare its expiry with the real clock.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ftops.emulator.account.settings import Settings
from ftops.emulator.account.storage import replace_text
from ftops.emulator.http.errors import DATA_PLANES, Plane, ServiceError

TOKEN_SECONDS = 3600
OWNER = "emulator"
ASSERTION_ISSUER = "https://token.actions.emulator.invalid"
_STS = "https://sts.emulator.invalid"
ARM_AUDIENCES = (
    "https://management.core.windows.net/", "https://management.core.windows.net",
    "https://management.azure.com/", "https://management.azure.com",
)  # fmt: skip
_RESOURCE, _PROJECT = "https://cognitiveservices.azure.com", "https://ai.azure.com"
_DATA_AUDIENCES = (_RESOURCE, _PROJECT)
_AUDIENCES = {
    **dict.fromkeys(DATA_PLANES, _DATA_AUDIENCES),
    Plane.ARM: tuple(name for name in ARM_AUDIENCES if not name.endswith("/")),
}
_HEADER = {"alg": "HS256", "typ": "JWT"}


class Credentials:
    """The keys of the account in ``folder``, and the tokens of its tenant."""

    def __init__(self, folder: Path, tenant: str, key: str | None = None) -> None:
        """``key`` replaces the first key, if given."""
        self.tenant = tenant
        self._paths = {"key1": folder / "key", "key2": folder / "key2"}
        self.keys = {name: _stored(path) for name, path in self._paths.items()}
        self._signing_key = _stored(folder / "signing-key")
        self.on_new_key: Callable[[], object] = lambda: None
        if key is not None:
            self._replace("key1", key)

    @property
    def key(self) -> str:
        """The first key, which the emulator announces."""
        return self.keys["key1"]

    def regenerate(self, name: str) -> None:
        """Replace the key with this name. Tokens stay valid."""
        self._replace(name, _new_key())
        self.on_new_key()

    def _replace(self, name: str, key: str) -> None:
        replace_text(self._paths[name], key + "\n")
        self.keys[name] = key

    def token(self, resource: str, principal: str = OWNER) -> dict[str, str]:
        """A new token in the format of the managed-identity endpoint (2019-08-01)."""
        claims = {
            "aud": resource,
            "iss": f"{_STS}/{self.tenant}/",
            "appid": principal,
            "idtyp": "app",
            "oid": principal,
            "sub": principal,
            "tid": self.tenant,
            "ver": "1.0",
        }
        signed, expires = self._signed(claims)
        return {
            "access_token": signed,
            "expires_on": str(expires),
            "resource": resource,
            "token_type": "Bearer",
        }

    def assertion(self, subject: str, audience: str) -> str:
        """An OIDC token as CI runners get it."""
        return self._signed({"iss": ASSERTION_ISSUER, "sub": subject, "aud": audience})[0]

    def subject(self, assertion: str, audience: str) -> str | None:
        """The subject of a valid assertion of our own issuer for ``audience``."""
        claims = self._claims(assertion) or {}
        is_valid = claims.get("iss") == ASSERTION_ISSUER and claims.get("aud") == audience
        return str(claims["sub"]) if is_valid else None

    def knows_key(self, key: str | None) -> bool:
        given = (key or "").encode()
        return any(hmac.compare_digest(given, known.encode()) for known in self.keys.values())

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
            raise _refusal(plane, bearer, settings, claims.get("aud"))
        return OWNER

    def _signed(self, claims: dict[str, str]) -> tuple[str, int]:
        """A token with these claims, and when it expires, in seconds since the epoch."""
        now = int(time.time())
        times = {"iat": now, "nbf": now, "exp": now + TOKEN_SECONDS}
        head = ".".join(_base64(json.dumps(part).encode()) for part in (_HEADER, {**claims, **times}))
        return f"{head}.{self._signature(head)}", times["exp"]

    def _signature(self, head: str) -> str:
        return _base64(hmac.new(self._signing_key.encode(), head.encode(), hashlib.sha256).digest())

    def _claims(self, token: str) -> dict[str, Any] | None:
        """The claims of a token, if we signed it and it has not expired."""
        head, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(head).encode()):
            return None
        claims = _payload(head.partition(".")[2])
        return claims if claims.get("exp", 0) > time.time() else None


def is_for_arm(authorization: str) -> bool:
    """Whether a header says, truly or not, that its token is for the control plane."""
    parts = authorization.rpartition(" ")[2].split(".")
    return len(parts) == 3 and _payload(parts[1]).get("aud") in ARM_AUDIENCES


def _payload(part: str) -> dict[str, Any]:
    try:
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _stored(path: Path) -> str:
    """The key in a file; created once."""
    if not path.exists():
        replace_text(path, _new_key() + "\n")
    return path.read_text("ascii").strip()


def _new_key() -> str:
    return secrets.token_hex(16)


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


_KEYS_DISABLED = ServiceError(
    403, "AuthenticationTypeDisabled", "Key based authentication is disabled for this resource."
)
WRONG_KEY = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key "
    "for an active subscription and use a correct regional API endpoint for your resource."
)


def _refusal(plane: Plane, bearer: str | None, settings: Settings, audience: object) -> ServiceError:
    if plane is not Plane.ARM:
        own = settings.v1_unauthorized_message if plane is Plane.V1 else ""
        return ServiceError(401, "401", own or WRONG_KEY)
    challenge = {"www-authenticate": 'Bearer error="invalid_token"'}
    if bearer is None:
        missing = "Authentication failed. The 'Authorization' header is missing."
        return ServiceError(401, "AuthenticationFailed", missing, challenge)
    if audience is not None:
        allowed = ",".join(f"'{name}'" for name in ARM_AUDIENCES)
        wrong = (
            f"The access token has been obtained for wrong audience or resource '{audience}'. It should "
            f"exactly match with one of the allowed audiences {allowed}."
        )
        return ServiceError(401, "InvalidAuthenticationTokenAudience", wrong, challenge)
    return ServiceError(401, "InvalidAuthenticationToken", "The access token is invalid.", challenge)

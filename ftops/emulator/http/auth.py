"""Authentication and authorization.

A caller has the account's key, or a token for the owner or another principal. A token is a JSON Web Token
signed with the key. It expires in real time, because clients compare its expiry with the real clock.

Roles are Azure's built-in ones, limited to what is emulated here. The errors are those of public issue
threads: 401 ``PermissionDenied`` from the data plane, 403 ``AuthorizationFailed`` from the control plane.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from ftops.emulator.account.cloud import Principal
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


_PROVIDER = "Microsoft.CognitiveServices"
_DATA = f"{_PROVIDER}/accounts/OpenAI"


class Role(NamedTuple):
    """The actions that a role allows on the control plane and on the data plane; ``*`` is a wildcard."""

    actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()


ROLES = {
    "Cognitive Services OpenAI Contributor": Role(
        (
            f"{_PROVIDER}/*/read",
            f"{_PROVIDER}/accounts/deployments/write",
            f"{_PROVIDER}/accounts/deployments/delete",
        ),
        (f"{_DATA}/*",),
    ),
    "Cognitive Services OpenAI User": Role(
        (f"{_PROVIDER}/*/read",),
        (f"{_DATA}/*/read", f"{_DATA}/deployments/chat/completions/action", f"{_DATA}/responses/write"),
    ),
    "Cognitive Services Contributor": Role((f"{_PROVIDER}/*",)),
    "Contributor": Role(("*",)),
    "Reader": Role(("*/read",)),
}

# Method, glob for the path after the plane's prefix, and the data action. The first match counts.
_DATA_ACTIONS = (
    ("POST", "files/import", "files/import/action"),
    ("GET", "files*", "files/read"),
    ("DELETE", "files*", "files/delete"),
    ("*", "files*", "files/write"),
    ("*", "uploads*", "files/write"),
    ("GET", "fine_tuning*", "fine-tunes/read"),
    ("DELETE", "fine_tuning*", "fine-tunes/delete"),
    ("POST", "fine_tuning/jobs/*/cancel", "fine-tunes/cancel/action"),
    ("*", "fine_tuning*", "fine-tunes/write"),
    ("DELETE", "models*", "models/delete"),
    ("*", "models*", "models/read"),
    ("*", "*chat/completions", "deployments/chat/completions/action"),
    ("GET", "responses*", "responses/read"),
    ("DELETE", "responses*", "responses/delete"),
    ("*", "responses*", "responses/write"),
    ("GET", "evals*", "evals/read"),
    ("DELETE", "evals*", "evals/delete"),
    ("*", "evals*", "evals/write"),
)
# Of the Foundry project's own objects. The action on deployments is not documented.
_PROJECT_ACTIONS = (
    ("POST", "connections/*", "connections/listSecrets/action"),
    ("*", "connections*", "connections/read"),
    ("*", "deployments*", "deployments/read"),
    ("GET", "models*", "models/read"),
    ("*", "models*", "models/write"),
)
_CONTROL_ACTIONS = (
    ("GET", "*/providers/microsoft.authorization/permissions", ""),  # allowed to every caller
    ("GET", "*/deletedaccounts*", "deletedAccounts/read"),
    ("DELETE", "*/deletedaccounts/*", "locations/resourceGroups/deletedAccounts/delete"),
    ("POST", "*/listkeys", "accounts/listKeys/action"),
    *(
        (verb, f"*/{kind.lower()}{rest}", f"accounts/{kind}/{right}")
        for kind in ("managedComputeDeployments", "adapterDeployments")
        for verb, rest, right in (("GET", "*", "read"), ("DELETE", "/*", "delete"), ("*", "/*", "write"))
    ),
    ("GET", "*/projects", "accounts/projects/read"),
    ("GET", "*/deployments*", "accounts/deployments/read"),
    ("DELETE", "*/deployments/*", "accounts/deployments/delete"),
    ("*", "*/deployments/*", "accounts/deployments/write"),
    ("GET", "*/accounts/*/models", "accounts/models/read"),
    ("GET", "*/accounts/*/usages", "accounts/usages/read"),
    ("GET", "*/accounts*", "accounts/read"),
    ("DELETE", "*/accounts/*", "accounts/delete"),
    ("GET", "*/usages", "locations/usages/read"),
    ("GET", "*/managedcomputeusages", "locations/managedComputeUsages/read"),
    ("GET", "*/models", "locations/models/read"),
    ("GET", "*/modelcapacities", "modelCapacities/read"),
    ("GET", "*", "locations/operationResults/read"),
    ("*", "*", "accounts/write"),
)


def require(settings: Settings, plane: Plane, method: str, path: str, principal: Principal) -> None:
    """Raise the error of the plane unless the principal may do what the request does."""
    action, is_control = _action(plane, method, path), plane is Plane.ARM
    allowed = [pattern for role in roles_of(principal) for pattern in role[0 if is_control else 1]]
    if not action or any(fnmatchcase(action.lower(), pattern.lower()) for pattern in allowed):
        return
    if is_control:
        raise ServiceError(
            403,
            "AuthorizationFailed",
            f"The client '{principal.id}' with object id '{principal.id}' does not have authorization to "
            f"perform action '{action}' over scope '{path}' or the scope is invalid. If access was "
            "recently granted, please refresh your credentials.",
        )
    raise ServiceError(
        settings.missing_data_action_status,
        "PermissionDenied",
        f"The principal `{principal.id}` lacks the required data action `{action}` to perform "
        f"`{method} {path}` operation.",
    )


def _action(plane: Plane, method: str, path: str) -> str:
    prefix, rows, scope = _ACTIONS[plane]
    rest = (path.lower() if plane is Plane.ARM else path).removeprefix(prefix)
    for verb, glob, action in rows:
        if verb in ("*", method) and fnmatchcase(rest, glob):
            return f"{scope}/{action}" if action else ""
    return f"{scope}/{rest}/{method.lower()}"


_ACTIONS = {
    Plane.DATED: ("/openai/", _DATA_ACTIONS, _DATA),
    Plane.V1: ("/openai/v1/", _DATA_ACTIONS, _DATA),
    Plane.PROJECT: ("/", _PROJECT_ACTIONS, f"{_PROVIDER}/accounts/AIServices"),
    Plane.ARM: ("", _CONTROL_ACTIONS, _PROVIDER),
}
"""The prefix of paths, the rows of a plane, and the scope of its actions."""


def roles_of(principal: Principal) -> list[Role]:
    """The roles of a principal; actions of its own are a role too."""
    own = Role(tuple(principal.actions), tuple(principal.data_actions))
    return [*([own] if any(own) else []), *(ROLES[name] for name in principal.roles if name in ROLES)]

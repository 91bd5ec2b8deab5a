"""What a caller may do: roles, the actions that they allow, and the refusal without one.

Role definitions are Azure's built-in ones, cut to what is emulated here. The texts of the refusals are
those of public issue threads: the data plane says 401 ``PermissionDenied``, the control plane says 403
``AuthorizationFailed``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ftops.emulator.account.cloud import Principal
from ftops.emulator.account.settings import Settings
from ftops.emulator.http.errors import Plane, ServiceError

_PROVIDER = "Microsoft.CognitiveServices"
_DATA = f"{_PROVIDER}/accounts/OpenAI"


@dataclass(frozen=True, slots=True)
class Role:
    """A role's allowed actions on the control plane and on the data plane; ``*`` is a wildcard."""

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
        (f"{_PROVIDER}/*/read",), (f"{_DATA}/*/read", f"{_DATA}/deployments/chat/completions/action")
    ),
    "Cognitive Services Contributor": Role((f"{_PROVIDER}/*",)),
    "Contributor": Role(("*",)),
    "Reader": Role(("*/read",)),
}

# (method, glob over the path behind the plane's prefix) → the data action; the first match counts.
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
)
_CONTROL_ACTIONS = (
    ("GET", "*/providers/microsoft.authorization/permissions", ""),  # who asks may know
    ("GET", "*/deletedaccounts*", "deletedAccounts/read"),
    ("DELETE", "*/deletedaccounts/*", "locations/resourceGroups/deletedAccounts/delete"),
    ("POST", "*/listkeys", "accounts/listKeys/action"),
    ("GET", "*/deployments*", "accounts/deployments/read"),
    ("DELETE", "*/deployments/*", "accounts/deployments/delete"),
    ("*", "*/deployments/*", "accounts/deployments/write"),
    ("GET", "*/accounts/*/models", "accounts/models/read"),
    ("GET", "*/accounts/*/usages", "accounts/usages/read"),
    ("GET", "*/accounts*", "accounts/read"),
    ("DELETE", "*/accounts/*", "accounts/delete"),
    ("GET", "*/usages", "locations/usages/read"),
    ("GET", "*/models", "locations/models/read"),
    ("GET", "*/modelcapacities", "modelCapacities/read"),
    ("GET", "*", "locations/operationResults/read"),
    ("*", "*", "accounts/write"),
)


def require(settings: Settings, plane: Plane, method: str, path: str, principal: Principal) -> None:
    """Raise what the plane answers to a principal without the action that a request needs."""
    control = plane is Plane.ARM
    action = _action(plane, method, path)
    if not action or _allows(_granted(principal, control), action):
        return
    if control:
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
    control = plane is Plane.ARM
    rest = path.lower() if control else path.removeprefix("/openai/").removeprefix("v1/")
    rows = _CONTROL_ACTIONS if control else _DATA_ACTIONS
    for wanted, glob, action in rows:
        if wanted in ("*", method) and fnmatchcase(rest, glob):
            return f"{_PROVIDER if control else _DATA}/{action}" if action else ""
    return f"{_DATA}/{rest}/{method.lower()}"


def grants(principal: Principal) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What a principal may do: actions and data actions of each role, and those of its own."""
    own = (tuple(principal.actions), tuple(principal.data_actions))
    roles = [ROLES[name] for name in principal.roles if name in ROLES]
    return [*([own] if any(own) else []), *((role.actions, role.data_actions) for role in roles)]


def _granted(principal: Principal, control: bool) -> list[str]:
    return [action for grant in grants(principal) for action in grant[0 if control else 1]]


def _allows(granted: Iterable[str], action: str) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in granted)

"""Authorization: roles, and the action that a request needs.

Roles are Azure's built-in ones, limited to what is emulated here. The errors are those of public issue
threads: 401 ``PermissionDenied`` from the data plane, 403 ``AuthorizationFailed`` from the control plane.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

from ftops.emulator.account.cloud import Principal
from ftops.emulator.account.settings import Settings
from ftops.emulator.http.errors import Plane, ServiceError

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
    "Foundry User": Role(
        (f"{_PROVIDER}/*/read", f"{_PROVIDER}/accounts/listKeys/action"), (f"{_PROVIDER}/*",)
    ),
    "Foundry Owner": Role((f"{_PROVIDER}/*",), (f"{_PROVIDER}/*",)),
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
    ("POST", "*/regeneratekey", "accounts/regenerateKey/action"),
    ("POST", "*/checkdomainavailability", "checkDomainAvailability/action"),
    ("GET", "*/raipolicies*", "accounts/raiPolicies/read"),
    ("DELETE", "*/raipolicies/*", "accounts/raiPolicies/delete"),
    ("*", "*/raipolicies/*", "accounts/raiPolicies/write"),
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
    ("GET", "*/accounts/*/skus", "accounts/skus/read"),
    ("GET", "*/skus", "skus/read"),
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
    if plane is Plane.ARM and f"/providers/{_PROVIDER}/".lower() not in rest:
        rows, scope = _RESOURCE_ACTIONS, "Microsoft.Resources"
    for verb, glob, action in rows:
        if verb in ("*", method) and fnmatchcase(rest, glob):
            return f"{scope}/{action}" if action else ""
    return f"{scope}/{rest}/{method.lower()}"


_GROUP = "subscriptions/resourceGroups"
_RESOURCE_ACTIONS = (
    ("GET", "*/resourcegroups*", f"{_GROUP}/read"),
    ("HEAD", "*/resourcegroups*", f"{_GROUP}/read"),
    ("DELETE", "*/resourcegroups*", f"{_GROUP}/delete"),
    ("*", "*/resourcegroups*", f"{_GROUP}/write"),
    ("*", "*", ""),  # the subscription, its tenant and its provider
)
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

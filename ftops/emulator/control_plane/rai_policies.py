"""Content filters (RAI policies) of the account in the control plane. They filter nothing here.

Source: the API description 2024-10-01. The account has the two policies of the service, and its own.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import JSON, Cloud, RaiPolicy
from ftops.emulator.control_plane.deployments import NAME
from ftops.emulator.http.errors import ServiceError, resource_not_found
from ftops.emulator.http.messages import read_object, reply

_HARMS = ("Hate", "Violence", "Sexual", "Selfharm")
_DEFAULT_FILTERS = [
    *(
        {"name": name, "enabled": True, "blocking": True, "severityThreshold": "Medium", "source": source}
        for source in ("Prompt", "Completion")
        for name in _HARMS
    ),
    {"name": "Jailbreak", "enabled": True, "blocking": True, "source": "Prompt"},
    {"name": "Protected Material Text", "enabled": True, "blocking": True, "source": "Completion"},
    {"name": "Protected Material Code", "enabled": True, "blocking": False, "source": "Completion"},
]
_BUILT_IN = {
    name.lower(): RaiPolicy(
        name.lower(), 0.0, name,
        {"type": "SystemManaged", "mode": "Blocking", "contentFilters": _DEFAULT_FILTERS[:count]},
    )
    for name, count in (("Microsoft.Default", 2 * len(_HARMS)), ("Microsoft.DefaultV2", None))
}  # fmt: skip


async def list_all(cloud: Cloud, _: Request) -> Response:
    rows = (*_BUILT_IN.values(), *cloud.rai_policies.all())
    return reply({"value": [_described(cloud, policy) for policy in rows]})


async def get(cloud: Cloud, request: Request) -> Response:
    name = request.path_params["policy"]
    policy = _find(cloud, name)
    if policy is None:
        place = f"Microsoft.CognitiveServices/accounts/{cloud.account.name}/raiPolicies/{name}"
        raise resource_not_found(place, cloud.account.group)
    return reply(_described(cloud, policy))


async def put(cloud: Cloud, request: Request) -> Response:
    """Create or replace a policy of the account's own."""
    name, body = request.path_params["policy"], await read_object(request)
    properties = body.get("properties")
    if not NAME.fullmatch(name):
        raise ServiceError(400, "InvalidResourceName", f"The policy name '{name}' is not valid.")
    if not isinstance(properties, dict) or _find(cloud, str(properties.get("basePolicyName"))) is None:
        message = "'properties.basePolicyName' must be the name of an existing policy."
        raise ServiceError(400, "InvalidResourceProperties", message)
    _refuse_built_in(name)
    existing = cloud.rai_policies.get(name.lower())
    created = existing.created if existing else cloud.clock.now()
    policy = RaiPolicy(name.lower(), created, name, {"mode": "Default", **properties, "type": "UserManaged"})
    cloud.rai_policies.put(policy)
    return reply(_described(cloud, policy), 200 if existing else 201)


async def delete(cloud: Cloud, request: Request) -> Response:
    """Delete a policy of the account's own that no deployment uses; 204, whether or not there is one."""
    name = request.path_params["policy"]
    _refuse_built_in(name)
    for deployment in cloud.deployments.all():
        if str(deployment.properties.get("raiPolicyName")).lower() == name.lower():
            message = f"The policy '{name}' is used by the deployment '{deployment.name}'."
            raise ServiceError(409, "RaiPolicyInUse", message)
    cloud.rai_policies.remove(name.lower())
    return Response(status_code=204)


def _find(cloud: Cloud, name: str) -> RaiPolicy | None:
    return _BUILT_IN.get(name.lower()) or cloud.rai_policies.get(name.lower())


def _refuse_built_in(name: str) -> None:
    if name.lower() in _BUILT_IN:
        message = f"The policy '{name}' is managed by the system and can't be changed."
        raise ServiceError(400, "InvalidResourceProperties", message)


def _described(cloud: Cloud, policy: RaiPolicy) -> JSON:
    return {
        "id": f"{cloud.account.id}/raiPolicies/{policy.name}",
        "type": "Microsoft.CognitiveServices/accounts/raiPolicies",
        "name": policy.name,
        "properties": policy.properties,
    }

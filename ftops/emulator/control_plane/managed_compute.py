"""Managed deployments in the control plane: open models on GPUs, which adapters can be deployed on.

Sources: the API description 2026-09-15-preview and its examples; Microsoft's documents on managed compute.
Error codes are not documented; those of other deployments are used.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account import catalog
from ftops.emulator.account.cloud import JSON, Cloud
from ftops.emulator.account.managed import Adapter, ManagedDeployment
from ftops.emulator.control_plane import deployment_state, managed_state, operations, quota
from ftops.emulator.control_plane.deployment_state import AnyDeployment
from ftops.emulator.control_plane.deployments import DELETION_FAILURE, FAILURE, NAME
from ftops.emulator.control_plane.managed_state import ACCEPTED, active_target, described_managed
from ftops.emulator.http.errors import ServiceError, resource_not_found
from ftops.emulator.http.messages import read_object, reply

SKU = "GlobalManagedCompute"
FAMILIES = ("A100_80GB", "H100_80GB", "MI_300_192GB")
_USUAL_FAMILY = "H100_80GB"
_MODEL = re.compile(r"azureml://registries/[^/]+/models/(?P<name>[^/]+)/versions/[^/]+")
_TEMPLATE = re.compile(
    r"azureml://registries/[^/]+/deploymenttemplates/(?P<name>[^/]+)/(?:versions|labels)/[^/]+"
)
_ACCELERATORS = re.compile(r"(?P<count>[248])x(?:a100|h100|mi)")
"""In the name of a template; otherwise it is for one, or for as many as the model needs."""
_FIXED = ("model", "deploymentTemplate", "acceleratorType", "versionUpgradeOption")
"""Properties that can only be set when the deployment is created."""
_MISMATCH = {
    "code": "DeploymentFailed",
    "message": "The deployment template is not published for this model.",
}


class _Plan(NamedTuple):
    """What a request asks for."""

    sku: JSON
    properties: JSON
    base: catalog.BaseModel
    matches: bool  # whether the template is one of the model


async def put(cloud: Cloud, request: Request) -> Response:
    """Create a managed deployment, or change its capacity."""
    body, name = await read_object(request), request.path_params["deployment"]
    if not NAME.fullmatch(name):
        raise bad("InvalidResourceName", f"The deployment name '{name}' is not valid.")
    existing = managed_state.find_managed(cloud, name)
    if existing is None:
        managed_state.refuse_taken(cloud, name)
        refuse_if_busy(cloud, None)
        return _create(cloud, request, name, _plan(cloud, body))
    refuse_if_busy(cloud, existing)
    refuse_if_failed(cloud, existing)
    _refuse_change(existing, body)
    return _scale(cloud, request, existing, _sku(cloud, body), 200)


def _create(cloud: Cloud, request: Request, name: str, plan: _Plan) -> Response:
    now, fault = cloud.clock.now(), request.scope["emulator.fault"].deployment
    duration = cloud.settings.managed_seconds
    template = plan.properties.get("deploymentTemplate")
    counted = _ACCELERATORS.search(str(template or "").lower())
    final = deployment_state.final_state(fault) if plan.matches else "Failed"
    made = ManagedDeployment(
        id=name.lower(),
        created=now,
        name=name,
        sku=plan.sku,
        properties=plan.properties,
        base=plan.base.name,
        accelerators=int(counted["count"]) if counted else plan.base.accelerators,
        takes_adapters=bool(template) or cloud.settings.default_template == "adapters",
        modified=now,
        accepted=now + duration * ACCEPTED,
        ready=now + duration,
        routed=now + duration + cloud.settings.not_found_seconds,
        etag=str(uuid.uuid4()),
        final_state=final,
        error=None if final != "Failed" else FAILURE if plan.matches else _MISMATCH,
        unready=fault == "unready",
    )
    _require_quota(cloud, made, made.total)
    cloud.managed.put(made)
    return reply(described_managed(cloud, made), 201, started(cloud, request, made, "typed"))


async def patch(cloud: Cloud, request: Request) -> Response:
    """Change ``sku``."""
    body, existing = await read_object(request), _existing(cloud, request)
    refuse_if_busy(cloud, existing)
    refuse_if_failed(cloud, existing)
    if unknown := sorted(set(body) - {"sku"}):
        raise bad("BadRequest", f"PATCH takes 'sku' only, not {', '.join(unknown)}.")
    return _scale(cloud, request, existing, _sku(cloud, {"sku": existing.sku | (body.get("sku") or {})}), 202)


def _scale(cloud: Cloud, request: Request, existing: ManagedDeployment, sku: JSON, status: int) -> Response:
    if sku == existing.sku:
        return reply(described_managed(cloud, existing))
    now, changed = cloud.clock.now(), replace(existing, sku=sku)
    _require_quota(cloud, changed, changed.total - existing.total)
    ready = now + cloud.settings.managed_seconds
    changed = replace(
        changed, modified=now, ready=ready, routed=now, pending="Updating", etag=str(uuid.uuid4())
    )
    cloud.managed.put(changed)
    return reply(described_managed(cloud, changed), status, started(cloud, request, changed, "typed"))


async def delete(cloud: Cloud, request: Request) -> Response:
    """Delete a managed deployment: 204 if there is nothing to delete."""
    existing = managed_state.find_managed(cloud, request.path_params["deployment"])
    if existing is None:
        return Response(status_code=204)
    refuse_if_busy(cloud, existing)
    users = _adapters_on(cloud, existing)
    if users and cloud.settings.targeted_delete == "refused":
        message = f"The deployment '{existing.name}' is the target of the adapters {', '.join(users)}."
        raise ServiceError(409, "CannotDeleteResource", message)
    now = cloud.clock.now()
    ends = now + cloud.settings.deletion_seconds
    if request.scope["emulator.fault"].deployment == "fail":
        kept = replace(existing, modified=now, ready=ends, pending="Deleting")
        cloud.managed.put(kept)
        headers = operations.start(cloud, request, kept, location="status", error=DELETION_FAILURE)
        return Response(status_code=202, headers=headers)
    deleted = replace(existing, modified=now, deleting=ends, ready=ends)
    cloud.managed.put(deleted)
    headers = operations.start(cloud, request, deleted, location="status")
    return Response(status_code=202, headers=headers)


async def get(cloud: Cloud, request: Request) -> Response:
    return reply(described_managed(cloud, _existing(cloud, request)))


async def list_all(cloud: Cloud, _: Request) -> Response:
    managed_state.settle(cloud)
    return reply({"value": [described_managed(cloud, item) for item in cloud.managed.all()]})


async def list_usages(cloud: Cloud, _: Request) -> Response:
    """The quota of each family of GPUs. How the service names them is not documented."""
    rows = [_usage(cloud, family) for family in FAMILIES]
    return reply({"value": rows if cloud.settings.managed_usages == "listed" else []})


def _usage(cloud: Cloud, family: str) -> JSON:
    users = _on_family(cloud, family)
    return {
        "id": f"{cloud.account.location_id}/managedComputeUsages/{SKU}.{family}",
        "name": {"value": f"{SKU}.{family}", "localizedValue": f"Managed compute GPUs - {family}"},
        "unit": "Count",
        "limit": cloud.settings.accelerator_quota,
        "currentValue": sum(item.total for item in users),
        "offerScope": "Global",
        "deployments": [
            {
                "deploymentId": f"{cloud.account.id}/managedComputeDeployments/{item.name}",
                "modelId": item.properties["model"],
                "acceleratorCount": item.total,
                "instanceCount": item.sku["capacity"],
            }
            for item in users
        ],
    }


def _on_family(cloud: Cloud, family: str) -> list[ManagedDeployment]:
    managed_state.settle(cloud)
    return [item for item in cloud.managed.all() if item.properties["acceleratorType"] == family]


def _require_quota(cloud: Cloud, wanted: ManagedDeployment, more: int) -> None:
    family, limit = wanted.properties["acceleratorType"], cloud.settings.accelerator_quota
    used = sum(item.total for item in _on_family(cloud, family))
    if more > 0 and used + more > limit:
        raise bad(
            "InsufficientQuota",
            f"This operation require {more} new capacity in quota {SKU}.{family}, which is bigger than the "
            f"current available capacity {limit - used}. The current quota usage is {used} and the quota "
            f"limit is {limit}.",
        )


def started(
    cloud: Cloud, request: Request, item: ManagedDeployment | Adapter, location: str
) -> dict[str, str]:
    """The headers of a PUT or PATCH that began an operation."""
    if not cloud.settings.managed_async_header:
        return {}
    return operations.start(cloud, request, item, location=location)


def refuse_if_busy(cloud: Cloud, existing: ManagedDeployment | Adapter | None) -> None:
    """Raise if the object is being changed, or another one if that counts."""
    managed_state.settle(cloud)
    now = cloud.clock.now()
    concerned: list[AnyDeployment] = [existing] if existing else []
    if cloud.settings.managed_conflicts:
        concerned = [*cloud.deployments.all(), *cloud.managed.all(), *cloud.adapters.all()]
    if cloud.settings.account_state != "Succeeded" or any(
        deployment_state.busy(item, now) for item in concerned
    ):
        message = f"Another operation is being performed on the resource '{cloud.account.id}'."
        raise ServiceError(409, "RequestConflict", f"{message} Please try again later.")


def refuse_if_failed(cloud: Cloud, existing: ManagedDeployment | Adapter) -> None:
    if managed_state.state(existing, cloud.clock.now()) == "Failed":
        raise bad("BadRequest", f"'{existing.name}' is in 'Failed' state, please delete it first.")


def _plan(cloud: Cloud, body: Mapping[str, Any]) -> _Plan:
    properties = body.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    found = _MODEL.fullmatch(str(properties.get("model")))
    name = found["name"].lower() if found else ""
    base = next((m for m in catalog.BASE_MODELS if m.accelerators and name.endswith(m.name.lower())), None)
    if base is None:
        raise bad("DeploymentModelNotSupported", f"There is no model '{properties.get('model')}' to deploy.")
    family = properties.get("acceleratorType") or _USUAL_FAMILY
    if family not in FAMILIES:
        raise bad("InvalidResourceProperties", f"There is no accelerator type '{family}'.")
    template = properties.get("deploymentTemplate")
    template_name = _TEMPLATE.fullmatch(str(template))
    if template and template_name is None:
        raise bad("InvalidResourceProperties", f"'{template}' is not the id of a deployment template.")
    matches = template_name is None or base.name.lower() in template_name["name"].lower()
    option = properties.get("versionUpgradeOption") or "OnceNewDefaultVersionAvailable"
    kept = {
        "model": properties["model"],
        **({"deploymentTemplate": template} if template else {}),
        "acceleratorType": family,
        "versionUpgradeOption": option,
    }
    return _Plan(_sku(cloud, body), kept, base, matches)


def _sku(cloud: Cloud, body: Mapping[str, Any]) -> JSON:
    sku = body.get("sku")
    sku = sku if isinstance(sku, dict) else {}
    name = sku.get("name")
    if name != SKU:
        raise bad("InvalidResourceProperties", f"The SKU '{name}' is not supported here; use '{SKU}'.")
    return {"name": name, "capacity": quota.capacity(sku, cloud.settings.accelerator_quota)}


def _refuse_change(existing: ManagedDeployment, body: Mapping[str, Any]) -> None:
    properties = body.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    for key in _FIXED:
        if properties.get(key) not in (None, existing.properties.get(key)):
            raise bad("PropertyChangeNotAllowed", f"Changing property 'properties.{key}' is not allowed.")


def _adapters_on(cloud: Cloud, base: ManagedDeployment) -> list[str]:
    now = cloud.clock.now()
    targets = ((item, {item.target, active_target(item, now)}) for item in cloud.adapters.all())
    return [item.name for item, names in targets if base.id in {str(name).lower() for name in names}]


def _existing(cloud: Cloud, request: Request) -> ManagedDeployment:
    name = request.path_params["deployment"]
    existing = managed_state.find_managed(cloud, name)
    if existing is None:
        place = f"Microsoft.CognitiveServices/accounts/{cloud.account.name}/managedComputeDeployments/{name}"
        raise resource_not_found(place, cloud.account.group)
    return existing


def bad(code: str, message: str) -> ServiceError:
    return ServiceError(400, code, message)

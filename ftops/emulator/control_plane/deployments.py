"""Deployments in the control plane: create, update, list, delete, pause and resume."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account import catalog, other_accounts
from ftops.emulator.account.cloud import JSON, Cloud, Deployment
from ftops.emulator.control_plane import deployment_state, managed_state, operations, quota
from ftops.emulator.control_plane.deployment_state import STUCK, TYPE, AnyDeployment, described, final_state
from ftops.emulator.http.errors import ServiceError, resource_not_found
from ftops.emulator.http.messages import read_object, reply

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,63}")
_KEPT_PROPERTIES = (
    "versionUpgradeOption", "raiPolicyName", "spilloverDeploymentName", "parentDeploymentName", "serviceTier",
    "scaleSettings", "capacitySettings",
)  # fmt: skip
_OPEN_FORMAT = "OpenAI-OSS"
"""The word for every open model in the documents of az."""
FAILURE = {
    "code": "DeploymentFailed",
    "message": "The deployment failed to provision due to an internal error.",
}
DELETION_FAILURE = {
    "code": "InternalServerError",
    "message": "The deployment could not be deleted due to an internal error.",
}


async def put(cloud: Cloud, request: Request) -> Response:
    """Create a deployment, or change what can be changed in place."""
    body = await read_object(request)
    name = request.path_params["deployment"]
    if not NAME.fullmatch(name):
        raise _bad("InvalidResourceName", f"The deployment name '{name}' is not valid.")
    existing = deployment_state.find(cloud, name)
    _refuse_if_busy(cloud)
    _refuse_if_failed(cloud, existing)
    desired, tuned = _parsed(cloud, name, body)
    if existing is None:
        managed_state.refuse_taken(cloud, name)
        return _create(cloud, request, desired, tuned)
    _refuse_change(cloud, existing, desired, tuned)
    quota.require(cloud, desired.model, desired.sku, existing)
    return _update(cloud, request, existing, desired)


def _create(cloud: Cloud, request: Request, desired: Deployment, tuned: bool) -> Response:
    if len(cloud.deployments) >= cloud.settings.deployments_limit:
        raise _bad("BadRequest", "The maximum number of deployments of the account is reached.")
    quota.require(cloud, desired.model, desired.sku, None)
    is_async = tuned or cloud.settings.base_deployment_async
    ready = desired.created + (cloud.settings.deployment_seconds if is_async else 0.0)
    fault = request.scope["emulator.fault"].deployment
    deployment = replace(
        desired,
        ready=ready,
        final_state=final_state(fault),
        error=FAILURE if fault == "fail" else None,
        unready=fault == "unready",
        serving=_stale_model(cloud, desired),
        routed=ready + cloud.settings.not_found_seconds,
    )
    cloud.deployments.put(deployment)
    headers = {}
    if is_async and (cloud.settings.ft_put_async_header or not tuned):
        headers = operations.start(cloud, request, deployment)
    return reply(described(cloud, deployment), 201, headers)


def _stale_model(cloud: Cloud, desired: Deployment) -> JSON | None:
    """The model that still answers for a name that was used until a moment ago."""
    old = cloud.retired.get(desired.id)
    if old is None or old.deleting is None or old.final_state != "Succeeded":
        return None
    return old.model if desired.created < old.deleting + cloud.settings.stale_route_seconds else None


def _update(cloud: Cloud, request: Request, existing: Deployment, desired: Deployment) -> Response:
    given = {key: getattr(desired, key) for key in ("model", "sku", "properties", "tags", "paused")}
    changed = replace(existing, **given)
    if changed == existing:
        return reply(described(cloud, existing))
    is_async = cloud.settings.base_deployment_async
    updated = _write(cloud, changed, is_async)
    headers = operations.start(cloud, request, updated) if is_async else {}
    return reply(described(cloud, updated), 200, headers)


def _write(cloud: Cloud, changed: Deployment, is_async: bool) -> Deployment:
    now = cloud.clock.now()
    ready = now + (cloud.settings.deployment_seconds if is_async else 0.0)
    updated = replace(
        changed,
        modified=now,
        ready=ready,
        routed=ready,
        pending="Updating",
        serving=deployment_state.serving_before(cloud, changed.id),
        etag=str(uuid.uuid4()),
    )
    cloud.deployments.put(updated)
    return updated


async def patch(cloud: Cloud, request: Request) -> Response:
    """Change ``sku`` and ``tags``."""
    body = await read_object(request)
    existing = _existing(cloud, request)
    _refuse_if_busy(cloud)
    _refuse_if_failed(cloud, existing)
    if unknown := sorted(set(body) - {"sku", "tags"}):
        raise _bad("BadRequest", f"PATCH takes 'sku' and 'tags' only, not {', '.join(unknown)}.")
    sku = existing.sku | _sku({"sku": existing.sku | (body.get("sku") or {})}, cloud.settings.model_quota)
    if sku["name"] != existing.sku["name"]:
        raise _sku_change(existing)
    quota.require(cloud, existing.model, sku, existing)
    tags = body.get("tags", existing.tags)
    is_async = cloud.settings.patch_async
    updated = _write(cloud, replace(existing, sku=sku, tags=tags), is_async)
    if not is_async:
        return reply(described(cloud, updated))
    headers = operations.start(cloud, request, updated, location="result")
    return reply(described(cloud, updated), 202, headers)


async def delete(cloud: Cloud, request: Request) -> Response:
    """Delete a deployment: 204 if there is nothing to delete."""
    existing = deployment_state.find(cloud, request.path_params["deployment"])
    if existing is None:
        return Response(status_code=204)
    _refuse_if_busy(cloud)
    if (fault := request.scope["emulator.fault"].deployment) in ("fail", "stuck"):
        return _fail_to_delete(cloud, request, existing, fault)
    now = cloud.clock.now()
    is_base = deployment_state.model_of(cloud, existing.model) is None
    is_async = cloud.settings.base_delete_async if is_base else cloud.settings.delete_async
    ends = now + (cloud.settings.deletion_seconds if is_async else 0.0)
    deleted = replace(existing, deleting=ends, modified=now)
    cloud.deployments.put(deleted)
    deployment_state.settle(cloud)
    if not is_async:
        return Response(status_code=200)
    headers = operations.start(cloud, request, replace(deleted, ready=ends), location="result")
    return Response(status_code=202, headers=headers)


def _fail_to_delete(cloud: Cloud, request: Request, existing: Deployment, fault: str) -> Response:
    """Start a deletion that fails after a while, or never ends. The deployment stays."""
    now = cloud.clock.now()
    kept = replace(
        existing,
        modified=now,
        ready=now + cloud.settings.deletion_seconds,
        pending="Deleting",
        final_state=existing.final_state if fault == "fail" else STUCK,
        serving=existing.model,
        routed=now,
    )
    cloud.deployments.put(kept)
    error = DELETION_FAILURE if fault == "fail" else None
    return Response(status_code=202, headers=operations.start(cloud, request, kept, error=error))


async def get(cloud: Cloud, request: Request) -> Response:
    return reply(described(cloud, _existing(cloud, request)))


async def list_all(cloud: Cloud, _: Request) -> Response:
    deployment_state.settle(cloud)
    return reply({"value": [described(cloud, item) for item in cloud.deployments.all()]})


async def pause(cloud: Cloud, request: Request) -> Response:
    """Pause a deployment (api-version 2026-03-01): inference answers 423 until it is resumed."""
    return _set_paused(cloud, request, True)


async def resume(cloud: Cloud, request: Request) -> Response:
    return _set_paused(cloud, request, False)


def _set_paused(cloud: Cloud, request: Request, paused: bool) -> Response:
    existing = _existing(cloud, request)
    _refuse_if_busy(cloud)
    if existing.sku["name"] not in catalog.BASE_SKUS:
        raise _unpausable(existing.sku["name"])
    changed = replace(existing, paused=paused, modified=cloud.clock.now())
    cloud.deployments.put(changed)
    return reply(described(cloud, changed))


async def skus(cloud: Cloud, request: Request) -> Response:
    """The SKUs and capacities that a deployment may have."""
    existing = _existing(cloud, request)
    names = quota.skus_of(cloud, existing.model)
    capacity = {"minimum": 1, "maximum": cloud.settings.model_quota, "step": 1, "default": 10}
    rows = [
        {"resourceType": TYPE, "sku": {"name": name, "capacity": 1}, "capacity": capacity} for name in names
    ]
    return reply({"value": rows})


def _existing(cloud: Cloud, request: Request) -> Deployment:
    name = request.path_params["deployment"]
    existing = deployment_state.find(cloud, name)
    if existing is None:
        resource = f"Microsoft.CognitiveServices/accounts/{cloud.account.name}/deployments/{name}"
        raise resource_not_found(resource, cloud.account.group)
    return existing


def _refuse_if_busy(cloud: Cloud) -> None:
    """An account allows one write at a time. A stuck deployment doesn't prevent others."""
    if cloud.settings.account_state != "Succeeded":
        message = f"Account {cloud.account.id} in state {cloud.settings.account_state}"
        raise ServiceError(409, "AccountProvisioningStateInvalid", message)
    now = cloud.clock.now()
    concerned: list[AnyDeployment] = [*cloud.deployments.all()]
    if cloud.settings.managed_conflicts:
        concerned += [*cloud.managed.all(), *cloud.adapters.all()]
    if any(deployment_state.busy(item, now) for item in concerned):
        raise ServiceError(
            409,
            "RequestConflict",
            "Another operation is being performed on the parent resource "
            f"'{cloud.account.id}'. Please try again later.",
        )


def _refuse_if_failed(cloud: Cloud, existing: Deployment | None) -> None:
    if existing is not None and deployment_state.state(existing, cloud.clock.now()) == "Failed":
        raise _bad(
            "BadRequest",
            f"The deployment '{existing.name}' is in 'Failed' state, please delete it before "
            "creating a new one.",
        )


def _refuse_change(cloud: Cloud, existing: Deployment, desired: Deployment, tuned: bool) -> None:
    if desired.sku["name"] != existing.sku["name"]:
        raise _sku_change(existing)
    if all(desired.model.get(key) == existing.model.get(key) for key in ("format", "name", "version")):
        return
    if tuned or deployment_state.model_of(cloud, existing.model) is not None:
        message = "Model updates are not supported for finetuned model deployments."
        raise _bad("ModelUpgradeNotSupported", message)
    if desired.sku["capacity"] != existing.sku["capacity"]:
        raise _bad("BadRequest", "Cannot change capacity and model at the same time.")


def _sku_change(existing: Deployment) -> ServiceError:
    return _bad(
        "InvalidResourceProperties",
        f"The SKU of the deployment '{existing.name}' cannot be changed; delete it and create it again.",
    )


def _parsed(cloud: Cloud, name: str, body: Mapping[str, Any]) -> tuple[Deployment, bool]:
    """The deployment that a PUT asks for, and whether its model is tuned."""
    properties = body.get("properties")
    model = properties.get("model") if isinstance(properties, dict) else None
    if not isinstance(properties, dict) or not isinstance(model, dict) or not _is_name(model.get("name")):
        raise _bad("InvalidRequestContent", "The property 'properties.model' is required.")
    sku = _sku(body, cloud.settings.model_quota)
    model, tuned = _model(cloud, model)
    if sku["name"] not in quota.skus_of(cloud, model):
        raise _bad(
            "InvalidResourceProperties",
            f"The specified SKU '{sku['name']}' of account deployment is not supported by the "
            f"model '{model['name']}' version: '{model['version']}'.",
        )
    kept = {key: properties[key] for key in _KEPT_PROPERTIES if properties.get(key) is not None}
    kept.setdefault("versionUpgradeOption", "OnceNewDefaultVersionAvailable")
    made = deployment_state.new_deployment(name, cloud.clock.now(), model, sku, kept)
    paused = str(properties.get("deploymentState") or "").lower() == "paused"
    if paused and sku["name"] not in catalog.BASE_SKUS:
        raise _unpausable(sku["name"])
    return replace(made, tags=body.get("tags") or None, paused=paused), tuned


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _unpausable(sku: str) -> ServiceError:
    return _bad("BadRequest", f"A deployment of the SKU '{sku}' cannot be paused.")


def _sku(body: Mapping[str, Any], limit: int) -> JSON:
    sku = body.get("sku")
    if not isinstance(sku, dict) or not isinstance(sku.get("name"), str):
        raise _bad("InvalidResourceProperties", "The 'sku' of an account deployment is required.")
    capacity = quota.capacity(sku, limit)
    names = {name.lower(): name for name in catalog.FINETUNE_SKUS}
    return {"name": names.get(sku["name"].lower(), sku["name"]), "capacity": capacity}


def _model(cloud: Cloud, model: JSON) -> tuple[JSON, bool]:
    other_accounts.fetch(cloud, model)
    base, _ = quota.base_of(cloud, model)
    formats = (base.format, _OPEN_FORMAT) if base and base.is_open else (base.format if base else "OpenAI",)
    if model.get("format") not in formats:
        # Observed: the format is case-sensitive, and a wrong one is an internal error.
        raise ServiceError(500, "InternalServerError", "Internal server error.")
    if deployment_state.tuned_model(cloud, model) is not None and model.get("version") in (None, "", "1"):
        return {**model, "version": "1"}, True
    known = catalog.find(model["name"], model.get("version"))
    if known is None:
        raise _bad(
            "DeploymentModelNotSupported",
            f"The model 'Format: {model['format']}, Name: {model['name']}, Version: "
            f"{model.get('version', '')}, Source: {model.get('source', '')}' of account "
            "deployment is not supported.",
        )
    return {**model, "version": known.version}, False


def _bad(code: str, message: str) -> ServiceError:
    return ServiceError(400, code, message)

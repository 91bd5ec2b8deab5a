"""Adapters in the control plane: create, give another target, list, delete; with conditional headers.

Source: the API description 2026-09-15-preview and its examples. Error codes are not documented.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import Cloud
from ftops.emulator.account.managed import Adapter, ManagedDeployment
from ftops.emulator.control_plane import deployment_state, managed_state, operations
from ftops.emulator.control_plane.deployments import DELETION_FAILURE, FAILURE, NAME
from ftops.emulator.control_plane.managed_compute import bad, refuse_if_busy, refuse_if_failed, started
from ftops.emulator.control_plane.managed_state import ACCEPTED, described_adapter, etag_of
from ftops.emulator.data_plane.project_models import Version, find_version
from ftops.emulator.http.errors import ServiceError, resource_not_found
from ftops.emulator.http.messages import read_object, reply

_SOURCE = re.compile(
    r"azureai://accounts/(?P<account>[^/]+)/projects/(?P<project>[^/]+)"
    r"/models/(?P<model>[A-Za-z0-9._-]+)/versions/(?P<version>[A-Za-z0-9._-]+)"
)


async def put(cloud: Cloud, request: Request) -> Response:
    """Create an adapter, or give it another target."""
    body, name = await read_object(request), request.path_params["adapter"]
    existing = managed_state.find_adapter(cloud, name)
    _check_conditions(cloud, request, existing)
    properties = body.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    if existing is None:
        return _create(cloud, request, name, properties)
    if properties.get("sourceModelId") != existing.source:
        message = "Changing property 'properties.sourceModelId' is not allowed."
        raise bad("PropertyChangeNotAllowed", message)
    target = _target(cloud, name, properties)
    if target.id == existing.target.lower():
        return reply(described_adapter(cloud, existing), 200, _etag(cloud, existing))
    refuse_if_busy(cloud, existing)
    refuse_if_failed(cloud, existing)
    _refuse_incompatible(cloud, target, _source(cloud, properties))
    return _retarget(cloud, request, existing, target)


def _create(cloud: Cloud, request: Request, name: str, properties: Mapping[str, Any]) -> Response:
    if not NAME.fullmatch(name):
        raise bad("InvalidResourceName", f"The adapter deployment name '{name}' is not valid.")
    managed_state.refuse_taken(cloud, name)
    refuse_if_busy(cloud, None)
    target, source = _target(cloud, name, properties), _source(cloud, properties)
    _refuse_incompatible(cloud, target, source)
    now, fault = cloud.clock.now(), request.scope["emulator.fault"].deployment
    duration, final = cloud.settings.adapter_seconds, deployment_state.final_state(fault)
    made = Adapter(
        id=name.lower(),
        created=now,
        name=name,
        source=str(properties["sourceModelId"]),
        model=source.model,
        target=target.name,
        kind="Create",
        modified=now,
        accepted=now + duration * ACCEPTED,
        ready=now + duration,
        routed=now + duration + cloud.settings.not_found_seconds,
        etag=str(uuid.uuid4()),
        final_state=final,
        error=FAILURE if final == "Failed" else None,
        unready=fault == "unready",
    )
    cloud.adapters.put(made)
    headers = started(cloud, request, made, "status") | _etag(cloud, made)
    return reply(described_adapter(cloud, made), 201, headers)


def _retarget(cloud: Cloud, request: Request, existing: Adapter, target: ManagedDeployment) -> Response:
    """The old target serves until the new one does. If that fails, it goes on."""
    now, fault = cloud.clock.now(), request.scope["emulator.fault"].deployment
    final = deployment_state.final_state(fault)
    changed = replace(
        existing,
        target=target.name,
        before=existing.target,
        kind="Update",
        modified=now,
        ready=now + cloud.settings.adapter_seconds,
        etag=str(uuid.uuid4()),
        final_state=final,
        error=FAILURE if final == "Failed" else None,
        pending=cloud.settings.retarget_state,
    )
    cloud.adapters.put(changed)
    headers = started(cloud, request, changed, "status") | _etag(cloud, changed)
    return reply(described_adapter(cloud, changed), 200, headers)


async def delete(cloud: Cloud, request: Request) -> Response:
    """Delete an adapter: 204 if there is nothing to delete."""
    existing = managed_state.find_adapter(cloud, request.path_params["adapter"])
    if existing is None:
        return Response(status_code=204)
    _check_conditions(cloud, request, existing)
    now = cloud.clock.now()
    if deployment_state.busy(existing, now) or cloud.settings.managed_conflicts:
        refuse_if_busy(cloud, existing)
    ends = now + cloud.settings.deletion_seconds
    if request.scope["emulator.fault"].deployment == "fail":
        kept = replace(existing, modified=now, ready=ends, before=existing.target, pending="Deleting")
        cloud.adapters.put(kept)
        headers = operations.start(cloud, request, kept, location="status", error=DELETION_FAILURE)
        return Response(status_code=202, headers=headers)
    deleted = replace(existing, modified=now, deleting=ends, ready=ends, kind="Delete")
    cloud.adapters.put(deleted)
    headers = operations.start(cloud, request, deleted, location="status")
    return Response(status_code=202, headers=headers)


async def get(cloud: Cloud, request: Request) -> Response:
    name = request.path_params["adapter"]
    existing = managed_state.find_adapter(cloud, name)
    if existing is None:
        place = f"Microsoft.CognitiveServices/accounts/{cloud.account.name}/adapterDeployments/{name}"
        raise resource_not_found(place, cloud.account.group)
    return reply(described_adapter(cloud, existing), 200, _etag(cloud, existing))


async def list_all(cloud: Cloud, _: Request) -> Response:
    managed_state.settle(cloud)
    return reply({"value": [described_adapter(cloud, item) for item in cloud.adapters.all()]})


def _etag(cloud: Cloud, adapter: Adapter) -> dict[str, str]:
    return {"etag": etag_of(cloud, adapter)}


def _check_conditions(cloud: Cloud, request: Request, existing: Adapter | None) -> None:
    """Raise 412 unless the conditional headers of the request are met."""
    match, none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
    now = etag_of(cloud, existing) if existing is not None else None
    is_met = (match in (None, now) or (match == "*" and now is not None)) and not (
        none_match is not None and now is not None and none_match in ("*", now)
    )
    if not is_met:
        raise ServiceError(
            412, "PreconditionFailed", "The condition of the request's headers is not met by the resource."
        )


def _target(cloud: Cloud, name: str, properties: Mapping[str, Any]) -> ManagedDeployment:
    target = properties.get("targetDeploymentName")
    if not isinstance(target, str) or not NAME.fullmatch(target):
        raise bad(
            "InvalidResourceProperties",
            f"'properties.targetDeploymentName' must be the name of a deployment, not '{target}'.",
        )
    if target.lower() == name.lower():
        raise bad("InvalidResourceProperties", "An adapter cannot be its own target.")
    found = managed_state.find_managed(cloud, target)
    if found is None:
        raise bad("TargetDeploymentNotFound", f"There is no managed compute deployment '{target}'.")
    return found


def _source(cloud: Cloud, properties: Mapping[str, Any]) -> Version:
    source = str(properties.get("sourceModelId"))
    parts = _SOURCE.fullmatch(source)
    if parts is None or parts["account"].lower() != cloud.account.name.lower():
        raise bad("InvalidResourceProperties", f"'{source}' is not a model version of the account.")
    found = find_version(cloud, parts["model"], parts["version"])
    if found is None:
        raise bad("SourceModelNotFound", f"The model version '{source}' is not registered.")
    return found


def _refuse_incompatible(cloud: Cloud, target: ManagedDeployment, source: Version) -> None:
    if source.weight_type != "LoRA":
        raise bad("IncompatibleAdapter", "The model version has no LoRA weights.")
    if source.base != target.base or not target.takes_adapters:
        raise bad("IncompatibleAdapter", f"The deployment '{target.name}' cannot serve this adapter.")
    if managed_state.state(target, cloud.clock.now()) != "Succeeded":
        raise ServiceError(409, "TargetNotReady", f"The deployment '{target.name}' is not ready.")

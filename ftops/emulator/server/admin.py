"""Admin endpoints, under ``/_emulator/``, as in docs/emulator.md: settings, clock, faults, principals."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account import faults
from ftops.emulator.account.cloud import JSON, Cloud, Principal
from ftops.emulator.control_plane import deployment_state, managed_state, operations
from ftops.emulator.data_plane.evals import runs_of
from ftops.emulator.data_plane.job_schedule import status
from ftops.emulator.data_plane.jobs import remove_job, schedule_of
from ftops.emulator.http.auth import Credentials
from ftops.emulator.http.errors import ServiceError, bad_request
from ftops.emulator.http.messages import read_object, reply
from ftops.emulator.http.permissions import ROLES

_DEPLOYED = ("deployments", "managed", "adapters")
_KINDS = ("files", "jobs", "models", "checkpoints", *_DEPLOYED)
_COUNTED = ("files", "uploads", "jobs", "models", "checkpoints", *_DEPLOYED, "operations")
_PRINCIPAL_KEYS = ("id", "roles", "actions", "data_actions", "subject")
_RESOURCES = {"data": "https://cognitiveservices.azure.com", "control": "https://management.azure.com"}


async def health(cloud: Cloud, _: Request) -> Response:
    return reply({"status": "ok", "now": cloud.clock.now()})


async def get_account(cloud: Cloud, _: Request) -> Response:
    account = cloud.account
    return reply(
        {"subscription_id": account.subscription, "resource_group": account.group, "account": account.name}
    )


async def get_settings(cloud: Cloud, _: Request) -> Response:
    return reply(asdict(cloud.settings))


async def patch_settings(cloud: Cloud, request: Request) -> Response:
    try:
        cloud.change_settings(await read_object(request))
    except ValueError as exc:
        raise bad_request(str(exc)) from exc
    schedule_of(request).settle()
    return await get_settings(cloud, request)


async def get_clock(cloud: Cloud, _: Request) -> Response:
    return reply({"now": cloud.clock.now(), "rate": cloud.clock.rate})


async def set_clock(cloud: Cloud, request: Request) -> Response:
    body = await read_object(request)
    numbers = {key: body[key] for key in ("advance", "now", "rate") if key in body}
    try:
        if set(body) - set(numbers):
            raise ValueError("the clock takes 'advance', 'now' and 'rate'")
        cloud.clock.set(**{key: float(value) for key, value in numbers.items()})
    except (ValueError, TypeError) as exc:
        raise bad_request(str(exc)) from exc
    schedule_of(request).settle()
    return await get_clock(cloud, request)


async def get_faults(cloud: Cloud, _: Request) -> Response:
    return reply({"faults": cloud.faults.all()})


async def add_faults(cloud: Cloud, request: Request) -> Response:
    body = await read_object(request)
    rules = body.get("faults", [body])
    try:
        cloud.faults.add([faults.parse_rule(rule) for rule in rules])
    except (ValueError, TypeError) as exc:
        raise bad_request(str(exc)) from exc
    return await get_faults(cloud, request)


async def clear_faults(cloud: Cloud, request: Request) -> Response:
    cloud.faults.clear()
    return await get_faults(cloud, request)


async def list_objects(cloud: Cloud, request: Request) -> Response:
    schedule_of(request).settle()
    deployment_state.settle(cloud)
    managed_state.settle(cloud)
    now = cloud.clock.now()
    body: JSON = {
        "files": [{"id": item.id, "purpose": item.purpose} for item in cloud.files.all()],
        "uploads": [{"id": item.id, "status": item.status} for item in cloud.uploads.all()],
        "jobs": [
            {"id": item.id, "status": status(item, now), "computed": item.outcome is not None}
            for item in cloud.jobs.all()
        ],
        "models": [{"id": item.id, "job": item.job} for item in cloud.models.all()],
        "deployments": [
            {"name": item.name, "state": deployment_state.state(item, now), "model": item.model["name"]}
            for item in cloud.deployments.all()
        ],
        "managed": [
            {"name": item.name, "state": managed_state.state(item, now), "model": item.base}
            for item in cloud.managed.all()
        ],
        "adapters": [
            {"name": item.name, "state": managed_state.state(item, now), "model": item.model}
            for item in cloud.adapters.all()
        ],
        "operations": [{"id": item.id} for item in operations.running(cloud)],
    }
    counts = {kind: len(items) for kind, items in body.items()}
    created = {kind: cloud.created[kind] for kind in _COUNTED}
    return reply({**body, "counts": counts, "created": created})


async def delete_object(cloud: Cloud, request: Request) -> Response:
    """Delete an object without any check, even if others refer to it."""
    kind, name = request.path_params["kind"], request.path_params["name"]
    if kind not in _KINDS:
        raise bad_request(f"unknown kind {kind!r}; known: {', '.join(_KINDS)}")
    collection = getattr(cloud, kind)
    item = collection.get(name.lower() if kind in _DEPLOYED else name)
    if item is None:
        raise ServiceError(404, "NotFound", f"There is no {name!r} among the {kind}.")
    if kind == "jobs":
        schedule_of(request).stop(name)
        remove_job(cloud, item)
    collection.remove(item.id)
    return await list_objects(cloud, request)


async def reset(cloud: Cloud, request: Request) -> Response:
    schedule_of(request).stop_all()
    runs_of(request).stop_all()
    with cloud.lock:
        cloud.clear()
        request.scope["emulator.memory"].clear()
        request.scope["emulator.clear_log"]()
    return await health(cloud, request)


async def get_log(cloud: Cloud, request: Request) -> Response:
    return reply({"requests": list(request.scope["emulator.log"])})


async def clear_log(cloud: Cloud, request: Request) -> Response:
    request.scope["emulator.clear_log"]()
    return reply({"requests": []})


async def create_principal(cloud: Cloud, request: Request) -> Response:
    body = await read_object(request)
    known = (*_PRINCIPAL_KEYS, "secret")
    if unknown := sorted(set(body) - set(known)):
        raise bad_request(f"unknown keys {unknown} in a principal; known: {list(known)}")
    for key in ("id", "subject", "secret"):
        if not isinstance(body.get(key), str | None):
            raise bad_request(f"'{key}' must be a string")
    principal = Principal(
        id=body.get("id") or str(uuid.uuid4()),
        created=cloud.clock.now(),
        roles=_texts(body, "roles"),
        actions=_texts(body, "actions"),
        data_actions=_texts(body, "data_actions"),
        subject=body.get("subject"),
        secret=body.get("secret") or secrets.token_urlsafe(24),
    )
    if unknown := [role for role in principal.roles if role not in ROLES]:
        raise bad_request(f"unknown role {unknown[0]!r}; known: {sorted(ROLES)}")
    cloud.principals.put(principal)
    credentials: Credentials = request.scope["emulator.credentials"]
    tokens = {
        plane: credentials.token(resource, principal.id)["access_token"]
        for plane, resource in _RESOURCES.items()
    }
    return reply({**_described(principal), "secret": principal.secret, "tokens": tokens})


async def list_principals(cloud: Cloud, _: Request) -> Response:
    return reply({"principals": [_described(principal) for principal in cloud.principals.all()]})


async def delete_principal(cloud: Cloud, request: Request) -> Response:
    """Delete a principal. Its tokens allow nothing from then on."""
    cloud.principals.remove(request.path_params["principal"])
    return await list_principals(cloud, request)


def _described(principal: Principal) -> JSON:
    return {"client_id": principal.id, **{key: getattr(principal, key) for key in _PRINCIPAL_KEYS}}


def _texts(body: JSON, key: str) -> list[str]:
    value: Any = body.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise bad_request(f"'{key}' must be a list of strings")
    return value

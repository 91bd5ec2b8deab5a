"""The emulator's own endpoints, under ``/_emulator/``: settings, clock, faults, what exists."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account import faults
from ftops.emulator.account.cloud import JSON, Cloud
from ftops.emulator.account.settings import Settings
from ftops.emulator.control_plane import deployment_state, operations
from ftops.emulator.data_plane.job_schedule import status
from ftops.emulator.data_plane.jobs import forget, schedule_of
from ftops.emulator.http.errors import ServiceError
from ftops.emulator.http.messages import read_object, reply

_VANISHING = ("files", "jobs", "models", "checkpoints", "deployments")
_COUNTED = ("files", "uploads", "jobs", "models", "checkpoints", "deployments", "operations")


async def health(cloud: Cloud, _: Request) -> Response:
    """GET /_emulator/health: open to everybody."""
    return reply({"status": "ok", "now": cloud.clock.now()})


async def account(cloud: Cloud, _: Request) -> Response:
    """GET /_emulator/account: its names in the control plane."""
    names = cloud.account
    return reply(
        {"subscription_id": names.subscription, "resource_group": names.group, "account": names.name}
    )


async def get_settings(cloud: Cloud, _: Request) -> Response:
    """GET /_emulator/settings."""
    return reply({name: getattr(cloud.settings, name) for name in Settings.__slots__})


async def patch_settings(cloud: Cloud, request: Request) -> Response:
    """PATCH /_emulator/settings: only what is named changes; it is kept for later starts."""
    try:
        cloud.change_settings(await read_object(request))
    except ValueError as exc:
        raise _bad(exc) from exc
    schedule_of(request).settle()
    return await get_settings(cloud, request)


async def get_clock(cloud: Cloud, _: Request) -> Response:
    """GET /_emulator/clock."""
    return reply({"now": cloud.clock.now(), "rate": cloud.clock.rate})


async def set_clock(cloud: Cloud, request: Request) -> Response:
    """POST /_emulator/clock: ``advance`` seconds, or ``now``; and ``rate``."""
    body = await read_object(request)
    numbers = {key: body[key] for key in ("advance", "now", "rate") if key in body}
    try:
        if set(body) - set(numbers):
            raise ValueError("the clock takes 'advance', 'now' and 'rate'")
        cloud.clock.set(**{key: float(value) for key, value in numbers.items()})
    except (ValueError, TypeError) as exc:
        raise _bad(exc) from exc
    schedule_of(request).settle()
    return await get_clock(cloud, request)


async def get_faults(cloud: Cloud, _: Request) -> Response:
    """GET /_emulator/faults: the rules in force, with their hits."""
    return reply({"faults": cloud.faults.all()})


async def add_faults(cloud: Cloud, request: Request) -> Response:
    """POST /_emulator/faults: one rule, or ``{"faults": [rule, …]}``."""
    body = await read_object(request)
    rules = body.get("faults", [body])
    try:
        cloud.faults.add([faults.parsed(rule) for rule in rules])
    except (ValueError, TypeError) as exc:
        raise _bad(exc) from exc
    return await get_faults(cloud, request)


async def clear_faults(cloud: Cloud, request: Request) -> Response:
    """DELETE /_emulator/faults."""
    cloud.faults.clear()
    return await get_faults(cloud, request)


async def objects(cloud: Cloud, request: Request) -> Response:
    """GET /_emulator/objects: everything that exists, and how much was ever created."""
    schedule_of(request).settle()
    deployment_state.settle(cloud)
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
        "operations": [{"id": item.id} for item in operations.running(cloud)],
    }
    counts = {kind: len(found) for kind, found in body.items()}
    ever = cloud.counters.values()
    created = {kind: ever.get(kind, 0) for kind in _COUNTED}
    return reply({**body, "counts": counts, "created": created})


async def vanish(cloud: Cloud, request: Request) -> Response:
    """DELETE /_emulator/objects/{kind}/{name}: behind everybody's back, whatever refers to it."""
    kind, name = request.path_params["kind"], request.path_params["name"]
    if kind not in _VANISHING:
        raise _bad(ValueError(f"unknown kind {kind!r}; known: {', '.join(_VANISHING)}"))
    collection = getattr(cloud, kind)
    found = collection.get(name.lower() if kind == "deployments" else name)
    if found is None:
        raise ServiceError(404, "NotFound", f"There is no {name!r} among the {kind}.")
    if kind == "jobs":
        schedule_of(request).stop(name)
        forget(cloud, found)
    collection.remove(found.id)
    return await objects(cloud, request)


async def reset(cloud: Cloud, request: Request) -> Response:
    """POST /_emulator/reset: an empty cloud, with the settings that the server started with."""
    schedule_of(request).stop_all()
    with cloud.lock:
        cloud.clear()
        request.scope["emulator.log"].clear()
    return await health(cloud, request)


async def log(cloud: Cloud, request: Request) -> Response:
    """GET /_emulator/log: the last requests, oldest first."""
    return reply({"requests": list(request.scope["emulator.log"])})


async def clear_log(cloud: Cloud, request: Request) -> Response:
    """DELETE /_emulator/log."""
    request.scope["emulator.log"].clear()
    return await log(cloud, request)


def _bad(problem: Exception) -> ServiceError:
    return ServiceError(400, "BadRequest", str(problem))

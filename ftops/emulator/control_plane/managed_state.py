"""State of managed deployments and adapters as a function of the clock, their JSON, and what answers.

Sources: the API description 2026-09-15-preview and its examples; Microsoft's documents on managed compute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ftops.emulator.account.cloud import JSON, Cloud, Deployment
from ftops.emulator.account.managed import Adapter, ManagedDeployment
from ftops.emulator.control_plane import deployment_state
from ftops.emulator.control_plane.deployment_state import timestamp
from ftops.emulator.http.errors import ServiceError, deployment_not_found, deployment_not_ready

ACCEPTED = 0.2
"""The share of a creation in which the state is Accepted."""
_ROUTES = {
    "chatCompletionsScoringPath": "chat/completions",
    "swagger": "swagger.json",
    "messagesApiScoringPath": "messages",
}


class Answering(NamedTuple):
    """What answers for the name of a managed deployment or an adapter."""

    model: JSON
    """In the form of a deployment's model: of a base model or of a tuned one."""
    name: str


def settle(cloud: Cloud) -> None:
    """Remove what has been deleted by now."""
    now = cloud.clock.now()
    for item in cloud.adapters.all():
        if item.deleting is not None and item.deleting <= now:
            cloud.adapters.remove(item.id)
    for base in cloud.managed.all():
        if base.deleting is not None and base.deleting <= now:
            cloud.managed.remove(base.id)


def find_managed(cloud: Cloud, name: str) -> ManagedDeployment | None:
    """The managed deployment with this name, in upper or lower case, if it exists now."""
    settle(cloud)
    return cloud.managed.get(name.lower())


def find_adapter(cloud: Cloud, name: str) -> Adapter | None:
    settle(cloud)
    return cloud.adapters.get(name.lower())


def refuse_taken(cloud: Cloud, name: str) -> None:
    """Raise if a deployment of another kind has the name. What the service does is not documented."""
    others = (find_managed(cloud, name), find_adapter(cloud, name), deployment_state.find(cloud, name))
    if cloud.settings.managed_names == "common" and any(others):
        raise ServiceError(409, "Conflict", f"The account already has a deployment named '{name}'.")


def state(item: ManagedDeployment | Adapter, now: float) -> str:
    """The provisioningState at the virtual time ``now``. In the examples, a new adapter isn't Accepted."""
    if isinstance(item, ManagedDeployment) and item.deleting is None and now < item.accepted:
        return "Accepted"
    return deployment_state.state(item, now)


def etag_of(cloud: Cloud, adapter: Adapter) -> str:
    """The etag as of now."""
    now = cloud.clock.now()
    has_ended = cloud.settings.adapter_etag == "operation" and not deployment_state.busy(adapter, now)
    return f'"{adapter.etag}{"-1" if has_ended else ""}"'


def described_managed(cloud: Cloud, item: ManagedDeployment) -> JSON:
    """A managed deployment on the wire, as of now."""
    now = cloud.clock.now()
    provisioned = state(item, now)
    properties: JSON = {**item.properties, "provisioningState": provisioned}
    if provisioned == "Succeeded":
        path = f"/managedComputeDeployments/{item.name}/"
        properties |= {
            "acceleratorsPerInstance": item.accelerators,
            "totalAccelerators": item.total,
            "capabilities": {"assetsV2": "true"},
            "routes": {key: path + rest for key, rest in _ROUTES.items()},
        }
    message = (item.error or {}).get("message") if provisioned == "Failed" else None
    at = timestamp(min(now, item.ready))
    properties["provisioningDetails"] = {"message": message or provisioned, "lastOperationTimestamp": at}
    return {**_envelope(cloud, item, "managedComputeDeployments"), "sku": item.sku, "properties": properties}


def described_adapter(cloud: Cloud, item: Adapter) -> JSON:
    """An adapter on the wire, as of now."""
    now = cloud.clock.now()
    ended, failed = not deployment_state.busy(item, now), item.final_state == "Failed"
    running = "Accepted" if now < item.accepted else "Running"
    operation: JSON = {
        "type": item.kind,
        "status": running if not ended else "Failed" if failed else "Succeeded",
        "startedAt": timestamp(item.modified),
    }
    if item.kind != "Delete":
        operation["requestedTargetDeploymentName"] = item.target
    if ended:
        operation["completedAt"] = timestamp(item.ready)
    active = active_target(item, now)
    shows_former = not ended and item.before and cloud.settings.retarget_reply == "former"
    properties = {
        "sourceModelId": item.source,
        "targetDeploymentName": item.before if shows_former else item.target,
        **({"activeTargetDeploymentName": active} if active else {}),
        "provisioningState": state(item, now),
        "lastOperation": operation,
    }
    envelope = _envelope(cloud, item, "adapterDeployments")
    return {**envelope, "etag": etag_of(cloud, item), "properties": properties}


def active_target(item: Adapter, now: float) -> str | None:
    """The managed deployment that serves the adapter."""
    if now < item.ready or item.final_state != "Succeeded":
        return item.before
    return item.target


def _envelope(cloud: Cloud, item: ManagedDeployment | Adapter, segment: str) -> JSON:
    who = {"By": "emulator", "ByType": "User"}
    times = {"created": item.created, "lastModified": item.modified}
    system = {f"{word}{key}": value for word in times for key, value in who.items()}
    system |= {f"{word}At": timestamp(at) for word, at in times.items()}
    return {
        "id": f"{cloud.account.id}/{segment}/{item.name}",
        "type": f"Microsoft.CognitiveServices/accounts/{segment}",
        "name": item.name,
        "systemData": system,
        "etag": f'"{item.etag}"',
    }


def answering(cloud: Cloud, name: str) -> Answering | None:
    """What answers for a name now; None if no managed deployment and no adapter has it. Raises
    ServiceError."""
    adapter = find_adapter(cloud, name)
    base = find_managed(cloud, (active_target(adapter, cloud.clock.now()) or "") if adapter else name)
    if adapter is None and base is None:
        return None
    for item in (adapter, base):
        if item is not None:
            _refuse_unrouted(item, cloud.clock.now())
    if base is None:
        raise deployment_not_found()
    if adapter is not None:
        return Answering({"name": adapter.model}, adapter.name)
    return Answering({"name": base.base}, base.name)


def _refuse_unrouted(item: ManagedDeployment | Adapter, now: float) -> None:
    """Raise unless the data plane knows it. What is changed answers as before."""
    is_new = item.kind == "Create" if isinstance(item, Adapter) else item.pending == "Creating"
    if item.deleting is not None or (is_new and (now < item.routed or item.final_state != "Succeeded")):
        raise deployment_not_found()
    if item.unready:
        raise deployment_not_ready()


_KINDS: dict[str, tuple[Callable[..., Any], Callable[..., JSON]]] = {
    Deployment.collection: (deployment_state.find, deployment_state.described),
    ManagedDeployment.collection: (find_managed, described_managed),
    Adapter.collection: (find_adapter, described_adapter),
}


def described_in(cloud: Cloud, collection: str, name: str) -> JSON | None:
    """A deployment of a collection of the cloud on the wire; None if it doesn't exist."""
    find, describe = _KINDS[collection]
    item = find(cloud, name)
    return None if item is None else describe(cloud, item)

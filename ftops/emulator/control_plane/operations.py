"""Long-running operations of the control plane."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import JSON, Cloud, Deployment, Operation
from ftops.emulator.control_plane import deployment_state
from ftops.emulator.control_plane.deployment_body import described
from ftops.emulator.http.errors import ServiceError
from ftops.emulator.http.messages import reply

KEPT = 200
_NEVER = 1e15


def start(
    cloud: Cloud,
    request: Request,
    deployment: Deployment,
    *,
    location: bool = False,
    error: JSON | None = None,
) -> dict[str, str]:
    """Begin the operation that ends when ``deployment`` is ready; the headers that tell of it.

    With an ``error`` the operation fails, though the deployment may be as good as before.
    """
    stuck = deployment.fate == deployment_state.STUCK
    operation = Operation(
        id=str(uuid.uuid4()),
        created=cloud.clock.now(),
        deployment=deployment.name,
        word="Deleting" if deployment.deleting is not None else deployment.pending,
        ends=_NEVER if stuck else deployment.ready,
        fate="Failed" if error or deployment.fate == "Failed" else "Succeeded",
        error=error or deployment.error,
    )
    if deployment.deleting is not None:  # whatever it was before, it goes
        operation = dataclasses.replace(operation, ends=deployment.ready, fate="Succeeded", error=None)
    cloud.operations.put(operation)
    for old in cloud.operations.all()[:-KEPT]:
        cloud.operations.remove(old.id)
    version = request.query_params.get("api-version", "")
    url = f"{str(request.base_url).rstrip('/')}{_path(cloud, operation)}"
    headers = {"azure-asyncoperation": f"{url}?api-version={version}"}
    if location:
        headers["location"] = f"{url}/resource?api-version={version}"
    return headers | retry_after(cloud)


def _path(cloud: Cloud, operation: Operation) -> str:
    account = cloud.account
    return (
        f"/subscriptions/{account.subscription}/providers/Microsoft.CognitiveServices"
        f"/locations/{account.location}/operationResults/{operation.id}"
    )


def retry_after(cloud: Cloud) -> dict[str, str]:
    """The Retry-After header, when it is switched on."""
    seconds = cloud.settings.retry_after_seconds
    return {"retry-after": str(seconds)} if seconds else {}


async def get(cloud: Cloud, request: Request) -> Response:
    """The status of an operation. While it runs, the word is that of a provisioning state."""
    operation = _existing(cloud, request)
    done = cloud.clock.now() >= operation.ends
    body: JSON = {
        "id": _path(cloud, operation),
        "name": operation.id,
        "status": operation.fate if done else operation.word,
        "startTime": _seconds(operation.created),
    }
    if done:
        body["endTime"] = _seconds(operation.ends)
        if operation.error is not None:
            body["error"] = operation.error
    return reply(body, 200, {} if done else retry_after(cloud))


async def result(cloud: Cloud, request: Request) -> Response:
    """What the Location header names: 202 while it runs, then the resource."""
    operation = _existing(cloud, request)
    if cloud.clock.now() < operation.ends:
        return Response(status_code=202, headers={"location": str(request.url)})
    deployment = deployment_state.find(cloud, operation.deployment)
    if deployment is None or operation.word == "Deleting":
        return Response(status_code=204)
    return reply(described(cloud, deployment))


def running(cloud: Cloud) -> list[Operation]:
    """The operations that have not ended."""
    now = cloud.clock.now()
    return [operation for operation in cloud.operations.all() if now < operation.ends]


def _existing(cloud: Cloud, request: Request) -> Operation:
    name = request.path_params["operation"]
    operation = cloud.operations.get(name)
    if operation is None:
        raise ServiceError(404, "ResourceNotFound", f"The operation '{name}' was not found.")
    return operation


def _seconds(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

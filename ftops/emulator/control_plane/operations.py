"""Long-running operations: what the headers Azure-AsyncOperation and Location name."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import JSON, Cloud, Operation
from ftops.emulator.control_plane import deployment_state, managed_state
from ftops.emulator.control_plane.deployment_state import AnyDeployment
from ftops.emulator.http.errors import ServiceError
from ftops.emulator.http.messages import reply

KEPT = 200
_NEVER = 1e15
_RESULT = "operationResultResponseType"
_LOCATIONS = {"result": "/resource?", "typed": f"?{_RESULT}=Location&", "status": "?"}
"""What the header Location leads to: the result, the same under a query, or the status once more."""


def start(
    cloud: Cloud,
    request: Request,
    deployment: AnyDeployment,
    *,
    location: str = "",
    error: JSON | None = None,
) -> dict[str, str]:
    """Start the operation that ends when ``deployment`` is ready. Returns the headers of the reply.

    With an ``error`` the operation fails, even if the deployment is all right.
    """
    deleting = deployment.deleting is not None  # a deletion succeeds, whatever the deployment's state is
    state = "Succeeded" if deleting else deployment.final_state
    operation = Operation(
        id=str(uuid.uuid4()),
        created=cloud.clock.now(),
        deployment=deployment.name,
        running_status="Deleting" if deleting else deployment.pending,
        ends=_NEVER if state == deployment_state.STUCK else deployment.ready,
        final_status="Failed" if error or state == "Failed" else "Succeeded",
        error=error or (None if deleting else deployment.error),
        collection=deployment.collection,
    )
    cloud.operations.put(operation)
    for old in cloud.operations.all()[:-KEPT]:
        cloud.operations.remove(old.id)
    version = request.query_params.get("api-version", "")
    url = f"{str(request.base_url).rstrip('/')}{_path(cloud, operation)}"
    headers = {"azure-asyncoperation": f"{url}?api-version={version}"}
    if location:
        headers["location"] = f"{url}{_LOCATIONS[location]}api-version={version}"
    return headers | retry_after(cloud)


def _path(cloud: Cloud, operation: Operation) -> str:
    return f"{cloud.account.location_id}/operationResults/{operation.id}"


def retry_after(cloud: Cloud) -> dict[str, str]:
    """The header Retry-After, if it is switched on."""
    seconds = cloud.settings.retry_after_seconds
    return {"retry-after": str(seconds)} if seconds else {}


async def get(cloud: Cloud, request: Request) -> Response:
    """The status of an operation: while it runs, that of the deployment."""
    if request.query_params.get(_RESULT) == "Location":
        return await result(cloud, request)
    operation = _existing(cloud, request)
    done = cloud.clock.now() >= operation.ends
    body: JSON = {
        "id": _path(cloud, operation),
        "name": operation.id,
        "status": operation.final_status if done else operation.running_status,
        "startTime": _seconds(operation.created),
    }
    if done:
        body["endTime"] = _seconds(operation.ends)
        if operation.error is not None:
            body["error"] = operation.error
    return reply(body, 200, {} if done else retry_after(cloud))


async def result(cloud: Cloud, request: Request) -> Response:
    """The result: 202 while the operation runs, then the resource."""
    operation = _existing(cloud, request)
    if cloud.clock.now() < operation.ends:
        return Response(status_code=202, headers={"location": str(request.url)})
    described = managed_state.described_in(cloud, operation.collection, operation.deployment)
    if described is None or operation.running_status == "Deleting":
        return Response(status_code=204)
    return reply(described)


def running(cloud: Cloud) -> list[Operation]:
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

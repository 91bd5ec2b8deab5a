"""Memory provider (`type: memory`): objects that exist only in the state; nothing leaves the process.

For tests, for trying out a spec, and for measuring the engine, as `terraform_data` is for Terraform. A job is
trained immediately: its model is just a name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ftops.config.config import ProviderConfig
from ftops.core.address import Address, Json
from ftops.providers.base import Request
from ftops.state.state import PendingOperation, RemoteObject, ResourceState, Status


def _job(request: Request) -> dict[str, Json]:
    return {
        "id": f"ftjob-{request.token}",
        "status": "succeeded",
        "fine_tuned_model": f"{request.inputs['model']}.ft-{request.token}",
        "seed": request.inputs.get("seed", 0),
        "hyperparameters": request.inputs.get("hyperparameters", {}),
        "result_files": [],
    }


def _plain(request: Request) -> dict[str, Json]:
    return {**request.inputs, "id": f"{request.address.kind}-{request.token}"}


def _deployment(request: Request) -> dict[str, Json]:
    name = request.inputs["name"]
    return {
        "id": f"deployment-{request.token}",
        "name": name,
        "endpoint": "memory:",
        "provisioning_state": "Succeeded",
        "model": request.inputs["model"],
    }


_ATTRIBUTES: Mapping[str, Callable[[Request], dict[str, Json]]] = {
    "dataset": lambda request: {"id": f"file-{request.token}", "status": "processed"},
    "job": _job,
    "deployment": _deployment,
}


class MemoryProvider:
    """Every call succeeds at once."""

    instant = True

    def create(self, request: Request) -> RemoteObject:
        attributes = _ATTRIBUTES.get(request.address.kind, _plain)(request)
        return RemoteObject(str(attributes["id"]), Status.READY, attributes)

    def read(self, resource: ResourceState) -> RemoteObject | None:
        return RemoteObject(
            resource.remote_id, resource.status, resource.outputs or {"id": resource.remote_id}
        )

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        attributes = _ATTRIBUTES.get(request.address.kind, _plain)(request)
        return RemoteObject(resource.remote_id, Status.READY, {**attributes, "id": resource.outputs["id"]})

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        return None

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        return None

    def concurrency_key(self, address: Address) -> str | None:
        return None

    def close(self) -> None:
        return None


def open_provider(config: ProviderConfig, project: Path) -> MemoryProvider:
    return MemoryProvider()

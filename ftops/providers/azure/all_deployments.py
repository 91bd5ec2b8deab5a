"""All deployments: each is handled by what knows its type, which its inputs tell, or its ARM ID."""

from __future__ import annotations

from pathlib import Path

from ftops.core.serving import Serving, serving_of
from ftops.providers.azure.adapters import Adapters
from ftops.providers.azure.clients import Clients
from ftops.providers.azure.deployments import Deployments
from ftops.providers.azure.managed_compute import ManagedCompute
from ftops.providers.azure.project_models import ProjectModels
from ftops.providers.azure.readiness import Readiness
from ftops.providers.base import Existing, Request
from ftops.state.state import PendingOperation, RemoteObject, ResourceState

_Kind = Deployments | ManagedCompute | Adapters


class AllDeployments:
    """The deployments of one account."""

    def __init__(self, clients: Clients, project: Path, visible_after: float) -> None:
        readiness = Readiness(clients)
        self.serverless = Deployments(clients, readiness, project)
        self.managed = ManagedCompute(clients, readiness, project)
        self.adapters = Adapters(clients, readiness, ProjectModels(clients, visible_after))
        self._by_serving: dict[Serving, _Kind] = {
            Serving.SERVERLESS: self.serverless,
            Serving.MANAGED: self.managed,
            Serving.ADAPTER: self.adapters,
        }

    def create(self, request: Request) -> RemoteObject:
        return self._by_serving[serving_of(request.inputs)].create(request)

    def read(self, resource: ResourceState) -> RemoteObject | None:
        return self._of(resource).read(resource)

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        return self._of(resource).update(request, resource)

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        return self._of(resource).delete(resource)

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        return self._by_serving[serving_of(operation.inputs)].find_by_token(operation, known)

    def existing(self) -> list[Existing]:
        return [one for kind in self._by_serving.values() for one in kind.existing()]

    def why_gone(self, resource: ResourceState) -> str:
        """The service itself deletes only those that are serverless."""
        kind = self._of(resource)
        return kind.why_gone(resource) if isinstance(kind, Deployments) else ""

    def _of(self, resource: ResourceState) -> _Kind:
        segment = resource.remote_id.rstrip("/").rpartition("/")[0].rpartition("/")[2].casefold()
        named = (kind for kind in self._by_serving.values() if kind.segment.casefold() == segment)
        return next(named, self._by_serving[serving_of(resource.inputs)])

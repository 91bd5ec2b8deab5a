"""The Azure OpenAI provider: datasets and jobs on the data plane, deployments on the control plane.

One attempt a call: no retries, no sleeps, no logs. The SDKs are loaded on the first call, not on import.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ftops.address import Address, Json, Value
from ftops.config import ProviderConfig
from ftops.errors import Permanent
from ftops.providers.azure_clients import Account, Clients, account_from
from ftops.providers.azure_datasets import Datasets
from ftops.providers.azure_deployments import Deployments, lane_of
from ftops.providers.azure_jobs import Jobs
from ftops.providers.base import Progress, Request
from ftops.state import PendingOperation, RemoteObject, ResourceState


def open_provider(config: ProviderConfig, project: Path) -> AzureProvider:
    """The provider that one entry of `providers` declares."""
    return AzureProvider(config.settings, name=config.name)


class Kind(Protocol):
    """What the provider does with resources of one kind."""

    def create(self, request: Request) -> RemoteObject: ...

    def read(self, resource: ResourceState) -> RemoteObject | None: ...

    def update(self, request: Request, resource: ResourceState) -> RemoteObject: ...

    def delete(self, resource: ResourceState) -> RemoteObject | None: ...

    def find(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None: ...


class AzureProvider:
    """One Azure OpenAI account."""

    def __init__(self, settings: Mapping[str, Value], *, name: str) -> None:
        self.name = name
        self._clients = Clients(account_from(settings, name))
        self._jobs = Jobs(self._clients)
        self._kinds: Mapping[str, Kind] = {
            "dataset": Datasets(self._clients),
            "job": self._jobs,
            "deployment": Deployments(self._clients),
        }

    @property
    def account(self) -> Account:
        return self._clients.account

    def create(self, request: Request) -> RemoteObject:
        return self._kind(request.address).create(request)

    def read(self, resource: ResourceState) -> RemoteObject | None:
        return self._kind(resource.address).read(resource)

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        return self._kind(request.address).update(request, resource)

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        return self._kind(resource.address).delete(resource)

    def find(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        return self._kind(operation.address).find(operation, known)

    def progress(self, resource: ResourceState, seen: str) -> tuple[list[Progress], str]:
        """What a job's events say; the other kinds have none."""
        return self._jobs.progress(resource, seen) if resource.address.kind == "job" else ([], seen)

    def lane(self, address: Address) -> str | None:
        return lane_of(self._clients, address)

    def connection(self) -> Mapping[str, Json]:
        """Where other programs find the account. Without a key they sign in as they can."""
        account = self.account
        return {"url": account.endpoint, "api_key": account.api_key, "api_version": account.api_version}

    def close(self) -> None:
        self._clients.close()

    def _kind(self, address: Address) -> Kind:
        kind = self._kinds.get(address.kind)
        if kind is None:
            raise Permanent(f"{address}: Azure OpenAI has no resources of the kind {address.kind}")
        return kind

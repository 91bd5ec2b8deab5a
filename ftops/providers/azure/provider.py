"""Azure OpenAI provider: datasets and jobs on the data plane, deployments on the control plane.

One attempt per call: no retries, no sleeps, no logs. The SDKs are loaded on the first call, not on import.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from ftops.config.config import ProviderConfig
from ftops.core.address import Address, Json, Value
from ftops.core.resource_types import kind_of
from ftops.providers.account_facts import AccountFacts, ManagedFacts
from ftops.providers.azure.all_deployments import AllDeployments
from ftops.providers.azure.clients import Clients
from ftops.providers.azure.inspect import inspect, inspect_managed
from ftops.providers.azure.settings import account_from
from ftops.providers.dataplane.dispatch import ByKind, seconds_until_visible


def open_provider(config: ProviderConfig, project: Path) -> AzureProvider:
    """The provider that one entry of `providers` declares."""
    return AzureProvider(config.settings, name=config.name, hidden=config.hidden, project=project)


class AzureProvider(ByKind):
    """One Azure OpenAI account."""

    def __init__(
        self,
        settings: Mapping[str, Value],
        *,
        name: str,
        hidden: tuple[str, ...] = (),
        project: Path = Path(),
    ) -> None:
        self._clients = Clients(account_from(settings, name, hidden))
        self.account = self._clients.account
        deployments = AllDeployments(self._clients, project, seconds_until_visible(settings))
        super().__init__(settings, self._clients, deployments)

    def concurrency_key(self, address: Address) -> str | None:
        """The service refuses concurrent writes to deployments of one account."""
        return self.account.id if kind_of(address).by_control_plane else None

    def inspect(self, kinds: Collection[str]) -> AccountFacts:
        """What the account offers and allows."""
        return inspect(self._clients, kinds)

    def inspect_managed(self, location: str) -> ManagedFacts:
        """What the account has on managed compute."""
        return inspect_managed(self._clients, location)

    def connection(self) -> Mapping[str, Json]:
        """How other programs reach the account. Without a key they have to sign in."""
        account = self.account
        known = {"url": account.endpoint, "api_key": account.api_key, "api_version": account.dated_version}
        return {**known, **account.for_openai}

"""OpenAI provider: datasets and jobs as in Azure, with another client and dialect.

One attempt per call: no retries, no sleeps, no logs. The SDK is loaded on the first call, not on import.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from ftops.config.config import ProviderConfig
from ftops.core.address import Address, Json, Value
from ftops.providers.account_facts import AccountFacts
from ftops.providers.dataplane.dispatch import ByKind
from ftops.providers.openai.clients import PlatformClients, project_from
from ftops.providers.openai.deployments import ServedModels, inspect


def open_provider(config: ProviderConfig, project: Path) -> OpenAIProvider:
    """The provider that one entry of `providers` declares."""
    return OpenAIProvider(config.settings, name=config.name, hidden=config.hidden)


class OpenAIProvider(ByKind):
    """One project of the OpenAI platform."""

    def __init__(self, settings: Mapping[str, Value], *, name: str, hidden: tuple[str, ...] = ()) -> None:
        self._clients = PlatformClients(project_from(settings, name, hidden))
        self.account = self._clients.account
        super().__init__(settings, self._clients, ServedModels(self._clients))

    def inspect(self, kinds: Collection[str]) -> AccountFacts:
        """Whether the key is accepted, and which models the project has. The platform offers no more."""
        return inspect(self._clients, kinds)

    def concurrency_key(self, address: Address) -> str | None:
        """The platform accepts concurrent writes."""
        return None

    def connection(self) -> Mapping[str, Json]:
        """How other programs reach the platform."""
        project = self.account
        return {
            "openai_url": project.base_url,
            "openai_key": project.api_key,
            "organization": project.organization,
            "project": project.name,
        }

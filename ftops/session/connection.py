"""Connection: the environment variables with which other programs reach a provider of a spec."""

from __future__ import annotations

from collections.abc import Mapping

from ftops.config.config import Config
from ftops.core.errors import UsageError
from ftops.providers import Providers
from ftops.providers.base import Connects

_VARIABLES: Mapping[str, str] = {
    "url": "AZURE_OPENAI_ENDPOINT",
    "api_key": "AZURE_OPENAI_API_KEY",
    "api_version": "OPENAI_API_VERSION",
    "openai_url": "OPENAI_BASE_URL",
    "openai_key": "OPENAI_API_KEY",
    "organization": "OPENAI_ORG_ID",
    "project": "OPENAI_PROJECT_ID",
}
"""Properties of a provider's connection → the environment variables that the openai package reads."""


def connection_environment(config: Config, providers: Providers, name: str | None) -> dict[str, str]:
    """Environment variables with which the openai package connects to a provider: the one named, or the only
    one that the spec uses. Raises UsageError, ProviderError."""
    used = sorted(config.used_providers or config.providers)
    if name is None and len(used) > 1:
        raise UsageError("the spec uses several providers", f"they are {', '.join(used)}.", "add --provider")
    provider = providers(name or used[0])
    if not isinstance(provider, Connects):
        raise UsageError(f"provider {name or used[0]} has no endpoint for other programs")
    known = provider.connection()
    return {variable: str(known[key]) for key, variable in _VARIABLES.items() if known.get(key)}

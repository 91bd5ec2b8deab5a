"""Providers: opened when they are first used, which loads their module and with it their SDK."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ftops.config.config import ProviderConfig
from ftops.core.errors import FtopsError
from ftops.core.lazy import resolve
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.providers.base import Provider


class Providers:
    """The providers of one run, opened when first used. For one thread; the providers are for many."""

    def __init__(self, configs: Mapping[str, ProviderConfig], project: Path) -> None:
        self._configs = configs
        self._project = project
        self._open: dict[str, Provider] = {}

    def __call__(self, name: str) -> Provider:
        """Raises FtopsError if no provider of that name is declared."""
        if name not in self._open:
            self._open[name] = self._start(name)
        return self._open[name]

    def close(self) -> None:
        for provider in self._open.values():
            provider.close()
        self._open.clear()

    def _start(self, name: str) -> Provider:
        config = self._configs.get(name)
        if config is None:
            known = ", ".join(sorted(self._configs)) or "none"
            raise FtopsError(
                f"provider {name!r} is not declared",
                f"The state has objects that it created. Declared are: {known}.",
                f"declare {name!r} under `providers` until these objects are deleted or moved",
            )
        provider: Provider = resolve(PROVIDER_TYPES[config.type].opens)(config, self._project)
        return provider

"""Catalogue values. Anything unknown is None or missing; nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from msgspec import Struct, field


class CatalogModel(Struct, frozen=True):
    """One model in one version."""

    id: str
    name: str
    version: str = ""
    aliases: tuple[str, ...] = ()
    methods: frozenset[str] | None = None
    """How it can be tuned. Empty: not at all."""
    training: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    """Training type → the regions that offer it; None: it is offered, who knows where. Empty: nowhere."""
    skus: tuple[str, ...] | None = None
    """SKUs under which it is deployed once it is tuned."""
    encoding: str = ""
    """How the model divides text into tokens: `o200k_base`, `cl100k_base`."""
    example_tokens: int | None = None
    training_per_million: Mapping[str, float] = field(default_factory=dict)
    """Training type → US dollars for a million tokens."""
    training_per_hour: float | None = None
    training_retires: date | None = None
    inference_retires: date | None = None
    is_earliest: bool = False
    """The dates are the earliest that they can be."""
    note: str = ""
    source: str = ""
    read: date | None = None
    """When the source was read."""

    @property
    def names(self) -> frozenset[str]:
        """All that it goes by, in lower case."""
        return frozenset(name.casefold() for name in (self.id, self.name, *self.aliases))


class Catalog(Struct, frozen=True):
    """All models by id, and what holds for every account unless it says otherwise itself."""

    models: Mapping[str, CatalogModel] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    hosting_per_hour: Mapping[str, float] = field(default_factory=dict)
    """SKU in lower case → US dollars for an hour of a tuned model's deployment."""
    encodings: Mapping[str, str] = field(default_factory=dict)
    """Beginning of a model's name, in lower case → its encoding."""
    sources: tuple[str, ...] = ()
    """The files that it comes from, the user's last."""
    on_platform: Mapping[str, CatalogModel] = field(default_factory=dict)
    """Models on the OpenAI platform, by id. `models` are those of Azure."""

    @property
    def of_platform(self) -> Catalog:
        """What is known of the OpenAI platform."""
        return Catalog(self.on_platform, encodings=self.encodings, sources=self.sources)

    def find(self, name: str, version: str = "") -> CatalogModel | None:
        """By id, or by name and version; by name alone where only one version is known."""
        asked = name.casefold()
        named = [m for m in self.models.values() if asked in m.names]
        if version:
            return next((m for m in named if m.version.casefold() == version.casefold()), None)
        by_id = next((m for m in named if asked == m.id.casefold()), None)
        return by_id or (named[0] if len(named) == 1 else None)

    def encoding(self, name: str) -> str:
        """The encoding of a model, by its own entry or by the longest beginning that is known; empty where
        it isn't known."""
        found = self.find(name)
        if found and found.encoding:
            return found.encoding
        asked = name.casefold()
        known = [prefix for prefix in self.encodings if asked.startswith(prefix)]
        return self.encodings[max(known, key=len)] if known else ""

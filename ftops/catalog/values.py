"""Catalogue values. What is unknown is None or missing; nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from msgspec import Struct, field

from ftops.core.model_names import base_of
from ftops.core.provider_types import ProviderType

_ASSET = re.compile(r"azureml://registries/[^/]+/models/(?P<name>[^/]+)/versions/[^/]+", re.IGNORECASE)


class TokenPrices(Struct, frozen=True):
    """US dollars per million tokens of requests and answers."""

    input: float
    output: float
    cached: float | None = None
    """Of input that the service has cached. None: as other input."""
    as_of: date | None = None
    """The date of the source."""


class ManagedModel(Struct, frozen=True):
    """A model on managed compute."""

    model: str = ""
    """The ID of the asset: `azureml://registries/…/models/…/versions/…`."""
    accelerators: int | None = None
    """GPUs of an instance."""
    accelerator_type: str = ""
    """The family of GPUs that is usual for it."""


class CatalogModel(Struct, frozen=True):
    """One model in one version."""

    id: str
    name: str
    version: str = ""
    aliases: tuple[str, ...] = ()
    format: str = ""
    """The word for its publisher in requests for deployments: `OpenAI`, `Microsoft`."""
    stage: str = ""
    modality: str = ""
    methods: frozenset[str] | None = None
    """How it can be fine-tuned. Empty: it can't be."""
    training: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    """Training type → the regions that offer it; None: in unknown regions. Empty: it isn't offered."""
    skus: Mapping[str, frozenset[str] | None] | None = None
    """SKU for deployments of the fine-tuned model → the regions that offer it; None: in unknown regions."""
    managed_compute: ManagedModel | None = None
    encoding: str = ""
    """The encoding of its tokens: `o200k_base`, `cl100k_base`."""
    example_tokens: int | None = None
    training_per_million: Mapping[str, float] = field(default_factory=dict)
    """Training type → US dollars per million tokens."""
    training_per_hour: float | None = None
    inference_per_million: Mapping[str, TokenPrices] = field(default_factory=dict)
    """SKU of a deployment in lower case → prices, for the model and for those tuned from it."""
    training_as_of: date | None = None
    """The date of the source of the prices of training."""
    training_retires: date | None = None
    training_is_earliest: bool = False
    """The date may be postponed, but not brought forward."""
    inference_retires: date | None = None
    """The last day of deployments of the fine-tuned model."""
    inference_is_earliest: bool = False
    base_retires: date | None = None
    """When the base model ends: from then on, only customers who have tuned it before may train it."""
    retirement_source: str = ""
    """Of these dates."""
    note: str = ""
    source: str = ""
    dated: date | None = None
    """The source's own date."""

    def skus_in(self, location: str) -> tuple[str, ...] | None:
        """SKUs for deployments of the fine-tuned model in a region, or anywhere if that isn't known; None if
        the SKUs aren't."""
        if self.skus is None:
            return None
        return tuple(
            sku for sku, where in self.skus.items() if where is None or not location or location in where
        )

    def trained_in(self, location: str) -> tuple[str, ...]:
        """Training types that are offered in a region or in unknown ones, or anywhere if that isn't known."""
        return tuple(
            kind
            for kind, where in self.training.items()
            if where is None or (location in where if location else bool(where))
        )

    @property
    def names(self) -> frozenset[str]:
        """Its id, name and aliases, in lower case."""
        return frozenset(name.casefold() for name in (self.id, self.name, *self.aliases))


class Catalog(Struct, frozen=True):
    """All models by id, and the values that hold for every account unless it reports others."""

    models: Mapping[str, CatalogModel] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    hosting_per_hour: Mapping[str, float] = field(default_factory=dict)
    """SKU in lower case → US dollars per hour for a deployment of a fine-tuned model."""
    accelerator_per_hour: Mapping[str, float] = field(default_factory=dict)
    """Type of GPUs in lower case → US dollars per hour for one on managed compute."""
    spending_limits: Mapping[str, float] = field(default_factory=dict)
    """Method → US dollars that a job costs when the service pauses it."""
    spending_as_of: date | None = None
    """The date of the source of these limits."""
    encodings: Mapping[str, str] = field(default_factory=dict)
    """Prefix of a model's name, in lower case → its encoding."""
    on_platform: Mapping[str, CatalogModel] = field(default_factory=dict)
    """Models on the OpenAI platform, by id. `models` are those of Azure."""

    @property
    def dated(self) -> date | None:
        """The date of the newest source of a model."""
        return max((m.dated for m in self.models.values() if m.dated is not None), default=None)

    @property
    def of_platform(self) -> Catalog:
        """The catalogue of the OpenAI platform."""
        return Catalog(self.on_platform, encodings=self.encodings)

    def of(self, service: ProviderType) -> Catalog:
        """The catalogue of a type of provider."""
        return self.of_platform if service.platform_catalog else self

    def find(self, name: str, version: str = "") -> CatalogModel | None:
        """A model by id, or by name and version; by name only if one version is known."""
        name = name.casefold()
        named = [m for m in self.models.values() if name in m.names]
        if version:
            return next((m for m in named if m.version.casefold() == version.casefold()), None)
        by_id = next((m for m in named if name == m.id.casefold()), None)
        return by_id or (named[0] if len(named) == 1 else None)

    def of_asset(self, asset: str) -> CatalogModel | None:
        """The model of an asset on managed compute; other registries may have it under a longer name, such as
        `publisher--name`."""
        found = _ASSET.fullmatch(asset)
        name = found["name"].casefold() if found else ""
        named = [m for m in self.models.values() if name and name.endswith(m.name.casefold())]
        return max(named, key=lambda m: len(m.name), default=None)

    def token_prices(self, model: str, version: str, sku: str) -> TokenPrices | None:
        """Of a deployment of this model, also of a fine-tuned one; None if they are unknown."""
        base = base_of(model)
        found = self.find(base, version if base == model else "")
        return found.inference_per_million.get((sku or "Standard").casefold()) if found else None

    def encoding(self, name: str) -> str:
        """The encoding of a model, by its entry or the longest known prefix of its name; empty if unknown."""
        model = self.find(name)
        if model and model.encoding:
            return model.encoding
        prefix = max(filter(name.casefold().startswith, self.encodings), key=len, default="")
        return self.encodings.get(prefix, "")

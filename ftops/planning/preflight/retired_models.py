"""Which objects that are gone went with their model: it is no longer served after its retirement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from ftops import catalog
from ftops.config.config import Config
from ftops.core.address import Address
from ftops.core.model_names import base_of, split
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.planning.preflight.context import text
from ftops.state.state import State


def retired(
    gone: Iterable[Address], state: State, config: Config, environ: Mapping[str, str], today: date
) -> Iterator[Address]:
    """Those of `gone` whose model's retirement the catalogue dates before `today`. Raises SpecError where
    the catalogue can't be read."""
    known = catalog.load(config.project, environ)
    for address in gone:
        recorded = state.resources[address]
        provider = config.providers.get(recorded.provider)
        model = base_of(text(recorded.inputs, "model"))
        if not model or provider is None or not PROVIDER_TYPES[provider.type].retires_models:
            continue
        models = known.of_platform if PROVIDER_TYPES[provider.type].platform_catalog else known
        name, version = split(model)
        found = models.find(name, text(recorded.inputs, "version") or version)
        if found is not None and found.inference_retires is not None and found.inference_retires <= today:
            yield address

"""Temporary deployments of evaluations: their names, and the SKU of those that are created. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ftops.core.address import Json
from ftops.core.model_names import base_of
from ftops.core.normal_form import word
from ftops.core.resource_types import is_tuned
from ftops.core.serving import MANAGED_SKU, SKU_NAMES

if TYPE_CHECKING:  # every plan imports this module, and few need the catalogue
    from ftops.catalog import Catalog

PREFIX = "ftops-eval-"
"""What their names begin with."""
FREE = "DeveloperTier"
"""Hosts a fine-tuned model for a day at no charge, and no other models."""
DEFAULT = "Standard"
_spelled = word(*SKU_NAMES)


def prefix_of(token: str) -> str:
    """What the names of the temporary deployments of an intent begin with."""
    return f"{PREFIX}{token[-8:]}"


def sku_for(
    base: str, wanted: Mapping[str, Json], known: Catalog, *, tuned: bool | None = None
) -> dict[str, Json]:
    """The SKU to ask a model with: the wanted one, or else FREE if the catalogue offers it. `base`: the
    model, or the base model of a `tuned` one."""
    tuned = is_tuned(base) if tuned is None else tuned
    sku: dict[str, Json] = {"name": DEFAULT, "capacity": 1}
    model = known.find(base_of(base))
    if tuned and model and model.skus:
        offered = model.skus.keys() - {MANAGED_SKU}
        sku["name"] = next((name for name in (FREE, DEFAULT, *model.skus) if name in offered), DEFAULT)
    sku |= wanted
    name = _spelled(str(sku["name"]))
    if name in SKU_NAMES:
        sku["name"] = DEFAULT if name == FREE and not tuned else name
    return sku

"""Serving: the ways in which a deployment serves its model, and its name at the service. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum

from ftops.core.address import Value
from ftops.core.nested import object_at
from ftops.core.normal_form import name, word

MANAGED_SKU = "GlobalManagedCompute"
SKU_NAMES = (
    "Standard",
    "GlobalStandard",
    "DataZoneStandard",
    "DeveloperTier",
    "ProvisionedManaged",
    "GlobalProvisionedManaged",
    "DataZoneProvisionedManaged",
    MANAGED_SKU,
)
ACCELERATOR_TYPES = ("A100_80GB", "H100_80GB", "MI_300_192GB")
_sku_name = word(*SKU_NAMES)


class Serving(StrEnum):
    """How a model is served. The service has a type of object for each."""

    SERVERLESS = "serverless"
    """On capacity of the service, in tokens per minute."""
    MANAGED = "managed compute"
    """On GPUs of its own."""
    ADAPTER = "adapter"
    """A fine-tuned model on the managed compute of its base model."""


def serving_of(inputs: Mapping[str, Value]) -> Serving:
    """How a deployment with these inputs serves its model."""
    if inputs.get("target") is not None:  # empty: it isn't known yet
        return Serving.ADAPTER
    sku = object_at(inputs, "sku").get("name")
    return Serving.MANAGED if _sku_name(str(sku or "")) == MANAGED_SKU else Serving.SERVERLESS


_FIXED: Mapping[Serving, tuple[str, ...]] = {
    Serving.SERVERLESS: ("source", "source_tenant"),
    Serving.MANAGED: ("version", "deployment_template", "accelerator_type"),
    Serving.ADAPTER: ("source_model",),
}
"""What can't be changed in place, beside the model and the name of the SKU."""


def deployment_name(name: str, inputs: Mapping[str, Value]) -> str:
    """The name at the service. Where the old one stays until the new one answers, it follows from what can't
    be changed in place. Empty while the model isn't known."""
    if inputs.get("replace") != "blue_green":
        return name
    model, sku = inputs.get("model"), inputs.get("sku")
    if not isinstance(model, str):
        return ""
    size = _sku_name(str(sku.get("name") or "")) if isinstance(sku, Mapping) else ""
    parts = (model, str(size), *(str(inputs.get(key) or "") for key in _FIXED[serving_of(inputs)]))
    return f"{name}-{hashlib.sha256(' '.join(parts).rstrip().encode()).hexdigest()[:8]}"


_BLUE_GREEN = re.compile(r"-[0-9a-f]{8}")


def is_named(found: str, declared: str) -> bool:
    """Whether a deployment has the name that a spec declares, alone or with the digits of blue_green."""
    found, declared = str(name(found)), str(name(declared))
    return found == declared or (
        found.startswith(declared) and bool(_BLUE_GREEN.fullmatch(found, len(declared)))
    )

"""Deployments as the state records them: what they serve, and with which SKU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ftops.state.state import ResourceState


def model_of(resource: ResourceState) -> tuple[str, str]:
    """Name and version, which may be empty."""
    outputs, inputs = resource.outputs, resource.inputs
    version = str(outputs.get("model_version") or inputs.get("model_version") or "")
    return str(outputs.get("model") or inputs.get("model")), version


class Sku(NamedTuple):
    name: str
    capacity: int | None


def sku_of(resource: ResourceState) -> Sku:
    sku = resource.outputs.get("sku") or resource.inputs.get("sku")
    name, capacity = (sku.get("name"), sku.get("capacity")) if isinstance(sku, Mapping) else ("", None)
    return Sku(str(name or ""), capacity if isinstance(capacity, int) else None)

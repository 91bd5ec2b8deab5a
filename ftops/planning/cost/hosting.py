"""Hosting costs: what a deployment costs while it exists, by the hour. Pure.

A deployment of a fine-tuned model has a price by its SKU. Managed compute costs GPUs of an instance ×
instances × the price of a GPU for an hour.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from ftops.catalog import Catalog
from ftops.config.config import Resource
from ftops.config.model_references import referenced_model
from ftops.core.address import Address, Value
from ftops.core.hosting_hours import hours_of
from ftops.core.nested import object_at
from ftops.core.serving import Serving, serving_of
from ftops.planning.estimate import HOURS_PER_MONTH, HostingCost


def hosting_cost(
    address: Address, inputs: Mapping[str, Value], resources: Mapping[Address, Resource], known: Catalog
) -> HostingCost | None:
    """Of tuned models, and on GPUs of their own; None for others, which cost by their use, and for adapters,
    which cost nothing beside their target. `resources`: what the inputs may refer to."""
    serving, cost = serving_of(inputs), None
    if serving is Serving.MANAGED:
        cost = managed_cost(address, inputs, known)
    elif serving is Serving.SERVERLESS:
        named = referenced_model(inputs.get("model"), resources)
        if named is not None and named.tuned:
            sku = str(object_at(inputs, "sku").get("name") or "Standard")
            cost = HostingCost(address, known.hosting_per_hour.get(sku.casefold()))
    hours = hours_of(inputs) if cost else None
    return replace(cost, hours_per_month=HOURS_PER_MONTH * hours.share) if cost and hours else cost


def managed_cost(address: Address, inputs: Mapping[str, Value], known: Catalog) -> HostingCost:
    """Of a managed deployment. How many GPUs an instance has follows from the template: the catalogue knows
    it for the usual one."""
    model = str(inputs.get("model"))
    listed = known.find(model) or known.of_asset(model)
    managed = listed.managed_compute if listed else None
    kind = str(inputs.get("accelerator_type") or (managed.accelerator_type if managed else ""))
    instances = object_at(inputs, "sku").get("capacity", 1)
    per_instance = managed.accelerators if managed and not inputs.get("deployment_template") else None
    if per_instance is None or not isinstance(instances, int):
        return HostingCost(address, None, "how many GPUs it takes isn't known")
    count = per_instance * instances
    gpus = f"{count} × {kind or 'GPU'}"
    price = known.accelerator_per_hour.get(kind.casefold())
    if price is None:
        return HostingCost(address, None, f"{gpus}, and the catalogue has no price of one")
    return HostingCost(address, count * price, gpus)

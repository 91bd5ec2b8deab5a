"""What managed compute costs: GPUs of an instance × instances × the price of a GPU for an hour. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ftops.catalog import Catalog
from ftops.core.address import Address, Value
from ftops.core.nested import object_at
from ftops.planning.estimate import HostingCost


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

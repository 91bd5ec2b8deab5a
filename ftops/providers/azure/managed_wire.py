"""Managed compute's wire format: the request body of a managed deployment and of an adapter, and what a reply
means. No calls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ftops.core.address import Json
from ftops.core.nested import object_at
from ftops.core.normal_form import same
from ftops.core.serving import MANAGED_SKU
from ftops.providers.azure import deployment_wire as wire
from ftops.providers.deployment_expiry import CREATED, time_of
from ftops.state.state import PendingOperation

_FIXED: Mapping[str, str] = {
    "accelerator_type": "acceleratorType",
    "deployment_template": "deploymentTemplate",
    "version_upgrade_option": "versionUpgradeOption",
}
"""Inputs that are set when the object is created, and never changed."""
_ASSET = re.compile(r"(?P<model>azureml://registries/[^/]+/models/[^/]+)/versions/(?P<version>[^/]+)")
_TEMPLATE = re.compile(r"(?P<name>.+/deploymenttemplates/[^/]+)/(?:versions|labels)/[^/]+")
_CLOCK_SKEW = timedelta(minutes=5)
"""By which the service's clock may differ from that of this machine."""


def is_asset(model: Json) -> bool:
    """Whether a model is written as an asset of a registry."""
    return str(model).startswith("azureml://")


def with_version(asset: str, version: str) -> str:
    """The asset in another version."""
    found = _ASSET.fullmatch(asset)
    return f"{found['model']}/versions/{version}" if found and version else asset


def managed_body(inputs: Mapping[str, Json], asset: str) -> dict[str, Any]:
    """The request body of a managed deployment."""
    given = {theirs: inputs[ours] for ours, theirs in _FIXED.items() if inputs.get(ours)}
    return {"sku": _sku(inputs), "properties": {"model": asset, **given}}


def sku_body(inputs: Mapping[str, Json]) -> dict[str, Any]:
    """The request body that changes the number of instances."""
    return {"sku": _sku(inputs)}


def _sku(inputs: Mapping[str, Json]) -> dict[str, Json]:
    return {"name": MANAGED_SKU, "capacity": object_at(inputs, "sku").get("capacity", 1)}


def managed_inputs(body: Mapping[str, Any], inputs: Mapping[str, Json], asset: str) -> dict[str, Json]:
    """The requested inputs of a managed deployment that the service reports, as the spec spells them.
    `asset`: what the model means; empty if it isn't known."""
    properties, sku = object_at(body, "properties"), object_at(body, "sku")
    observed: dict[str, Json] = _named(body, inputs)
    live = str(properties.get("model") or "")
    if asset and _is_same_model(live, asset):
        observed |= _asked_model(live, asset, inputs)
    else:
        observed["model"] = live
    observed["sku"] = {key: sku.get(key) for key in ("name", "capacity")}
    for ours, theirs in _FIXED.items():
        if inputs.get(ours):
            value = properties.get(theirs)
            observed[ours] = inputs[ours] if _is_as_asked(ours, value, inputs) else value
    return observed


def _asked_model(live: str, asset: str, inputs: Mapping[str, Json]) -> dict[str, Json]:
    if not inputs.get("version"):
        is_asked = not is_asset(inputs.get("model")) or live == asset
        return {"model": inputs.get("model") if is_asked else live}
    found = _ASSET.fullmatch(live)
    return {"model": inputs["model"], "version": found["version"] if found else ""}


def _is_same_model(one: str, other: str) -> bool:
    found = [_ASSET.fullmatch(asset) for asset in (one, other)]
    names = [match["model"].casefold() if match else "" for match in found]
    return bool(names[0]) and names[0] == names[1]


def _is_as_asked(name: str, value: object, inputs: Mapping[str, Json]) -> bool:
    """Whether a value is the requested one. The service may upgrade a template by its rules."""
    if name == "deployment_template" and inputs.get("version_upgrade_option") != "NoAutoUpgrade":
        found = [_TEMPLATE.fullmatch(str(text)) for text in (value, inputs[name])]
        names = [match["name"].casefold() if match else "" for match in found]
        return bool(names[0]) and names[0] == names[1]
    return same(str(value or ""), inputs[name], wire.SPELLING, name)


def managed_differences(body: Mapping[str, Any], inputs: Mapping[str, Json], asset: str) -> set[str]:
    """The inputs that aren't as requested."""
    observed = managed_inputs(body, inputs, asset)
    return {
        n for n, value in observed.items() if n != "name" and not same(value, inputs.get(n), wire.SPELLING, n)
    }


def all_managed_inputs(body: Mapping[str, Any]) -> dict[str, Json]:
    """All inputs that a managed deployment reports, as a spec spells them."""
    properties, sku = object_at(body, "properties"), object_at(body, "sku")
    inputs: dict[str, Json] = {
        "name": str(body.get("name") or ""),
        "model": str(properties.get("model") or ""),
        "sku": {key: sku[key] for key in ("name", "capacity") if sku.get(key) is not None},
        **{ours: properties.get(theirs) for ours, theirs in _FIXED.items()},
    }
    return {key: value for key, value in inputs.items() if value not in (None, "", {})}


def adapter_body(source: str, target: str) -> dict[str, Any]:
    """The request body of an adapter. `target`: a name."""
    return {"properties": {"sourceModelId": source, "targetDeploymentName": target}}


def source_of(body: Mapping[str, Any]) -> str:
    return str(object_at(body, "properties").get("sourceModelId") or "")


def target_of(body: Mapping[str, Any]) -> str:
    """The name of the deployment that an adapter was last told to be on."""
    return str(object_at(body, "properties").get("targetDeploymentName") or "")


def etag_of(body: Mapping[str, Any]) -> str:
    return str(body.get("etag") or "")


def adapter_inputs(
    body: Mapping[str, Any], inputs: Mapping[str, Json], source: str, targets: str
) -> dict[str, Json]:
    """The requested inputs of an adapter that the service reports. `source`: what its model is known to mean;
    empty if that isn't known. `targets`: the ARM ID of managed deployments without a name."""
    observed: dict[str, Json] = _named(body, inputs)
    live = source_of(body)
    is_same = not source or live.casefold() == source.casefold()
    observed["model"] = inputs.get("model") if is_same and inputs.get("model") else live
    if inputs.get("source_model"):
        asked = str(inputs["source_model"])
        observed["source_model"] = asked if live.casefold() == asked.casefold() else live
    asked, target = str(inputs.get("target") or ""), target_of(body)
    is_asked = wire.name_of(asked).casefold() == target.casefold()
    observed["target"] = asked if is_asked else f"{targets}/{target}"
    return observed


def serves(body: Mapping[str, Any]) -> str:
    """The name of the deployment that serves an adapter now, or else, if it isn't reported, of its target."""
    return str(object_at(body, "properties").get("activeTargetDeploymentName") or target_of(body))


def attributes_of(body: Mapping[str, Any], remote_id: str, endpoint: str, model: str) -> dict[str, Json]:
    """The computed attributes."""
    created, source = time_of(object_at(body, "systemData").get("createdAt")), source_of(body)
    return {
        "id": remote_id,
        "name": str(body.get("name") or wire.name_of(remote_id)),
        "endpoint": endpoint,
        "provisioning_state": wire.state_of(body) or "unknown",
        "model": model,
        **({"source_model": source} if source else {}),
        **({CREATED: f"{created:%Y-%m-%dT%H:%M:%SZ}"} if created else {}),
    }


def may_be_of(body: Mapping[str, Any], operation: PendingOperation) -> bool:
    """Whether an interrupted creation can have made an object. Neither has a place for a token: that it isn't
    older has to be enough, beside its name and what it is made from."""
    created = time_of(object_at(body, "systemData").get("createdAt"))
    began = time_of(operation.started_at)
    return created is not None and began is not None and created >= began - _CLOCK_SKEW


def _named(body: Mapping[str, Any], inputs: Mapping[str, Json]) -> dict[str, Json]:
    if "name" not in inputs:
        return {}
    return {"name": wire.observed_name(inputs, str(body.get("name") or ""))}

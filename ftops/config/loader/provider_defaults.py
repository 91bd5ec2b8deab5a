"""Provider defaults: added to the inputs of its resources; refuses keys that the provider doesn't support."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ftops.config.loader.for_each import Draft
from ftops.config.schema.providers import NOT_TAKEN, Defaults
from ftops.core.address import Value
from ftops.core.errors import Diagnostic

Inputs = dict[str, Value]
_TRAINING_TYPE = "standard"
_SKU: Mapping[str, Value] = {"name": "Standard", "capacity": 1}


def complete(
    draft: Draft, inputs: Inputs, provider_type: str, defaults: Defaults, findings: list[Diagnostic]
) -> None:
    """Fills in what the resource leaves to its provider; refuses what that doesn't know."""
    not_taken = NOT_TAKEN.get(provider_type, {}).get(draft.address.kind, ())
    for key in not_taken:
        inputs.pop(key, None)
        if key in draft.block.given:
            findings.append(_not_taken(draft, key, provider_type))
    if not not_taken:
        _FILL.get(draft.address.kind, _nothing)(inputs, defaults)


def _not_taken(draft: Draft, key: str, provider_type: str) -> Diagnostic:
    kind = draft.address.kind
    summary = f"a {kind} of a provider of type {provider_type} doesn't support `{key}`"
    place = draft.entry.place((key,), key=True)
    return Diagnostic(summary, _WHY_NOT[kind], _INSTEAD.get(key, _REMOVE), place)


_WHY_NOT: Mapping[str, str] = {
    "dataset": "The OpenAI platform doesn't fetch files: they are uploaded.",
    "job": "The OpenAI platform has only one training type.",
    "deployment": "On the OpenAI platform the model itself is called: nothing is deployed, sized or named.",
}
_REMOVE = "Remove it."
_TO_DEFAULTS = "Remove it; if the spec is also applied to Azure, set it under `defaults` of that provider."
_INSTEAD: Mapping[str, str] = {
    "url": "Download the file and name it with `path`.",
    **dict.fromkeys(Defaults.fields, _TO_DEFAULTS),
}


def _nothing(inputs: Inputs, defaults: Defaults) -> None:
    """The kind takes nothing from its provider."""


def _job(inputs: Inputs, defaults: Defaults) -> None:
    inputs["training_type"] = inputs["training_type"] or defaults.training_type or _TRAINING_TYPE


def _deployment(inputs: Inputs, defaults: Defaults) -> None:
    for key in ("version_upgrade_option", "rai_policy"):
        if getattr(defaults, key) is not None:
            inputs.setdefault(key, getattr(defaults, key))
    size = defaults.sku.as_data() if defaults.sku else {}
    inputs["sku"] = {**_SKU, **size, **_mapping(inputs.get("sku"))}
    inputs["tags"] = (defaults.tags or {}) | _mapping(inputs["tags"])
    if not inputs["tags"]:
        del inputs["tags"]


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


_FILL: Mapping[str, Callable[[Inputs, Defaults], None]] = {"job": _job, "deployment": _deployment}

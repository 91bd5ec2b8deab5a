"""Provider defaults: added to inputs that a resource doesn't set; checks for keys that aren't supported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftops.config.loader.for_each import Draft
from ftops.config.schema.providers import Defaults
from ftops.core.address import Value
from ftops.core.errors import Diagnostic
from ftops.core.lazy import resolve
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of

Inputs = dict[str, Value]
_TRAINING_TYPE = "standard"
_SKU: Mapping[str, Value] = {"name": "Standard", "capacity": 1}


def complete(
    draft: Draft, inputs: Inputs, provider_type: str, defaults: Defaults, findings: list[Diagnostic]
) -> None:
    """Adds the provider's defaults to the inputs; findings about keys that the provider doesn't support."""
    kind, type_ = kind_of(draft.address), PROVIDER_TYPES.get(provider_type)
    unsupported = type_.unsupported.get(kind.kind) if type_ else None
    if unsupported is None:
        if kind.add_defaults:
            resolve(kind.add_defaults)(inputs, defaults)
        return
    for key in unsupported.inputs:
        inputs.pop(key, None)
        if key in draft.block.given:
            summary = f"{kind.noun} of a provider of type {provider_type} doesn't support `{key}`"
            hint = _INSTEAD.get(key, _REMOVE)
            draft.entry.report(findings, (key,), summary, unsupported.why, hint, key=True)


_REMOVE = "Remove it."
_TO_DEFAULTS = "Remove it; if the spec is also applied to Azure, set it under `defaults` of that provider."
_INSTEAD: Mapping[str, str] = {
    "url": "Download the file and name it with `path`.",
    **dict.fromkeys(Defaults.fields, _TO_DEFAULTS),
}


def add_job_defaults(inputs: Inputs, defaults: Defaults) -> None:
    inputs["training_type"] = inputs["training_type"] or defaults.training_type or _TRAINING_TYPE


def add_deployment_defaults(inputs: Inputs, defaults: Defaults) -> None:
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

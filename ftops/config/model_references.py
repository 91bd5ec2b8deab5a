"""Model references: the model that `model` leads to, through the jobs that it refers to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftops.config.config import Resource
from ftops.core.address import Address, Reference, Value
from ftops.core.model_names import ModelName, base_of
from ftops.core.resource_types import is_tuned, kind_of

_MAX_JOBS = 100
"""In one chain. A cycle is an error long before."""


def referenced_model(
    value: Value, resources: Mapping[Address, Resource], version: str = ""
) -> ModelName | None:
    """The model, or None if it isn't known before an apply."""
    tuned = False
    for _ in range(_MAX_JOBS):
        if not isinstance(value, Reference):
            break
        job = resources.get(value.address)
        if job is None or not kind_of(job.address).trains:
            return None
        tuned, version = True, ""
        value = job.inputs.get("model")
    if not isinstance(value, str):
        return None
    if value.startswith("ftchkpt-"):
        return ModelName("", tuned=True, literal="" if tuned else value)
    if is_tuned(value):
        return ModelName(base_of(value), tuned=True, literal="" if tuned else value)
    return ModelName(value, version, tuned)


def started_from(value: Value, resources: Mapping[Address, Resource]) -> Value:
    """The model that a fine-tuned one started from; None if `value` leads to none."""
    for _ in resources:
        if not isinstance(value, Reference):
            break
        source = resources.get(value.address)
        if source is None:
            return None
        candidates: Any = source.inputs.get("candidates") or [None]
        value = source.inputs.get("model") or candidates[0]
        if kind_of(source.address).trains:
            return value
    return base_of(value) if isinstance(value, str) and is_tuned(value) else None

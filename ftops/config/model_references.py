"""Model references: the model that `model` leads to, through what it refers to. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ftops.config.config import Resource
from ftops.core.address import Address, Reference, Value
from ftops.core.model_names import ModelName, base_of
from ftops.core.resource_types import admits, is_tuned, kind_of

_LONGEST = 100
"""References in one chain. A cycle is an error long before."""


def referenced_model(
    value: Value, resources: Mapping[Address, Resource], version: str = ""
) -> ModelName | None:
    """The model, or None if it isn't known before an apply."""
    tuned = False
    for _ in range(_LONGEST):
        if not isinstance(value, Reference):
            break
        source = resources.get(value.address)
        if source is None or not admits(kind_of(source.address).model_attributes, value.attribute):
            return None
        tuned, version = tuned or kind_of(source.address).trains, ""
        candidates: Any = source.inputs.get("candidates") or [None]
        value = source.inputs.get("model") or candidates[0]
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


def lessons(evaluation: Resource, resources: Mapping[Address, Resource]) -> Iterator[Address]:
    """The training data of the models that are evaluated, and of those that they started from."""
    waiting, seen = [evaluation], set[Address]()
    while waiting:
        current = waiting.pop()
        if current.address in seen:
            continue
        seen.add(current.address)
        if kind_of(current.address).trains and (training := current.data.get("training")):
            yield training
        several: Any = current.inputs.get("candidates") or ()
        models = (current.inputs.get("model"), *several)
        named = (model.address for model in models if isinstance(model, Reference))
        waiting += [resources[address] for address in named if address in resources]

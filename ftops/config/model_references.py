"""Model references: a `model` of the spec, followed through the jobs that it refers to. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ftops.config.config import Resource
from ftops.core.address import Address, Reference, Value
from ftops.core.model_names import ModelName, base_of
from ftops.core.resource_types import is_tuned, kind_of

_ROUNDS_AT_MOST = 100
"""Jobs on jobs on jobs; a circle is refused long before."""


def referenced_model(
    value: Value, resources: Mapping[Address, Resource], version: str = ""
) -> ModelName | None:
    """What a `model` names, followed through the jobs that it refers to."""
    tuned = False
    for _ in range(_ROUNDS_AT_MOST):
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

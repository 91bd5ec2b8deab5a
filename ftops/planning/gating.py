"""Gating: whether evaluations let a deployment get its model. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ftops.config.config import Resource
from ftops.core.address import Address, Json, Value
from ftops.core.normal_form import model as spelled
from ftops.evaluation.gates import unmet
from ftops.planning.plan import Gate

Results = Callable[[Address], Mapping[str, Json] | None]
"""The recorded result of a finished evaluation; None if there is none."""


def gates_of(resource: Resource) -> tuple[Gate, ...]:
    """The gates in its inputs."""
    declared: Any = resource.inputs.get("gate") or ()
    model = resource.inputs.get("model")
    return tuple(Gate(g["on"].address, g["require"], model, g["allow_override"]) for g in declared)


def reasons_to_hold(gates: tuple[Gate, ...], model: Value, results: Results) -> tuple[str, ...]:
    """Why a deployment must not get this model; empty if all gates pass. A gate without a result doesn't."""
    return tuple(reason for gate in gates for reason in _reasons(gate, model, results(gate.evaluation)))


def _reasons(gate: Gate, model: Value, result: Mapping[str, Json] | None) -> list[str]:
    if result is None:
        return [f"{gate.evaluation} has no result"]
    best = result.get("best")
    if not (isinstance(best, str) and isinstance(model, str) and spelled(best) == spelled(model)):
        return [f"{gate.evaluation} evaluated another model: {best}"]
    return [f"{gate.evaluation}: {reason}" for reason in unmet(gate.require, result)]

"""Sweeps: the jobs of a `for_each`, and which of them is the best. Pure.

A reference `${job.sweep.best.fine_tuned_model}` carries the address of the first job; its attribute begins
with `best.`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from ftops.config.config import Resource
from ftops.core.address import Address, Json, Reference, Value, references
from ftops.core.measures import Measure, deciding
from ftops.core.resource_types import kind_of

BEST = "best."

Outputs = Callable[[Address], Mapping[str, Json] | None]


class Sweep(Struct, frozen=True):
    """Jobs, sorted by their keys, and the metric of the final model by which the best one is chosen. Without
    a metric: a reward if they have one, else the validation loss."""

    jobs: tuple[Address, ...]
    metric: str = ""
    mode: str = ""

    def measure(self, metrics: list[Mapping[str, Any]]) -> Measure | None:
        if not self.metric:
            return deciding(metrics)
        higher = "reward" in self.metric or "accuracy" in self.metric
        return Measure(self.metric, self.mode == "max" if self.mode else higher)


Sweeps = Mapping[Address, Sweep]
"""By their address without a key."""
NO_SWEEPS: Sweeps = {}


def is_best(reference: object) -> bool:
    """Whether it refers to the best job of a sweep."""
    return isinstance(reference, Reference) and reference.attribute.startswith(BEST)


def sweeps_of(resources: Mapping[Address, Resource]) -> dict[Address, Sweep]:
    """All sweeps of a spec."""
    jobs: dict[Address, list[Address]] = {}
    for address in sorted(resources, key=lambda a: a.sort_key):
        if kind_of(address).trains and address.key is not None:
            jobs.setdefault(address._replace(key=None), []).append(address)
    return {sweep: _sweep(found, resources[found[0]]) for sweep, found in jobs.items()}


def _sweep(jobs: list[Address], first: Resource) -> Sweep:
    best: Any = first.inputs.get("best") or {}
    return Sweep(tuple(jobs), str(best.get("metric") or ""), str(best.get("mode") or ""))


def used_sweeps(values: Iterable[Value], sweeps: Sweeps) -> dict[Address, Sweep]:
    """Those whose best job some values refer to."""
    if not sweeps:
        return {}
    used = (one.address._replace(key=None) for value in values for one in references(value) if is_best(one))
    return {address: sweeps[address] for address in sorted(set(used))}


def named_by(reference: Reference, sweeps: Sweeps) -> tuple[Address, ...]:
    """The address of a reference, or all jobs among which it chooses."""
    if not is_best(reference):
        return (reference.address,)
    return sweeps[reference.address._replace(key=None)].jobs


def chosen(reference: Reference, sweeps: Sweeps, outputs: Outputs) -> Reference | str | None:
    """The same attribute of the best job, or its key; None as long as one of the jobs isn't ready, or if one
    of them lacks the metric. Of equals, the first by key."""
    if not is_best(reference):
        return reference
    sweep = sweeps[reference.address._replace(key=None)]
    known = [outputs(job) for job in sweep.jobs]
    if any(one is None for one in known):
        return None
    metrics: list[Any] = [(one or {}).get("metrics") or {} for one in known]
    measure = sweep.measure(metrics)
    values = [measure.value(one) if measure else None for one in metrics]
    if measure is None or any(value is None for value in values):
        return None
    job = sweep.jobs[values.index(measure.best(value for value in values if value is not None))]
    attribute = reference.attribute.removeprefix(BEST)
    return str(job.key) if attribute == "key" else Reference(job, attribute)


def no_best(reference: Reference, sweeps: Sweeps, outputs: Outputs) -> tuple[str, str, str] | None:
    """Why none is the best although all jobs are ready: summary, detail and hint. None if that isn't so."""
    sweep = sweeps[reference.address._replace(key=None)]
    metrics: list[Any] = [(outputs(job) or {}).get("metrics") or {} for job in sweep.jobs]
    measure = sweep.measure(metrics)
    values = [measure.value(one) if measure else None for one in metrics]
    lacking = [job for job, value in zip(sweep.jobs, values, strict=True) if value is None]
    if not lacking:
        return None
    name = sweep.metric or (measure.name if measure else "validation loss")
    there = ", ".join(sorted({name for one in metrics for name in one})) or "none"
    return (
        f"the best of {reference.address._replace(key=None)} can't be chosen: {lacking[0]} has no {name}",
        f"The recorded metrics of these jobs are: {there}.",
        "give the jobs a `validation` dataset, or choose by a metric that all have: `best: {metric: …}`",
    )

"""Sweeps: the jobs of a `for_each`, and which of them is the best. Pure.

A reference `${job.sweep.best.fine_tuned_model}` carries the address of the first job; its attribute begins
with `best.`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from msgspec import Struct

from ftops.config.config import Config, Resource
from ftops.core.address import Address, Json, Reference, Value, references
from ftops.core.measures import Measure, deciding
from ftops.core.nested import object_at
from ftops.core.resource_types import kind_of

BEST = "best."

Outputs = Callable[[Address], Mapping[str, Json] | None]


class Sweep(Struct, frozen=True):
    """The jobs of which the best one is chosen, sorted by their keys, and the metric of the final model that
    decides. Without a metric: a reward if they have one, else the validation loss."""

    jobs: tuple[Address, ...]
    metric: str = ""
    mode: str = ""

    def measure(self, metrics: Sequence[Mapping[str, Any]]) -> Measure | None:
        return deciding(metrics, self.metric, self.mode)


class Stop(Struct, frozen=True):
    """When jobs of a sweep are stopped early: by a rule (`median` or `halving`) on a metric of their events,
    not before the step `after`, and not before `min_jobs` others have come as far. `factor`: one in so many
    goes on after each rung. `tokens` and `dollars` are what all jobs may cost together."""

    jobs: tuple[Address, ...]
    rule: str
    metric: str = ""
    mode: str = ""
    after: int = 10
    min_jobs: int = 3
    factor: int = 3
    tokens: int | None = None
    dollars: float | None = None

    def measure(self, rows: Sequence[Mapping[str, Any]]) -> Measure | None:
        return deciding(rows, self.metric, self.mode)

    @property
    def budget(self) -> dict[str, Json]:
        """As it is recorded of jobs that weren't started because of it; empty if there is none."""
        limits = {"tokens": self.tokens, "dollars": self.dollars}
        return {name: limit for name, limit in limits.items() if limit is not None}


Sweeps = Mapping[Address, Sweep]
"""By their address without a key."""
NO_SWEEPS: Sweeps = {}
Stops = Mapping[Address, Stop]


class Ranked(NamedTuple):
    """A job, the value of the metric, and how far that is from the best one."""

    address: Address
    value: float
    difference: float = 0.0


class Choice(Struct, frozen=True):
    """The jobs of a sweep by a metric, the best one first."""

    sweep: Address
    metric: str
    mode: str
    ranked: tuple[Ranked, ...]


def is_best(reference: object) -> bool:
    """Whether it refers to the best job of a sweep."""
    return isinstance(reference, Reference) and reference.attribute.startswith(BEST)


def keys_among(keys: Iterable[str], among: Iterable[str]) -> list[str]:
    """The keys that `among` admits, by themselves or by a pattern; all if it has none."""
    wanted = tuple(among)
    return [key for key in keys if not wanted or key in wanted or any(fnmatchcase(key, w) for w in wanted)]


def sweeps_of(resources: Mapping[Address, Resource]) -> tuple[dict[Address, Sweep], dict[Address, Stop]]:
    """All sweeps of a spec, and when jobs of them are stopped."""
    jobs: dict[Address, list[Address]] = {}
    keyed = (address for address in resources if address.key is not None and kind_of(address).trains)
    for address in sorted(keyed, key=lambda a: a.sort_key):
        jobs.setdefault(address._replace(key=None), []).append(address)
    firsts = {sweep: resources[found[0]].inputs for sweep, found in jobs.items()}
    stops = {sweep: _stop(jobs[sweep], inputs) for sweep, inputs in firsts.items() if inputs.get("stop")}
    return {sweep: _sweep(jobs[sweep], inputs) for sweep, inputs in firsts.items()}, stops


def _sweep(jobs: list[Address], first: Mapping[str, Any]) -> Sweep:
    best: Any = first.get("best") or {}
    keys = keys_among((str(job.key) for job in jobs), best.get("among") or ())
    among = tuple(job for job in jobs if job.key in keys)
    return Sweep(among, str(best.get("metric") or ""), str(best.get("mode") or ""))


def _stop(jobs: list[Address], first: Mapping[str, Any]) -> Stop:
    stop, best = first["stop"], first.get("best") or {}
    named = stop if stop.get("metric") else best
    budget = stop.get("budget") or {}
    mode = stop.get("mode") or named.get("mode")
    return Stop(
        tuple(jobs),
        stop["rule"],
        str(named.get("metric") or ""),
        str(mode or ""),
        stop["after"],
        stop["min_jobs"],
        stop.get("factor") or 3,
        budget.get("tokens"),
        budget.get("dollars"),
    )


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


def choice_of(address: Address, sweeps: Sweeps, outputs: Outputs) -> Choice | None:
    """The jobs of a sweep by its metric; None as long as one of them isn't ready, or if one lacks the metric.
    Of equals, the first by key is the better one. Jobs that were stopped count if they have left a model."""
    sweep = sweeps[address]
    known = {job: outputs(job) for job in sweep.jobs}
    if any(found is None for found in known.values()):
        return None
    metrics = {job: _metrics(found) for job, found in known.items() if found and has_result(found)}
    measure = sweep.measure(list(metrics.values()))
    if measure is None:
        return None
    values = {job: value for job, one in metrics.items() if (value := measure.value(one)) is not None}
    if not values or len(values) < len(metrics):
        return None
    ranked = sorted(values.items(), key=lambda one: (measure.rank(one[1]), one[0].sort_key))
    rows = tuple(Ranked(job, value, value - ranked[0][1]) for job, value in ranked)
    return Choice(address, measure.name, "max" if measure.is_reward else "min", rows)


def choices_of(config: Config, sweeps: Sweeps, outputs: Outputs) -> tuple[Choice, ...]:
    """Of the sweeps whose best job resources or outputs refer to, as far as it is known."""
    values = [value for resource in config.resources for value in resource.inputs.values()]
    used = used_sweeps([*values, *(output.value for output in config.outputs)], sweeps)
    found = (choice_of(sweep, sweeps, outputs) for sweep in used)
    return tuple(choice for choice in found if choice)


def choice_to_json(choice: Choice) -> dict[str, Json]:
    """The best job of a sweep and the others, by a metric."""
    ranked: list[Json] = [
        {**row._asdict(), "address": str(row.address), "key": row.address.key} for row in choice.ranked
    ]
    return {"sweep": str(choice.sweep), "metric": choice.metric, "mode": choice.mode, "ranked": ranked}


def has_result(outputs: Mapping[str, Json]) -> bool:
    """Whether a job that has ended has a model: one that was stopped may have none."""
    return not outputs.get("stopped") or model_made(outputs) is not None


def _metrics(outputs: Mapping[str, Json]) -> Mapping[str, Any]:
    return object_at(outputs, "metrics")


def model_made(outputs: Mapping[str, Json]) -> Json:
    """The model of a job that has ended. Of one that was stopped: its best checkpoint, to which its metrics
    belong."""
    return outputs.get("fine_tuned_model") or object_at(outputs, "checkpoint").get("best")


def chosen(reference: Reference, sweeps: Sweeps, outputs: Outputs) -> Reference | str | None:
    """The same attribute of the best job, or its key; None if none is the best yet: see `choice_of`."""
    if not is_best(reference):
        return reference
    choice = choice_of(reference.address._replace(key=None), sweeps, outputs)
    if choice is None:
        return None
    job = choice.ranked[0].address
    attribute = reference.attribute.removeprefix(BEST)
    if attribute == "key":
        return str(job.key)
    is_stopped = attribute == "fine_tuned_model" and not (outputs(job) or {}).get(attribute)
    return Reference(job, "checkpoint.best" if is_stopped else attribute)


def maker_of(model: object, sweep: Sweep, jobs: Mapping[Address, Mapping[str, Json]]) -> Ranked | None:
    """The job that has made a model, and its value of the metric by which a sweep is compared. `jobs` are the
    outputs of those that may have."""
    job = next((job for job, found in jobs.items() if model and model_made(found) == model), None)
    measure = sweep.measure([_metrics(found) for found in jobs.values()])
    value = measure.value(_metrics(jobs[job])) if job and measure else None
    return None if job is None or value is None else Ranked(job, value)


def no_best(reference: Reference, sweeps: Sweeps, outputs: Outputs) -> tuple[str, str, str] | None:
    """Why none is the best although all jobs are ready: summary, detail and hint. None if that isn't so."""
    sweep = sweeps[reference.address._replace(key=None)]
    name = reference.address._replace(key=None)
    known = {job: outputs(job) or {} for job in sweep.jobs}
    metrics = {job: _metrics(found) for job, found in known.items() if has_result(found)}
    if not metrics:
        return (
            f"the best of {name} can't be chosen: all of its jobs were stopped",
            "None of them has left a model.",
            f"raise `after` or the budget of `stop`, and train one again: --replace '{sweep.jobs[0]}'",
        )
    measure = sweep.measure(list(metrics.values()))
    lacking = [job for job, found in metrics.items() if measure is None or measure.value(found) is None]
    if not lacking:
        return None
    metric = sweep.metric or (measure.name if measure else "validation loss")
    there = ", ".join(sorted({name for one in metrics.values() for name in one})) or "none"
    return (
        f"the best of {name} can't be chosen: {lacking[0]} has no {metric}",
        f"The recorded metrics of these jobs are: {there}.",
        "give the jobs a `validation` dataset, or choose by a metric that all have: `best: {metric: …}`",
    )

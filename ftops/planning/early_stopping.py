"""Early stopping: which jobs of a sweep are stopped, by what is known of the metric of all of them. Pure.

The median rule is that of Google Vizier (Golovin et al. 2017); `halving` is asynchronous successive halving
(Li et al. 2020), as the variant that stops jobs. Neither stops the best job so far of those that may leave a
model, nor one without values.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import accumulate
from math import isclose
from typing import Any, NamedTuple

from msgspec import Struct

from ftops.config.sweeps import Stop
from ftops.core.address import Address
from ftops.core.measures import Measure, step_number


class Curve(Struct, frozen=True):
    """One metric of a job. For each step that has it: the best value so far, and the mean so far. Both are
    ranks: lower is better."""

    steps: tuple[int, ...] = ()
    bests: tuple[float, ...] = ()
    means: tuple[float, ...] = ()

    def at(self, step: int) -> int:
        """The index of the last value up to a step; -1 if there is none."""
        return bisect_right(self.steps, step) - 1

    def reaches(self, step: int) -> bool:
        """Whether it goes on to a step, and has a value by then."""
        return bool(self.steps) and self.steps[-1] >= step >= self.steps[0]


Curves = Mapping[Address, Curve]
_EQUAL = 1e-6
"""Values that differ by less, relative to the greater one, are equal: that is noise of their computation."""


class Loss(NamedTuple):
    """Why a job is stopped: at `step`, `value` is worse than `bound`, by the curves of so many `others`. Both
    are ranks. `place` is its place at a rung, of which the first `kept` go on; both are 0 by the median."""

    step: int
    value: float
    bound: float
    others: int
    place: int = 0
    kept: int = 0


class Spending(NamedTuple):
    """What a job has used of what it would use as a whole: tokens or dollars."""

    done: float
    whole: float


def curve_of(rows: Iterable[Mapping[str, Any]], measure: Measure) -> Curve:
    """The values of the measure by step. Of several rows of a step, the last one with a value counts."""
    values = {
        step: measure.rank(value)
        for row in rows
        if (step := step_number(row.get("step"))) is not None and (value := measure.value(row)) is not None
    }
    steps = tuple(sorted(values))
    ranks = [values[step] for step in steps]
    sums = accumulate(ranks)
    means = tuple(total / count for count, total in enumerate(sums, 1))
    return Curve(steps, tuple(accumulate(ranks, min)), means)


def losing(job: Address, curves: Curves, stop: Stop, left: Container[Address]) -> Loss | None:
    """Why the rule stops a job now; None if it goes on, as the best of those does that are `left`: the others
    were stopped or have failed, and have no model."""
    curve = curves.get(job, Curve())
    if not curve.steps or curve.steps[-1] < stop.after:
        return None
    others = [one for address, one in curves.items() if address != job and one.steps]
    rivals = (one for address, one in curves.items() if address != job and one.steps and address in left)
    if not any(_is_worse(curve.bests[-1], one.bests[-1]) for one in rivals):
        return None
    return _RULES[stop.rule](curve, others, stop)


def _is_worse(value: float, other: float) -> bool:
    return value > other and not isclose(value, other, rel_tol=_EQUAL, abs_tol=1e-12)


def _by_median(curve: Curve, others: Sequence[Curve], stop: Stop) -> Loss | None:
    """Its best value is worse than the median of the means of the others up to the same step."""
    step = curve.steps[-1]
    means = [one.means[one.at(step)] for one in others if one.reaches(step)]
    if len(means) < stop.min_jobs:
        return None
    bound = _median(means)
    return Loss(step, curve.bests[-1], bound, len(means)) if _is_worse(curve.bests[-1], bound) else None


def _median(values: Sequence[float]) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _by_halving(curve: Curve, others: Sequence[Curve], stop: Stop) -> Loss | None:
    """At the last rung that it has passed, its best value isn't among the best 1/factor of those that have
    come there. Rungs are at `after`, `after` x factor, and so on."""
    rung = stop.after
    while rung * stop.factor <= curve.steps[-1]:
        rung *= stop.factor
    if not curve.reaches(rung):
        return None
    value = curve.bests[curve.at(rung)]
    bests = sorted(one.bests[one.at(rung)] for one in others if one.reaches(rung))
    if len(bests) < stop.min_jobs:
        return None
    kept = max(1, (len(bests) + 1) // stop.factor)
    better = sum(_is_worse(value, best) for best in bests)
    return Loss(rung, value, bests[kept - 1], len(bests), better + 1, kept) if better >= kept else None


_RULES: Mapping[str, Callable[[Curve, Sequence[Curve], Stop], Loss | None]] = {
    "median": _by_median,
    "halving": _by_halving,
}


def leader(jobs: Iterable[Address], curves: Curves, spent: Mapping[Address, Spending]) -> Address | None:
    """The job that a budget has to be enough for: the best so far; without values, the one that has come
    furthest. The first by key of equals."""
    known = [job for job in jobs if job in spent]
    worst = float("inf")

    def rank(job: Address) -> tuple[float, float, Any]:
        curve = curves.get(job, Curve())
        return curve.bests[-1] if curve.steps else worst, -spent[job].done, job.sort_key

    return min(known, key=rank, default=None)


def is_used_up(spent: Mapping[Address, Spending], kept: Address | None, limit: float) -> bool:
    """Whether a budget is only enough to finish the job that is kept."""
    left = spent[kept].whole - spent[kept].done if kept else 0.0
    return sum(one.done for one in spent.values()) + max(0.0, left) >= limit

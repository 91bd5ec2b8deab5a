"""Early stopping: the rules, as tables and as properties."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ftops.config.sweeps import Stop
from ftops.core.address import Address
from ftops.core.measures import Measure
from ftops.planning.early_stopping import (
    Curve,
    Spending,
    curve_of,
    is_used_up,
    leader,
    losing,
)

LOSS, REWARD = Measure("loss", False), Measure("reward", True)
JOBS = tuple(Address("job", "s", key) for key in "abcdef")
MEDIAN = Stop(JOBS, "median", after=2, min_jobs=2)
HALVING = Stop(JOBS, "halving", after=2, min_jobs=1, factor=2)


def curves(values: Mapping[str, Sequence[float | None]], measure: Measure = LOSS) -> dict[Address, Curve]:
    """One value for each step, from step 1 on; None where a step has none."""
    return {
        Address("job", "s", key): curve_of(
            [{"step": n, measure.name: value} for n, value in enumerate(row, 1) if value is not None], measure
        )
        for key, row in values.items()
    }


def stopped(
    stop: Stop, values: Mapping[str, Sequence[float | None]], measure: Measure = LOSS
) -> dict[str, int]:
    """The jobs that are stopped, and at which step."""
    known = curves(values, measure)
    return {str(job.key): loss.step for job in known if (loss := losing(job, known, stop, known))}


@pytest.mark.parametrize(
    ("values", "losers"),
    [
        ({"a": [1, 1, 1], "b": [2, 2, 2], "c": [3, 3, 3]}, {"c": 3}),  # 2 isn't worse than 2
        ({"a": [1, 1], "b": [2, 2], "c": [3]}, {}),  # not before step 2
        ({"a": [1, 1], "b": [2], "c": [3, 3]}, {}),  # only one other has come as far
        ({"a": [1, 1], "b": [5, 5], "c": [9, 2]}, {"b": 2}),  # of c, its best value counts: 2 < 3
        ({"a": [1, 1, 9], "b": [1, 1, 9], "c": [4, 3, 2]}, {}),  # the others' means count: 3.67
        ({"a": [1, 1], "b": [1, 1], "c": [1, 1]}, {}),  # equals aren't worse
        # Six times 0.1 has the mean 0.09999999999999999.
        ({**dict.fromkeys("abc", [0.1] * 6), "d": [0.7] * 5 + [0.05]}, {}),
        ({"a": [0.3, 0.30000001], "b": [0.3, 0.3], "c": [0.3, 0.3], "d": [0.7, 0.05]}, {}),
        ({"a": [0.301, 0.301], "b": [0.3, 0.3], "c": [0.3, 0.3], "d": [0.7, 0.05]}, {"a": 2}),
        ({"a": [1, 1], "b": [2, 2], "c": [math.nan, None]}, {}),
        ({"a": [1, 1], "b": [None, None], "c": [3, 3]}, {}),
        ({"a": [1, None, 1], "b": [2, None, 2], "c": [None, 3]}, {"c": 2}),
        ({}, {}),
    ],
    ids=range(13),
)
def test_the_median_rule(values: dict[str, list[float | None]], losers: dict[str, int]) -> None:
    assert stopped(MEDIAN, values) == losers


@pytest.mark.parametrize(
    ("values", "losers"),
    [
        ({"a": [1, 1], "b": [2, 2], "c": [3, 3], "d": [4, 4]}, {"c": 2, "d": 2}),
        ({"a": [1, 1], "b": [2]}, {}),
        ({"a": [1, 1], "b": [2, 2]}, {"b": 2}),
        ({"a": [1] * 4, "b": [2] * 4, "c": [3, 3, 3], "d": [4]}, {"b": 4, "c": 2}),  # rungs at 2 and 4
        ({"a": [5, 5, 1], "b": [2, 2]}, {}),  # a is the best by now; b is at its rung
        ({"a": [1, 1], "b": [1, 1]}, {}),
        ({"a": [0.3, 0.3], "b": [0.1 + 0.2, 0.1 + 0.2]}, {}),
        ({"a": [1, 1], "b": [math.nan, math.nan]}, {}),
    ],
    ids=range(8),
)
def test_halving(values: dict[str, list[float | None]], losers: dict[str, int]) -> None:
    assert stopped(HALVING, values) == losers


def test_rewards_are_better_the_higher_they_are() -> None:
    values = {"a": [1, 1], "b": [2, 2], "c": [3, 3]}
    assert stopped(MEDIAN, values, REWARD) == {"a": 2}
    assert stopped(replace(HALVING, min_jobs=2), values, REWARD) == {"a": 2, "b": 2}


def test_a_metric_of_some_steps_only() -> None:
    rows = [{"step": 1, "loss": 3.0}, {"step": 2.0}, {"loss": 1.0}, {"step": 1, "loss": 2.0}]
    assert curve_of(rows, LOSS) == Curve((1,), (2.0,), (2.0,))
    assert curve_of([{"step": 1, "loss": -1.0}], LOSS) == Curve()  # how the service says that it has none


VALUES = st.none() | st.floats(0, 5) | st.just(math.nan)
HISTORIES = st.dictionaries(st.sampled_from("abcdef"), st.lists(VALUES, max_size=8), min_size=1)
RULES = st.builds(
    Stop,
    st.just(JOBS),
    st.sampled_from(["median", "halving"]),
    after=st.integers(1, 4),
    min_jobs=st.integers(1, 3),
    factor=st.integers(2, 4),
)


@given(RULES, HISTORIES, st.sampled_from([LOSS, REWARD]), st.sets(st.sampled_from(JOBS)))
def test_the_best_so_far_is_never_stopped(
    stop: Stop, values: dict[str, list[float | None]], measure: Measure, gone: set[Address]
) -> None:
    """Of the jobs that may leave a model: that others were better helps nobody."""
    known = curves(values, measure)
    left = known.keys() - gone
    best = min((known[job].bests[-1] for job in left if known[job].steps), default=0.0)
    for job in left:
        if not known[job].steps or known[job].bests[-1] == best:
            assert losing(job, known, stop, left) is None


@given(RULES, HISTORIES, st.randoms())
def test_the_order_of_events_and_of_jobs_does_not_matter(
    stop: Stop, values: dict[str, list[float]], random: Random
) -> None:
    keys = sorted(values)
    random.shuffle(keys)
    assert stopped(stop, values) == stopped(stop, {key: values[key] for key in keys})
    rows = [{"step": step, "loss": float(step % 3)} for step in range(1, 8)]
    shuffled = random.sample(rows, len(rows))
    assert curve_of(rows, LOSS) == curve_of(shuffled, LOSS)


@given(RULES, HISTORIES)
def test_a_job_is_only_stopped_for_worse_values_after_the_first_steps(
    stop: Stop, values: dict[str, list[float | None]]
) -> None:
    known = curves(values)
    for job, curve in known.items():
        if loss := losing(job, known, stop, known):
            assert stop.after <= loss.step <= curve.steps[-1]
            assert loss.value > loss.bound
            assert loss.others >= stop.min_jobs


def test_a_budget_is_kept_for_the_best() -> None:
    a, b, c = JOBS[:3]
    spent = {a: Spending(10, 100), b: Spending(40, 100), c: Spending(0, 100)}
    known = curves({"a": [1], "b": [2]})
    assert leader([a, b, c], known, spent) == a
    assert leader([b, c], {}, spent) == b
    assert leader([], known, spent) is None
    assert not is_used_up(spent, a, 141)  # 50 are used, and the best one needs another 90
    assert is_used_up(spent, a, 140)
    assert is_used_up(spent, None, 50)

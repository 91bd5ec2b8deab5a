"""Gates: what isn't known, or isn't a number, never lets a model pass."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from ftops.evaluation.gates import described, faults_of, unmet

RESULT: dict[str, Any] = {
    "is_complete": True,
    "verdict": "better",
    "score": 0.9,
    "metrics": {"accuracy": 0.9, "slices": {"easy": {"accuracy": 0.5}}},
}


@pytest.mark.parametrize("bound", [nan, inf, -inf, 10**400, True, "0.5", None])
@pytest.mark.parametrize("key", ["at_least", "at_most"])
def test_a_bound_is_a_number_that_can_be_compared(key: str, bound: object) -> None:
    assert [fault.key for fault in faults_of({"accuracy": {key: bound}})] == ["accuracy"]


@pytest.mark.parametrize("value", [nan, inf, 10**400, True, "0.9", None, {}])
def test_a_value_that_is_no_number_does_not_pass(value: object) -> None:
    result = {**RESULT, "score": value}
    assert unmet({"score": {"at_least": 0.5}}, result) == ["score isn't known"]
    assert unmet({"score": {"at_most": 0.5}}, result) == ["score isn't known"]


@pytest.mark.parametrize("path", ["slices", "slices.", "slices.hard.accuracy", "slices.easy.x", "kappa.a"])
def test_a_metric_that_there_is_not_does_not_pass(path: str) -> None:
    assert unmet({path: {"at_least": 0}}, RESULT)
    assert described({path: {"at_least": 0}})


@pytest.mark.parametrize("path", ["accuracy.easy", "score.", "cost_per_1000.x", "accuracies"])
def test_a_metric_has_no_parts_that_it_does_not_have(path: str) -> None:
    assert [fault.key for fault in faults_of({path: {"at_least": 0.5}})] == [path]


@pytest.mark.parametrize("missing", [{}, {"is_complete": False}, {"is_complete": None}])
def test_an_evaluation_that_is_not_complete_does_not_pass(missing: dict[str, Any]) -> None:
    result = {k: v for k, v in RESULT.items() if k != "is_complete"}
    assert unmet({"verdict": "better"}, result | missing)
    assert not unmet({"verdict": "better"}, RESULT)


def test_requirements_are_described_in_the_same_order_wherever_they_come_from() -> None:
    require = {"verdict": "better", "slices.easy.accuracy": {"at_most": 1}, "accuracy": {"at_least": 0.9}}
    text = "better than the baseline, accuracy at least 0.9, slices.easy.accuracy at most 1"
    assert described(require) == described(dict(sorted(require.items()))) == text

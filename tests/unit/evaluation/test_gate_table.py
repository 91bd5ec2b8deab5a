"""Gates, case by case: what results fulfil, and how it is said."""

from __future__ import annotations

from typing import Any

import pytest

from ftops.evaluation.gates import described, faults_of, unmet

RESULT: dict[str, Any] = {
    "is_complete": True,
    "verdict": "worse, within noise",
    "score": 0.75,
    "difference": -0.25,
    "difference_low": -0.474,
    "p": 0.0625,
    "metrics": {
        "accuracy": 0.75,
        "graders": {"name": 0.9, "v1.2": 0.8},
        "slices": {"easy": {"accuracy": 1.0}, "v1.5": {"accuracy": 0.5}},
        "functions": {"land_drone": {"accuracy": 0.25}},
        "input_tokens": 1895.4,
        "cost_per_1000": None,
    },
}


@pytest.mark.parametrize(
    ("require", "expected"),
    [
        ({"verdict": "not_worse"}, []),
        (
            {"verdict": "better"},
            ["better than the baseline is required; the verdict is: worse, within noise"],
        ),
        # the verdict is that of the test; the interval may say something else
        ({"verdict": "not_worse", "non_inferior": 0.5}, []),
        ({"non_inferior": 0.474}, []),
        ({"non_inferior": 0.02}, ["it may be 47.4 points worse, 2 are allowed"]),
        ({"accuracy": {"at_least": 0.75, "at_most": 0.75}}, []),
        ({"accuracy": {"at_least": 0.7501}}, ["accuracy is 0.75, at least 0.7501 is required"]),
        ({"score": {"at_most": 0.5}}, ["score is 0.75, at most 0.5 is required"]),
        ({"difference": {"at_least": -0.25}}, []),
        ({"graders.name": {"at_least": 0.9}, "graders.v1.2": {"at_least": 0.8}}, []),
        ({"slices.easy.accuracy": {"at_least": 1}, "slices.v1.5.accuracy": {"at_most": 0.5}}, []),
        ({"slices.easy": {"at_least": 1}, "slices.v1.5": {"at_most": 0.5}}, []),
        ({"slices.hard.accuracy": {"at_least": 0}}, ["slices.hard.accuracy isn't known"]),
        ({"slices.easy.recall": {"at_least": 0}}, ["slices.easy.recall isn't known"]),
        ({"functions.land_drone.accuracy": {"at_least": 0.25}}, []),
        ({"cost_per_1000": {"at_most": 9}}, ["cost_per_1000 isn't known"]),
        ({"output_tokens": {"at_most": 9}}, ["output_tokens isn't known"]),
        (
            {"accuracy": {"at_least": 1}, "input_tokens": {"at_most": 1000}},
            [
                "accuracy is 0.75, at least 1 is required",
                "input_tokens is 1895.4, at most 1000 is required",
            ],
        ),
    ],
)
def test_what_a_result_fulfils(require: dict[str, Any], expected: list[str]) -> None:
    assert unmet(require, RESULT) == expected


@pytest.mark.parametrize(
    ("verdict", "better", "not_worse"),
    [
        ("better", True, True),
        ("no measurable change", False, True),
        ("worse, within noise", False, True),
        ("significantly worse", False, False),
        ("incomplete", False, False),
        ("", False, False),
        (None, False, False),
    ],
)
def test_verdicts(verdict: str | None, better: bool, not_worse: bool) -> None:
    result = {**RESULT, "verdict": verdict}
    assert (unmet({"verdict": "better"}, result) == []) == better
    assert (unmet({"verdict": "not_worse"}, result) == []) == not_worse


@pytest.mark.parametrize(
    ("require", "says"),
    [
        ({"verdict": "beter"}, "`verdict` must be `better` or `not_worse`"),
        ({"verdict": {"at_least": 1}}, "`verdict` must be"),
        ({"non_inferior": -0.1}, "between 0 and 1"),
        ({"non_inferior": 2}, "between 0 and 1"),
        ({"acuracy": {"at_least": 1}}, "there is no metric `acuracy`"),
        ({"accuracy": 0.9}, "must have `at_least` or `at_most`"),
        ({"accuracy": {}}, "must have `at_least` or `at_most`"),
        ({"accuracy": {"at_lest": 0.9}}, "must have `at_least` or `at_most`"),
        ({"slices": {"at_least": 1}}, "`slices` needs a name"),
        ({"graders.": {"at_least": 1}}, "`graders` needs a name"),
        ({"accuracy": {"at_most": 90}}, "the bounds of `accuracy` must be between 0 and 1"),
        ({"score": {"at_least": 90}}, "the bounds of `score` must be between 0 and 1"),
        ({"slices.easy.accuracy": {"at_least": -0.1}}, "must be between 0 and 1"),
        ({"difference": {"at_least": -5}}, "the bounds of `difference` must be between -1 and 1"),
        ({"kappa.polite": {"at_least": 60}}, "must be between -1 and 1"),
        ({"cost_per_1000": {"at_most": -1}}, "the bounds of `cost_per_1000` must be 0 or more"),
        ({"accuracy": {"at_least": 0.9, "at_most": 0.1}}, "no `accuracy` is at least 0.9 and at most 0.1"),
    ],
)
def test_what_cannot_be_required(require: dict[str, Any], says: str) -> None:
    faults = list(faults_of(require))
    assert len(faults) == 1
    assert says in faults[0].summary
    assert faults[0].key in require


def test_what_can_be_required_is_described() -> None:
    require = {
        "verdict": "better",
        "non_inferior": 0.02,
        "slices.easy.accuracy": {"at_least": 0.9, "at_most": 1},
    }
    assert not list(faults_of(require))
    assert described(require) == (
        "better than the baseline, at most 2 points worse than the baseline, "
        "slices.easy.accuracy at least 0.9 and slices.easy.accuracy at most 1"
    )

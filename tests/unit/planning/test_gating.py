"""Whether evaluations let a deployment get its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ftops.core.address import Address, Json
from ftops.planning.gating import reasons_to_hold
from ftops.planning.plan import Gate

EXAM, OTHER = Address("evaluation", "exam"), Address("evaluation", "other", "fr")
GOOD: Mapping[str, Json] = {"best": "m", "is_complete": True, "verdict": "better", "score": 0.9}


def gate(evaluation: Address = EXAM, **require: Any) -> Gate:
    return Gate(evaluation, require or {"verdict": "better"}, "m")


def reasons(*gates: Gate, **results: Mapping[str, Json]) -> tuple[str, ...]:
    return reasons_to_hold(gates, "m", lambda address: results.get(address.name))


def test_without_a_gate_nothing_is_held() -> None:
    assert reasons() == ()


def test_a_gate_that_passes() -> None:
    assert reasons(gate(), exam=GOOD) == ()
    assert reasons(gate(), gate(score={"at_least": 0.9}), exam=GOOD) == ()


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (None, "evaluation.exam has no result"),
        ({}, "evaluation.exam evaluated another model: None"),
        ({**GOOD, "best": "other"}, "evaluation.exam evaluated another model: other"),
        ({**GOOD, "best": None}, "evaluation.exam evaluated another model: None"),
        ({**GOOD, "is_complete": False}, "evaluation.exam: the evaluation is incomplete"),
        ({**GOOD, "verdict": "worse, within noise"}, "evaluation.exam: better than the baseline is required"),
    ],
)
def test_what_holds(result: Mapping[str, Json] | None, says: str) -> None:
    found = reasons(gate(), **({} if result is None else {"exam": result}))
    assert len(found) == 1
    assert found[0].startswith(says)


@pytest.mark.parametrize("best", ["M", "m"])
def test_a_model_may_be_written_in_any_case(best: str) -> None:
    assert reasons(gate(), exam={**GOOD, "best": best}) == ()


def test_every_gate_has_to_pass() -> None:
    found = reasons(gate(), gate(OTHER), exam=GOOD)
    assert found == ('evaluation.other["fr"] has no result',)
    bad = {**GOOD, "verdict": "significantly worse", "score": 0.1}
    both = reasons(gate(), gate(score={"at_least": 0.5}), exam=bad)
    assert [one.partition(":")[0] for one in both] == ["evaluation.exam"] * 2

"""A gate decides the same by the answers that were asked as by all of them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.evaluation.answers import Answer, Failure
from ftops.evaluation.asking import NOT_ASKED
from ftops.evaluation.curtailment import Curtailment
from ftops.evaluation.evaluation import Given, Inputs, evaluate
from ftops.evaluation.expectations import Expected
from ftops.evaluation.gates import unmet
from ftops.evaluation.graders import Grader
from ftops.evaluation.prompts import Prompt
from ftops.evaluation.result import outcome

GRADERS = (Grader("exact", "exact"), Grader("short", "regex", {"pattern": "[a-z]{1,3}"}))
REPLIES = {"right": "yes", "short": "no", "long": "never"}
KEYS = ["accuracy", "score", "graders.short", "slices.easy.accuracy", "slices.easy", "slices.a.b"]
BOUND = st.sampled_from([0, 0.25, 1 / 3, 0.333333, 0.5, 0.6, 2 / 3, 0.75, 0.9, 1, -1, 2])
BOUNDS = st.dictionaries(st.sampled_from(["at_least", "at_most"]), BOUND, min_size=1)
REQUIRE = st.dictionaries(st.sampled_from(KEYS), BOUNDS, min_size=1, max_size=3)


def inputs_of(count: int, samples: int = 1) -> Inputs:
    prompts = tuple(
        Prompt(f"p{i}", ({"role": "user", "content": str(i)},), Expected(value="yes"), ("easy", "a.b")[i % 2])
        for i in range(count)
    )
    return Inputs(prompts, samples=samples, graders=GRADERS)


def decided_by(inputs: Inputs, answers: Sequence[Answer | Failure], **more: Any) -> Mapping[str, Any]:
    return outcome(evaluate(inputs, [Given("d", "m", answers)]), **more)


def asked_in_turn(
    curtailment: Curtailment, everything: Sequence[Answer], known: set[int]
) -> tuple[list[Answer | Failure], list[int]]:
    """What is answered in the end, and how many answers after each round."""
    answers: list[Answer | Failure] = [a if i in known else NOT_ASKED for i, a in enumerate(everything)]
    rounds = [len(answers) - answers.count(NOT_ASKED)]
    while more := curtailment.fewest(answers):
        for i in [i for i, answer in enumerate(answers) if answer is NOT_ASKED][:more]:
            answers[i] = everything[i]
        rounds.append(len(answers) - answers.count(NOT_ASKED))
    return answers, rounds


@given(
    replies=st.lists(st.sampled_from(sorted(REPLIES)), min_size=4, max_size=24),
    samples=st.sampled_from([1, 1, 2, 3]),
    gates=st.lists(REQUIRE, min_size=1, max_size=2),
    known=st.sets(st.integers(0, 23)),
)
def test_every_gate_decides_as_with_all_answers(
    replies: list[str], samples: int, gates: list[dict[str, Any]], known: set[int]
) -> None:
    replies = replies * samples
    inputs = inputs_of(len(replies) // samples, samples)
    everything = [Answer(REPLIES[reply]) for reply in replies]
    curtailment = Curtailment(inputs, gates)
    answers, _ = asked_in_turn(curtailment, everything, known)
    whole = decided_by(inputs, everything)
    if NOT_ASKED not in answers:
        assert decided_by(inputs, answers) == whole
        return
    part = decided_by(inputs, answers, ranges=curtailment.ranges(answers))
    assert (part["is_partial"], part["is_complete"], part["verdict"]) == (True, False, "")
    assert "difference" not in part
    for gate in gates:
        assert bool(unmet(gate, part)) == bool(unmet(gate, whole)), (gate, part["ranges"])


@given(replies=st.lists(st.sampled_from(sorted(REPLIES)), min_size=2, max_size=16), require=REQUIRE)
def test_no_answer_is_asked_that_is_not_needed(replies: list[str], require: dict[str, Any]) -> None:
    """Before the last answer of a round, other answers could have changed the outcome."""
    everything = [Answer(REPLIES[reply]) for reply in replies]
    inputs = inputs_of(len(replies))
    curtailment = Curtailment(inputs, [require])
    answers, rounds = asked_in_turn(curtailment, everything, set())
    for asked in range(rounds[-1]):
        before = [answer if i < asked else NOT_ASKED for i, answer in enumerate(answers)]
        assert curtailment.fewest(before) > 0


@pytest.mark.parametrize(
    ("require", "replies", "asked"),
    [
        ({"accuracy": {"at_least": 0.9}}, ["right"] * 20, 18),
        ({"accuracy": {"at_least": 0.9}}, ["long"] * 20, 3),
        ({"accuracy": {"at_least": 0}}, ["long"] * 20, 0),
        ({"accuracy": {"at_most": 0.1}}, ["right"] * 20, 3),
        ({"accuracy": {"at_least": 0.5, "at_most": 0.6}}, ["right"] * 20, 13),
        ({"slices.easy.accuracy": {"at_least": 1}}, ["long"] * 20, 1),
        ({"accuracy": {"at_least": 1}}, ["right"] * 19 + ["long"], 20),
    ],
)
def test_how_many_are_asked(require: dict[str, Any], replies: list[str], asked: int) -> None:
    everything = [Answer(REPLIES[reply]) for reply in replies]
    answers, _ = asked_in_turn(Curtailment(inputs_of(20), [require]), everything, set())
    assert len(answers) - answers.count(NOT_ASKED) == asked


def test_an_answer_that_fails_decides_nothing() -> None:
    """With all others asked, the evaluation is incomplete, as without `stop`."""
    curtailment = Curtailment(inputs_of(20), [{"accuracy": {"at_least": 0.1}}])
    right: list[Answer | Failure] = [Answer("yes")] * 10
    assert curtailment.fewest([*right, *[NOT_ASKED] * 10]) == 0
    assert curtailment.fewest([*right[1:], Failure("503"), *[NOT_ASKED] * 10]) == 10


def test_a_prompt_that_cannot_be_graded_makes_it_incomplete() -> None:
    inputs = Inputs(inputs_of(6).prompts, graders=(Grader("call", "function_call"),))
    assert Curtailment(inputs, [{"accuracy": {"at_least": 0}}]).fewest([NOT_ASKED] * 6) == 6


def test_another_gate_is_not_decided_by_a_part() -> None:
    inputs = inputs_of(20)
    curtailment = Curtailment(inputs, [{"accuracy": {"at_least": 0.5}}])
    answers, _ = asked_in_turn(curtailment, [Answer("yes")] * 20, set())
    part = decided_by(inputs, answers, ranges=curtailment.ranges(answers))
    unknown = "isn't known: not all prompts were asked"
    assert unmet({"accuracy": {"at_least": 0.5}}, part) == []
    assert unmet({"accuracy": {"at_least": 0.6}}, part) == [f"accuracy {unknown}"]
    assert unmet({"verdict": "not_worse"}, part) == [f"verdict {unknown}"]
    assert unmet({"accuracy": {"at_most": 0.4}}, part) == [
        "accuracy is at least 0.5, at most 0.4 is required"
    ]


def test_each_answer_is_looked_at_a_few_times_however_many_there_are() -> None:
    """And not again for each number of answers that could be missing."""
    count = 2_000
    curtailment = Curtailment(
        inputs_of(count), [{"accuracy": {"at_least": 0.9}, "slices.easy": {"at_least": 0.9}}]
    )
    calls = Counter[str]()
    sys.setprofile(lambda frame, event, argument: calls.update([event]))
    try:
        fewest = curtailment.fewest([NOT_ASKED] * count)
    finally:
        sys.setprofile(None)
    assert fewest == 201
    assert calls["call"] < 20 * count

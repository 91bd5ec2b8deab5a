"""What is recorded of an evaluation: the best candidate, its verdict, and what gates refer to."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ftops.evaluation.agreement import Agreement
from ftops.evaluation.answers import Answer, Failure, Usage
from ftops.evaluation.evaluation import Evaluation, Given, Inputs, evaluate
from ftops.evaluation.expectations import Expected
from ftops.evaluation.gates import unmet
from ftops.evaluation.graders import RIGHT, Grade, Grader, ungraded
from ftops.evaluation.prompts import Prompt
from ftops.evaluation.result import MOST_SLICES, best_of, outcome


def prompt(number: int, part: str = "", cluster: str = "") -> Prompt:
    messages = ({"role": "user", "content": str(number)},)
    return Prompt(str(number), messages, Expected(value="yes"), part, cluster)


def answers(letters: str, tokens: int = 1) -> list[Answer | Failure]:
    """+ right, - wrong, ? missing."""
    usage = Usage(5, 0, tokens)
    said = {"+": "yes", "-": "no"}
    return [Answer(said[letter], usage=usage) if letter in said else Failure("gone") for letter in letters]


def evaluation(candidate: str, baseline: str, parts: str = "", clusters: str = "") -> Evaluation:
    prompts = tuple(
        prompt(i, parts[i] if parts else "", clusters[i] if clusters else "") for i in range(len(candidate))
    )
    given = [Given("new", "new", answers(candidate)), Given("old", "old", answers(baseline))]
    return evaluate(Inputs(prompts), given[: 1 + bool(baseline)], "old" if baseline else "")


def of_several(**candidates: tuple[str, int]) -> Evaluation:
    count = len(next(iter(candidates.values()))[0])
    given = [Given(name, name, answers(*one)) for name, one in candidates.items()]
    return evaluate(Inputs(tuple(prompt(i) for i in range(count))), given)


@pytest.mark.parametrize(
    ("candidate", "baseline", "verdict", "p"),
    [
        ("+" * 12, "-" * 12, "better", 0.00048828125),
        ("+", "-", "no measurable change", 1.0),
        ("+", "+", "no measurable change", 1.0),
        ("-", "-", "no measurable change", 1.0),
        ("+" * 20, "+" * 20, "no measurable change", 1.0),
        ("-" * 20, "-" * 20, "no measurable change", 1.0),
        ("+" * 15 + "-" * 5, "+" * 20, "worse, within noise", 0.0625),
    ],
)
def test_the_main_test_decides(candidate: str, baseline: str, verdict: str, p: float) -> None:
    result = outcome(evaluation(candidate, baseline))
    assert (result["verdict"], result["p"]) == (verdict, p)
    assert result["is_complete"]
    assert not result["is_tie"]


def test_27_p_and_interval_may_disagree() -> None:
    """None gained and five lost of twenty: p is 0.0625, and the whole interval is below zero."""
    result: Any = outcome(evaluation("+" * 15 + "-" * 5, "+" * 20))
    assert result["difference_high"] < 0
    assert unmet({"verdict": "not_worse"}, result) == []
    assert unmet({"non_inferior": 0.1}, result)


@pytest.mark.parametrize(("candidate", "baseline"), [("+" * 11 + "?", "-" * 12), ("+" * 12, "?" + "-" * 11)])
def test_a_missing_answer_makes_it_incomplete(candidate: str, baseline: str) -> None:
    result = outcome(evaluation(candidate, baseline))
    assert (result["verdict"], result["is_complete"]) == ("incomplete", False)
    for require in ({"verdict": "better"}, {"accuracy": {"at_least": 0}}):
        assert unmet(require, result) == [
            "the evaluation is incomplete: some answers are missing or can't be graded"
        ]


def test_nothing_was_answered() -> None:
    result: Any = outcome(evaluation("???", "???"))
    assert (result["score"], result["difference"], result["p"]) == (None, None, None)
    assert result["metrics"]["input_tokens"] is None


def test_without_a_baseline_there_is_a_score_and_no_verdict() -> None:
    result = outcome(evaluation("++-", ""))
    assert (result["score"], result["verdict"]) == (0.666667, "")
    assert "p" not in result
    assert unmet({"verdict": "not_worse"}, result)
    assert unmet({"score": {"at_least": 0.6}}, result) == []


def test_slices_are_a_family_of_their_own() -> None:
    """Forty slices of six prompts: each alone has p = 0.03, all together none is significant; the main test
    stays as it is."""
    parts = "".join(chr(0x100 + i) * 6 for i in range(40))
    wins = ("+" * 6 + "-" * 6) * 20
    whole = evaluation(wins, "-" * 240, parts)
    rows = whole.comparisons[0].rows
    assert rows[0].verdict == "better"
    assert {row.verdict for row in rows[1:]} == {"no measurable change"}
    result: Any = outcome(whole)
    assert result["verdict"] == "better"
    assert len(result["metrics"]["slices"]) == 40
    assert unmet({f"slices.{chr(0x100)}.accuracy": {"at_least": 1}}, result) == []


def test_a_record_stays_small() -> None:
    parts = "".join(chr(0x100 + i) for i in range(200))
    result: Any = outcome(evaluation("+" * 200, "-" * 200, parts))
    assert len(result["metrics"]["slices"]) == MOST_SLICES
    assert unmet({f"slices.{chr(0x100 + 199)}.accuracy": {"at_least": 0}}, result)


def test_paraphrases_are_one_observation() -> None:
    """Ten prompts, each in ten forms, are ten observations, not a hundred."""
    clusters = "".join(letter * 10 for letter in "abcdefghij")
    candidate = "+" * 50 + "-" * 50
    single = outcome(evaluation(candidate, "-" * 100))
    result = outcome(evaluation(candidate, "-" * 100, clusters=clusters))
    assert (single["verdict"], result["verdict"]) == ("better", "no measurable change")
    assert result["score"] == single["score"] == 0.5


def test_the_same_answers_give_the_same_record() -> None:
    clusters = "".join(letter * 5 for letter in "abcdefghijklmnopqrst")
    letters = "+-+++" * 15 + "-----" * 5
    made = [outcome(evaluation(letters, "-++--" * 20, clusters=clusters)) for _ in range(2)]
    assert made[0] == made[1]
    assert made[0]["difference_low"] is not None


@pytest.mark.parametrize(
    ("candidates", "best", "is_tie"),
    [
        ({"a": ("++-", 9), "b": ("+++", 9)}, "b", False),
        ({"a": ("++-", 9), "b": ("-++", 9)}, "a", True),
        ({"a": ("++-", 9), "b": ("-++", 2)}, "b", True),
        ({"a": ("---", 9), "b": ("---", 9), "c": ("---", 8)}, "c", True),
        ({"a": ("---", 9), "b": ("???", 0)}, "a", False),
        ({"a": ("???", 0), "b": ("---", 9)}, "b", False),
        ({"a": ("???", 0), "b": ("+--", 9)}, "b", False),
        ({"a": ("++?", 1), "b": ("++-", 1)}, "b", False),
    ],
)
def test_the_best_candidate(candidates: dict[str, tuple[str, int]], best: str, is_tie: bool) -> None:
    made = of_several(**candidates)
    winner, tied = best_of(made)
    assert (winner.model, tied) == (best, is_tie)
    result: Any = outcome(made)
    assert (result["best"], result["is_tie"]) == (best, is_tie)
    assert list(result["scores"]) == list(candidates)


@pytest.mark.parametrize(
    ("last", "share"), [(Grade(0.0), 0.75), (ungraded("the judge's reply has no `label`: hm"), None)]
)
def test_a_judge_that_did_not_grade_all_answers_lets_nothing_pass(last: Grade, share: float | None) -> None:
    """Although the main grader has graded them, so that the evaluation is complete."""
    judge = Grader("polite", "judge", {"labels": ["a"], "passing": ["a"], "prompt": "{{sample.output_text}}"})
    inputs = Inputs(tuple(prompt(i) for i in range(4)), graders=(Grader("exact", "exact"), judge))
    result: Any = outcome(
        evaluate(inputs, [Given("new", "new", answers("++++"), {"polite": [RIGHT] * 3 + [last]})])
    )
    assert result["is_complete"]
    assert result["metrics"]["graders"] == {"exact": 1.0, "polite": share}
    assert bool(unmet({"graders.polite": {"at_least": 0.7}}, result)) == (share is None)


@pytest.mark.parametrize(("ungraded", "kappa"), [(0, 0.8), (1, None)])
def test_the_agreement_of_a_judge_is_not_known_without_all_its_decisions(
    ungraded: int, kappa: float | None
) -> None:
    whole = replace(evaluation("++", ""), agreements={"polite": Agreement(10, 9, ungraded, 0.8)})
    result: Any = outcome(whole)
    assert result["metrics"]["kappa"] == {"polite": kappa}
    assert bool(unmet({"kappa.polite": {"at_least": 0.7}}, result)) == (kappa is None)

"""`stop: when_decided`: no more is asked than what decides the gates of an evaluation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.gated import TUNED, WORDS, Lab, actions, held

STOP = f"model: {TUNED}, baseline: none, stop: when_decided"
CHAT = "POST *chat/completions*"


def requiring(require: str) -> str:
    return f"gate: {{evaluation: exam, require: {require}}}"


def both(lab: Lab, require: str) -> tuple[int, bool, bool]:
    """How many are asked with `stop`, and whether the gate passes with it and without."""
    lab.spec(exam=STOP, prod=requiring(require))
    stopped = lab.run("apply", "-y").code
    asked = lab.asked()
    passes = "prod" in lab.deployments()
    lab.folder.ok("destroy", "-y")
    lab.spec(exam=f"model: {TUNED}, baseline: none", prod=requiring(require))
    whole = lab.run("apply", "-y").code
    assert {stopped, whole} <= {0, 5}
    return asked, passes, "prod" in lab.deployments()


@pytest.mark.parametrize(
    ("require", "asked", "passes"),
    [
        ("{accuracy: {at_least: 0.5}}", range(6, 12), True),
        ("{accuracy: {at_least: 1}}", range(1, 12), False),
        ("{accuracy: {at_most: 0.2}}", range(3, 12), False),
        ("{accuracy: {at_least: 0.7, at_most: 0.8}}", range(9, 13), True),
    ],
)
def test_a_gate_decides_the_same_with_fewer_questions(
    lab: Lab, require: str, asked: range, passes: bool
) -> None:
    """Three of four prompts are answered rightly."""
    lab.train_half()
    count, stopped, whole = both(lab, require)
    assert count in asked
    assert stopped == whole == passes


def test_the_plan_and_the_result_say_that_fewer_were_asked(lab: Lab) -> None:
    lab.train_badly()
    prod = requiring("{accuracy: {at_least: 0.9}}")
    lab.spec(exam=STOP, prod=prod, more="outputs: {partial: '${evaluation.exam.is_partial}'}\n")
    text = lab.run("plan").out
    assert f"answers: at most {len(WORDS)} (1 model × 12 prompts × 1 sample), 0 cached" in text
    assert "stops as soon as the gate is decided" in text
    (cost,) = lab.plan()["estimate"]["asking"]
    assert cost["may_stop_early"] is True
    out = lab.apply(code=5)
    assert "the gate was decided by 2 answers" in out
    assert lab.asked() == 2
    assert lab.temporary() == []
    reason = "evaluation.exam: accuracy is at most 0.833333, at least 0.9 is required"
    assert reason in out
    result = lab.result()
    assert (result["is_partial"], result["is_complete"], result["verdict"]) == (True, False, "")
    assert "difference" not in result
    assert lab.run("output", "partial").json is True
    plan = lab.plan()
    assert (actions(plan), held(plan)) == ({}, {"deployment.prod": reason})
    shown = lab.run("eval", "evaluation.exam")
    assert shown.code == 0, shown
    assert "Partial: only the prompts that decided the gate were asked" in shown.out
    assert "missing" not in shown.out + shown.err
    document = lab.run("eval", "evaluation.exam", "-o", "json").json
    assert (document["is_partial"], document["prompts"]) == (True, 2)


def test_another_gate_asks_what_is_missing(lab: Lab) -> None:
    lab.spec(exam=STOP, prod=requiring("{accuracy: {at_least: 0.5}}"))
    lab.apply()
    assert lab.asked() == 6
    assert lab.is_settled()
    lab.spec(exam=STOP, prod=requiring("{accuracy: {at_least: 0.75}}"))
    assert actions(lab.plan()) == {"evaluation.exam": "replace"}
    lab.apply()
    assert lab.asked() == 9
    lab.spec(exam=f"model: {TUNED}, baseline: none", prod=requiring("{accuracy: {at_least: 0.75}}"))
    lab.apply()
    assert lab.asked() == len(WORDS)
    assert lab.result()["is_partial"] is False


def test_every_gate_on_it_is_decided(lab: Lab) -> None:
    other = f"  other: {{model: {TUNED}, {requiring('{accuracy: {at_least: 0.75}}')}}}\n"
    lab.spec(exam=STOP, prod=requiring("{accuracy: {at_least: 0.5}}"), more=other)
    lab.apply()
    assert lab.asked() == 9
    assert {"prod", "other"} <= set(lab.deployments())


def test_kept_answers_count_and_need_no_deployment(lab: Lab) -> None:
    lab.spec(exam=f"model: {TUNED}, baseline: none", prod=requiring("{accuracy: {at_least: 0.5}}"))
    lab.apply()
    lab.forget_log()
    made = lab.created()
    lab.spec(exam=STOP, prod=requiring("{accuracy: {at_least: 0.5}}"))
    lab.apply()
    assert (lab.asked(), lab.created()) == (0, made)
    assert lab.result()["is_partial"] is False, "all are known"


def test_a_missing_answer_is_incomplete_as_ever(lab: Lab) -> None:
    lab.spec(exam=STOP, prod=requiring("{accuracy: {at_least: 0.5}}"))
    lab.cloud.fault(CHAT, status=400, after=2, times=1)
    done = lab.run("apply", "-y")
    assert done.code != 0
    assert "prod" not in lab.deployments()
    assert lab.asked() == len(WORDS) - 1
    lab.apply()
    assert "prod" in lab.deployments()
    assert lab.temporary() == []


@pytest.mark.parametrize(
    ("exam", "require", "says"),
    [
        (f"model: {TUNED}, stop: when_decided", "{accuracy: {at_least: 1}}", "doesn't go with `baseline`"),
        (
            f"candidates: [{TUNED}], baseline: none, stop: when_decided",
            "{accuracy: {at_least: 1}}",
            "doesn't go with `candidates`",
        ),
        (
            f"{STOP}, graders: {{j: {{type: judge, model: x, prompt: y, labels: [a, b], passing: [a]}}}}",
            "{accuracy: {at_least: 1}}",
            "doesn't go with `graders`",
        ),
        (STOP, "{verdict: not_worse}", "its gate requires `verdict`, which only all answers decide"),
        (STOP, "{accuracy: {at_least: 1}, non_inferior: 0.1}", "its gate requires `non_inferior`"),
        (STOP, "{difference: {at_least: 0.1}}", "its gate requires `difference`"),
        (STOP, "{output_tokens: {at_most: 10}}", "its gate requires `output_tokens`"),
        (STOP, "{cost_per_1000: {at_most: 10}}", "its gate requires `cost_per_1000`"),
        (STOP, "", "no deployment is gated by this evaluation"),
        (STOP.replace("when_decided", "soon"), "{accuracy: {at_least: 1}}", "must be `when_decided`"),
    ],
)
def test_what_only_all_answers_decide(lab: Lab, exam: str, require: str, says: str) -> None:
    lab.spec(exam=exam, prod=requiring(require) if require else "tags: {a: b}")
    done = lab.run("validate")
    assert done.code == 1, done
    assert says in done.err
    assert "ftops.yaml:" in done.err


def test_slices_are_decided_by_their_own_prompts(lab: Lab) -> None:
    lab.train_badly()
    rows: list[Any] = [{"prompt": f"say {w}", "expect": {"text": w}, "slice": "hard"} for w in WORDS[:3]]
    rows += [{"prompt": f"say {w}", "expect": {"text": w}, "slice": "easy"} for w in WORDS[3:]]
    lab.folder.write("prompts.json", json.dumps(rows))
    lab.spec(exam=STOP, prod=requiring("{slices.easy.accuracy: {at_least: 0.95}}"))
    assert "slices.easy.accuracy is at most 0.888889" in lab.apply(code=5)
    assert lab.asked() == 4, "those of the other slice before it, in the order of the file"


@pytest.mark.parametrize("stop", ["", ", stop: when_decided"])
@pytest.mark.parametrize("metric", ["graders.exact.accuracy", "slices.s50", "functions.x"])
def test_what_no_result_has_is_an_error_before_anything_is_asked(lab: Lab, metric: str, stop: str) -> None:
    """Of 60 slices, 50 are recorded."""
    rows = [{"prompt": f"say {n}", "expect": {"text": "x"}, "slice": f"s{n}"} for n in range(60)]
    lab.folder.write("prompts.json", json.dumps(rows))
    lab.spec(exam=f"model: {TUNED}, baseline: none{stop}", prod=requiring(f"{{{metric}: {{at_least: 1}}}}"))
    done = lab.run("validate")
    assert done.code == 1
    assert f"deployment.prod: its gate can't pass: evaluation.exam has no `{metric}`" in done.err
    assert ("the first 50 of them are recorded" in done.err) is (metric == "slices.s50")
    lab.spec(exam=f"model: {TUNED}, baseline: none{stop}", prod=requiring("{slices.s49: {at_most: 0.9}}"))
    lab.apply()
    assert "prod" in lab.deployments()

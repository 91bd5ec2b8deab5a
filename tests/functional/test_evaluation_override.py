"""An override of a gate whose evaluation fails: the deployment goes on; without one, it waits."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.gated import TUNED, Lab, actions
from tests.support.nightly import by_night

OVERRIDE = ("--override-gate", "deployment.prod", "--reason", "the judge is away")
CHAT = "POST *chat/completions*"
FAILURES: dict[str, dict[str, Any]] = {
    "no temporary deployment": {"match": "PUT */deployments/ftops-eval-*", "deployment": "fail"},
    "no answers": {"match": CHAT, "status": 400, "code": "BadRequest", "message": "no"},
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize(
    "replace", by_night(["recreate", "blue_green"], lambda replace: replace == "blue_green")
)
def test_only_an_overridden_deployment_goes_on(lab: Lab, replace: str, failure: str) -> None:
    lab.spec(prod=f"gate: {{evaluation: exam}}, replace: {replace}")
    lab.apply()
    served = lab.tuned()
    lab.train_half()
    lab.cloud.fault(times=-1, **FAILURES[failure])
    out = lab.apply(code=1)
    assert "deployment.prod: not done" in out
    assert list(lab.deployments().values()) == [served]
    assert actions(lab.plan())["deployment.prod"] == "replace"

    out = lab.apply(*OVERRIDE, code=1)
    assert "evaluation.exam" in out
    assert list(lab.deployments().values()) == [lab.tuned()]
    assert lab.tuned() != served
    assert "gate of deployment.prod overridden: the judge is away" in lab.run("audit").out
    lab.cloud.clear_faults()
    assert "deployment.prod" not in actions(lab.plan())
    lab.apply()
    assert lab.is_settled()
    assert list(lab.deployments().values()) == [lab.tuned()]


def test_a_saved_plan_goes_on_too(lab: Lab) -> None:
    lab.folder.ok("plan", "--out", "saved.plan", *OVERRIDE)
    lab.cloud.fault(times=-1, **FAILURES["no answers"])
    assert lab.run("apply", "saved.plan").code == 1
    assert lab.deployments() == {"prod": lab.tuned()}


def test_a_deployment_waits_for_an_evaluation_that_names_its_model(lab: Lab) -> None:
    """An override can't replace a result that is needed, and the old deployment stays."""
    pick = "model: '${evaluation.exam.best}', gate: {evaluation: exam}"
    lab.spec()
    lab.folder.edit(f"model: {TUNED}, gate: {{evaluation: exam}}", pick)
    lab.apply()
    served = lab.tuned()
    lab.train_half()
    lab.cloud.fault(times=-1, **FAILURES["no answers"])
    assert "deployment.prod: not done" in lab.apply(*OVERRIDE, code=1)
    assert lab.deployments() == {"prod": served}


@pytest.mark.parametrize("more", [(), OVERRIDE])
def test_what_the_evaluation_needs_may_fail_as_well(lab: Lab, more: tuple[str, ...]) -> None:
    """The judge can't be deployed: the evaluation is skipped, and the deployment only without an override."""
    judge = "{type: judge, model: judge, prompt: '{{sample.output_text}}?', labels: [a, b], passing: [a]}"
    lab.spec(
        exam=f"model: {TUNED}, graders: {{polite: {judge}}}, depends_on: [deployment.judge]",
        more="  judge: {model: gpt-4o-2024-08-06}\n",
    )
    lab.cloud.fault("PUT */deployments/judge*", times=-1, status=400, code="Bad", message="no")
    out = lab.apply(*more, code=1)
    assert "evaluation.exam: not done" in out
    assert list(lab.deployments()) == (["prod"] if more else []), out
    lab.cloud.clear_faults()
    assert ("deployment.prod" in actions(lab.plan())) is not bool(more)

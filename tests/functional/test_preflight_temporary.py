"""Temporary deployments in preflight: a plan whose evaluations find no room says so before it trains."""

from __future__ import annotations

import pytest

from tests.contract.azure_cloud import BASE_MODEL
from tests.support.gated import TUNED, Lab

SLOT = "evaluation.exam: not enough quota: Standard Fine-Tuned Deployments"


def refused(lab: Lab) -> str:
    """What an apply says that ends before anything is trained or deployed."""
    before = lab.objects()["created"]
    out = lab.apply(code=3)
    assert lab.objects()["created"] == before
    return " ".join(out.split())


def test_one_slot_is_enough_for_one_after_the_other(lab: Lab) -> None:
    with lab.cloud.set(finetuned_deployments_limit=1):
        assert "quota" not in lab.apply()
        assert lab.deployments() == {"prod": lab.tuned()}


@pytest.mark.parametrize("replace", ["recreate", "blue_green"])
def test_what_is_served_stays_until_the_evaluation_has_passed(lab: Lab, replace: str) -> None:
    prod = f"gate: {{evaluation: exam}}, replace: {replace}"
    lab.spec(prod=prod)
    lab.apply()
    lab.spec(exam=f"model: {TUNED}, sku: {{capacity: 2}}", prod=prod)
    lab.folder.edit("n_epochs: 8", "n_epochs: 9")
    with lab.cloud.set(finetuned_deployments_limit=1):
        out = refused(lab)
        assert SLOT in out
        assert "It needs 1 more for a temporary deployment; 0 will be left at that point." in out
        assert "hint: Delete a deployment of a tuned model that is no longer used; or evaluate what a" in out
    with lab.cloud.set(finetuned_deployments_limit=2):
        assert "quota" not in lab.apply()
    assert list(lab.deployments().values()) == [lab.tuned()]


def test_the_capacity_of_a_temporary_deployment(lab: Lab) -> None:
    lab.spec(exam=f"model: {TUNED}, sku: {{capacity: 30}}")
    with lab.cloud.set(model_quota=20):
        out = refused(lab)
        assert "evaluation.exam: not enough quota: Tokens Per Minute (thousands)" in out
        assert "It needs 30 new capacity for a temporary deployment; 20 will be left" in out
        assert "Choose another sku.name, lower sku.capacity" in out
        lab.spec(exam=f"model: {TUNED}, sku: {{capacity: 20}}")
        lab.apply()


def test_a_sku_that_the_account_does_not_offer(lab: Lab) -> None:
    lab.spec(exam=f"model: {TUNED}, sku: {{name: ProvisionedManaged}}")
    assert f"evaluation.exam: {BASE_MODEL} isn't available with the SKU ProvisionedManaged" in refused(lab)


def test_evaluations_at_the_same_time_may_need_room_for_all(lab: Lab) -> None:
    def another(model: str) -> str:
        return f"  again: {{prompts: prompts.json, model: {model}, samples: 2}}\ndeployments:\n"

    lab.folder.edit("deployments:\n", another(TUNED))
    with lab.cloud.set(finetuned_deployments_limit=1):
        done = lab.run("plan")
        assert done.code == 0
        assert "evaluation.again: quota may run short" in done.err or "exam: quota may run short" in done.err
        assert "Temporary deployments of evaluations may need 1 at the same time." in done.err
        assert "hint: Apply in several steps (--target)" in done.err
        lab.folder.edit(another(TUNED), another("'${evaluation.exam.best}'"))
        assert "deployment.prod: quota may run short" in lab.run("plan").err
        lab.folder.edit("gate: {evaluation: exam}", "gate: {evaluation: again}")
        assert "quota" not in lab.apply()
    assert lab.temporary() == []


def test_no_room_is_needed_where_nothing_is_deployed(lab: Lab) -> None:
    """A deployment serves the model, or all answers are kept."""
    lab.apply()
    with lab.cloud.set(finetuned_deployments_limit=1):
        lab.spec(exam=f"model: {TUNED}, alpha: 0.1")
        assert "quota" not in lab.run("plan").err
        lab.spec(exam="model: '${deployment.prod.model}', samples: 2", prod="sku: {capacity: 1}")
        assert "temporary deployment of the model" not in lab.run("plan").out
        assert "quota" not in lab.apply()
        lab.folder.edit("n_epochs: 8", "n_epochs: 9")
        assert "quota" not in lab.apply()


def test_a_deployment_that_no_state_knows_serves_the_model(lab: Lab) -> None:
    lab.apply("--target", "job.copilot")
    tuned = lab.tuned()
    body = {
        "sku": {"name": "Standard", "capacity": 1},
        "properties": {"model": {"format": "OpenAI", "name": tuned, "version": "1"}},
    }
    assert lab.cloud.control("PUT", body, "/deployments/other").status_code < 300
    with lab.cloud.set(finetuned_deployments_limit=1):
        done = lab.run("plan", "--target", "evaluation.exam")
        assert (done.code, "quota" in done.err) == (0, False), done
        assert lab.cloud.control("DELETE", None, "/deployments/other").status_code < 300
        body["sku"] = {"name": "Standard", "capacity": 1}
        assert lab.cloud.control("PUT", body, "/deployments/ftops-eval-1234").status_code < 300
        done = lab.run("plan", "--target", "evaluation.exam")
        assert (done.code, SLOT in done.err) == (3, True), done

"""Rollback: a deployment goes back to an earlier model, and is pinned to it, by real commands."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.gated import Lab, actions

GATE = "gate: {evaluation: exam, require: {score: {at_least: 0.5}}}"
KEEPING = f"{GATE}, keep_models: 2"
ROLLBACK = ("rollback", "deployment.prod")


def two_models(lab: Lab, prod: str = KEEPING) -> tuple[str, str]:
    """The model that was served, and the one that is."""
    lab.spec(prod=prod)
    lab.apply()
    old = lab.tuned()
    lab.train_half()
    lab.apply()
    assert lab.deployments() == {"prod": lab.tuned()}
    lab.forget_log()
    return old, lab.tuned()


def state(lab: Lab) -> Any:
    return lab.run("state", "pull").json


def models(lab: Lab) -> set[str]:
    return {one["id"].partition(":")[0] for one in lab.objects()["models"]}


def back(lab: Lab, *words: str) -> str:
    done = lab.run(*ROLLBACK, "-y", *words)
    assert done.code == 0, done
    return done.out + done.err


def test_a_deployment_goes_back_and_stays_there(lab: Lab) -> None:
    old, _ = two_models(lab)
    jobs, asked = lab.created("jobs"), lab.asked()
    out = back(lab, "--reason", "answers are too long")
    why = "(evaluation.exam 1 vs 0; answers are too long)"
    assert f"note: deployment.prod is pinned to {old} {why}, until it is released" in out
    assert lab.deployments() == {"prod": old}
    assert (lab.created("jobs"), lab.asked()) == (jobs, asked)
    plan = lab.plan()
    assert plan["changes"] == []
    assert plan["drift"] == []
    assert plan["warnings"] == []
    assert [(pin["address"], pin["model"]) for pin in plan["pins"]] == [("deployment.prod", old)]
    shown = lab.run("plan").out
    assert shown.startswith(f"note: deployment.prod is pinned to {old} of job.copilot since ")
    assert f"{why}; release it with `ftops rollback deployment.prod --release`" in shown
    assert "> [!NOTE]" in lab.run("plan", "-o", "markdown").out
    assert f"pinned to {old}" in lab.folder.ok("state", "show", "deployment.prod")
    assert lab.run("state", "show", "deployment.prod", "-o", "json").json["pin"]["reason"]
    assert f"deployment.prod pinned to {old}" in " ".join(lab.folder.ok("audit").split())


def test_a_pinned_deployment_stays_while_the_job_is_trained_again(lab: Lab) -> None:
    old, _ = two_models(lab)
    back(lab)
    lab.folder.edit("n_epochs: 8", "n_epochs: 9")
    lab.apply()
    assert lab.deployments() == {"prod": old}
    assert lab.tuned() != old
    assert old in models(lab)
    plan = lab.run(*ROLLBACK, "--release", "--out", "release.plan")
    assert plan.code == 0, plan
    assert "is released: it gets the model that the spec asks for" in plan.out
    lab.folder.ok("apply", "release.plan")
    assert lab.deployments() == {"prod": lab.tuned()}
    assert lab.plan()["pins"] == []


def test_a_pin_ends_when_the_spec_asks_for_the_model_itself(lab: Lab) -> None:
    old, _ = two_models(lab)
    back(lab)
    lab.train_well()
    out = lab.apply()
    assert "deployment.prod is released: the spec asks for the pinned model itself" in out
    assert lab.tuned() == old
    assert lab.deployments() == {"prod": old}
    assert state(lab).get("pins", {}) == {}
    assert lab.is_settled()


def test_the_models_that_were_served_are_listed(lab: Lab) -> None:
    old, new = two_models(lab)
    listed = lab.run(*ROLLBACK, "--list", "-o", "json").json
    assert [(m["number"], m["model"], m["is_there"]) for m in listed["models"]] == [
        (0, new, True),
        (1, old, True),
    ]
    assert listed["models"][1]["evaluated"] == "evaluation.exam 1 vs 0"
    text = lab.folder.ok(*ROLLBACK, "--list")
    assert f"1  {old}  job.copilot" in text
    assert "serves now" in text


def test_a_saved_rollback_is_applied_by_its_digest(lab: Lab) -> None:
    old, _ = two_models(lab)
    saved = lab.run(*ROLLBACK, "--to", "1", "--save", "-o", "json")
    assert saved.code == 0, saved
    assert saved.json["pinning"] == [{"address": "deployment.prod", "model": old, "why": ""}]
    assert actions(saved.json)["deployment.prod"] == "replace"
    lab.folder.ok("apply", saved.json["digest"])
    assert lab.deployments() == {"prod": old}


def test_without_keep_models_there_is_nothing_to_go_back_to(lab: Lab) -> None:
    two_models(lab, GATE)
    done = lab.run(*ROLLBACK, "-y")
    assert done.code == 3
    assert "None of the 1 earlier models exists any more" in done.err
    assert "set `keep_models: 2` of the deployment" in " ".join(done.err.split())


def test_no_more_models_are_kept_than_asked(lab: Lab) -> None:
    lab.spec(prod=KEEPING.replace("keep_models: 2", "keep_models: 1"))
    lab.apply()
    for epochs in (7, 6, 5):
        lab.folder.edit(f"n_epochs: {epochs + 1}", f"n_epochs: {epochs}")
        lab.apply()
    lab.apply()
    assert len(models(lab)) == 2


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("--to", "7"), 3, "deployment.prod has served no model 7"),
        (("--to", "gpt-4o"), 3, "These exist: 1: "),
        (("--release",), 3, "deployment.prod isn't pinned"),
        (("--to", "1", "--list"), 1, "can't be combined"),
        (("--override", "x"), 1, "--override needs --reason"),
    ],
)
def test_rollback_says_what_is_wrong(lab: Lab, words: tuple[str, ...], code: int, why: str) -> None:
    two_models(lab)
    done = lab.run(*ROLLBACK, *words)
    assert done.code == code, done
    assert why in done.err


def test_only_declared_deployments_go_back(lab: Lab) -> None:
    for address in ("deployment.prd", "job.copilot"):
        done = lab.run("rollback", address)
        assert done.code == 1
        assert f"the spec declares no {address}" in done.err


def test_a_pin_follows_its_deployment_and_ends_with_it(lab: Lab) -> None:
    old, _ = two_models(lab)
    back(lab)
    text = (lab.folder.path / "ftops.yaml").read_text(encoding="utf-8")
    moved = text.replace("  prod: {", "  front: {name: prod, ")
    lab.folder.write("ftops.yaml", moved + "moved: [{from: deployment.prod, to: deployment.front}]\n")
    lab.apply()
    assert lab.deployments() == {"prod": old}
    assert list(state(lab)["pins"]) == ["deployment.front"]
    lab.folder.ok("destroy", "-y")
    assert not lab.objects()["models"]
    lab.apply()
    assert lab.deployments() == {"prod": lab.tuned()}


def test_another_plan_is_stale_after_a_rollback(lab: Lab) -> None:
    old, _ = two_models(lab)
    lab.folder.edit("n_epochs: 8", "n_epochs: 9")
    lab.folder.ok("plan", "--out", "new.plan")
    lab.folder.edit("n_epochs: 9", "n_epochs: 8")
    back(lab)
    lab.folder.edit("n_epochs: 8", "n_epochs: 9")
    done = lab.run("apply", "new.plan")
    assert done.code == 3
    assert "stale" in done.err
    assert lab.deployments() == {"prod": old}

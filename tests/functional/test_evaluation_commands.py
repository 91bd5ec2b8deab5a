"""Evaluations and gates with every command and setting that resources have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.contract.azure_cloud import BASE_MODEL, Cloud, running_cloud
from tests.support.gated import ASKED, TUNED, Lab, actions, held


def test_target_includes_the_evaluation_and_exclude_what_waits_for_it(lab: Lab) -> None:
    plan = lab.run("plan", "-o", "json", "--target", "deployment.prod").json
    assert set(actions(plan)) == {"dataset.train", "job.copilot", "evaluation.exam", "deployment.prod"}
    plan = lab.run("plan", "-o", "json", "--exclude", "evaluation.exam").json
    assert set(actions(plan)) == {"dataset.train", "job.copilot"}
    lab.apply("--target", "deployment.prod")
    assert lab.is_settled()


def test_exclude_does_not_get_past_a_gate(lab: Lab) -> None:
    lab.apply()
    served = lab.tuned()
    lab.train_badly()
    lab.apply("--exclude", "evaluation.exam")
    assert lab.deployments() == {"prod": served}
    lab.apply(code=5)
    assert lab.deployments() == {"prod": served}


def test_replace_of_a_gated_deployment_asks_the_gate_again(lab: Lab) -> None:
    lab.apply()
    lab.apply("--replace", "deployment.prod")
    assert lab.deployments() == {"prod": lab.tuned()}
    lab.spec(prod="gate: {evaluation: exam, require: {accuracy: {at_most: 0.5}}}")
    assert lab.is_settled(), "what is served already needs no gate"
    plan = lab.run("plan", "-o", "json", "--replace", "deployment.prod").json
    assert list(held(plan)) == ["deployment.prod"]
    lab.apply("--replace", "deployment.prod", code=5)
    assert lab.deployments() == {"prod": lab.tuned()}


def test_other_changes_of_a_gated_deployment_pass(lab: Lab) -> None:
    lab.apply()
    lab.spec(prod="sku: {capacity: 5}, gate: {evaluation: exam, require: {accuracy: {at_most: 0.5}}}")
    assert actions(lab.plan()) == {"deployment.prod": "update"}
    lab.apply()
    assert lab.is_settled()


def test_an_evaluation_in_another_account(lab: Lab, tmp_path: Path) -> None:
    """It could only ask models of its own account."""
    with running_cloud(tmp_path / "west", "--account", "west") as west:
        other = f"{{type: emulator, url: '{west.url}', api_key: '{west.key}'}}"
        lab.spec(exam=f"model: {TUNED}, provider: west")
        lab.folder.edit("datasets:\n", f"  west: {other}\ndatasets:\n")
        done = lab.run("validate")
        assert done.code == 1
        assert "evaluation.exam" in done.err + done.out
        lab.folder.edit(f"model: {TUNED}, provider: west", f"candidates: [{TUNED}], provider: west")
        done = lab.run("validate")
        assert done.code == 1, done
        lab.folder.edit(f"candidates: [{TUNED}]", f"model: {BASE_MODEL}, baseline: gpt-4o-2024-08-06")
        lab.folder.edit("gate: {evaluation: exam}", "tags: {a: b}")
        lab.apply()
        assert lab.result()["baseline"] == "gpt-4o-2024-08-06"
        assert sum("max_tokens" not in r["body_keys"] for r in _chats(west)) == ASKED


def _chats(cloud: Cloud) -> list[dict[str, list[str]]]:
    return [r for r in cloud.admin("GET", "log")["requests"] if r["path"].endswith("/chat/completions")]


def test_depends_on_an_evaluation(lab: Lab) -> None:
    more = f"  other: {{model: {BASE_MODEL}, depends_on: [evaluation.exam]}}\n"
    lab.spec(prod="tags: {a: b}", more=more)
    steps = [change["step"] for change in lab.plan()["changes"]]
    assert steps.index("evaluation.exam") < steps.index("deployment.other")
    lab.spec(exam=f"model: {TUNED}, depends_on: [deployment.prod]")
    done = lab.run("validate")
    assert done.code == 1
    assert "circle" in done.out + done.err or "cycle" in done.out + done.err


def test_ignored_changes_of_an_evaluation(lab: Lab) -> None:
    lab.apply()
    lab.spec(exam=f"model: {TUNED}, samples: 2, lifecycle: {{ignore_changes: [samples]}}")
    assert lab.is_settled()
    lab.spec(exam=f"model: {TUNED}, samples: 2")
    assert actions(lab.plan()) == {"evaluation.exam": "replace"}


def test_a_protected_evaluation_is_not_replaced(lab: Lab) -> None:
    protected = "lifecycle: {prevent_destroy: true}"
    lab.spec(exam=f"model: {TUNED}, {protected}")
    lab.apply()
    lab.spec(exam=f"model: {TUNED}, samples: 2, {protected}")
    done = lab.run("plan")
    assert done.code == 3
    assert "evaluation.exam is protected" in done.err
    assert lab.run("destroy", "-y").code == 3


def test_an_evaluation_cannot_be_imported(lab: Lab) -> None:
    """It exists in a state only."""
    lab.apply("--target", "job.copilot")
    done = lab.run("import", "evaluation.exam", "evaluation-0000000000000000")
    assert done.code in (1, 3), done
    assert lab.record() is None
    lab.spec(more="import: [{to: evaluation.exam, id: evaluation-0000000000000000}]\n")
    done = lab.run("plan")
    assert done.code in (1, 3), done
    lab.spec()
    lab.apply()
    assert lab.asked() == ASKED


def test_state_mv_and_moved(lab: Lab) -> None:
    lab.apply()
    lab.forget_log()
    lab.folder.ok("state", "mv", "evaluation.exam", "evaluation.test")
    lab.folder.edit("  exam: {", "  test: {")
    lab.folder.edit("evaluation: exam", "evaluation: test")
    assert lab.is_settled()
    lab.folder.edit("  test: {", "  last: {")
    lab.folder.edit("evaluation: test", "evaluation: last")
    text = (lab.folder.path / "ftops.yaml").read_text(encoding="utf-8")
    lab.folder.write("ftops.yaml", f"{text}moved: [{{from: evaluation.test, to: evaluation.last}}]\n")
    lab.apply()
    assert lab.record("evaluation.last")["outputs"]["verdict"] == "better"
    assert lab.asked() == 0
    assert lab.is_settled()


def test_drift_and_offline_plans_ask_nothing(lab: Lab) -> None:
    lab.apply()
    lab.forget_log()
    assert "No drift" in lab.folder.ok("drift", "--all")
    lab.train_badly()
    lab.forget_log()
    offline = lab.run("plan", "--offline", "-o", "json")
    assert offline.code == 0, offline
    assert "evaluation.exam" in actions(offline.json)
    assert [request["path"] for request in lab.log() if "_emulator" not in request["path"]] == []
    lab.folder.ok("apply", "-y", "--refresh-only")
    assert lab.asked() == 0


def test_a_deployment_that_was_deleted_outside_needs_its_gate_again(lab: Lab) -> None:
    lab.apply()
    lab.cloud.admin("DELETE", "objects/deployments/prod")
    assert actions(lab.plan()) == {"deployment.prod": "create"}
    lab.apply()
    assert lab.deployments() == {"prod": lab.tuned()}
    assert lab.asked() == ASKED


@pytest.mark.parametrize("name", ["../../secret.json", "/etc/passwd", "link.json"])
def test_files_outside_of_the_project_are_not_read(lab: Lab, tmp_path: Path, name: str) -> None:
    outside = tmp_path.parent / "outside.json"
    outside.write_text(json.dumps([{"prompt": "secret", "expect": {"text": "secret"}}]), encoding="utf-8")
    (lab.folder.path / ".git").mkdir()
    if name == "link.json":
        (lab.folder.path / name).symlink_to(outside)
    for key in ("prompts", "tools", "system"):
        lab.spec(exam=f"model: {TUNED}")
        if key == "prompts":
            lab.folder.edit("prompts: prompts.json", f"prompts: {name}")
        else:
            lab.folder.edit("prompts: prompts.json", f"prompts: prompts.json, {key}: {name}")
        done = lab.run("plan")
        assert done.code in (1, 3), (key, done)
        assert "root:" not in done.err
        assert "secret" not in done.err.replace("secret.json", "")


def test_files_that_change_after_the_plan(lab: Lab) -> None:
    lab.apply("--target", "job.copilot")
    lab.forget_log()
    lab.folder.ok("plan", "--out", "saved.plan")
    lab.folder.edit("say anchor", "shout anchor", "prompts.json")
    done = lab.run("apply", "saved.plan")
    assert done.code in (1, 3), done
    assert lab.asked() == 0
    assert lab.deployments() == {}


def test_graph_and_machine_readable_output(lab: Lab) -> None:
    assert "evaluation.exam" in lab.folder.ok("graph")
    for form in ("dot", "mermaid"):
        text = lab.folder.ok("graph", "--format", form)
        assert "evaluation" in text
    lab.train_badly()
    done = lab.run("apply", "-y", "-o", "json")
    assert done.code == 5
    events = {line["event"]: line for line in done.lines}
    assert events["change_held"]["address"] == "deployment.prod"
    assert events["run_finished"]["held"] == 1
    last = done.lines[-1]
    assert (last["event"], last["result"], last["exit_code"]) == ("result", "held", 5)
    assert last["steps"]["deployment.prod"] == "held"
    assert [one["address"] for one in last["held"]] == ["deployment.prod"]
    plan = lab.run("plan", "-o", "json").json
    assert [one["address"] for one in plan["held"]] == ["deployment.prod"]
    lab.folder.ok("plan", "--out", "saved.plan")
    assert "Held by a gate" in lab.folder.ok("show", "saved.plan", "-o", "markdown")
    override = ("--override-gate", "deployment.prod", "--reason", "see `x`\n## \x1b[31m@you")
    lab.folder.ok("plan", "--out", "saved.plan", *override)
    for form in ("text", "markdown"):
        text = lab.folder.ok("show", "saved.plan", "-o", form)
        assert "deployed even if the gate doesn't pass: see `x`" in text
        assert "\x1b" not in text and "\n## " not in text
    audit = lab.run("audit", "-o", "json").json["runs"][-1]
    assert (audit["result"], audit["steps"]["held"]) == ("held", 1)


def test_plan_and_apply_list_the_same_reasons(lab: Lab) -> None:
    """Also if there is a semicolon in one."""
    require = "require: {verdict: better, accuracy: {at_least: 0.9}}"
    lab.spec(prod=f"gate: {{evaluation: exam, {require}}}")
    lab.train_badly()
    done = lab.run("apply", "-y", "-o", "json")
    assert done.code == 5, done
    (during,) = done.lines[-1]["held"]
    (planned,) = lab.plan()["held"]
    assert during == planned
    assert [reason.count(";") for reason in planned["reasons"]] == [1, 0]
    assert all(reason.startswith("evaluation.exam: ") for reason in planned["reasons"])


@pytest.mark.parametrize(
    ("exam", "says"),
    [
        ('candidates: ["${job.copilot.id}"]', "must be a model"),
        ("model: '${job.copilot.id}'", "must be a model"),
        (f"model: {TUNED}, candidates: [{TUNED}]", "It has both"),
        ("baseline: none", "It has neither"),
        (f"model: {BASE_MODEL}", "`base_model` isn't known"),
        ("candidates: []", "candidates"),
        (f"model: {TUNED}, max_age: 30", "must be a duration such as 30d or 12h"),
        (f"model: {TUNED}, max_age: 1 month", "must be a duration such as 30d or 12h"),
        (f"model: {TUNED}, max_age: {'9' * 400}d", "must be a duration such as 30d or 12h"),
        (f"model: {TUNED}, max_age: -1d", "must be a duration such as 30d or 12h"),
    ],
)
def test_what_cannot_be_evaluated(lab: Lab, exam: str, says: str) -> None:
    lab.spec(exam=exam)
    done = lab.run("validate")
    assert done.code == 1, done
    assert says in done.err + done.out
    assert "ftops.yaml:" in done.err + done.out

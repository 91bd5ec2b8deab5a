"""`ftops ci annotate` and `ftops ci status` on GitHub."""

from __future__ import annotations

import json

import pytest

from ftops.core.errors import Diagnostic, Place
from ftops.planning.plan import Action
from tests.forges.conftest import DESTRUCTIVE, HEAD, SAFE, Job, change, documented, plan
from tests.forges.github_api import GitHub
from tests.forges.stand_in import Account, Fault


def failed(count: int) -> str:
    """What `validate -o json` prints about a spec with so many errors."""
    places = ({"file": "ftops.yaml", "line": n + 1, "column": 3, "text": "key: s3cret"} for n in range(count))
    found = [{"severity": "error", "summary": f"wrong {n}", "place": place} for n, place in enumerate(places)]
    rest = [{"severity": "warning", "summary": "without a place"}]
    return json.dumps({"format_version": 1, "valid": False, "exit_code": 1, "diagnostics": found + rest})


def annotate(job: Job, document: str, *words: str, code: int = 0) -> str:
    job.folder.write("found.json", document)
    done = job.ftops("ci", "annotate", "found.json", *words, code=code)
    return done.out + done.err


def test_every_finding_is_an_annotation_fifty_in_a_request(github: GitHub, job: Job) -> None:
    (job.folder.path.parent / ".git").mkdir()
    annotate(job, failed(120), "--spec", "drone", "--env", "prod")
    (check,) = github.checks
    assert (check.sha, check.fields["name"], check.fields["conclusion"]) == (
        HEAD,
        "ftops/drone/prod",
        "failure",
    )
    assert [note["start_line"] for note in check.annotations] == list(range(1, 121))
    assert {note["path"] for note in check.annotations} == {"drone/ftops.yaml"}
    assert check.annotations[7]["message"] == "wrong 7"
    assert check.fields["output"]["summary"].startswith("120 errors, 1 warning.")
    assert "warning: without a place" in check.fields["output"]["summary"]
    assert "s3cret" not in str(check)
    assert [line.split()[0] for line in github.seen] == ["POST", "PATCH", "PATCH"]


def test_a_check_run_whose_reply_is_lost_is_one(github: GitHub, job: Job) -> None:
    github.faults.append(Fault("POST", "/check-runs$", is_lost=True))
    annotate(job, failed(60), "--spec", "drone")
    (check,) = github.checks
    assert len(check.annotations) == 60
    github.faults.append(Fault("POST", "/check-runs$", 502, "<html>"))
    annotate(job, failed(2), "--spec", "drone")
    assert len(github.checks) == 2


def test_conclusions(github: GitHub, job: Job) -> None:
    place = Place("data/train.jsonl", 4, 1)
    warned = plan(
        change("copilot", Action.CREATE), findings=(Diagnostic("risky", place=place, severity="warning"),)
    )
    blocked = plan(change("copilot", Action.CREATE), findings=(Diagnostic("no quota"),))
    for made, conclusion in ((SAFE, "success"), (warned, "neutral"), (blocked, "failure")):
        assert f"conclusion {conclusion}" in annotate(job, documented(made))
    assert [check.fields["output"]["title"] for check in github.checks] == [
        "1 resource created",
        "1 resource created",
        "can't be applied: 1 error",
    ]
    assert github.checks[1].annotations[0]["annotation_level"] == "warning"
    valid = job.ftops("validate", "-o", "json").out
    assert "0 annotations" in annotate(job, valid)
    assert github.checks[-1].fields["name"] == "ftops/drone"


def test_a_token_that_may_not_annotate(github: GitHub, job: Job) -> None:
    github.accounts["t0ken-of-ci"] = Account(41, "ci[bot]", frozenset())
    assert "The token needs `permissions: {checks: write}` in the job" in annotate(
        job, documented(SAFE), code=1
    )
    assert "warning: can't create the check run" in annotate(job, documented(SAFE), "--best-effort")


def test_a_status_for_each_spec_and_environment(github: GitHub, job: Job) -> None:
    blocked = plan(findings=(Diagnostic("no quota"),), environment="dev")
    for made in (SAFE, DESTRUCTIVE, blocked):
        job.folder.write("plan.json", documented(made))
        job.ftops("ci", "status", "plan.json")
    shown = [(status["context"], status["state"], status["description"]) for status in github.statuses]
    assert shown == [
        ("ftops/drone/prod", "success", "1 resource created"),
        ("ftops/drone/prod", "success", "1 endpoint deleted"),
        ("ftops/drone/dev", "failure", "can't be applied: 1 error"),
    ]
    assert {status["sha"] for status in github.statuses} == {HEAD}
    assert github.statuses[0]["target_url"] == "https://github.example/contoso/models/actions/runs/5"


@pytest.mark.parametrize(
    ("result", "state"),
    [
        ("done", "success"),
        ("in-progress", "pending"),
        ("held", "failure"),
        ("failed", "failure"),
        ("", "error"),
    ],
)
def test_the_result_of_an_apply_is_a_status(github: GitHub, job: Job, result: str, state: str) -> None:
    lines = [json.dumps({"event": "plan", **json.loads(documented(SAFE))})]
    lines += [json.dumps({"event": "run_started", "spec": "drone"})]
    lines += [json.dumps({"event": "result", "result": result, "exit_code": 0})] * bool(result)
    job.folder.write("apply.jsonl", "\n".join(lines) + "\n")
    done = job.ftops("ci", "status", "apply.jsonl", "-o", "json").json
    assert (done["status"], done["state"]) == ("ftops/drone/prod", state)
    assert github.statuses[0]["state"] == state


def test_a_status_that_may_not_be_set(github: GitHub, job: Job) -> None:
    job.folder.write("plan.json", documented(SAFE))
    out = job.ftops("ci", "status", "plan.json", "--dry-run").out
    assert f"POST /repos/contoso/models/statuses/{HEAD}" in out
    assert github.seen == []
    github.accounts["t0ken-of-ci"] = Account(41, "ci[bot]", frozenset())
    assert "statuses: write" in job.ftops("ci", "status", "plan.json", code=1).err
    named = job.ftops(
        "ci", "status", "plan.json", code=1, environ={"GITHUB_EVENT_PATH": "", "GITHUB_SHA": ""}
    )
    assert "can't tell which commit it is about" in named.err

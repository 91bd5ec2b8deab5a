"""`ftops ci run`: the step of the action, with the variables that it sets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from ftops.cli.ci_documents import Document
from ftops.cli.commands.ci_job import COMMANDS, outputs_of
from ftops.cli.commands.ci_job import TOKEN as TOKEN_VARIABLE
from ftops.core.address import Address
from ftops.planning.estimate import Epochs, Estimate, HostingCost, TrainingCost
from tests.forges.conftest import TOKEN, Job, plan
from tests.forges.github_api import GitHub
from tests.forges.stand_in import Account
from tests.golden.cli import ROOT, Done
from tests.support.github_runner import written_outputs
from tests.support.pages import DOCS


@dataclass
class Step:
    """A step of a job: its outputs and its part of the summary."""

    job: Job
    folder: Path

    def run(self, command: str, code: int = 0, **inputs: str) -> Done:
        for name in ("outputs", "summary"):
            (self.folder / name).write_text("")
        given = {f"IN_{name.upper()}": value for name, value in {"env": "default", **inputs}.items()}
        files = {"GITHUB_OUTPUT": str(self.folder / "outputs")}
        files |= {"GITHUB_STEP_SUMMARY": str(self.folder / "summary"), "FTOPS_CI_TOKEN": TOKEN}
        environ = {"IN_COMMAND": command, **given, **files, "GITHUB_TOKEN": ""}
        environ["GITHUB_WORKSPACE"] = str(self.folder)
        return self.job.ftops("-C", "..", "ci", "run", code=code, environ={"IN_CHDIR": "drone", **environ})

    @property
    def outputs(self) -> Mapping[str, str]:
        return written_outputs((self.folder / "outputs").read_text("utf-8"))

    @property
    def summary(self) -> str:
        return (self.folder / "summary").read_text("utf-8")


@pytest.fixture
def step(job: Job, tmp_path: Path) -> Step:
    return Step(job, tmp_path)


def test_what_is_planned_is_applied_by_its_digest(github: GitHub, step: Step) -> None:
    assert "plan ended with exit code 2: 1 model trained" in step.run("plan").out
    planned = step.outputs
    (comment,) = github.comments
    assert planned == {
        "exit-code": "2",
        "digest": planned["digest"],
        "verdict": "safe",
        "cost-now": planned["cost-now"],
        "cost-per-month": planned["cost-per-month"],
        "comment-id": str(comment.id),
    }
    assert planned["digest"] in comment.body
    assert planned["digest"] in step.summary
    assert [check.fields["conclusion"] for check in github.checks] == ["success"]

    other = "v2:sha256:" + "0" * 64
    step.run("apply", code=3, digest=other)
    refused, _, now = step.summary.partition("### ✅ `drone`: 1 model trained")
    assert "this isn't the expected plan" in refused
    assert "+   job.copilot  will be created" in now  # what it would be instead
    assert planned["digest"] in now
    step.run("apply", digest=planned["digest"])
    assert step.outputs["exit-code"] in ("0", "4")
    step.run("reconcile", wait="true")
    assert step.outputs["exit-code"] == "0"
    assert github.statuses[-1]["state"] == "success"
    step.run("drift")
    assert (step.outputs, step.summary[:3]) == ({"exit-code": "0"}, "###")
    step.run("plan", comment="never")
    assert (step.outputs["exit-code"], step.outputs["verdict"]) == ("0", "none")
    step.run("check")
    assert step.outputs["exit-code"] == "0"


def test_an_apply_without_a_pull_request_says_so_once(github: GitHub, step: Step) -> None:
    step.run("plan", comment="never")
    event = step.folder / "event"
    event.write_text("{}", "utf-8")
    step.job.environ["GITHUB_EVENT_PATH"] = str(event)
    done = step.run("apply", digest=step.outputs["digest"])
    assert done.out.count("no pull request was merged") == 1
    assert github.comments == []
    assert github.statuses


def test_an_untrusted_plan_is_shown_in_the_log_and_summary_only(github: GitHub, step: Step) -> None:
    step.job.folder.edit("n_epochs: 3", 'n_epochs: "\\n::set-output name=digest::x"')
    done = step.run("plan", code=1, untrusted="true")
    assert github.seen == []
    assert "can't be planned" in step.summary
    assert step.outputs == {"exit-code": "1", "verdict": "failed", "digest": ""}
    assert "::set-output" in done.out
    (error,) = commands(done.out)
    assert error.startswith("error file=drone/ftops.yaml,line=10,")
    assert done.err == ""


def commands(log: str) -> list[str]:
    """The workflow commands that a runner sees: none up to the word that closed the log."""
    found, word = [], ""
    for line in log.splitlines():
        text = line.lstrip()
        if word:
            word = "" if text == f"::{word}::" else word
        elif text.startswith("::stop-commands::"):
            word = text.removeprefix("::stop-commands::")
        elif text.startswith("::"):
            found.append(text[2:])
    assert not word
    return found


def test_a_token_that_is_not_enough_is_a_red_step(github: GitHub, step: Step) -> None:
    github.accounts[TOKEN] = Account(41, "ci[bot]", frozenset())
    done = step.run("plan", code=1)
    assert "Resource not accessible by integration" in done.out
    assert step.outputs["exit-code"] == "2"
    assert step.summary.count("### ") == 1
    step.job.folder.edit(
        "seed: 105", 'seed: 105\n    integrations: [{type: wandb, wandb: {project: "${env.FTOPS_CI_TOKEN}"}}]'
    )
    step.run("plan", code=1)
    assert "FTOPS_CI_TOKEN" in step.summary
    assert step.outputs["verdict"] == "failed"


@pytest.mark.parametrize(("known", "said"), [(True, ("3.00", "1241.00")), (False, ("", ""))])
def test_a_cost_that_is_not_known_is_empty(known: bool, said: tuple[str, str]) -> None:
    job, deployment = Address("job", "a"), Address("deployment", "a")
    training = TrainingCost(job, tokens=1_000_000, epochs=Epochs(2), per_million=1.5 if known else None)
    hosting = HostingCost(deployment, 1.7 if known else None)
    estimate = Estimate((training,), (hosting, HostingCost(deployment, 0.0)))
    document = Document("drone", "prod", "safe", "success", "", plan=replace(plan(), estimate=estimate))
    found = outputs_of(document)
    assert (found["cost-now"], found["cost-per-month"]) == said


@pytest.mark.parametrize(
    ("command", "inputs", "said"),
    [
        ("plan", {"env": ""}, "the input `env` is empty"),
        ("plan", {"env": " \n"}, "the input `env` is empty"),
        ("shell", {}, "the input `command` is `shell`"),
        ("apply", {}, "the input `digest` is empty"),
        ("apply", {"digest": "v2:sha256:0", "untrusted": "true"}, "`apply` has no input `untrusted`"),
        ("plan", {"untrusted": "yes"}, "the input `untrusted` is `yes`"),
        ("reconcile", {"digest": "v2:sha256:0"}, "`reconcile` has no input `digest`"),
        ("plan", {"chdir": "nowhere"}, "the input `chdir` is `nowhere`"),
        ("plan", {"chdir": "drone/ftops.yaml"}, "it isn't a folder of the checkout"),
        ("plan", {"chdir": "linked", "untrusted": "true"}, "it isn't a folder of the checkout"),
    ],
    ids=str,
)
def test_inputs_that_are_refused(
    github: GitHub, step: Step, command: str, inputs: dict[str, str], said: str
) -> None:
    (step.folder / "linked").symlink_to("/usr")
    assert said in step.run(command, code=1, **inputs).err.replace("It isn't", "it isn't")
    assert (step.outputs, github.seen) == ({}, [])


def test_the_action_passes_all_inputs_by_the_environment() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    *_, last = steps = action["runs"]["steps"]
    assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []
    assert last["run"] == '"$FTOPS" ci run'
    names = {f"IN_{name.upper().replace('-', '_')}": f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
    del names["IN_TOKEN"]
    assert {name: value for name, value in last["env"].items() if name.startswith("IN_")} == names
    assert last["env"][TOKEN_VARIABLE] == "${{ inputs.token }}"
    known = {
        "exit-code",
        "comment-id",
        "issue-id",
        *outputs_of(Document("", "", "", "", "", plan=plan(), parts=())),
    }
    assert action["outputs"].keys() == known
    page = (DOCS / "ci.md").read_text("utf-8").partition("## The GitHub Action")[2]
    for name in (*action["inputs"], *known, *COMMANDS):
        assert f"`{name}`" in page.partition("\n## ")[0], name
    pins = set(re.findall(r"uses: (\S+@\S+)", (ROOT / "action.yml").read_text("utf-8")))
    assert pins <= set(re.findall(r"uses: (\S+@\S+)", (ROOT / ".github/workflows/ci.yml").read_text("utf-8")))


def test_all_specs_are_planned_in_one_step(github: GitHub, step: Step) -> None:
    step.job.folder.write(
        "below/ftops.yaml", "ftops: {name: below}\nproviders: {m: {type: memory}}\noutputs: {x: 1}\n"
    )
    done = step.run("plan", all="true")
    assert step.outputs["verdict"] == "safe"
    digests = json.loads(step.outputs["digests"])
    assert sorted(digests) == [".", "below"]
    assert "2 specs: 2 with additions or updates only" in done.out
    (comment,) = github.comments
    assert all(digest in comment.body for digest in digests.values())
    assert "the input `changed-since`" not in step.run("check", all="true").out
    failed = step.run("plan", code=1, changed_since="main")
    assert "--changed-since goes with --all" in failed.err + failed.out + step.summary


def test_pitfall_24_drift_that_cannot_be_checked_is_a_red_step(github: GitHub, step: Step) -> None:
    step.job.folder.edit("n_epochs: 3", "n_epochs: three")
    step.run("drift", code=1)
    (issue,) = github.issues
    assert (issue.title, issue.is_open) == ("drone: drift can't be checked", True)
    assert step.outputs == {"exit-code": "1", "issue-id": str(issue.number)}
    assert "drift can't be checked" in step.summary
    step.job.folder.edit("n_epochs: three", "n_epochs: 3")
    step.run("drift", comment="never")
    assert issue.is_open
    step.run("drift")
    assert (issue.is_open, step.outputs["exit-code"]) == (False, "0")
    github.accounts[TOKEN] = Account(41, "ci[bot]", frozenset())
    step.job.folder.edit("n_epochs: 3", "n_epochs: three")
    assert "can't create the issue" in step.run("drift", code=1).out

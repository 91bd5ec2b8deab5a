"""An approval lasts until its plan is done: what continues under it, by which command, and what is refused.

The service is an emulator, whose clock the tests move. Numbers of pitfalls are those that users of such
tools meet when they apply from CI.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ftops.config.loader import load
from ftops.core.address import Address
from ftops.planning.plan import Overridden
from ftops.session.session import Session
from ftops.state.backends.local import LocalStore
from ftops.state.file_format import StateCodec
from ftops.state.state import Grant, State
from tests.contract.azure_cloud import BASE_MODEL, Cloud, until
from tests.golden.cli import Done, Folder
from tests.support import forked
from tests.support.command import environment, run
from tests.support.gated import emptied

HOURS = 3600.0
OTHER = "  other: {model: gpt-4o}\n"
KEY = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="


@dataclass(frozen=True)
class Scene:
    """A spec in a folder: a job that trains for nine hours, and its deployment. And the account."""

    folder: Folder
    cloud: Cloud

    def spec(self, *, epochs: int = 2, settings: str = "", more: str = "", url: str = "") -> None:
        provider = f"{{type: emulator, url: '{url or self.cloud.url}', api_key: '{self.cloud.key}'}}"
        job = f"{{model: {BASE_MODEL}, training: train, hyperparameters: {{n_epochs: {epochs}}}}}"
        self.folder.write(
            "ftops.yaml",
            f"ftops: {{name: scene{settings}}}\nproviders: {{here: {provider}}}\n"
            "datasets: {train: {path: data/train.jsonl}}\n"
            f"jobs: {{copilot: {job}}}\n"
            f'deployments:\n  prod: {{model: "${{job.copilot.fine_tuned_model}}"}}\n{more}',
        )

    def run(self, *words: str, **environ: str) -> Done:
        return self.folder.run(*words, environ=environ)

    def saved(self, *words: str, **environ: str) -> str:
        """Plans and keeps it; the digest."""
        done = self.run("plan", "--save", *words, **environ)
        assert done.code == 0, done
        return done.out.partition("Digest: ")[2].split()[0]

    def submitted(self, **environ: str) -> str:
        """Applies a kept plan without waiting; its digest."""
        digest = self.saved(**environ)
        done = self.run("apply", digest, "--no-wait", **environ)
        assert done.code == 4, done
        return digest

    def hours(self, number: float) -> None:
        """Jobs go on for so long. What they compute is there by then."""
        until(lambda: all(job["computed"] for job in self.cloud.admin("GET", "objects")["jobs"]))
        self.cloud.admin("POST", "clock", {"advance": number * HOURS})

    def reconcile(self, code: int, *words: str, **environ: str) -> Any:
        """The grants in its document."""
        done = self.run("reconcile", *words, "-o", "json", **environ)
        assert done.code == code, done
        assert done.json.get("exit_code") == code
        return done.json.get("grants")

    def created(self) -> tuple[int, int]:
        """Jobs and deployments that were ever created."""
        found = self.cloud.admin("GET", "objects")["created"]
        return found["jobs"], found["deployments"]

    @property
    def store(self) -> LocalStore:
        return LocalStore(self.folder.path / "state", "scene", "default")

    def grants(self) -> dict[str, Grant]:
        return dict(self.store.read().grants)

    def regrant(self, **changes: Any) -> None:
        """The grant in the state, with these fields."""
        state = self.store.read()
        changed = {digest: replace(grant, **changes) for digest, grant in state.grants.items()}
        self.store.write(replace(state, grants=changed))

    def log(self, method: str) -> list[str]:
        requests = self.cloud.admin("GET", "log")["requests"]
        return [request["path"] for request in requests if request["method"] == method]


@pytest.fixture
def scene(tmp_path: Path, account: Cloud) -> Iterator[Scene]:
    with emptied(account) as cloud:
        cloud.admin("PATCH", "settings", {"min_training_seconds": 9 * HOURS})
        scene = Scene(Folder.make(tmp_path / "here"), cloud)
        scene.spec()
        yield scene


@pytest.mark.parametrize("command", ["expected", "file", "reconcile"])
def test_pitfall_17_a_training_of_nine_hours_ends_under_its_approval(scene: Scene, command: str) -> None:
    digest = scene.saved("--out", "plan.ft")
    words = {
        "expected": ("apply", "--expect-digest", digest, "--no-wait"),
        "file": ("apply", "plan.ft", "--no-wait"),
        "reconcile": ("reconcile",),
    }[command]
    first = words if command != "reconcile" else ("apply", digest, "--no-wait")
    assert scene.run(*first).code == 4
    scene.hours(8)
    assert scene.run(*words).code == 4
    assert list(scene.grants()) == [digest]
    scene.hours(2)
    done = scene.run(*words)
    assert done.code == 0, done
    assert (scene.created(), scene.grants()) == ((1, 1), {})
    assert scene.run("plan", "--detailed-exitcode").code == 0
    assert scene.reconcile(0) == []
    again = scene.run("apply", digest)
    assert again.code == 3
    assert ("the saved plan is stale" if command == "expected" else "the result was: done") in again.words


def test_pitfall_17_another_identity_continues(scene: Scene) -> None:
    """The credentials of the first run are of no use any more."""
    scene.spec(settings="")
    scene.folder.edit(f"api_key: '{scene.cloud.key}'", 'api_key: "${env.KEY}"')
    scene.submitted(KEY=scene.cloud.key)
    assert scene.cloud.key not in (scene.folder.path / "state" / "scene" / "default.json").read_text()
    scene.hours(10)
    assert scene.run("reconcile", KEY="expired").code == 1
    (grant,) = scene.reconcile(0, KEY=scene.cloud.key)
    assert grant["result"] == "done"


def test_a_job_in_progress_is_read_and_nothing_is_written(scene: Scene) -> None:
    digest = scene.submitted()
    before = scene.store.read()
    scene.cloud.admin("DELETE", "log")
    (grant,) = scene.reconcile(4)
    assert (grant["digest"], grant["result"], grant["waiting"]) == (
        digest,
        "in-progress",
        ["deployment.prod"],
    )
    assert list(grant["left"]) == ["job.copilot"]
    assert scene.store.read() == before
    assert scene.log("POST") == scene.log("PUT") == []
    assert scene.run("audit").out.count("reconcile") == 0
    assert "in progress" in scene.run("reconcile").out


def test_a_supervised_job_in_progress_has_a_percent(scene: Scene) -> None:
    """The service doesn't say how many steps there are: they follow from the data and the hyperparameters."""
    scene.folder.edit("{n_epochs: 2}", "{n_epochs: 2, batch_size: 1}")
    scene.submitted()
    scene.hours(8)
    (grant,) = scene.reconcile(4)
    assert 50 < grant["progress"]["job.copilot"] < 100


def test_pitfall_18_the_recorded_spec_counts_not_the_working_copy(scene: Scene) -> None:
    scene.submitted()
    scene.spec(epochs=3, more="  other: {model: gpt-4o, sku: {capacity: 7}}\n")
    scene.folder.write("data/train.jsonl", "no JSON any more")
    scene.hours(10)
    (grant,) = scene.reconcile(0)
    assert grant["result"] == "done"
    assert scene.created() == (1, 1)
    job = next(r for a, r in scene.store.read().resources.items() if a.kind == "job")
    assert job.inputs["hyperparameters"] == {"n_epochs": 2}


def test_a_job_that_is_paused_is_told(scene: Scene) -> None:
    scene.submitted()
    scene.hours(1)
    scene.folder.ok("job", "pause", "job.copilot", "-y")
    scene.cloud.admin("POST", "clock", {"advance": HOURS})
    (grant,) = scene.reconcile(4)
    assert grant["warnings"][0].startswith("job.copilot: it is paused")


def test_it_goes_on_if_the_working_copy_cannot_be_read_any_more(scene: Scene) -> None:
    scene.submitted()
    scene.folder.edit("training: train", "training: unknown")
    scene.hours(10)
    scene.reconcile(0)


def test_who_approved_is_recorded(scene: Scene) -> None:
    ci = {
        "GITHUB_ACTOR": "ann",
        "GITHUB_RUN_ID": "77",
        "GITHUB_SERVER_URL": "https://git.example.com",
        "GITHUB_REPOSITORY": "acme/models",
        "GITHUB_SHA": "c0ffee" * 6,
        "GITHUB_REF": "refs/pull/12/merge",
        "FTOPS_APPROVED_BY": "bo\nb",
        "GITHUB_TOKEN": "canary-1",
    }
    digest = scene.submitted(**ci)
    (grant,) = scene.reconcile(4)
    assert grant["approved_by"] == "bo b"
    assert grant["run_url"] == "https://git.example.com/acme/models/actions/runs/77"
    assert (grant["pull_request"], grant["commit"]) == ("12", "c0ffee" * 6)
    scene.hours(10)
    scene.reconcile(0)
    first, second = scene.run("audit", "-o", "json").json["runs"]
    assert (first["who"], first["pull_request"], first["grant"]) == ("ann", "12", "")
    assert (second["operation"], second["grant"], second["result"]) == ("reconcile", digest, "done")
    assert "canary" not in (scene.folder.path / "state" / "scene" / "default.json").read_text()


OTHER_SYSTEMS = {
    "gitlab": {"CI_MERGE_REQUEST_IID": "7", "CI_COMMIT_SHA": "beef", "GITLAB_USER_LOGIN": "ann"},
    "azure": {
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
        "BUILD_SOURCEVERSION": "beef",
        "BUILD_REQUESTEDFOR": "ann",
    },
    "queue": {"GITHUB_REF": "refs/heads/gh-readonly-queue/main/pr-7-abc", "GITHUB_SHA": "beef"},
    "own": {"FTOPS_PULL_REQUEST": "7", "FTOPS_COMMIT": "beef", "CI_MERGE_REQUEST_IID": "8"},
}


@pytest.mark.parametrize("environ", OTHER_SYSTEMS.values(), ids=OTHER_SYSTEMS.keys())
def test_other_systems_are_understood(tmp_path: Path, environ: dict[str, str]) -> None:
    folder = Folder.make(tmp_path)
    assert folder.run("apply", "-y", environ=environ).code == 0
    (run,) = folder.run("audit", "-o", "json").json["runs"]
    assert (run["pull_request"], run["commit"]) == ("7", "beef")


def test_a_digest_that_is_expected_as_well_must_be_the_same(scene: Scene) -> None:
    digest = scene.saved("--out", "plan.ft")
    assert scene.run("apply", "plan.ft", "--no-wait").code == 4
    assert scene.run("apply", "plan.ft", "--expect-digest", f"v2:sha256:{'0' * 64}").code == 3
    assert scene.run("apply", "plan.ft", "--expect-digest", digest, "--no-wait").code == 4


def test_a_plan_that_is_not_encrypted_continues_nothing_where_plans_are(scene: Scene) -> None:
    digest = scene.saved("--out", "plain.ft")
    scene.spec(settings=', state: {encryption: {key: "${env.KEY}"}}')
    assert scene.submitted(KEY=KEY) == digest
    refused = scene.run("apply", "plain.ft", KEY=KEY)
    assert (refused.code, "isn't encrypted" in refused.words) == (3, True)


# what ends it


def test_pitfall_18_an_expired_approval_is_refused_without_a_request(scene: Scene) -> None:
    scene.spec(settings=", state: {approval_max_age: 1s}")
    digest = scene.submitted()
    scene.regrant(expires="2026-01-01T00:00:00Z")
    scene.cloud.admin("DELETE", "log")
    (grant,) = scene.reconcile(3)
    assert (grant["result"], grant["digest"]) == ("refused", digest)
    assert "the approval has expired" in grant["diagnostics"][0]["summary"]
    assert scene.log("GET") == []
    refused = scene.run("apply", digest)
    assert (refused.code, "the approval has expired" in refused.words) == (3, True)
    scene.hours(10)
    assert scene.run("apply", "-y").code == 0
    assert scene.reconcile(0) == []
    assert scene.created() == (1, 1)


def test_pitfall_18_a_working_copy_that_leads_elsewhere_is_refused(scene: Scene, tmp_path: Path) -> None:
    scene.submitted()
    scene.spec(url="http://127.0.0.1:9")
    scene.hours(10)
    (grant,) = scene.reconcile(3)
    assert "provider here is" in grant["diagnostics"][0]["detail"]
    scene.spec()
    scene.folder.edit("{here:", "{there:")
    (grant,) = scene.reconcile(3)
    assert "no provider here any more" in grant["diagnostics"][0]["detail"]
    assert scene.created() == (1, 0)


def test_pitfall_18_a_retry_above_the_budget_is_refused(scene: Scene) -> None:
    scene.spec(settings=", budget: {training: 0.0018}")
    scene.cloud.fault("POST /openai*/fine_tuning/jobs", job={"fail": "training"}, times=-1)
    digest = scene.submitted()
    assert scene.grants()[digest].spent == pytest.approx(0.001188)
    scene.hours(10)
    scene.spec(settings=", budget: {training: 1000}")  # of the working copy: it doesn't count
    (grant,) = scene.reconcile(3, "--retry")
    assert "training once more would cost" in grant["diagnostics"][0]["detail"]
    assert scene.created()[0] == 1


def test_a_newer_apply_of_the_same_resources_ends_it_and_leaves_its_job(scene: Scene) -> None:
    old = scene.submitted()
    scene.spec(epochs=3)
    new = scene.saved()
    done = scene.run("apply", new, "--no-wait", "--parallelism", "1")
    assert done.code == 4
    assert f"isn't finished ({old}). It ends here" in done.words
    assert list(scene.grants()) == [new]
    refused = scene.run("apply", old)
    assert refused.code == 3
    scene.hours(10)
    assert [grant["digest"] for grant in scene.reconcile(0)] == [new]
    assert scene.created() == (2, 1)


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({}, 0, "This continues the apply that "),
        ({"epochs": 3}, 4, "It ends here"),
        ({"more": OTHER}, 0, "It ends here"),
    ],
    ids=["same spec", "another job", "one more"],
)
def test_an_apply_that_does_just_what_is_left_is_said_to_continue(
    scene: Scene, changes: dict[str, Any], code: int, said: str
) -> None:
    old = scene.submitted()
    scene.spec(**changes)
    scene.hours(10)
    done = scene.run("apply", "-y", "--no-wait")
    assert done.code == code, done
    assert said in done.words
    assert done.words.count(" apply, which ") + done.words.count(" the apply that ") == 1
    assert old not in scene.grants()


def test_a_plan_says_which_job_has_succeeded_since_it_was_submitted(scene: Scene) -> None:
    scene.submitted()
    said = "job.copilot: succeeded; `ftops apply` records it\n"
    assert said not in scene.run("plan").out
    scene.hours(10)
    assert said in scene.run("plan").out
    assert said not in scene.run("plan", "--no-refresh").out
    assert scene.run("apply", "-y").code == 0
    assert said not in scene.run("plan").out


def test_an_apply_of_other_resources_does_not_end_it(scene: Scene) -> None:
    digest = scene.submitted()
    scene.spec(more="  other: {model: gpt-4o}\n")
    other = scene.saved("--target", "deployment.other")
    assert scene.run("apply", other).code == 0
    assert list(scene.grants()) == [digest]
    scene.hours(10)
    scene.reconcile(0)
    assert scene.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize(
    "edit", [("state", "rm", "job.copilot"), ("state", "mv", "job.copilot", "job.x"), ("push",), ("restore",)]
)
def test_a_manual_change_of_the_state_ends_it(scene: Scene, edit: tuple[str, ...]) -> None:
    digest = scene.submitted()
    assert digest in scene.grants()
    if edit[0] == "push":
        text = scene.folder.ok("state", "pull")
        scene.folder.write("state.json", text.replace('"n_epochs": 2', '"n_epochs": 3'))
        edit = ("state", "push", "state.json", "--force")
    if edit[0] == "restore":
        scene.folder.ok("apply", "-y", "--target", "dataset.train", "--replace", "dataset.train")
        edit = ("state", "restore", scene.run("state", "history", "-o", "json").json["versions"][-1]["id"])
    done = scene.run(*edit, *(("-y",) if edit[1] == "restore" else ()))
    assert done.code == 0, done
    assert scene.grants() == {}


# what failed, and what others did meanwhile


def test_a_failed_training_is_made_again_only_if_asked(scene: Scene) -> None:
    scene.cloud.fault("POST /openai*/fine_tuning/jobs", job={"fail": "training"})
    digest = scene.submitted()
    scene.hours(10)
    for _ in range(2):
        (grant,) = scene.reconcile(1)
        assert (grant["result"], grant["failed"]) == ("failed", ["job.copilot"])
    text = scene.run("reconcile")
    assert "job.copilot failed: to make it again, run `ftops reconcile --retry`" in text.words
    assert scene.created() == (1, 0)
    (grant,) = scene.reconcile(4, "--retry")
    assert (grant["digest"], list(grant["left"])) == (digest, ["job.copilot"])
    assert scene.grants()[digest].spent == pytest.approx(2 * 0.001188)
    scene.hours(10)
    scene.reconcile(0)
    assert scene.created() == (2, 1)
    assert len(scene.cloud.admin("GET", "objects")["jobs"]) == 1


def test_apply_of_its_digest_makes_again_what_failed(scene: Scene) -> None:
    scene.cloud.fault("POST /openai*/fine_tuning/jobs", job={"fail": "training"})
    digest = scene.submitted()
    scene.hours(10)
    assert scene.run("apply", digest, "--no-wait").code == 4
    scene.hours(10)
    assert scene.run("apply", digest).code == 0
    assert scene.created() == (2, 1)


def test_what_somebody_deleted_is_not_made_again_and_what_somebody_changed_stays(scene: Scene) -> None:
    scene.spec(more="  base: {model: gpt-4o, sku: {name: GlobalStandard, capacity: 20}}\n")
    scene.submitted()
    scene.cloud.control(
        "PATCH", {"sku": {"name": "GlobalStandard", "capacity": 3}}, "/deployments/base"
    ).raise_for_status()
    scene.hours(10)
    job = scene.cloud.admin("GET", "objects")["jobs"][0]["id"]
    scene.cloud.admin("DELETE", f"objects/jobs/{job}")
    (grant,) = scene.reconcile(1)
    assert grant["failed"] == ["job.copilot"]
    assert grant["warnings"][0].startswith("deployment.base was changed by somebody")
    assert scene.created() == (1, 1)
    assert scene.run("reconcile", "--retry").code == 4
    scene.hours(10)
    scene.reconcile(0)
    assert scene.cloud.control("GET", path="/deployments/base").json()["sku"]["capacity"] == 3
    assert scene.created() == (2, 2)


def test_a_gate_that_does_not_pass_is_told(scene: Scene) -> None:
    prompts = [{"prompt": f"say {n}", "expect": {"text": "no model says this"}} for n in range(8)]
    scene.folder.write("prompts.json", json.dumps(prompts))
    scene.spec(
        more="evaluations:\n  exam: {prompts: prompts.json, model: '${job.copilot.fine_tuned_model}'}\n"
    )
    scene.folder.edit('fine_tuned_model}"}\n', 'fine_tuned_model}", gate: {evaluation: exam}}\n')
    digest = scene.submitted()
    scene.hours(10)
    (grant,) = scene.reconcile(5)
    assert [held["address"] for held in grant["held"]] == ["deployment.prod"]
    (grant,) = scene.reconcile(5)
    assert (grant["digest"], grant["result"]) == (digest, "held")
    assert "prod" not in {one["name"] for one in scene.cloud.admin("GET", "objects")["deployments"]}


# interrupted and killed


def test_pitfall_16_a_cancelled_run_leaves_its_job(scene: Scene) -> None:
    digest = scene.saved()
    with forked.Popen(
        [sys.executable, "-m", "ftops", "apply", digest],
        cwd=scene.folder.path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        next(line for line in process.stdout if "job.copilot: creating" in line)
        next(line for line in process.stdout if re.match("job.copilot: (?!creating)", line))
        process.send_signal(signal.SIGTERM)
        out, err = process.stdout.read(), process.stderr.read()
        assert process.wait(120) == 130
    assert "job.copilot: still in progress" in out
    assert "`ftops reconcile` continues from here" in err
    assert list(scene.grants()) == [digest]
    scene.hours(10)
    scene.reconcile(0)
    assert scene.created() == (1, 1)


@pytest.mark.parametrize("number", [1, 2, 5])
def test_pitfall_15_a_killed_run_is_continued_and_nothing_is_made_twice(scene: Scene, number: int) -> None:
    digest = scene.saved()
    words = [str(number), "after", "--", "apply", digest, "--no-wait"]
    killed = run([sys.executable, "-m", "tests.support.kill_at", *words], scene.folder.path)
    assert killed.returncode == -signal.SIGKILL
    if number == 1:  # only the header of the journal was written
        assert scene.grants() == {}
        assert scene.run("apply", digest, "--no-wait").code == 4
    scene.run("reconcile")
    scene.hours(10)
    scene.reconcile(0)
    assert scene.created() == (1, 1)
    assert scene.run("plan", "--detailed-exitcode").code == 0
    results = [run["result"] for run in scene.run("audit", "-o", "json").json["runs"]]
    assert results[0] == "lost"
    assert results[-1] == "done"


def test_files_that_are_still_to_be_sent_must_be_those_that_were_approved(scene: Scene) -> None:
    digest = scene.saved()
    words = ["2", "after", "--", "apply", digest, "--no-wait"]
    run([sys.executable, "-m", "tests.support.kill_at", *words], scene.folder.path)
    assert digest in scene.grants()
    good = (scene.folder.path / "data" / "train.jsonl").read_text()
    scene.folder.write("data/train.jsonl", good.replace("say 1", "say one"))
    (grant,) = scene.reconcile(3)
    assert "the files of dataset.train are still to be sent" in grant["diagnostics"][0]["detail"]
    assert scene.created() == (0, 0)
    scene.folder.write("data/train.jsonl", good)
    scene.reconcile(4)


# who may write what


def test_nothing_that_is_committed_leads_to_an_apply(scene: Scene, tmp_path: Path) -> None:
    """A checkout with the state of somebody else, grant included, and everything that ftops keeps."""
    scene.submitted()
    scene.hours(10)
    there = Scene(Folder(tmp_path / "there"), scene.cloud)
    subprocess.run(["cp", "-r", str(scene.folder.path), str(there.folder.path)], check=True)
    assert (there.folder.path / ".ftops" / "grants" / "made-here").exists()
    (grant,) = there.reconcile(3)
    assert "wasn't recorded on this machine" in grant["diagnostics"][0]["detail"].replace("\n", " ")
    assert scene.created() == (1, 0)
    scene.reconcile(0)


@pytest.mark.parametrize("field", ["record", "budget", "expires"])
def test_a_grant_that_was_edited_does_not_count(scene: Scene, field: str) -> None:
    scene.spec(settings=", budget: {training: 1}")
    digest = scene.submitted()
    record = scene.grants()[digest].record
    changes = {"record": record.replace('"n_epochs":2', '"n_epochs":9'), "budget": 99.0}
    scene.regrant(**{field: changes.get(field, "2099-01-01T00:00:00Z")})
    scene.reconcile(3)


def test_an_object_that_somebody_else_has_put_into_the_state_is_left(scene: Scene) -> None:
    """A branch with a state in Git, in which what is approved to be replaced is the job of another spec."""
    scene.cloud.admin("PATCH", "settings", {"min_training_seconds": 0})
    assert scene.run("apply", "-y").code == 0
    scene.cloud.admin("PATCH", "settings", {"min_training_seconds": 9 * HOURS})
    scene.folder.edit("n_epochs: 2", "n_epochs: 3")
    scene.submitted()
    scene.hours(10)
    state, job = scene.store.read(), Address("job", "copilot")
    other = replace(state.resources[job], remote_id="ftjob-of-somebody-else")
    for forged in ({"resources": {**state.resources, job: other}}, {"deposed": {(job, "0"): other}}):
        scene.store.write(replace(state, **forged))
        (grant,) = scene.reconcile(3)
        assert "job.copilot can't be trusted here" in grant["diagnostics"][0]["summary"]
    assert not scene.log("DELETE")
    scene.store.write(state)
    scene.reconcile(0)


def test_an_encrypted_state_holds_its_grants_encrypted(scene: Scene, tmp_path: Path) -> None:
    scene.spec(settings=', state: {encryption: {key: "${env.KEY}"}}')
    scene.submitted(KEY=KEY)
    text = (scene.folder.path / "state" / "scene" / "default.json").read_text()
    assert "n_epochs" not in text
    scene.hours(10)
    there = Scene(Folder(tmp_path / "there"), scene.cloud)
    subprocess.run(["cp", "-r", str(scene.folder.path), str(there.folder.path)], check=True)
    there.reconcile(0, KEY=KEY)
    assert scene.run("reconcile", KEY="0" * 64).code == 1


def test_a_secret_that_changed_is_refused(scene: Scene) -> None:
    scene.folder.edit('fine_tuned_model}"}', 'fine_tuned_model}", tags: {owner: "${env.OWNER}"}}')
    scene.submitted(OWNER="canary-one")
    scene.hours(10)
    (grant,) = scene.reconcile(3, OWNER="canary-two")
    assert "deployment.prod: other values of tags.owner" in grant["diagnostics"][0]["detail"]
    scene.folder.edit(', tags: {owner: "${env.OWNER}"}', "")
    assert scene.run("reconcile").code == 3
    scene.reconcile(0, OWNER="canary-one")
    assert "canary" not in (scene.folder.path / "state" / "scene" / "default.json").read_text()


def test_the_environment_says_where_states_are(scene: Scene) -> None:
    digest = scene.submitted()
    scene.hours(10)
    elsewhere = scene.run("reconcile", FTOPS_STATE="s3://acme-ftops/models")
    assert (elsewhere.code, "the state isn't where FTOPS_STATE says" in elsewhere.words) == (1, True)
    near = scene.run("reconcile", FTOPS_STATE=str(scene.folder.path / "sta"))
    assert near.code == 1
    assert list(scene.grants()) == [digest]
    scene.reconcile(0, FTOPS_STATE=f"{scene.folder.path / 'state'}/")


# cheap


def test_without_a_grant_the_state_is_read_once(scene: Scene) -> None:
    config = load(scene.folder.path, environ=dict(os.environ))
    with Session.open(config) as session:
        assert session.state == State("")
    scene.cloud.admin("DELETE", "log")
    done = scene.run("reconcile")
    assert (done.code, done.out) == (0, "Nothing to continue: no approved plan is open.\n")
    assert scene.log("GET") == []
    assert not (scene.folder.path / "state").exists()


def test_an_older_state_has_no_grants() -> None:
    codec = StateCodec()
    text = codec.snapshot(State("a", 3), "s", "e")
    assert "grants" not in text
    assert codec.parse(text, "file", "s", "e").grants == {}


POLICY = "policy: [{deny: {models: {deny: ['*']}}, name: none, message: Not now, overridable: true}]\n"
OVERRIDE = "overrides: [{rule: none, reason: agreed, until: 2999-01-01}]\n"


def test_a_policy_that_has_changed_holds_the_rest(scene: Scene) -> None:
    """As is judged again at each run, a rule stops what isn't started yet, and jobs go on."""
    path = str(scene.folder.path.parent / "policy.yaml")
    digest = scene.submitted()
    scene.folder.write("../policy.yaml", POLICY)
    for command in (("reconcile",), ("apply", digest, "--no-wait")):
        done = scene.run(*command, FTOPS_POLICY=path)
        assert done.code == 3, done
        assert "the policy has changed since the approval, and denies what is left" in done.words
        assert "deployment.prod: the model" in done.words
        assert "Not now." in done.words
        assert "jobs in progress go on" in done.words
    (grant,) = scene.reconcile(3, FTOPS_POLICY=path)
    assert (grant["result"], len(grant["diagnostics"])) == ("refused", 2)
    scene.hours(10)
    scene.reconcile(3, FTOPS_POLICY=path)
    assert (scene.created(), list(scene.grants())) == ((1, 0), [digest])
    scene.spec(more=OVERRIDE)
    scene.reconcile(0, FTOPS_POLICY=path)
    assert (scene.created(), scene.grants()) == ((1, 1), {})


@pytest.mark.parametrize("where", ["outside", "in the spec"])
def test_a_rule_that_is_lifted_or_permits_holds_nothing(scene: Scene, where: str) -> None:
    path = str(scene.folder.path.parent / "policy.yaml")
    scene.folder.write("../policy.yaml", POLICY.replace("deny: ['*']", "allow: [nothing]"))
    environ = {"FTOPS_POLICY": path} if where == "outside" else {}
    rules = POLICY if where == "in the spec" else ""
    scene.spec(more=rules)
    digest = scene.saved("--override", "none", "--reason", "agreed", **environ)
    assert scene.run("apply", digest, "--no-wait", **environ).code == 4
    scene.spec(more=rules.replace("Not now", "Never"))
    scene.folder.write("../policy.yaml", POLICY)  # another rule of the same name, and the override counts
    scene.hours(10)
    scene.reconcile(0, **environ)
    assert scene.created() == (1, 1)


def test_an_override_that_has_ended_since_lifts_nothing() -> None:
    lifted = Overridden("none", "agreed", until="2026-11-30")
    assert [lifted.has_ended(date(2026, 11, day)) for day in (29, 30)] == [False, False]
    assert lifted.has_ended(date(2026, 12, 1))
    assert not Overridden("none", "agreed").has_ended(date.max)


def test_a_changed_rule_about_costs_knows_what_was_approved(scene: Scene) -> None:
    """The costs of jobs that failed are those of the approval, whatever has become of the data."""
    path = str(scene.folder.path.parent / "policy.yaml")
    scene.submitted()
    scene.hours(1)
    scene.folder.write("../policy.yaml", "policy: [{deny: {cost: {training: 1000}}}]\n")
    scene.reconcile(4, FTOPS_POLICY=path)
    scene.hours(10)
    scene.reconcile(0, FTOPS_POLICY=path)

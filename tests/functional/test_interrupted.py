"""A run is killed between what the service did and its reply, the spec is edited, and ftops runs again.

Real processes, a real emulator, SIGKILL: whatever comes next, nothing is trained or deployed twice, nothing
that is wanted is deleted, and the plan after it is empty. docs/identity.md has the rules.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.azure_cloud import Cloud, running_cloud
from tests.golden.cli import Done, Folder
from tests.support import forked
from tests.support.command import environment

DEADLINE = 120.0
JOBS = "POST /openai*/fine_tuning/jobs"
FILES = "POST /openai*/files"
DEPLOYMENTS = "PUT */deployments/*"
MODEL = "gpt-4o-mini-2024-07-18"
TUNED = '"${job.copilot.fine_tuned_model}"'


@dataclass(frozen=True)
class Scene:
    """A spec in a folder, and the account that it is about."""

    folder: Folder
    cloud: Cloud
    provider: str

    def spec(self, text: str) -> None:
        self.folder.write(
            "ftops.yaml", f"ftops: {{name: scene}}\nproviders: {{here: {self.provider}}}\n{text}"
        )

    def run(self, *words: str) -> Done:
        return self.folder.run(*words)

    def apply(self, *words: str) -> str:
        return self.folder.ok("apply", "-y", *words)

    def is_settled(self) -> bool:
        return self.run("plan", "--detailed-exitcode").code == 0

    def counts(self) -> dict[str, int]:
        """What the account holds now, of each kind."""
        found: dict[str, int] = self.cloud.admin("GET", "objects")["counts"]
        return found

    def created(self) -> dict[str, int]:
        """What was ever created there."""
        found: dict[str, int] = self.cloud.admin("GET", "objects")["created"]
        return found

    def killed(self, match: str, kind: str, *words: str, at_once: int = 1) -> None:
        """An apply that dies after the service has created one more object, or so many at once, and before it
        gets the reply."""
        wanted = self.created()[kind] + at_once
        # Several wait for the last of them.
        self.cloud.fault(match, times=at_once, delay=1.0 if at_once == 1 else 5.0)
        process = forked.Popen(
            [sys.executable, "-m", "ftops", "apply", "-y", *words],
            cwd=self.folder.path,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: sum(rule["hits"] for rule in self.cloud.admin("GET", "faults")["faults"]) >= at_once)
        os.kill(process.pid, signal.SIGSTOP)
        until(lambda: self.created()[kind] >= wanted)
        process.kill()
        process.wait()
        self.cloud.clear_faults()


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "the service never got that far"
        time.sleep(0.02)


@pytest.fixture
def scene(tmp_path: Path, account: Cloud) -> Iterator[Scene]:
    """The account is emptied afterwards."""
    provider = f"{{type: emulator, url: '{account.url}', api_key: '{account.key}'}}"
    yield Scene(Folder.make(tmp_path), account, provider)
    account.clear_faults()
    account.admin("POST", "reset", {})


def chain(epochs: int, *, job: str = "copilot", deployment: str = "", data: str = "data/train.jsonl") -> str:
    text = f"datasets: {{train: {{path: {data}}}}}\n"
    text += f"jobs: {{{job}: {{model: {MODEL}, training: train, hyperparameters: {{n_epochs: {epochs}}}}}}}\n"
    return text + (f"deployments: {{prod: {{model: {TUNED}{deployment}}}}}\n" if deployment else "")


SHAPES = {
    "job": ("", JOBS, "jobs"),
    "deployed": (", replace: recreate", JOBS, "jobs"),
    "blue_green": (", replace: blue_green", DEPLOYMENTS, "deployments"),
}


@pytest.mark.parametrize(
    ("shape", "words"), [("job", ()), ("job", ("--no-adopt",)), ("deployed", ()), ("blue_green", ())]
)
def test_what_a_replacement_created_before_it_was_killed_is_kept(
    scene: Scene, shape: str, words: tuple[str, ...]
) -> None:
    deployment, match, kind = SHAPES[shape]
    scene.spec(chain(1, deployment=deployment))
    scene.apply()
    scene.spec(chain(2, deployment=deployment))
    scene.killed(match, kind)
    scene.apply(*words)
    assert scene.is_settled()
    assert scene.created()["jobs"] == 2
    counts = scene.counts()
    assert (counts["jobs"], counts["deployments"]) == (1, 1 if deployment else 0)


@pytest.mark.parametrize("shape", ["job", "deployed"])
def test_a_change_that_is_taken_back_after_a_kill_trains_nothing(scene: Scene, shape: str) -> None:
    scene.spec(chain(1, deployment=SHAPES[shape][0]))
    scene.apply()
    before = {job["id"] for job in scene.cloud.admin("GET", "objects")["jobs"]}
    scene.spec(chain(2, deployment=SHAPES[shape][0]))
    scene.killed(JOBS, "jobs")
    scene.spec(chain(1, deployment=SHAPES[shape][0]))
    scene.apply()
    assert scene.is_settled()
    assert {job["id"] for job in scene.cloud.admin("GET", "objects")["jobs"]} == before
    assert scene.created()["jobs"] == 2


def test_two_datasets_of_one_content_have_a_file_each(scene: Scene) -> None:
    both = "datasets: {train: {path: data/train.jsonl}, valid: {path: data/train.jsonl}}\n"
    scene.spec(both)
    scene.killed(FILES, "files", "--parallelism", "1")
    scene.apply()
    assert scene.counts()["files"] == 2
    scene.spec("datasets: {train: {path: data/train.jsonl}}\n")
    scene.apply()
    assert scene.counts()["files"] == 1
    assert scene.is_settled()


def test_a_job_that_is_renamed_after_a_kill_is_the_same_job(scene: Scene) -> None:
    scene.spec(chain(1, job="old"))
    scene.killed(JOBS, "jobs")
    scene.spec(chain(1, job="new"))
    scene.apply()
    assert scene.is_settled()
    assert (scene.created()["jobs"], scene.counts()["jobs"]) == (1, 1)


def test_an_import_and_adoption_take_two_files(scene: Scene) -> None:
    scene.spec("datasets: {made: {path: data/train.jsonl}}\n")
    scene.apply()
    there = scene.run("state", "pull").json["resources"]["dataset.made"]["remote_id"]
    shutil.rmtree(scene.folder.path / "state")
    shutil.rmtree(scene.folder.path / ".ftops")
    scene.folder.write(
        "ftops.yaml",
        f"ftops: {{name: other}}\nproviders: {{here: {scene.provider}}}\n"
        "datasets: {train: {path: data/train.jsonl}, valid: {path: data/train.jsonl}}\n"
        f"import: [{{to: dataset.valid, id: {there}}}]\n",
    )
    scene.apply()
    found = scene.run("state", "pull").json["resources"]
    assert found["dataset.valid"]["remote_id"] == there
    assert found["dataset.train"]["remote_id"] != there


def test_one_404_at_the_first_look_drops_nothing(scene: Scene) -> None:
    scene.spec(chain(1))
    scene.cloud.fault("GET /openai*/fine_tuning/jobs/*", status=404, times=1)
    scene.apply()
    assert scene.is_settled()
    assert scene.created()["jobs"] == 1


def test_a_saved_plan_is_spent_once_it_was_applied(scene: Scene) -> None:
    scene.spec("deployments: {base: {model: gpt-4o-mini-2024-07-18}}\n")
    scene.folder.ok("plan", "--out", "once.plan")
    scene.folder.ok("apply", "once.plan")
    scene.folder.ok("destroy", "-y")
    again = scene.run("apply", "once.plan")
    assert again.code == 3
    assert "has been applied already" in again.err


def test_a_saved_plan_is_looked_over_again_while_an_intent_is_open(scene: Scene) -> None:
    """What an interrupted run created didn't show when the plan was made."""
    scene.spec(chain(1))
    scene.killed(JOBS, "jobs")
    with scene.cloud.set(list_lag_seconds=3600.0):
        scene.folder.ok("plan", "--out", "early.plan")
    refused = scene.run("apply", "early.plan")
    assert refused.code == 3, refused
    scene.apply()
    assert (scene.created()["jobs"], scene.counts()["jobs"]) == (1, 1)
    assert scene.is_settled()


def test_what_was_imported_by_command_is_known_to_be_in_its_account(scene: Scene, tmp_path: Path) -> None:
    scene.spec(chain(1))
    scene.apply()
    job = scene.run("state", "pull").json["resources"]["job.copilot"]
    scene.folder.ok("state", "rm", "job.copilot")
    scene.folder.ok("import", "job.copilot", job["remote_id"])
    again = scene.run("state", "pull").json["resources"]["job.copilot"]
    assert again["account"] == job["account"] != ""


def test_an_account_that_changes_leaves_nothing_behind(scene: Scene, tmp_path: Path) -> None:
    scene.spec(chain(1))
    scene.apply()
    with running_cloud(tmp_path / "west", "--account", "west") as west:
        there = f"{{type: emulator, url: '{west.url}', api_key: '{west.key}', default: true}}"
        named = f"ftops: {{name: scene}}\nproviders: {{here: {there}}}\n"
        scene.folder.write("ftops.yaml", named + chain(1))
        for words in (("plan",), ("apply", "-y"), ("destroy", "-y")):
            refused = scene.run(*words)
            assert refused.code == 3, refused
            assert "no provider of the spec reaches" in refused.err
        both = f"ftops: {{name: scene}}\nproviders: {{here: {there}, old: {scene.provider}}}\n"
        scene.folder.write("ftops.yaml", both + chain(1))
        scene.apply()
        assert (scene.counts()["files"], scene.counts()["jobs"]) == (0, 0)
        assert west.admin("GET", "objects")["counts"]["jobs"] == 1
        scene.folder.write("ftops.yaml", named + chain(1))
        assert scene.is_settled()
        scene.folder.ok("destroy", "-y")
        assert west.admin("GET", "objects")["counts"]["jobs"] == 0


def test_two_intents_of_one_account_never_find_one_job(scene: Scene) -> None:
    """Two names of providers, jobs without notes that are alike, and both replies are lost."""
    two = f"providers: {{here: {scene.provider[:-1]}, default: true}}, also: {scene.provider}}}"
    alike = f"model: {MODEL}, training: train, seed: 7"

    def declare(jobs: str) -> None:
        data = "datasets: {train: {path: data/train.jsonl}}"
        scene.folder.write("ftops.yaml", f"ftops: {{name: scene}}\n{two}\n{data}\n{jobs}\n")

    # Without a limit of the queue, both are created at once.
    scene.folder.write("ftops.catalog.yaml", "limits: {queued_jobs: }\n")
    with scene.cloud.set(metadata="dropped"):
        declare("")
        scene.apply()
        declare(f"jobs: {{aa: {{{alike}}}, bb: {{{alike}, provider: also}}}}")
        scene.killed(JOBS, "jobs", at_once=2)
        assert "2 resumed" in scene.apply()
        assert scene.created()["jobs"] == 2
        scene.folder.ok("destroy", "-y")
        assert scene.counts()["jobs"] == 0

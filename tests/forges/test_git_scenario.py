"""From `ftops init --ci github` to an applied merge without drift: workflows run step by step on a real Git
repository, with GitHub's API as a stand-in and the emulator as the cloud.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.forges.conftest import TOKEN
from tests.forges.github_api import GitHub
from tests.forges.stand_in import Merged, running
from tests.support.command import in_process
from tests.support.embedded import SPEC, Cloud, example
from tests.support.emulator_admin import Admin
from tests.support.github_runner import Event, JobResult, Runner
from tests.support.proxy import Proxy, proxy
from tests.support.servers import SERVICES, Service

ACTION = "contoso/ftops@" + "a" * 40


@dataclass
class Team:
    """A repository at a service, a clone to work in, the cloud, and what runs the workflows."""

    folder: Path
    forge: GitHub
    runner: Runner
    cloud: Admin
    way: Proxy

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=alice", "-c", "user.email=alice@contoso.example")
        done = subprocess.run(
            ["git", *who, *words], cwd=self.clone, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def edit(self, old: str, new: str) -> None:
        spec = self.clone / "models" / "ftops.yaml"
        text = spec.read_text("utf-8")
        assert old in text
        spec.write_text(text.replace(old, new), "utf-8")

    def commit(self, branch: str) -> str:
        """What was edited, pushed."""
        self.git("commit", "-qam", "change the models")
        self.git("push", "-q", "-f", "origin", f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")

    def pull(self, head: str, action: str = "synchronize", **more: Any) -> dict[str, JobResult]:
        """The event of a pull request, on its merge with `main`."""
        main = self.git("rev-parse", "origin/main")
        tree = self.git("merge-tree", "--write-tree", main, head)
        merge = self.git("commit-tree", "-p", main, "-p", head, "-m", "merge", tree)
        self.git("push", "-q", "-f", "origin", f"{merge}:refs/pull/12/merge")
        return self.runner.fire(
            Event("pull_request", merge, "refs/pull/12/merge", _pull_event(action, main, head, **more))
        )

    def squash(self, branch: str) -> dict[str, JobResult]:
        """Merges as one commit, and runs what that push starts."""
        self.git("fetch", "-q", "origin")
        self.git("checkout", "-q", "-B", "main", "origin/main")
        self.git("merge", "-q", "--squash", f"origin/{branch}")
        head = self.git("rev-parse", f"origin/{branch}")
        sha = self.commit("main")
        self.forge.merged[sha] = [Merged(12, squash=sha, head=head)]
        return self.runner.fire(Event("push", sha))

    def until_applied(self) -> None:
        """Fires the schedule until nothing is left to continue."""
        for _ in range(20):
            result = self.on_schedule()["reconcile"]
            assert result.result == "success", result.log
            if "nothing to continue" in result.log:
                return
        raise AssertionError("it is still in progress")

    def deployed(self) -> list[str]:
        return sorted(each["name"] for each in self.cloud.get("objects")["deployments"])

    def has_one_of_each(self) -> bool:
        """A file, a job and a deployment, and no more was ever created."""
        objects = self.cloud.get("objects")
        files, jobs, _, deployments = Cloud(objects).counts()
        created = objects["created"]
        return (files, jobs, deployments, created["jobs"], created["deployments"]) == (1, 1, 1, 1, 1)

    def cloud_requests(self, *methods: str) -> list[str]:
        """That the cloud got."""
        return [each["path"] for each in self.cloud.get("log")["requests"] if each["method"] in methods]

    def kill_at(self, at: int) -> threading.Event:
        """The runner is killed before its nth write to the bucket."""
        killed, left = threading.Event(), count(at, -1)
        processes: list[subprocess.Popen[str]] = []
        self.runner.during = lambda job, process: processes.append(process)

        def rule(method: str, path: str) -> str | None:
            if killed.is_set() or method not in ("PUT", "DELETE", "POST") or next(left) > 1:
                return None
            killed.set()
            os.killpg(processes[-1].pid, signal.SIGKILL)
            return "drop"

        self.way.rule = rule
        return killed

    def on_schedule(self) -> dict[str, JobResult]:
        self.git("fetch", "-q", "origin")
        return self.runner.fire(Event("schedule", self.git("rev-parse", "origin/main")))

    def by_hand(self) -> dict[str, JobResult]:
        """All workflows that can be started by hand, on `main`."""
        return self.runner.fire(Event("workflow_dispatch", self.git("rev-parse", "origin/main")))


def _pull_event(action: str, base: str, head: str, labels: tuple[str, ...] = ()) -> Mapping[str, Any]:
    repository = {"id": 77, "full_name": "contoso/models"}
    pull = {
        "number": 12,
        "head": {"sha": head, "ref": "change", "repo": repository},
        "base": {"sha": base, "ref": "main", "repo": repository},
        "labels": [{"name": label} for label in labels],
    }
    return {"action": action, "number": 12, "pull_request": pull, "repository": repository}


@pytest.fixture(scope="module")
def bucket() -> Iterator[Service]:
    with SERVICES["s3"]() as service:
        yield service


@pytest.fixture
def team(tmp_path: Path, bucket: Service) -> Iterator[Team]:
    path = f"team/{tmp_path.name}"
    with running(GitHub()) as forge, proxy(bucket.url) as way:
        assert isinstance(forge, GitHub)
        origin = tmp_path / "origin.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(origin)], check=True)
        environ = {
            "CI": "true",
            "FTOPS_ALLOW_OUTSIDE": str(tmp_path),
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": "alice",
            "GITHUB_API_URL": forge.api,
            "GITHUB_REPOSITORY": "contoso/models",
            "GITHUB_REPOSITORY_ID": "77",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_TOKEN": TOKEN,
            **bucket.environ,
        }
        states = f"s3://{bucket.settings['bucket']}/{path}"
        runner = Runner(
            origin, tmp_path / "machines", environ, {"FTOPS_STATE": states}, frozenset({"ftops-prod"})
        )
        made = Team(tmp_path, forge, runner, Admin(tmp_path / "cloud", lambda: None), way)
        subprocess.run(["git", "clone", "-q", str(origin), str(made.clone)], check=True, capture_output=True)
        _begin(made, bucket.at(way.url).spec(path=path, lease=5))
        yield made


def _begin(team: Team, named: str) -> None:
    models = team.clone / "models"
    models.mkdir()
    named += 'environments: {prod: {}, pr: {pattern: "pr-*", ttl: 72h, sample: 10}}\npolicy: []\n'
    spec = SPEC.replace("ftops: {name: small}\n", named).replace("data: cloud", f"data: {team.folder}/cloud")
    (models / "ftops.yaml").write_text(spec, "utf-8")
    (models / "train.jsonl").write_text("".join(map(example, range(12))), "utf-8")
    done = in_process(models, "init", "--ci", "github")
    assert done.returncode == 0, done.stderr
    for path in (team.clone / ".github" / "workflows").iterdir():
        text = path.read_text("utf-8").replace("OWNER/REPOSITORY@" + "0" * 40, ACTION)
        path.write_text(text, "utf-8")
    team.git("checkout", "-q", "-b", "main")
    team.git("add", ".")
    team.commit("main")


def test_from_a_pull_request_to_an_apply_without_drift(team: Team) -> None:
    team.git("checkout", "-q", "-b", "change")
    team.edit("n_epochs: 1", "n_epochs: 2")
    planned = team.pull(team.commit("change"), "opened")
    assert (planned["plan"].result, planned["fork"].result) == ("success", "skipped")
    (comment,) = team.forge.comments
    assert "### ✅ `small (prod)`: 1 model trained" in comment.body
    assert "n_epochs   = 2" in comment.body

    team.edit("n_epochs: 2", "n_epochs: 3")
    planned = team.pull(team.commit("change"))
    (comment,) = team.forge.comments
    assert "n_epochs   = 3" in comment.body
    assert team.cloud_requests("POST", "PUT", "DELETE") == []

    reviewed = re.findall(r"v2:sha256:[0-9a-f]{64}", comment.body)
    merged = team.squash("change")
    assert re.findall(r"v2:sha256:[0-9a-f]{64}", merged["plan"].summary) == reviewed
    assert "exit code 4: in progress" in merged["apply"].log
    team.until_applied()
    assert team.has_one_of_each()
    (comment,) = team.forge.comments
    assert "### ✅ `small (prod)`: applied" in comment.body
    assert [status["state"] for status in team.forge.statuses[:1]] == ["pending"]
    assert team.forge.statuses[-1]["state"] == "success"

    assert team.on_schedule()["drift"].result == "success"
    assert team.forge.issues == []
    team.cloud.delete("objects/deployments/prod")
    team.on_schedule()
    (issue,) = team.forge.issues
    assert "1 resource changed outside ftops" in issue.title + issue.body
    written = issue.body
    team.on_schedule()
    assert [each.body for each in team.forge.issues] == [written]
    team.by_hand()  # heals, with the approval of the plan
    team.until_applied()
    team.on_schedule()
    assert [each.is_open for each in team.forge.issues] == [False]
    assert len([each for each in team.forge.comments if each.pull == 12]) == 1


@pytest.mark.slow
def test_a_preview_comes_and_goes_with_its_pull_request(team: Team) -> None:
    team.git("checkout", "-q", "-b", "change")
    team.edit("n_epochs: 1", "n_epochs: 2")
    head = team.commit("change")
    assert team.pull(head, "opened")["apply"].result == "skipped"
    labels = ("preview",)
    for action in ("labeled", "synchronize"):
        made = team.pull(head, action, labels=labels)["apply"]
        assert made.result == "success", made.log
        assert team.deployed() == ["pr-12-prod"]
    merged = team.squash("change")
    assert merged["apply"].result == "success"
    team.until_applied()
    assert team.deployed() == ["pr-12-prod", "prod"]
    removed = team.pull(head, "closed", labels=labels)["remove"]
    assert removed.result == "success", removed.log
    assert team.deployed() == ["prod"]
    assert team.on_schedule()["gc"].result == "success"
    assert team.deployed() == ["prod"]


@pytest.mark.parametrize(
    "at", (*(pytest.param(at, marks=pytest.mark.slow) for at in (1, 2, 4, 7, 9, 11)), 14)
)
def test_a_merge_whose_job_was_killed(team: Team, at: int) -> None:
    """Before the nth write to the bucket: what follows is a schedule, or the same workflow again."""
    killed = team.kill_at(at)
    merged = team.runner.fire(Event("push", team.git("rev-parse", "HEAD")))
    assert killed.is_set()
    assert "failure" in (merged["plan"].result, merged["apply"].result)
    team.on_schedule()
    if not team.has_one_of_each():
        team.runner.fire(Event("push", team.git("rev-parse", "HEAD")))
    team.until_applied()
    assert team.has_one_of_each()

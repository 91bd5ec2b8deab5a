"""Real processes on a state in a bucket at a real server: killed, stopped, two at once, cut off.

Whatever happens, the next run converges, and the cloud holds one of each.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.store.conftest import Running
from tests.support import forked
from tests.support.command import environment
from tests.support.embedded import SPEC, Folder
from tests.support.proxy import proxy
from tests.support.servers import Service

ONE_OF_EACH = (1, 1, 1, 1)
LEASE = 8
SLOW = SPEC.replace("min_training_seconds: 0.2", "min_training_seconds: 1.5").replace(
    "ftops: {name: small}\n", ""
)


@dataclass(frozen=True)
class Team:
    """A spec whose state is in a bucket, and its people."""

    folder: Folder
    environ: Mapping[str, str]

    def run(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.folder.command(*arguments),
            cwd=self.folder.path,
            env={**environment(), **self.environ},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert expect in (None, done.returncode), f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    @contextmanager
    def applying(self, until: str) -> Iterator[subprocess.Popen[str]]:
        """An apply that has come as far as to say this."""
        with self.starting("apply", "-y") as process:
            assert process.stdout is not None
            for line in process.stdout:
                if until in line:
                    break
            else:
                raise AssertionError(f"it never said {until}: {process.stderr and process.stderr.read()}")
            yield process

    @contextmanager
    def starting(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        with forked.Popen(
            self.folder.command(*arguments),
            cwd=self.folder.path,
            env={**environment(), **self.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def unlock(self) -> None:
        """Takes the lock away from who holds it. One that was renewed in that moment is refused."""
        refused = " ".join(self.run("apply", "-y", expect=1).stderr.split())
        lock = refused.split("`ftops force-unlock ")[1].split("`")[0]
        while "has just been renewed" in self.run("force-unlock", lock, "-y", expect=None).stderr:
            continue

    def check_converged(self) -> None:
        assert self.folder.cloud().counts() == ONE_OF_EACH
        created = self.folder.admin("objects")["created"]
        assert (created["jobs"], created["deployments"]) == (1, 1)
        assert "No changes" in self.run("plan", "--detailed-exitcode").stdout


def team(tmp_path: Path, service: Service) -> Team:
    text = service.spec(path=f"team/{tmp_path.name}", lease=LEASE) + SLOW
    return Team(Folder.make(tmp_path, text), service.environ)


@pytest.fixture
def bucket(running: Running) -> Service:
    return running("s3")


def test_a_killed_run_is_taken_up_once_its_lease_is_over(tmp_path: Path, bucket: Service) -> None:
    """Its lease holds for a while, and nobody gets in until then."""
    people = team(tmp_path, bucket)
    with people.applying("job.copilot: creat") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    refused = people.run("apply", "-y", expect=1).stderr
    assert "the state is locked" in refused
    assert f"process {process.pid}" in refused
    assert f"expires {LEASE} s after its last renewal" in " ".join(refused.split())
    waited = people.run("apply", "-y", "--lock-timeout", "5m")
    assert "Waiting for the lock of the state" in waited.stderr
    people.check_converged()


def test_pain_2_a_cancelled_ci_run_leaves_no_lock(tmp_path: Path, bucket: Service) -> None:
    """setup-terraform#441, azure-pipelines-terraform#312: SIGTERM gives the lock back at once."""
    people = team(tmp_path, bucket)
    with people.applying("job.copilot: creat") as process:
        refused = people.run("destroy", "-y", expect=1).stderr
        assert "runs `ftops apply` since" in refused
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 130
    people.run("apply", "-y")
    people.check_converged()


def test_pain_2_the_refusal_names_the_ci_run(tmp_path: Path, bucket: Service) -> None:
    runs = {"GITHUB_RUN_ID": "7", "GITHUB_SERVER_URL": "https://ci.example", "GITHUB_REPOSITORY": "acme/ml"}
    made = team(tmp_path, bucket)
    ci = Team(made.folder, {**made.environ, **runs, "GITHUB_ACTOR": "ann"})
    with ci.applying("job.copilot: creat"):
        refused = made.run("apply", "-y", expect=1).stderr
        assert "ann@" in refused
        assert "https://ci.example/acme/ml/actions/runs/7" in refused
        made.unlock()
    made.run("apply", "-y")
    made.check_converged()


def test_a_run_that_stood_still_has_lost_its_lease_and_says_so(tmp_path: Path, bucket: Service) -> None:
    people = team(tmp_path, bucket)
    with people.applying("job.copilot: creat") as process:
        os.kill(process.pid, signal.SIGSTOP)
        people.run("apply", "-y", "--lock-timeout", "5m")
        os.kill(process.pid, signal.SIGCONT)
        _, said = process.communicate(timeout=300)
        assert process.returncode == 1
        assert "the lock of the state was lost" in said
    people.check_converged()


@pytest.mark.parametrize("change", ["", "job"], ids=["nothing to do", "something to do"])
def test_a_run_that_loses_its_lease_while_planning_says_so(
    tmp_path: Path, bucket: Service, change: str
) -> None:
    with proxy(bucket.url) as way:
        people = team(tmp_path, bucket.at(way.url))
        people.run("apply", "-y")
        if change:
            spec = people.folder.path / "ftops.yaml"
            spec.write_text(spec.read_text("utf-8").replace("n_epochs: 1", "n_epochs: 2"), "utf-8")
        planning, lost = threading.Event(), threading.Event()

        def hold_up(method: str, path: str) -> None:
            """The first read of the snapshot, which happens under the lock."""
            if "/versions/" in path and method == "GET" and not planning.is_set():
                planning.set()
                assert lost.wait(300)

        way.rule = hold_up
        with people.starting("apply", "-y") as process:
            assert planning.wait(300)
            people.unlock()
            lost.set()
            shown, said = process.communicate(timeout=300)
        assert process.returncode == 1
        assert "the lock of the state was lost" in said
        assert "Plan:" not in shown and "No changes" not in shown
        assert people.folder.admin("objects")["created"]["jobs"] == 1


def test_the_bucket_goes_away_in_the_middle(tmp_path: Path, bucket: Service) -> None:
    with proxy(bucket.url) as way:
        people = team(tmp_path, bucket.at(way.url))
        with people.applying("job.copilot: creat") as process:
            way.rule = lambda method, path: "drop"
            _, said = process.communicate(timeout=300)
            assert process.returncode == 1
            assert "can't use the state at" in said or "the lock of the state was lost" in said
        way.rule = lambda method, path: None
        people.run("apply", "-y", "--lock-timeout", "5m")
        people.check_converged()

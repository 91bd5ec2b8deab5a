"""More jobs than an account runs and queues: they are held back until there is room for them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.azure_cloud import BASE_MODEL, Cloud
from tests.golden.cli import Folder
from tests.support import forked
from tests.support.command import FTOPS, environment
from tests.support.embedded import wait_until

JOBS = "POST /openai*/fine_tuning/jobs"
RUNNING, QUEUED = 3, 20
"""Of one training type, at most."""


@dataclass(frozen=True)
class Sweep:
    """A spec with many jobs, and the account."""

    folder: Folder
    cloud: Cloud

    def declare(self, count: int) -> list[str]:
        """So many jobs on one file; their addresses."""
        keys = [f"s{number:03}" for number in range(count)]
        provider = f"{{type: emulator, url: '{self.cloud.url}', api_key: '{self.cloud.key}'}}"
        self.folder.write(
            "ftops.yaml",
            f"ftops: {{name: sweep}}\nproviders: {{here: {provider}}}\n"
            "datasets: {train: {path: data/train.jsonl}}\n"
            f"jobs: {{sweep: {{for_each: [{', '.join(keys)}], model: {BASE_MODEL}, training: train, "
            "suffix: '${each.value}', hyperparameters: {n_epochs: 1, batch_size: 12}}}\n",
        )
        return [f'job.sweep["{key}"]' for key in keys]

    def apply(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        """The events."""
        done = self.folder.run("apply", "-y", "-o", "json", *words)
        assert done.code == code, done
        return done.lines

    def jobs(self) -> int:
        """How many there are."""
        count: int = self.cloud.admin("GET", "objects")["counts"]["jobs"]
        return count

    def requested(self) -> int:
        """How often one was asked for since `count_requests`."""
        (rule,) = self.cloud.admin("GET", "faults")["faults"]
        count: int = rule["hits"]
        return count

    def count_requests(self) -> None:
        self.cloud.fault(JOBS, times=-1, delay=0.0)

    def is_training(self) -> bool:
        """Whether none waits in the queue."""
        return all(job["status"] != "pending" for job in self.cloud.admin("GET", "objects")["jobs"])

    def end_all(self) -> None:
        """What runs ends, and what begins ends at once."""
        self.cloud.admin("PATCH", "settings", {"min_training_seconds": 0.0})
        self.cloud.admin("POST", "clock", {"advance": 3600})

    def is_settled(self) -> bool:
        return self.folder.run("plan", "--detailed-exitcode").code == 0


@pytest.fixture
def sweep(tmp_path: Path, account: Cloud) -> Iterator[Sweep]:
    yield Sweep(Folder.make(tmp_path), account)
    account.clear_faults()
    account.admin("POST", "reset", {})


def of(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == name]


def test_a_hundred_jobs_need_one_apply(sweep: Sweep) -> None:
    addresses = sweep.declare(100)
    sweep.count_requests()
    with sweep.cloud.set(min_training_seconds=0.4):
        events = sweep.apply()
    (plan,) = of(events, "plan")
    (finding,) = plan["findings"]
    held_back = 100 - RUNNING - QUEUED
    assert finding["summary"].startswith(f"{held_back} of 100 jobs will wait for a place: ")
    assert finding["severity"] == "warning"
    started = [event["address"] for event in of(events, "change_started")]
    assert started == ["dataset.train", *addresses]
    assert sweep.requested() == sweep.jobs() == 100
    awaited = [event["count"] for event in of(events, "places_awaited")]
    # None on a machine that takes longer to create a job than the account takes to train it.
    assert awaited == sorted(set(awaited), reverse=True)
    assert all(0 < count <= 100 - QUEUED for count in awaited[:1])
    assert awaited[-1:] in ([], [0])
    assert not of(events, "change_failed") + of(events, "change_retried")
    assert sweep.is_settled()


@pytest.mark.parametrize("status", [400, 403, 409, 429])
def test_a_job_that_is_refused_for_lack_of_room_is_asked_for_again(sweep: Sweep, status: int) -> None:
    """The service takes fewer than the catalogue says."""
    sweep.declare(6)
    sweep.count_requests()
    limits = {"running_jobs_limit": 1, "queued_jobs_limit": 2, "over_limit_status": status}
    with sweep.cloud.set(min_training_seconds=0.2, **limits):
        events = sweep.apply()
    assert sweep.jobs() == 6
    assert sweep.requested() > 6
    assert not of(events, "change_failed")
    assert sweep.is_settled()


def test_a_catalogue_without_a_queue_keeps_no_job_waiting_for_ever(sweep: Sweep) -> None:
    sweep.folder.write("ftops.catalog.yaml", "limits: {queued_jobs: 0}\n")
    sweep.declare(3)
    with sweep.cloud.set(min_training_seconds=0.0):
        sweep.apply()
    assert sweep.jobs() == 3


def test_without_waiting_only_what_fits_is_submitted(sweep: Sweep) -> None:
    sweep.declare(30)
    with sweep.cloud.set(min_training_seconds=600.0):
        events = sweep.apply("--no-wait", code=4)
        fitting = sweep.jobs()
        assert QUEUED <= fitting <= RUNNING + QUEUED
        (finished,) = of(events, "run_finished")
        assert (finished["result"], finished["waiting"]) == ("in-progress", 30 - fitting)
        sweep.cloud.admin("POST", "clock", {"advance": 10})  # by then, as many as may run have begun
        sweep.apply("--no-wait", code=4)
        assert sweep.jobs() == RUNNING + QUEUED
        done = sweep.folder.run("apply", "-y", "--no-wait")
        assert (done.code, sweep.jobs()) == (4, RUNNING + QUEUED)
        assert "Apply not finished: 0 created" in done.out
        assert ", 7 waiting for a place in " in done.out
        sweep.end_all()
        sweep.apply()
    assert sweep.jobs() == 30
    assert sweep.is_settled()


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_an_apply_that_ends_while_jobs_wait_is_continued_by_the_next(sweep: Sweep, stop: int) -> None:
    sweep.declare(30)
    with sweep.cloud.set(min_training_seconds=600.0):
        command = [*FTOPS, "apply", "-y", "-o", "json"]
        folder, pipe = sweep.folder.path, subprocess.PIPE
        with forked.Popen(command, cwd=folder, env=environment(), stdout=pipe) as process:
            assert process.stdout
            for line in process.stdout:
                if json.loads(line).get("count") == 30 - RUNNING - QUEUED:
                    break
            process.send_signal(stop)
        assert sweep.jobs() == RUNNING + QUEUED
        sweep.end_all()
        sweep.apply()
    assert sweep.cloud.admin("GET", "objects")["created"]["jobs"] == 30
    assert sweep.is_settled()


def test_a_plan_says_how_long_comparable_jobs_took(sweep: Sweep) -> None:
    with sweep.cloud.set(min_training_seconds=3600.0):
        for count, shown in ((1, []), (2, []), (3, ["1h00m"])):
            sweep.declare(count)
            out = sweep.folder.ok("plan")
            assert re.findall(r"time: 2 comparable jobs took (\w+)", out) == shown
            hours = sweep.folder.run("plan", "-o", "json").json["estimate"]["training"][0]["hours_recorded"]
            assert [round(one, 1) for one in hours or ()] == [1.0, 1.0] * (count > 2)
            sweep.apply("--no-wait", code=4)
            wait_until(sweep.is_training)
            sweep.cloud.admin("POST", "clock", {"advance": 3600})
            sweep.apply()

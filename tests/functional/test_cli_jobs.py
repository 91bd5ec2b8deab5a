"""ftops jobs and logs: a job in the queue, while it trains and afterwards, also beside an apply; errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.azure_cloud import BASE_MODEL, SETTLED, Cloud, running_cloud, until
from tests.golden.cli import Folder
from tests.support import forked
from tests.support.command import FTOPS, environment

SWEEP = """
ftops: {{name: tone}}
providers: {{m: {{type: emulator, url: "{url}", api_key: "{key}"}}}}
datasets: {{train: {{path: data/train.jsonl}}, valid: {{path: data/valid.jsonl}}}}
jobs:
  tone:
    for_each: [1, 2]
    model: {model}
    training: train
    validation: valid
    hyperparameters: {{n_epochs: "${{each.value}}", batch_size: 1}}
"""
FIRST, SECOND = 'job.tone["1"]', 'job.tone["2"]'


@pytest.fixture
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture
def folder(cloud: Cloud, tmp_path: Path) -> Folder:
    return Folder.make(tmp_path, SWEEP.format(url=cloud.url, key=cloud.key, model=BASE_MODEL))


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """With both jobs in the queue, for tests that only look."""
    with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        spec = SWEEP.format(url=cloud.url, key=cloud.key, model=BASE_MODEL)
        folder = Folder.make(tmp_path_factory.mktemp("waiting"), spec)
        submitted(cloud, folder)
        yield folder


def submitted(cloud: Cloud, folder: Folder, **settings: float) -> None:
    cloud.admin("PATCH", "settings", settings)
    assert folder.run("apply", "-y", "--no-wait").code == 4


def jobs(folder: Folder, *address: str) -> list[Any]:
    found: list[Any] = folder.run("jobs", *address, "-o", "json").json["trainings"]
    return found


def running_jobs(folder: Folder) -> list[Any]:
    """Those that have left the queue, and report that."""
    return [job for job in jobs(folder) if job["status"] == "running" and job["started_at"]]


def ended(cloud: Cloud, folder: Folder) -> None:
    """Lets the jobs end, by the clock of the service."""

    def look() -> bool:
        advance(cloud, 600)
        return all(job["ended"] for job in jobs(folder))

    until(look)


def advance(cloud: Cloud, seconds: float) -> None:
    cloud.admin("POST", "clock", {"advance": seconds})


def test_a_job_is_seen_in_the_queue_while_it_trains_and_afterwards(cloud: Cloud, folder: Folder) -> None:
    submitted(cloud, folder, queue_seconds=600, min_training_seconds=1200, running_jobs_limit=1)
    before = folder.path / "state"
    recorded = {path: path.read_bytes() for path in before.rglob("*.json")}
    waiting = jobs(folder)
    assert [job["address"] for job in waiting] == [FIRST, SECOND]
    assert sorted(job["ahead"] for job in waiting) in ([0, 0], [0, 1])  # both may be created in one second
    assert "\n  queue        " in folder.ok("jobs", FIRST)
    heading, first, _ = folder.ok("jobs").splitlines()
    assert heading.split()[2] == "queue"
    assert "next" in first or "1 ahead" in first
    assert (waiting[0]["status"], waiting[0]["step"], waiting[0]["expected"]) == ("pending", None, None)

    advance(cloud, 601)
    until(lambda: running_jobs(folder))
    advance(cloud, 1100)
    until(lambda: any(job["step"] for job in jobs(folder)))
    [running] = running_jobs(folder)
    assert running["steps"] == {FIRST: 12, SECOND: 24}[running["address"]]
    assert 0 < running["step"] < running["steps"]
    assert running["expected"]["by"] == "pace"
    assert 0 < running["expected"]["most"] < 1200
    assert 1000 <= running["elapsed"] < 3000
    assert {"train_loss", "train_mean_token_accuracy"} <= running["metrics"].keys()
    text = folder.ok("jobs", running["address"])
    assert f"step {running['step']} of {running['steps']}" in " ".join(text.split())
    assert "at the pace of its steps" in text
    assert {path: path.read_bytes() for path in before.rglob("*.json")} == recorded, "nothing is recorded"
    said = f"{running['address']}: running, step {running['step']} of {running['steps']}, loss "
    assert said in folder.ok("plan")
    assert said not in folder.ok("plan", "-o", "markdown")
    assert said not in folder.ok("plan", "--no-refresh")
    assert said in folder.ok("state", "show", running["address"])
    cloud.fault("GET *events*", status=403, times=9)
    for words in ("plan",), ("state", "show", running["address"]):
        assert "Where running jobs stand isn't known: " in folder.ok(*words)
    cloud.clear_faults()

    ended(cloud, folder)
    for job in jobs(folder):
        assert (job["status"], job["step"], job["expected"]) == ("succeeded", job["steps"], None)
        assert [c["step"] for c in job["checkpoints"]][-1] == job["steps"]
        assert job["tokens"] > 0
    lines = folder.ok("jobs").splitlines()
    assert lines[0].split()[:3] == ["address", "state", "step"]
    assert [line.split()[0] for line in lines[1:]] == [FIRST, SECOND]
    followed = folder.run("jobs", "--follow")
    assert (followed.code, [line.partition(",")[0] for line in followed.out.splitlines()]) == (
        0,
        [f"{FIRST}: succeeded", f"{SECOND}: succeeded"],
    )


def test_recorded_durations_say_what_to_expect(cloud: Cloud, folder: Folder) -> None:
    submitted(cloud, folder, queue_seconds=0, min_training_seconds=600)
    ended(cloud, folder)
    folder.ok("apply", "-y")
    folder.edit("[1, 2]", "[1, 2, 3]")
    submitted(cloud, folder, queue_seconds=300)
    [third] = jobs(folder, 'job.tone["3"]')
    assert third["expected"]["by"] == "recorded"
    assert 0 <= third["expected"]["least"] <= third["expected"]["most"]
    assert third["expected"]["most"] >= 500
    assert "as long as recorded jobs like it took" in folder.ok("jobs", 'job.tone["3"]')


def test_the_events_of_a_job(cloud: Cloud, folder: Folder) -> None:
    submitted(cloud, folder, **dict.fromkeys(("queue_seconds", "min_training_seconds"), 0.0))
    ended(cloud, folder)
    events = folder.run("logs", SECOND, "-o", "json").json["events"]
    assert events[0]["message"].startswith("Job enqueued.")
    assert events[-1]["message"].startswith("Training tokens billed")
    assert [e["step"] for e in events if e["metrics"]] == sorted(e["step"] for e in events if e["metrics"])
    lines = folder.ok("logs", SECOND).splitlines()
    assert len(lines) == len(events)
    assert any("  step 20: loss " in line for line in lines)
    assert folder.ok("logs", SECOND, "--follow").splitlines() == lines
    followed = folder.run("logs", SECOND, "-f", "-o", "json").lines
    assert [line["id"] for line in followed] == [event["id"] for event in events]


def test_without_an_address_of_several_they_are_named(cloud: Cloud, folder: Folder) -> None:
    for command in ("logs", "results"):
        assert "no job is recorded" in folder.run(command).err
    folder.edit("jobs:\n", f"jobs:\n  other: {{model: {BASE_MODEL}, training: train}}\n")
    submitted(cloud, folder)
    for command in ("logs", "results"):
        refused = folder.run(command)
        assert (refused.code, refused.out) == (1, "")
        assert "several jobs are recorded" in refused.err and "job.other, job.tone" in refused.err


def test_a_job_that_has_ended_since_the_last_apply_is_said_to_be_unrecorded(
    cloud: Cloud, folder: Folder
) -> None:
    folder.edit("batch_size: 1", "batch_size: auto")
    submitted(cloud, folder, queue_seconds=600)
    assert "the file is written when training ends" in folder.run("results", FIRST).err
    assert "records it" not in folder.ok("state", "show", FIRST)
    ended(cloud, folder)
    refused = folder.run("results", FIRST)
    assert refused.code == 1
    assert f"the result file of {FIRST} isn't recorded yet" in refused.err
    assert "its status there is succeeded" in refused.err and "`ftops apply` records it" in refused.err
    shown = folder.ok("state", "show", FIRST)
    assert f"{FIRST}: succeeded, step 12 of 12" in shown and "; `ftops apply` records it" in shown


def test_results_name_the_best_checkpoint_and_judge(cloud: Cloud, folder: Folder) -> None:
    folder.ok("apply", "-y")
    shown = folder.run("results", SECOND, "-o", "json").json
    recorded = folder.run("state", "show", SECOND, "-o", "json").json["resource"]["outputs"]["checkpoint"]
    best = shown["best_checkpoint"]
    assert recorded[str(best["step"])] == recorded["best"] == best["model"]
    assert shown["verdict"]["kind"] in ("falling", "flat", "overfitting", "worse", "unclear")
    text = folder.ok("results", SECOND)
    drawn = folder.ok("results", SECOND, "--curves")
    assert "loss  line: training" in drawn
    assert folder.ok("results", SECOND, "--no-curves") == text
    assert any("\u2801" <= char <= "\u28ff" for char in drawn)
    assert f"Verdict: {shown['verdict']['text']}." in text
    assert f"Best checkpoint: step {best['step']}, {best['model']}" in text
    assert "⠉" not in text
    assert "line:" not in text, "no curves in a pipe"


def test_following_ends_with_the_job_beside_an_apply(cloud: Cloud, folder: Folder) -> None:
    cloud.admin("PATCH", "settings", {"min_training_seconds": 5.0})
    with forked.Popen(
        [*FTOPS, "apply", "-y"], cwd=folder.path, stdout=subprocess.PIPE, text=True, env=environment()
    ) as run:
        assert run.stdout is not None
        next(line for line in run.stdout if "step" in line)
        shown = folder.run("jobs", "--follow", "-o", "json")
        run.stdout.read()
    assert (run.returncode, shown.code) == (0, 0)
    last = {line["address"]: line for line in map(json.loads, shown.out.splitlines())}
    assert {a: line["ended"] for a, line in last.items()} == {FIRST: True, SECOND: True}


@pytest.mark.parametrize("command", [("jobs", "--follow"), ("logs", FIRST, "--follow")])
def test_an_interrupt_leaves_the_job_running(cloud: Cloud, folder: Folder, command: tuple[str, ...]) -> None:
    submitted(cloud, folder, queue_seconds=3600)
    with forked.Popen(
        [*FTOPS, *command], cwd=folder.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(),
    ) as run:  # fmt: skip
        assert run.stdout is not None and run.stderr is not None
        assert run.stdout.readline()
        os.kill(run.pid, signal.SIGINT)
        error = run.stderr.read()
    assert run.returncode == 130
    assert "Stopped watching" in error
    assert "at the service" in error
    assert {job["status"] for job in jobs(folder)} == {"pending"}


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("jobs", "dataset.train"), "dataset.train isn't a job", "job."),
        (("logs", "dataset.train"), "dataset.train isn't a job", "job."),
        (("jobs", "job.nowhere"), "job.nowhere is not recorded", "Known here"),
        (("jobs", 'job.tone["9"]'), 'job.tone["9"] is not recorded', "recorded are"),
        (("jobs", "tone"), "is not an address", "job.tone"),
        (("results", "job.tne"), "job.tne is not recorded", "Did you mean `job.tone`?"),
        (("show", "job.tone"), "there is no job.tone", "`ftops state show job.tone`"),
        (("jobs", ".", "nowhere"), "no address", ""),
    ],
)
def test_what_is_no_job_is_said(waiting: Folder, words: tuple[str, ...], message: str, hint: str) -> None:
    done = waiting.run(*words)
    assert done.code == 1
    assert message in done.err
    assert hint.lower() in done.err.lower()


def test_before_and_after_a_job_exists(cloud: Cloud, folder: Folder) -> None:
    nothing = folder.run("jobs")
    assert (nothing.code, nothing.out, "`ftops apply`" in nothing.err) == (0, "", True)
    assert folder.run("jobs", "-o", "json").json["trainings"] == []
    submitted(cloud, folder, **SETTLED)
    ended(cloud, folder)
    folder.ok("apply", "-y")
    folder.edit(f'"{cloud.key}"', '"wrong"')
    refused = folder.run("jobs")
    assert refused.code == 1
    assert "Traceback" not in refused.err
    assert "401" in refused.err or "key" in refused.err


def test_all_jobs_of_a_sweep(cloud: Cloud, folder: Folder) -> None:
    submitted(cloud, folder, queue_seconds=0, min_training_seconds=4000, running_jobs_limit=2)
    until(lambda: len(running_jobs(folder)) == 2)
    listed = folder.run("logs", "job.tone", "-o", "json").json["events"]
    assert folder.run("logs", "-o", "json").json["events"] == listed
    assert folder.ok("results", "-o", "json") == folder.ok("results", "job.tone", "-o", "json")
    assert {one["address"] for one in listed} == {FIRST, SECOND}
    assert [one["at"] for one in listed] == sorted(one["at"] for one in listed)
    assert folder.ok("logs", "job.tone").splitlines()[0].startswith(("1: ", "2: "))
    asked = folder.run("job", "cancel", "job.tone")
    assert asked.code == 1 and "needs approval" in asked.words
    with forked.Popen(
        [*FTOPS, "logs", "job.tone", "--follow"], cwd=folder.path, stdout=subprocess.PIPE, text=True,
        env=environment(),
    ) as following:  # fmt: skip
        assert following.stdout is not None
        first = following.stdout.readline()
        done = folder.run("job", "cancel", "job.tone", "-y", "-o", "json").json["changed"]
        followed = [first, *following.stdout]
    assert following.returncode == 0
    assert sorted(followed) == sorted(folder.ok("logs", "job.tone").splitlines(keepends=True))
    lines = folder.run("logs", "job.tone", "--follow", "-o", "json").lines
    assert lines == folder.run("logs", "job.tone", "-o", "json").json["events"]
    assert [(one["address"], one["status"]) for one in done] == [(FIRST, "cancelled"), (SECOND, "cancelled")]
    assert "no job of job.tone is in progress" in folder.run("job", "cancel", "job.tone", "-y").err

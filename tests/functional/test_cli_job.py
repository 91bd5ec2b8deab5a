"""ftops job pause, resume, cancel; and apply, which doesn't wait for a job that only you can resume."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.contract.azure_cloud import BASE_MODEL, Cloud, running_cloud, until
from tests.golden.cli import Folder
from tests.support import forked
from tests.support.command import FTOPS, environment

JOB = "job.solver"
SLOW = {"min_training_seconds": 60.0, "pause_seconds": 0.0, "resume_seconds": 0.0}
LIMIT = {**SLOW, "min_training_seconds": 4.0, "spending_limit": 0.03}
"""At $100 an hour, about a second."""


@pytest.fixture
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


def spec(cloud: Cloud, training_type: str = "standard") -> str:
    return f"""
ftops: {{name: solver}}
providers: {{m: {{type: emulator, url: "{cloud.url}", api_key: "{cloud.key}"}}}}
datasets: {{train: {{path: data/train.jsonl}}}}
jobs:
  solver:
    model: {BASE_MODEL}
    training: train
    training_type: {training_type}
    hyperparameters: {{n_epochs: 3, batch_size: 1}}
deployments: {{chat: {{model: "${{job.solver.fine_tuned_model}}"}}}}
"""


@pytest.fixture
def folder(cloud: Cloud, tmp_path: Path) -> Folder:
    return Folder.make(tmp_path, spec(cloud))


def status(folder: Folder) -> str:
    """Of the job, as the service says it."""
    shown = folder.run("state", "show", JOB, "-o", "json").json["resource"]
    return str(shown["outputs"]["status"])


def job_id(folder: Folder) -> str:
    return str(folder.run("state", "show", JOB, "-o", "json").json["resource"]["remote_id"])


def call(cloud: Cloud, method: str, path: str) -> Any:
    """A request to the service, past ftops."""
    url, headers = f"{cloud.url}/openai/v1/fine_tuning/jobs/{path}", {"api-key": cloud.key}
    return requests.request(method, url, headers=headers, timeout=60).json()


def has_trained(cloud: Cloud, folder: Folder) -> bool:
    events = call(cloud, "GET", f"{job_id(folder)}/events")["data"]
    return any(event["message"].startswith("Step ") for event in events)


def test_apply_ends_at_the_spending_limit_and_goes_on_after_a_resume(cloud: Cloud, folder: Folder) -> None:
    cloud.admin("PATCH", "settings", {**LIMIT})
    done = folder.run("apply", "-y")
    assert done.code == 4, done
    assert "paused since 20" in done.out
    assert "spending limit of $0.03" in done.out
    assert "resume it with `ftops job resume job.solver`" in done.out
    assert f"`model: {BASE_MODEL}.ft-" in done.out
    assert "deploy its checkpoint of step" in done.out
    again = folder.run("apply", "-y", "-o", "json")
    assert again.code == 4
    [left] = [line for line in again.lines if line["event"] == "change_left"]
    assert left["message"].startswith("paused since 20")
    [name] = re.findall(r"`model: (\S+)`", done.out)
    folder.edit("${job.solver.fine_tuned_model}", name)
    assert folder.run("apply", "-y").code == 4
    assert "deployment.chat" in folder.ok("state", "list")  # of the checkpoint
    folder.edit(name, "${job.solver.fine_tuned_model}")
    assert folder.ok("job", "resume", JOB, "-y") == "job.solver is running.\n"
    folder.ok("apply", "-y")
    assert "deployment.chat" in folder.ok("state", "list")
    operations = [run["operation"] for run in folder.run("audit", "-o", "json").json["runs"]]
    assert operations.count("job resume") == 1


def test_a_job_is_paused_and_cancelled(cloud: Cloud, folder: Folder) -> None:
    cloud.admin("PATCH", "settings", {**SLOW})
    assert folder.run("apply", "-y", "--no-wait").code == 4
    until(lambda: has_trained(cloud, folder))
    refused = folder.run("job", "pause", JOB)
    assert (refused.code, "no terminal to ask" in refused.err) == (1, True)
    assert folder.ok("job", "pause", JOB, "-y").startswith("job.solver is paus")
    until(lambda: folder.run("apply", "-y").code == 4 and status(folder) == "paused")
    headline, hint = folder.ok("plan").splitlines()[2:4]
    assert re.search(r"job\.solver .* is paused since 20[^;]*$", headline)
    assert hint.strip().startswith("resume it with `ftops job resume job.solver`, or deploy its checkpoint")
    for shown in ("explain", JOB), ("plan", "-o", "markdown"):
        assert "resume it with `ftops job resume job.solver`" in folder.ok(*shown)
    again = folder.run("job", "pause", JOB, "-y").err
    assert again.count("cannot be paused") == 1
    shown = folder.run("job", "cancel", JOB, "-y", "-o", "json").json
    assert (shown["address"], shown["status"]) == (JOB, "cancelled")
    ended = folder.run("job", "resume", JOB, "-y")
    assert (ended.code, "job.solver isn't in progress" in ended.err) == (1, True)
    assert "The job was cancelled" in ended.err
    plan = folder.run("plan", "-o", "json").json
    assert plan["summary"]["replace"] == 1
    assert [run["result"] for run in folder.run("audit", "-o", "json").json["runs"]][-1] == "done"


def test_a_job_is_paused_while_apply_waits_for_it(cloud: Cloud, folder: Folder) -> None:
    cloud.admin("PATCH", "settings", {**SLOW})
    command = [*FTOPS, "apply", "-y"]
    with forked.Popen(command, cwd=folder.path, stdout=subprocess.PIPE, text=True, env=environment()) as run:
        assert run.stdout is not None
        next(line for line in run.stdout if "solver: step 1" in line)
        assert "the state is locked" in folder.run("destroy", "-y").err
        paused = folder.run("job", "pause", JOB, "-y", "-o", "json").json
        assert (paused["address"], paused["recorded"]) == (JOB, False)
        rest = run.stdout.read()
    assert (run.returncode, "paused since 20" in rest) == (4, True), rest
    assert status(folder) == "paused"
    assert folder.run("job", "resume", JOB, "-y", "-o", "json").json["recorded"] is True
    assert status(folder) == "running"
    found = [
        (r["operation"], r["result"], r["beside"]) for r in folder.run("audit", "-o", "json").json["runs"]
    ]
    assert found == [
        ("apply", "in-progress", False),
        ("job pause", "done", True),
        ("job resume", "done", False),
    ]


def test_what_the_service_refuses_is_said(cloud: Cloud, folder: Folder) -> None:
    cloud.admin("PATCH", "settings", {**SLOW, "queue_seconds": 60.0})
    assert folder.run("apply", "-y", "--no-wait").code == 4
    refused = folder.run("job", "resume", JOB, "-y")
    assert refused.code == 1
    assert "cannot be resumed" in refused.err
    assert [run["result"] for run in folder.run("audit", "-o", "json").json["runs"]][-1] == "failed"
    absent = folder.run("job", "pause", "job.other", "-y")
    assert (absent.code, "job.other" in absent.err) == (1, True)


def test_a_developer_job_is_waited_for(cloud: Cloud, tmp_path: Path) -> None:
    folder = Folder.make(tmp_path, spec(cloud, "developer"))
    cloud.admin("PATCH", "settings", {**LIMIT})
    command = [*FTOPS, "apply", "-y"]
    with forked.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment()) as run:
        assert run.stdout is not None
        line = next(line for line in run.stdout if "paused since" in line)
        assert "the service resumes it" in line
        call(cloud, "POST", f"{job_id(folder)}/resume")
        rest = run.stdout.read()
    assert run.returncode == 0, rest
    assert "Apply complete" in rest

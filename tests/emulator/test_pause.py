"""Pausing and resuming of jobs, under a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tests.emulator.samples import jsonl, lines
from tests.emulator.server import MODEL, STANDARD, Emulator, deployment, ended, until, upload

JOBS = "/openai/fine_tuning/jobs"
PREVIEW = "api-version=2025-04-01-preview"


@pytest.fixture
def client(shared: Emulator) -> Iterator[OpenAI]:
    """A cloud whose clock only moves when told to; a job takes 100 s for 60 steps."""
    shared.reset(
        queue_seconds=0.0, min_training_seconds=100.0, pause_seconds=5.0, resume_seconds=7.0,
        file_processing_seconds=0.0, deployment_seconds=0.0, not_found_seconds=0.0,
    )  # fmt: skip
    with shared.v1() as client:
        yield client


@pytest.fixture
def job(shared: Emulator, client: OpenAI) -> str:
    """A job that has been computed, and is nearly half through by the clock."""
    file = upload(client, jsonl(lines(20)))
    shared.admin("POST", "clock", {"rate": 0})
    job = client.fine_tuning.jobs.create(
        model=MODEL,
        training_file=file,
        seed=3,
        extra_body=STANDARD,
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3, "batch_size": 1}}},
    )
    until(lambda: shared.admin("GET", "objects")["created"]["models"] >= 3)
    until(lambda: client.fine_tuning.jobs.retrieve(job.id).status == "running")
    shared.advance(41)
    return job.id


def _status(client: OpenAI, job: str) -> str:
    """As it is on the wire: the SDK's literal does not know of pauses."""
    return str(client.fine_tuning.jobs.retrieve(job).status)


def test_a_paused_job_leaves_a_checkpoint_and_goes_on(shared: Emulator, client: OpenAI, job: str) -> None:
    assert str(client.fine_tuning.jobs.pause(job).status) == "pausing"
    until(lambda: len(client.fine_tuning.jobs.checkpoints.list(job).data) == 1)
    shared.advance(5)
    until(lambda: _status(client, job) == "paused")
    newest = client.fine_tuning.jobs.checkpoints.list(job).data[0]
    assert newest.step_number == 24
    assert newest.fine_tuned_model_checkpoint.endswith(":ckpt-step-24")
    assert _deployed(shared, newest.fine_tuned_model_checkpoint)

    shared.advance(1000)
    assert _status(client, job) == "paused"
    assert str(client.fine_tuning.jobs.resume(job).status) == "resuming"
    shared.advance(7)
    assert _status(client, job) == "running"
    shared.advance(58)
    assert _status(client, job) == "running"
    shared.admin("POST", "clock", {"rate": 1})
    shared.advance(2)
    done = ended(client, job)
    assert done.status == "succeeded"
    messages = [event.message for event in client.fine_tuning.jobs.list_events(job, limit=100).data]
    assert len(messages) == len(set(messages))
    steps = [checkpoint.step_number for checkpoint in client.fine_tuning.jobs.checkpoints.list(job).data]
    assert steps == [60, 40, 24]


def _deployed(shared: Emulator, model: str) -> bool:
    path = f"{shared.arm}/deployments/halfway?api-version=2025-09-01"
    status, _, body = shared.call("PUT", path, deployment(model))
    chat = {"model": "halfway", "messages": [{"role": "user", "content": "make the light red"}]}
    answer, _, said = shared.call("POST", "/openai/v1/chat/completions", chat)
    return (status, answer) == (201, 200) and said["model"] == model and body["name"] == "halfway"


def test_the_result_is_that_of_a_run_without_pause(shared: Emulator, client: OpenAI, job: str) -> None:
    client.fine_tuning.jobs.pause(job)
    until(lambda: client.fine_tuning.jobs.checkpoints.list(job).data)
    shared.advance(5)
    until(lambda: _status(client, job) == "paused")
    client.fine_tuning.jobs.resume(job)
    shared.admin("POST", "clock", {"rate": 1})
    shared.advance(200)
    paused = ended(client, job)
    file = paused.training_file
    other = client.fine_tuning.jobs.create(
        model=MODEL,
        training_file=file,
        seed=3,
        extra_body=STANDARD,
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3, "batch_size": 1}}},
    )
    until(lambda: shared.admin("GET", "objects")["counts"]["models"] >= 6)
    shared.advance(200)
    whole = ended(client, other.id)
    rows = [client.files.content((run.result_files or [])[0]).text for run in (paused, whole)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(("status", "code"), [(400, "unexpectedEntityState"), (409, "conflict")])
def test_a_wrong_state_is_refused(shared: Emulator, client: OpenAI, job: str, status: int, code: str) -> None:
    shared.settings(wrong_state_status=status, wrong_state_code=code)
    answer, _, body = shared.call("POST", f"{JOBS}/{job}/resume?{PREVIEW}")
    assert (answer, body["error"]["code"]) == (status, code)
    client.fine_tuning.jobs.cancel(job)
    answer, _, body = shared.call("POST", f"{JOBS}/{job}/pause?{PREVIEW}")
    assert (answer, body["error"]["code"]) == (status, code)


def test_before_the_first_step_there_is_nothing_to_pause(shared: Emulator, client: OpenAI) -> None:
    file = upload(client, jsonl(lines(12)))
    job = client.fine_tuning.jobs.create(model=MODEL, training_file=file, extra_body=STANDARD)
    with pytest.raises(BadRequestError, match="cannot be paused"):
        client.fine_tuning.jobs.pause(job.id)


def test_a_paused_job_can_be_cancelled(shared: Emulator, client: OpenAI, job: str) -> None:
    client.fine_tuning.jobs.pause(job)
    cancelled = client.fine_tuning.jobs.cancel(job)
    assert cancelled.status == "cancelled"
    assert cancelled.finished_at


@pytest.mark.parametrize(
    ("version", "status"), [("2024-10-21", 404), ("2025-04-01-preview", 200), ("2019-01-01", 404)]
)
def test_only_the_preview_can_pause(shared: Emulator, job: str, version: str, status: int) -> None:
    answer, _, body = shared.call("POST", f"{JOBS}/{job}/pause?api-version={version}")
    assert answer == status
    if status == 404:
        assert body == {"error": {"code": "404", "message": "Resource not found"}}


def test_the_reply_may_say_paused_at_once(shared: Emulator, job: str) -> None:
    shared.settings(pause_reply="paused")
    body: Any = shared.call("POST", f"{JOBS}/{job}/pause?{PREVIEW}")[2]
    assert body["status"] == "paused"


def test_a_job_pauses_at_the_spending_limit_once(shared: Emulator, client: OpenAI, job: str) -> None:
    """At $90 an hour, after 50 s; the clock is at 41 s, and jumps beyond the end."""
    shared.settings(spending_limit=1.25, training_price=90.0)
    shared.advance(8)
    assert _status(client, job) == "running"
    shared.advance(500)
    until(lambda: _status(client, job) == "paused")
    newest = client.fine_tuning.jobs.list_events(job).data[0]
    assert newest.message == "Job paused at the spending limit of $1.25."
    assert [c.step_number for c in client.fine_tuning.jobs.checkpoints.list(job).data][:1] == [30]
    client.fine_tuning.jobs.resume(job)

    def has_succeeded() -> bool:
        shared.advance(100)
        return _status(client, job) == "succeeded"

    until(has_succeeded)

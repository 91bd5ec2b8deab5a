"""Injected faults, as the SDKs feel them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from tests.emulator.samples import jsonl, lines
from tests.emulator.server import MODEL, STANDARD, Emulator, ended, until, upload

JOBS = "POST /openai/fine_tuning/jobs"


@pytest.fixture
def training(shared: Emulator) -> str:
    """A file that can be trained on, in a server without faults."""
    shared.admin("DELETE", "faults")
    with shared.data() as client:
        return upload(client, jsonl(lines(12)))


def jobs(emulator: Emulator) -> int:
    """How many jobs were ever created."""
    return int(emulator.admin("GET", "objects")["created"]["jobs"])


def create(emulator: Emulator, training: str, retries: int = 0) -> str:
    """Create a job; its id."""
    with emulator.data(max_retries=retries) as client:
        return client.fine_tuning.jobs.create(model=MODEL, training_file=training, extra_body=STANDARD).id


def test_an_error_comes_as_often_as_it_should(shared: Emulator, training: str) -> None:
    before = jobs(shared)
    shared.fault(
        match=JOBS, after=1, times=2, status=429, code="429", message="slow down",
        headers={"retry-after": "7"},
    )  # fmt: skip
    create(shared, training)
    for _ in range(2):
        with pytest.raises(openai.RateLimitError, match="slow down") as caught:
            create(shared, training)
        assert caught.value.response.headers["retry-after"] == "7"
    create(shared, training)
    assert jobs(shared) == before + 2
    assert shared.admin("GET", "faults")["faults"][0]["hits"] == 4


@pytest.mark.parametrize(
    ("rule", "made"),
    [
        ({"effect": "drop_before"}, 0),
        ({"effect": "before"}, 0),
        ({"effect": "drop_after"}, 1),
        ({"effect": "after"}, 1),
        ({"effect": "truncate"}, 1),
    ],
)
def test_broken_connections(shared: Emulator, training: str, rule: dict[str, Any], made: int) -> None:
    before = jobs(shared)
    shared.fault(match=JOBS, **rule)
    with pytest.raises(openai.APIConnectionError):
        create(shared, training)
    assert jobs(shared) == before + made


def test_an_error_after_the_effect(shared: Emulator, training: str) -> None:
    before = jobs(shared)
    shared.fault(match=JOBS, effect="applied", status=500)
    with pytest.raises(openai.InternalServerError):
        create(shared, training)
    assert jobs(shared) == before + 1


def test_a_lost_reply_makes_the_sdk_create_the_job_twice(shared: Emulator, training: str) -> None:
    before = jobs(shared)
    shared.fault(match=JOBS, effect="drop_after")
    create(shared, training, retries=2)
    assert jobs(shared) == before + 2


def test_a_delay(shared: Emulator, training: str) -> None:
    shared.fault(match="GET /openai/models", delay=2.0)
    with shared.data(timeout=0.2) as client, pytest.raises(openai.APITimeoutError):
        client.models.list()
    with shared.data(timeout=120.0) as client:
        assert client.models.list().data


@pytest.mark.parametrize(
    ("stage", "code", "seen"),
    [
        ("validation", "jsonlValidationFailed", "Job enqueued. Waiting for jobs ahead to complete."),
        ("training", "internalFailure", "Training started."),
        ("safety", "contentFilter", "Training started."),
    ],
)
def test_jobs_that_fail(shared: Emulator, training: str, stage: str, code: str, seen: str) -> None:
    shared.fault(match=JOBS, job={"fail": stage, "message": "because"})
    job = create(shared, training)
    with shared.data() as client:
        done = ended(client, job)
        assert done.status == "failed"
        assert done.error is not None
        assert (done.error.code, done.error.message) == (code, "because")
        messages = [event.message for event in client.fine_tuning.jobs.list_events(job, limit=100)]
    assert seen in messages
    assert messages[0] == "Job failed: because"
    assert create(shared, training)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"match": "nonsense"}, "match"),
        ({"match": JOBS, "effect": "explode"}, "effect"),
        ({"match": JOBS, "statuss": 1}, "unknown keys"),
        ({"match": JOBS, "job": {"fail": "x"}}, "job.fail"),
        ({"match": JOBS, "deployment": "x"}, "deployment"),
        ({"match": JOBS, "delay": 1000}, "delay"),
        ({"match": JOBS, "effect": "applied"}, "status"),
    ],
)
def test_rules_that_make_no_sense(shared: Emulator, rule: dict[str, Any], message: str) -> None:
    status, _, body = shared.call("POST", "/_emulator/faults", rule)
    assert status == 400
    assert message in body["error"]["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"queue_second": 1}, "unknown setting"),
        ({"queue_seconds": "1"}, "must be a float"),
        ({"queue_seconds": -1}, "negative"),
        ({"list_order": "random"}, "one of"),
        ({"delete_async": 1}, "must be a bool"),
    ],
)
def test_settings_that_make_no_sense(shared: Emulator, change: dict[str, Any], message: str) -> None:
    status, _, body = shared.call("PATCH", "/_emulator/settings", change)
    assert status == 400
    assert message in body["error"]["message"]


def test_the_log_has_no_secrets(shared: Emulator, training: str) -> None:
    create(shared, training)
    _, _, body = shared.call("GET", "/_emulator/log")
    last = next(item for item in reversed(body["requests"]) if item["path"].endswith("/jobs"))
    assert last["method"] == "POST"
    assert last["status"] == 201
    assert last["body_keys"] == ["model", "trainingType", "training_file"]
    assert shared.key not in str(body)


def test_a_request_that_began_before_the_log_was_cleared_is_not_in_it(shared: Emulator) -> None:
    path = "/openai/v1/models"
    shared.fault(match=f"GET {path}", delay=1)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(shared.call, "GET", path)
        until(lambda: shared.admin("GET", "faults")["faults"][-1]["hits"])
        assert shared.admin("DELETE", "log") == {"requests": []}
        assert slow.result()[0] == 200
    assert path not in [item["path"] for item in shared.admin("GET", "log")["requests"]]
    shared.call("GET", path)
    assert path in [item["path"] for item in shared.admin("GET", "log")["requests"]]

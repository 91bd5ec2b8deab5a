"""Endpoint graders: a real server scores answers, in runs of a grader and in training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from openai import BadRequestError, OpenAI

from tests.emulator.conftest import Start
from tests.emulator.server import Emulator, ended, until
from tests.emulator.test_graders import flags, multi, run
from tests.emulator.test_reinforcement import submitted
from tests.support.http_server import Handler, Server, serving


class Endpoint(Server):
    """Answers by the path: a status for the first ``fail`` requests, then the score."""

    def __init__(self) -> None:
        super().__init__(_Grading)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []


class _Grading(Handler):
    server: Endpoint
    replies: ClassVar[dict[str, bytes]] = {
        "/text": b"yes",
        "/none": b'{"score": null}',
        "/nan": b'{"score": NaN}',
        "/huge": b'{"score": 1' + b"0" * 400 + b"}",
        "/big": b'{"score": 1}' + b" " * 1_000_000,
        "/list": b"[1]",
    }

    def do_POST(self) -> None:
        body = json.loads(self.content())
        self.server.requests.append(body)
        self.server.headers.append(dict(self.headers))
        tries = sum(one["trace_id"] == body["trace_id"] for one in self.server.requests)
        if self.path == "/moved":
            return self.answer(302, b"", ("Location", f"{self.server.url}/score"))
        if self.path == "/broken" or (self.path == "/third" and tries < 3):
            return self.answer(500)
        if self.path in self.replies:
            return self.answer(200, self.replies[self.path])
        if self.path == "/other":  # another score each time
            return self.answer_json(200, {"score": len(self.server.requests)})
        right = body["sample"]["output_text"] == body["item"].get("colour", "yes")
        return self.answer_json(200, {"score": 0.75 if right else 0.25})


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving(Endpoint()) as server:
        yield server


def grader(endpoint: Endpoint, path: str = "/score", **more: Any) -> dict[str, Any]:
    return {"type": "endpoint", "name": "remote", "url": endpoint.url + path, **more}


def test_the_endpoint_gets_the_answer_and_the_row(shared: Emulator, endpoint: Endpoint) -> None:
    asked = grader(endpoint, "/score?mode=a", headers={"x-key": "placeholder"}, rate_limit=1000)
    found = run(shared, multi("2 * a + 1", a=asked), '{"a": 1}', colour="green")
    assert (found.reward, found.sub_rewards, flags(found)) == (1.5, {"a": 0.25}, [])
    (body,) = endpoint.requests
    assert len(body.pop("trace_id")) == 32
    assert body == {
        "sample": {"output_text": '{"a": 1}', "output_json": {"a": 1}},
        "item": {"colour": "green"},
    }
    assert endpoint.headers[0]["x-key"] == "placeholder"


def test_a_failure_is_tried_three_times(shared: Emulator, endpoint: Endpoint) -> None:
    assert run(shared, grader(endpoint, "/third"), "yes").reward == 0.75
    assert len(endpoint.requests) == 3
    assert len({body["trace_id"] for body in endpoint.requests}) == 1


@pytest.mark.parametrize("path", ["/broken", "/moved", "/text", "/none", "/nan", "/huge", "/big", "/list"])
def test_an_endpoint_that_gives_no_score_is_an_error(shared: Emulator, endpoint: Endpoint, path: str) -> None:
    found = run(shared, grader(endpoint, path), "yes")
    assert (found.reward, flags(found), len(endpoint.requests)) == (0, ["other_error"], 3)


def test_an_endpoint_that_is_not_there_is_an_error(shared: Emulator, endpoint: Endpoint) -> None:
    with serving(Endpoint()) as closed:
        asked = grader(closed)
    assert flags(run(shared, asked, "yes")) == ["other_error"]
    too_large = run(shared, grader(endpoint), "yes", text="x" * 1_000_000)
    assert (flags(too_large), endpoint.requests) == (["other_error"], [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "https://grader.example.com/grade"}, "--allow-remote-graders"),
        ({"url": "http://169.254.169.254/"}, "--allow-remote-graders"),
        ({"url": "http://127.0.0.1@example.com/"}, "--allow-remote-graders"),
        ({"url": "file:///etc/passwd"}, "needs 'url'"),
        ({"url": "http://127.0.0.1:99999/"}, "needs 'url'"),
        ({"url": 5}, "needs 'url'"),
        ({"headers": {"a": 1}}, "'headers'"),
        ({"rate_limit": 0}, "'rate_limit'"),
        ({"rate_limit": 10**400}, "not valid JSON"),
    ],
)
def test_what_is_refused(shared: Emulator, endpoint: Endpoint, changes: Any, message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        run(shared, {**grader(endpoint), **changes}, "yes")
    with pytest.raises(BadRequestError, match=message):
        run(shared, multi("a", a={**grader(endpoint), **changes}), "yes")


def test_other_hosts_are_asked_only_if_the_server_was_started_so(start: Start) -> None:
    emulator = start("--allow-remote-graders")
    there = {"type": "endpoint", "name": "remote", "url": "https://grader.invalid/grade"}
    assert flags(run(emulator, there, "yes")) == ["other_error"]


def create(client: OpenAI, asked: dict[str, Any]) -> str:
    """The id of a job with this grader."""
    return submitted(client, asked, {"n_epochs": 4, "batch_size": 6}, sizes=(12, 4))


def test_a_step_is_told_once_even_if_its_answers_are_graded_again(
    emulator: Emulator, endpoint: Endpoint
) -> None:
    emulator.settings(min_training_seconds=600.0)
    with emulator.v1() as client:
        job = create(client, grader(endpoint, "/other"))
        emulator.advance(60)
        until(lambda: client.fine_tuning.jobs.retrieve(job).status == "running")
        until(lambda: emulator.admin("GET", "objects")["jobs"][0]["computed"])
        emulator.advance(300)
        client.fine_tuning.jobs.pause(job)
        graded = len(endpoint.requests)
        emulator.advance(60)
        until(lambda: str(client.fine_tuning.jobs.retrieve(job).status) == "paused")
        assert len(endpoint.requests) > graded
        events: list[Any] = [e.data for e in client.fine_tuning.jobs.list_events(job, limit=100) if e.data]
    steps = [data["step"] for data in events]
    assert steps == list(range(len(steps), 0, -1))


def test_a_model_is_trained_by_an_endpoint_whose_key_no_reply_shows(
    shared: Emulator, endpoint: Endpoint
) -> None:
    asked = multi("a", a=grader(endpoint, headers={"x-key": "placeholder"}))
    with shared.v1() as client:
        job = create(client, asked)
        done = ended(client, job)
        assert done.status == "succeeded", done.error
        (best, *_) = client.fine_tuning.jobs.checkpoints.list(job).data
        checked: Any = client.post(
            "/fine_tuning/alpha/graders/validate", body={"grader": asked}, cast_to=object
        )
    metrics: Any = best.metrics.model_extra
    assert metrics["full_valid_mean_reward"] > 0.6
    assert {headers["x-key"] for headers in endpoint.headers} == {"placeholder"}
    shown = shared.call("GET", f"/openai/v1/fine_tuning/jobs/{job}")[2]
    for found in (shown["method"]["reinforcement"]["grader"], checked["grader"]):
        assert found["graders"]["a"]["headers"] == {"x-key": "***"}

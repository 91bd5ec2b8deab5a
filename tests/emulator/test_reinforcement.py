"""Reinforcement: graders reward sampled answers, and the model gives the rewarded ones more often."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tests.emulator.server import Emulator, deployment, ended, until, upload

MODEL = "o4-mini-2025-04-16"
ANSWERS = {"grass": "green", "snow": "white", "coal": "black"}
OTHERS = {"grass": "white", "snow": "black", "coal": "green"}
EXACT = {
    "type": "string_check",
    "name": "exact",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "{{item.colour}}",
}


def tasks(count: int, place: str) -> bytes:
    things = list(ANSWERS) * count
    rows = (
        {
            "messages": [{"role": "user", "content": f"colour of {thing} in {place} {i}"}],
            "colour": ANSWERS[thing],
            "other": OTHERS[thing],
        }
        for i, thing in enumerate(things)
    )
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def client(shared: Emulator) -> Iterator[OpenAI]:
    shared.reset(
        queue_seconds=0.0,
        min_training_seconds=0.0,
        file_processing_seconds=0.0,
        deployment_seconds=0.0,
        not_found_seconds=0.0,
    )
    with shared.v1() as client:
        yield client


def submitted(
    client: OpenAI,
    grader: dict[str, Any],
    given: dict[str, Any],
    form: Any = None,
    sizes: tuple[int, int] = (12, 6),
) -> str:
    """The id of a job with this grader and these hyperparameters. `sizes`: of its training and validation
    data."""
    own = {"grader": grader, "hyperparameters": given, **({"response_format": form} if form else {})}
    method: Any = {"type": "reinforcement", "reinforcement": own}
    job = client.fine_tuning.jobs.create(
        model=MODEL,
        training_file=upload(client, tasks(sizes[0], "spring"), "train.jsonl"),
        validation_file=upload(client, tasks(sizes[1], "winter"), "valid.jsonl"),
        seed=5,
        extra_body={"trainingType": "globalStandard", "method": method},
    )
    return job.id


def trained(client: OpenAI, grader: dict[str, Any] = EXACT, form: Any = None, **hyperparameters: Any) -> Any:
    given = {"n_epochs": 6, "batch_size": 6, "eval_interval": 9, "eval_samples": 3, **hyperparameters}
    return ended(client, submitted(client, grader, given, form))


def rows_of(client: OpenAI, job: Any) -> list[dict[str, float]]:
    text = client.files.content(job.result_files[0]).text
    return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(io.StringIO(text))]


def test_rewards_rise_and_the_model_answers_what_was_rewarded(shared: Emulator, client: OpenAI) -> None:
    job = trained(client)
    assert job.status == "succeeded", job.error
    rows = rows_of(client, job)
    rewards = [row["train_mean_reward"] for row in rows]
    assert 0.1 < sum(rewards[:6]) / 6 < 0.7  # a third by chance, and a little more as it learns
    assert sum(rewards[-6:]) / 6 > 0.9
    saved = sorted(client.fine_tuning.jobs.checkpoints.list(job.id).data, key=lambda c: c.step_number)
    assert [c.step_number for c in saved] == [18, 27, 36]
    metrics: list[Any] = [c.metrics.model_extra for c in saved]
    measured = [one["full_valid_mean_reward"] for one in metrics]
    assert measured[-1] > 0.9
    assert [row["full_valid_mean_reward"] for row in rows if "full_valid_mean_reward" in row][-3:] == measured
    data: list[Any] = [e.data for e in client.fine_tuning.jobs.list_events(job.id, limit=100)]
    scores = [one["scores"] for one in data if one]
    assert {"train_reward_mean", "valid_reward_mean", "graders"} == {name for one in scores for name in one}
    assert all(one["graders"] == {"exact": one["train_reward_mean"]} for one in scores)
    assert scores[0]["train_reward_mean"] == rewards[-1]  # the newest first
    path = f"{shared.arm}/deployments/colours?api-version=2024-10-01"
    assert shared.call("PUT", path, deployment(job.fine_tuned_model))[0] in (200, 201)
    until(lambda: shared.call("GET", path)[2]["properties"]["provisioningState"] == "Succeeded")
    asked = client.chat.completions.create(
        model="colours", messages=[{"role": "user", "content": "colour of coal in autumn"}]
    )
    assert asked.choices[0].message.content == "black"


def test_the_grader_decides_what_is_learned(client: OpenAI) -> None:
    """Not what is called colour in the data."""
    wrong = {**EXACT, "reference": "{{item.other}}"}
    formula = {"type": "multi", "name": "m", "graders": {"wrong": wrong}, "calculate_output": "5 * wrong - 1"}
    rows = rows_of(client, trained(client, formula))
    assert rows[-1]["full_valid_mean_reward"] > 3.5
    assert all(-1 <= row["train_mean_reward"] <= 4 for row in rows)


def test_the_same_seed_gives_the_same_rewards(client: OpenAI) -> None:
    first, second = (rows_of(client, trained(client, n_epochs=2)) for _ in range(2))
    assert first == second


ONLY_RIGHT = {"type": "multi", "name": "m", "graders": {"exact": EXACT}, "calculate_output": "1 / exact"}
"""It can't score a wrong answer."""


def test_an_answer_without_a_score_is_an_error_and_no_reward(client: OpenAI) -> None:
    job = trained(client, ONLY_RIGHT, n_epochs=2)
    rows = rows_of(client, job)
    assert {row["train_mean_reward"] for row in rows} == {1.0}
    assert all(0 < row["train_other_error_count"] < 24 for row in rows)
    assert {row["train_sample_parse_error_count"] for row in rows} == {0.0}
    data: list[Any] = [e.data for e in client.fine_tuning.jobs.list_events(job.id, limit=100) if e.data]
    for one in data:
        assert one["errors"]["graders"] == {"exact": 0.0}  # only the formula fails
        assert 0.0 < one["scores"]["graders"]["exact"] < 1.0


def test_a_multi_grader_can_have_a_score_for_answers_that_cannot_be_graded(client: OpenAI) -> None:
    rows = rows_of(client, trained(client, {**ONLY_RIGHT, "invalid_grade": -1}))
    assert rows[0]["train_mean_reward"] < 0.5 < 0.8 < rows[-1]["train_mean_reward"]
    assert rows[0]["train_other_error_count"] > 0


def json_schema(**properties: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


TEXT: dict[str, Any] = {"type": "string"}


@pytest.mark.parametrize(
    ("form", "field", "least"),
    [
        (json_schema(colour=TEXT), "colour", 0.9),
        (json_schema(answer=TEXT), "answer", 0.9),  # any field may be what is meant
        (json_schema(sure={"type": "boolean"}, colour={"enum": list(ANSWERS.values())}), "colour", 0.9),
    ],
)
def test_answers_can_be_json_by_a_schema(
    shared: Emulator, client: OpenAI, form: Any, field: str, least: float
) -> None:
    job = trained(client, {**EXACT, "input": f"{{{{sample.output_json.{field}}}}}"}, form)
    assert job.status == "succeeded", job.error
    rows = rows_of(client, job)
    assert all(row["train_sample_parse_error_count"] == 0 for row in rows)
    assert rows[0]["train_mean_reward"] < 0.7
    assert rows[-1]["full_valid_mean_reward"] > least
    path = f"{shared.arm}/deployments/json?api-version=2024-10-01"
    shared.call("PUT", path, deployment(job.fine_tuned_model))
    shared.advance(60)
    asked = client.chat.completions.create(
        model="json",
        messages=[{"role": "user", "content": "colour of coal in autumn"}],
        response_format=form,
    )
    assert json.loads(asked.choices[0].message.content or "")[field] == "black"


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (None, "sample_parse_error"),  # a text isn't read as JSON
        (json_schema(hue=TEXT), "sample_parse_error"),
        (json_schema(n={"type": "integer"}), "no answer to try"),
    ],
)
def test_a_grader_needs_the_json_that_it_names(client: OpenAI, form: Any, message: str) -> None:
    job = trained(client, {**EXACT, "input": "{{sample.output_json.colour}}"}, form)
    assert job.status == "failed"
    assert message in job.error.message


@pytest.mark.parametrize(
    "form",
    [
        {"type": "json_object"},
        {"type": "text"},
        {"type": "json_schema", "name": "flat", "schema": {"type": "object"}},
        {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "objekt"}}},
        5,
    ],
)
def test_a_format_that_jobs_do_not_have_is_refused(client: OpenAI, form: Any) -> None:
    with pytest.raises(BadRequestError, match=r"response_format|json_schema"):
        trained(client, EXACT, form)


def test_a_job_whose_grader_scores_nothing_fails(client: OpenAI) -> None:
    job = trained(client, {**EXACT, "reference": "{{item.hue}}"})
    assert job.status == "failed"
    assert job.error.message == (
        "The grader scored no answer of step 1. invalid_variable_error: There is no {{item.hue}}."
    )


@pytest.mark.parametrize(
    ("grader", "hyperparameters", "message"),
    [
        ({"type": "strange"}, {}, "Unknown grader type"),
        (EXACT, {"eval_samples": 0}, "eval_samples"),
        (EXACT, {"compute_multiplier": 11}, "compute_multiplier"),
    ],
)
def test_what_is_refused(
    client: OpenAI, grader: dict[str, Any], hyperparameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadRequestError, match=message):
        trained(client, grader, **hyperparameters)

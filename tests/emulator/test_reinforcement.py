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


def trained(client: OpenAI, grader: dict[str, Any] = EXACT, **hyperparameters: Any) -> Any:
    given = {"n_epochs": 6, "batch_size": 6, "eval_interval": 9, "eval_samples": 3, **hyperparameters}
    method: Any = {"type": "reinforcement", "reinforcement": {"grader": grader, "hyperparameters": given}}
    job = client.fine_tuning.jobs.create(
        model=MODEL,
        training_file=upload(client, tasks(12, "spring"), "train.jsonl"),
        validation_file=upload(client, tasks(6, "winter"), "valid.jsonl"),
        seed=5,
        extra_body={"trainingType": "globalStandard", "method": method},
    )
    return ended(client, job.id)


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

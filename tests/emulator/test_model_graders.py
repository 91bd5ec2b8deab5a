"""Model graders: a deployment of a model that was trained to grade gives scores."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tests.emulator.server import MODEL as TEXT_MODEL
from tests.emulator.server import Emulator, base_deployment, deployment, ended, upload
from tests.emulator.test_graders import flags, multi, run
from tests.emulator.test_reinforcement import ANSWERS, rows_of, trained

RIGHT, WRONG, ODD, FAR = "0.9", '{"result": 0.1}', "I can't say.", "7"


def graded(colour: str, answer: str) -> str:
    """What the model that grades has learned to say."""
    return RIGHT if colour == answer else {"odd": ODD, "far": FAR}.get(colour, WRONG)


def judge(model: str = "judge", **more: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": "{{item.colour}} {{sample.output_text}}"}]
    return {
        "type": "score_model",
        "name": "judge",
        "model": model,
        "input": [{"role": "user", "content": content}],
        **more,
    }


@pytest.fixture(scope="module")
def judges(shared: Emulator) -> Emulator:
    """A server with a deployment of a model that was trained to grade, and one of a base model."""
    pairs = itertools.product([*ANSWERS.values(), "odd", "far"], ANSWERS.values())
    rows = (
        {
            "messages": [
                {"role": "user", "content": f"{colour} {answer}"},
                {"role": "assistant", "content": graded(colour, answer)},
            ]
        }
        for colour, answer in pairs
    )
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    with shared.data() as client:
        job = client.fine_tuning.jobs.create(
            model=TEXT_MODEL,
            training_file=upload(client, content),
            seed=3,
            hyperparameters={"n_epochs": 40, "batch_size": 1},
            extra_body={"trainingType": "globalStandard"},
        )
        model = ended(client, job.id).fine_tuned_model
    for name, body in (("judge", deployment(str(model))), ("base", base_deployment())):
        path = f"{shared.arm}/deployments/{name}?api-version=2024-10-01"
        shared.call("PUT", path, body)
        shared.advance(60)
    return shared


@pytest.mark.parametrize(
    ("grader", "sample", "colour", "reward"),
    [
        (judge(), "green", "green", 0.9),
        (judge(), "black", "green", 0.1),
        (judge(range=[0, 10]), "white", "far", 7.0),
        (multi("1 - a", a=judge()), "white", "white", 0.1),
    ],
)
def test_the_score_is_what_the_model_says(
    judges: Emulator, grader: dict[str, Any], sample: str, colour: str, reward: float
) -> None:
    found = run(judges, grader, sample, colour=colour)
    assert not flags(found)
    assert found.reward == pytest.approx(reward)
    (model,) = found.api_model_grader_token_usage_per_model
    assert ".ft-" in model and found.metadata.sampled_model_name == model
    usage: Any = found.api_model_grader_token_usage_per_model[model]
    assert (
        usage["total_tokens"]
        == found.metadata.token_usage
        == usage["prompt_tokens"] + usage["completion_tokens"]
    )


@pytest.mark.parametrize(
    ("grader", "colour", "flag"),
    [
        (judge(), "odd", "model_grader_parse_error"),
        (judge(), "far", "model_grader_parse_error"),
        (judge(range=[0, 0.5]), "green", "model_grader_parse_error"),
        (judge(sampling_params={"max_completions_tokens": 1}), "green", "model_grader_parse_error"),
        (judge("base"), "green", "model_grader_parse_error"),
        (judge("nobody"), "green", "model_grader_server_error"),
        (judge(input=[{"role": "user", "content": "{{item.none}}"}]), "green", "invalid_variable_error"),
    ],
)
def test_an_answer_that_is_no_score_is_an_error(
    judges: Emulator, grader: dict[str, Any], colour: str, flag: str
) -> None:
    found = run(judges, grader, "green", colour=colour)
    assert (flags(found), found.reward) == ([flag], 0)
    if flag == "model_grader_server_error":
        details = found.metadata.errors.api_model_grader_server_error_details
        assert details and "only a deployment grades" in details


@pytest.mark.parametrize(
    "changes",
    [{"model": ""}, {"input": []}, {"input": [{"role": "user"}]}, {"range": [1, 0]}, {"sampling_params": 5}],
)
def test_what_is_no_model_grader_is_refused(judges: Emulator, changes: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError, match=r"score_model|range|sampling_params"):
        run(judges, judge(**changes), "green", colour="green")


def test_a_model_is_trained_by_another_model(judges: Emulator) -> None:
    with OpenAI(base_url=f"{judges.url}/openai/v1/", api_key=judges.key, max_retries=0) as client:
        rows = rows_of(client, trained(client, judge(), n_epochs=5))
    assert rows[0]["train_mean_reward"] < 0.6 < 0.8 < rows[-1]["full_valid_mean_reward"]

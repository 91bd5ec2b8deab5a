"""File → job → events → checkpoints → results → deployment → chat, through the real SDKs."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tests.emulator.samples import jsonl, lines
from tests.emulator.server import (
    MODEL,
    QUICKSTART,
    STANDARD,
    Emulator,
    base_deployment,
    deployment,
    ended,
    until,
    upload,
)

ORDER = [
    "Job enqueued. Waiting for jobs ahead to complete.",
    "Preprocessing running for file training file.",
    "Preprocessing completed for file training file.",
    "Preprocessing running for file validation file.",
    "Preprocessing completed for file validation file.",
    "Job started.",
    "Data Import started.",
    "Finetuning started.",
    "Job queued, waiting for GPUs.",
    "Training started.",
]
COLUMNS = (
    "step,train_loss,train_mean_token_accuracy,valid_loss,validation_mean_token_accuracy,"
    "full_valid_loss,full_valid_mean_token_accuracy"
)


def test_quickstart_learns_to_decline(shared: Emulator) -> None:
    with shared.data() as client, shared.control() as control:
        training = upload(client, QUICKSTART / "data" / "train.generated" / "dataset.jsonl")
        validation = upload(client, QUICKSTART / "data" / "valid.jsonl", "valid.jsonl")
        created = client.fine_tuning.jobs.create(
            model=MODEL, training_file=training, validation_file=validation, suffix="copilot",
            seed=105, extra_body={"trainingType": "globalstandard"},
        )  # fmt: skip
        assert str(created.status) == "pending"
        assert created.hyperparameters.n_epochs == -1
        assert created.hyperparameters.learning_rate_multiplier == 1.8
        assert created.model_extra is not None
        assert created.model_extra["trainingType"] == "globalStandard"
        job = ended(client, created.id)
        assert job.status == "succeeded", job.error
        hexadecimal = job.id.removeprefix("ftjob-")
        assert job.fine_tuned_model == f"{MODEL}.ft-{hexadecimal}-copilot"
        assert job.hyperparameters.n_epochs == 3
        assert job.trained_tokens

        writes = control.deployments
        place = ("rg-emulator", "emulator")
        tuned = writes.begin_create_or_update(*place, "tuned", deployment(job.fine_tuned_model))
        assert tuned.result().properties.provisioning_state == "Succeeded"
        writes.begin_create_or_update(*place, "base", base_deployment()).result()
        shared.advance(1)

        prompts = json.loads((QUICKSTART / "prompts.json").read_text())
        right = {
            (name, kind): sum(_called(client, name, prompt) == _function(e) for prompt, e in asked.items())
            for name in ("base", "tuned")
            for kind, asked in prompts.items()
        }
        assert right["base", "straightforward"] >= 5
        assert right["base", "challenging"] <= 3
        assert right["tuned", "straightforward"] >= 8
        assert right["tuned", "challenging"] >= 9


def _function(expected: Any) -> str:
    return str(expected if isinstance(expected, str) else expected["call"])


def _called(client: Any, name: str, prompt: str) -> str:
    example = json.loads((QUICKSTART / "data" / "valid.jsonl").read_text().splitlines()[0])
    completion = client.chat.completions.create(
        model=name,
        messages=[example["messages"][0], {"role": "user", "content": prompt}],
        tools=example["tools"],
        tool_choice="required",
    )
    return str(completion.choices[0].message.tool_calls[0].function.name)


@pytest.fixture(scope="module")
def trained(shared: Emulator) -> dict[str, str]:
    """The id of a job with four epochs of 24 steps, and of its files."""
    with shared.data() as client:
        training = upload(client, jsonl(lines(48)))
        validation = upload(client, jsonl(lines(12, seed=9)), "valid.jsonl")
        job = client.fine_tuning.jobs.create(
            model=MODEL, training_file=training, validation_file=validation, seed=7,
            hyperparameters={"n_epochs": 4, "batch_size": 2}, extra_body=STANDARD,
        )  # fmt: skip
        done = ended(client, job.id)
        assert done.status == "succeeded", done.error
        assert done.result_files
        return {"job": job.id, "result": done.result_files[0], "model": done.fine_tuned_model or ""}


def test_events_tell_the_run_in_the_services_words(shared: Emulator, trained: dict[str, str]) -> None:
    with shared.data() as client:
        events = client.fine_tuning.jobs.list_events(trained["job"], limit=1000).data[::-1]
    messages = [event.message for event in events]
    assert messages[:10] == ORDER
    assert messages[10] == f"Created results file: {trained['result']}"
    assert messages[-4:-1] == [
        "Job succeeded.",
        "Model Evaluation Passed.",
        f"Completed results file: {trained['result']}",
    ]
    assert messages[-1].startswith("Training tokens billed: ")
    times = [event.created_at for event in events]
    assert times == sorted(times)


def test_metrics_come_every_ten_steps_and_at_the_end_of_each_epoch(
    shared: Emulator, trained: dict[str, str]
) -> None:
    with shared.data() as client:
        events = client.fine_tuning.jobs.list_events(trained["job"], limit=1000).data[::-1]
    metrics = {event.data["step"]: event.data for event in events if isinstance(event.data, dict)}
    assert list(metrics) == [10, 20, 24, 30, 40, 48, 50, 60, 70, 72, 80, 90, 96]
    assert [step for step, data in metrics.items() if "full_valid_loss" in data] == [24, 48, 72, 96]
    assert all({"train_loss", "valid_loss"} <= set(data) for data in metrics.values())
    assert metrics[96]["full_valid_loss"] < metrics[24]["full_valid_loss"]


def test_events_are_paged_newest_first(shared: Emulator, trained: dict[str, str]) -> None:
    with shared.data() as client:
        whole = [event.id for event in client.fine_tuning.jobs.list_events(trained["job"], limit=1000)]
        page = client.fine_tuning.jobs.list_events(trained["job"], limit=10)
        assert page.has_more
        walked = [event.id for event in page]
    assert walked == whole
    assert len(set(whole)) == len(whole)


def test_three_checkpoints_are_kept_and_the_last_has_the_models_name(
    shared: Emulator, trained: dict[str, str]
) -> None:
    with shared.data() as client:
        found = client.fine_tuning.jobs.checkpoints.list(trained["job"]).data
    model = trained["model"]
    assert [item.step_number for item in found] == [96, 72, 48]
    assert [item.fine_tuned_model_checkpoint for item in found] == [
        model, f"{model}:ckpt-step-72", f"{model}:ckpt-step-48",
    ]  # fmt: skip
    assert all(item.metrics.full_valid_loss for item in found)


def test_results_have_the_services_columns_and_a_row_per_step(
    shared: Emulator, trained: dict[str, str]
) -> None:
    with shared.data() as client:
        file = client.files.retrieve(trained["result"])
        text = client.files.content(trained["result"]).text
    assert file.purpose == "fine-tune-results"
    assert text.splitlines()[0] == COLUMNS
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [int(row["step"]) for row in rows] == list(range(1, 97))
    assert [row["step"] for row in rows if row["full_valid_loss"]] == ["24", "48", "72", "96"]


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_checkpoint_can_be_deployed(shared: Emulator, trained: dict[str, str], by: str) -> None:
    with shared.data() as client, shared.control() as control:
        found = client.fine_tuning.jobs.checkpoints.list(trained["job"]).data[1]
        model = found.fine_tuned_model_checkpoint if by == "name" else found.id
        name = f"checkpoint-{by}"
        control.deployments.begin_create_or_update(
            "rg-emulator", "emulator", name, deployment(model)
        ).result()
        shared.advance(1)
        answer = client.chat.completions.create(
            model=name, messages=[{"role": "user", "content": "make the light red"}]
        )
        assert answer.model == found.fine_tuned_model_checkpoint
        control.deployments.begin_delete("rg-emulator", "emulator", name).result()


def test_a_tuned_model_can_be_tuned_further(shared: Emulator, trained: dict[str, str]) -> None:
    with shared.data() as client:
        training = upload(client, jsonl(lines(20, seed=3)))
        job = client.fine_tuning.jobs.create(
            model=trained["model"], training_file=training, extra_body=STANDARD,
            hyperparameters={"n_epochs": 1, "batch_size": 4},
        )  # fmt: skip
        done = ended(client, job.id)
        assert done.fine_tuned_model == f"{MODEL}.ft-{job.id.removeprefix('ftjob-')}"
        events = client.fine_tuning.jobs.list_events(job.id, limit=1000).data
        last = next(event.data for event in events if isinstance(event.data, dict))
    assert last["train_loss"] < 0.5  # a fresh model starts above 1


def test_models_are_listed_and_a_deployed_one_is_not_deleted(
    shared: Emulator, trained: dict[str, str]
) -> None:
    with shared.data() as client, shared.control() as control:
        assert {MODEL, trained["model"]} <= {model.id for model in client.models.list().data}
        found = client.models.retrieve(trained["model"])
        assert found.model_extra is not None
        assert found.model_extra["fine_tune"] == trained["job"]
        control.deployments.begin_create_or_update(
            "rg-emulator", "emulator", "keeps", deployment(trained["model"])
        ).result()
        status, _, body = shared.call("DELETE", f"/openai/v1/models/{trained['model']}")
        assert (status, body["error"]["code"]) == (409, "conflict")
        control.deployments.begin_delete("rg-emulator", "emulator", "keeps").result()
        status, _, body = shared.call("DELETE", f"/openai/v1/models/{trained['model']}")
        assert (status, body["deleted"]) == (200, True)
        assert trained["model"] not in {model.id for model in client.models.list().data}


def test_progress_is_seen_while_it_trains(emulator: Emulator) -> None:
    emulator.settings(min_training_seconds=60.0)
    with emulator.data() as client:
        training = upload(client, jsonl(lines(40)))
        job = client.fine_tuning.jobs.create(model=MODEL, training_file=training, extra_body=STANDARD, seed=1)
        until(lambda: client.fine_tuning.jobs.retrieve(job.id).status == "running")
        emulator.advance(30)
        seen = until(lambda: _metrics(client, job.id, at_least=5))
        assert client.fine_tuning.jobs.retrieve(job.id).status == "running"
        assert seen <= 8
        emulator.advance(60)
        assert ended(client, job.id).status == "succeeded"


def _metrics(client: Any, job: str, at_least: int) -> int:
    """How many metrics a job shows, once they are enough."""
    events = client.fine_tuning.jobs.list_events(job, limit=100).data
    count = sum(event.type == "metrics" for event in events)
    return count if count >= at_least else 0

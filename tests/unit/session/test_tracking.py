"""Jobs as tracked runs: what of a job becomes parameters, metrics and tags."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ftops.core.address import Address, Secret
from ftops.providers.redaction import redaction
from ftops.providers.training_curves import Curve
from ftops.providers.training_results import Results
from ftops.providers.training_run import TrainingRun, recorded_run
from ftops.session.report.values import DataUse, ReportedJob
from ftops.session.tracking import tracked_run
from ftops.session.training import Training
from ftops.state.state import ResourceState, Status
from ftops.trackers.tracked_run import TrackedRun

JOB = Address.parse('job.tone["lr=0.1"]')
TOKEN = Secret("env", "TOKEN")
NAN = float("nan")


def record(status: Status = Status.READY, **changes: Any) -> ResourceState:
    inputs: dict[str, Any] = {
        "model": "gpt-4o",
        "method": "supervised",
        "training_type": "standard",
        "hyperparameters": {"n_epochs": 2, "learning_rate_multiplier": 0.1},
        "seed": 7,
    }
    outputs: dict[str, Any] = {
        "fine_tuned_model": "gpt-4o.ft-1",
        "checkpoint": {"12": "gpt-4o.ft-1:12", "24": "gpt-4o.ft-1", "best": "gpt-4o.ft-1:12"},
        "hyperparameters": {"n_epochs": 2, "batch_size": 1, "learning_rate_multiplier": 0.1},
        "trained_tokens": 480,
        "status": "succeeded",
    }
    return ResourceState(
        JOB,
        "m",
        "ftjob-1",
        status,
        {**inputs, **changes.pop("inputs", {})},
        {**outputs, **changes.pop("outputs", {})},
        **changes,
    )


def reported(job: ResourceState, rows: tuple[dict[str, Any], ...] = (), **changes: Any) -> ReportedJob:
    results = Results("file-1", "", ("step", "train_loss"), rows)
    training = Training(JOB, recorded_run(job))
    data = (DataUse("training", "sha256:aa", None, 12), DataUse("validation", "sha256:bb"))
    whole = ReportedJob(job, training, "gpt-4o", data=data, results=results, dollars=0.5, step=12)
    return replace(whole, **changes)


def tracked(job: ReportedJob, *evaluations: ResourceState, provider: str = "azure_openai") -> TrackedRun:
    about = {"ftops.spec": "tone", "ftops.provider_type": provider}
    return tracked_run(job, evaluations, about, "lineage", redaction({TOKEN: "s3cr3t-value"}))


def test_parameters_are_those_that_were_used() -> None:
    assert tracked(reported(record())).parameters == {
        "base_model": "gpt-4o",
        "method": "supervised",
        "training_type": "standard",
        "n_epochs": 2,
        "batch_size": 1,
        "learning_rate_multiplier": 0.1,
        "seed": 7,
        "training_data": "sha256:aa",
        "training_examples": 12,
        "validation_data": "sha256:bb",
    }


@pytest.mark.parametrize(
    ("asked", "used", "known"),
    [
        ({"n_epochs": 2}, {}, 2),
        ({}, {"n_epochs": 3}, 3),
        ({}, {"n_epochs": -1}, None),
        ({}, {"n_epochs": "auto"}, None),
        ({"n_epochs": 2}, {"n_epochs": "auto"}, 2),
        ({"n_epochs": 2}, {"n_epochs": 4}, 4),
        ({}, {}, None),
    ],
)
def test_what_the_service_has_not_chosen_yet_is_left_out(
    asked: dict[str, Any], used: dict[str, Any], known: int | None
) -> None:
    job = record(inputs={"hyperparameters": asked}, outputs={"hyperparameters": used})
    assert tracked(reported(job)).parameters.get("n_epochs") == known


@pytest.mark.parametrize(
    ("rows", "points", "left_out"),
    [
        ([{"step": 1, "train_loss": 0.5}], [(1, {"train_loss": 0.5})], 0),
        ([{"step": 2, "a": 1}, {"step": 1, "a": 2}], [(1, {"a": 2.0}), (2, {"a": 1.0})], 0),
        ([{"step": 1, "a": 1}, {"step": 1, "b": 2}], [(1, {"a": 1.0, "b": 2.0})], 0),
        ([{"step": 1, "train_loss": NAN, "a": 1}], [(1, {"a": 1.0})], 1),
        ([{"step": 1, "a": float("inf")}], [], 1),
        ([{"step": 1, "a": "n/a"}], [], 1),
        ([{"step": 1, "valid_loss": -1.0, "rewards/margin": -0.5}], [(1, {"rewards/margin": -0.5})], 0),
        ([{"train_loss": 0.5}, {"step": "x", "train_loss": 0.4}], [], 2),
        ([{"step": 3.0, "a": 1}], [(3, {"a": 1.0})], 0),
        (
            [{"step": 1, "validation_mean_token_accuracy": 0.5, "full_valid_reward_mean": 0.4}],
            [(1, {"valid_mean_token_accuracy": 0.5, "full_valid_mean_reward": 0.4})],
            0,
        ),
        ([{"step": NAN, "a": 1}, {"step": -1, "a": 1}, {"step": 1e300, "a": 1}], [], 3),
        ([], [], 0),
    ],
)
def test_metrics_by_step(rows: list[dict[str, Any]], points: list[Any], left_out: int) -> None:
    run = tracked(reported(record(), tuple(rows)))
    assert [(point.step, dict(point.metrics)) for point in run.points] == points
    assert len(run.notes) == bool(left_out)
    assert not left_out or run.notes[0].startswith(str(left_out))


def test_a_job_in_progress_has_the_metrics_of_its_events() -> None:
    job = record(Status.PENDING, outputs={"status": "running"})
    curves = (
        Curve("train_loss", "loss", "train", ((1, 0.5), (2, 0.4))),
        Curve("valid_loss", "loss", "valid", ((2, 0.45),)),
    )
    run = tracked(reported(job, results=None, curves=curves, note="still training"))
    assert [(p.step, dict(p.metrics)) for p in run.points] == [
        (1, {"train_loss": 0.5}),
        (2, {"train_loss": 0.4, "valid_loss": 0.45}),
    ]
    assert (run.status, run.notes) == ("running", ("still training",))


@pytest.mark.parametrize(
    ("state", "said", "status"),
    [
        (Status.READY, "succeeded", "finished"),
        (Status.TAINTED, "failed", "failed"),
        (Status.TAINTED, "cancelled", "killed"),
        (Status.PENDING, "paused", "running"),
    ],
)
def test_statuses(state: Status, said: str, status: str) -> None:
    job = record(state, outputs={"status": said})
    assert (
        tracked(reported(job, training=Training(JOB, TrainingRun("ftjob-1", said, state)))).status == status
    )


def test_scores_costs_and_tokens_are_metrics_without_a_step() -> None:
    exam = ResourceState(
        Address.parse("evaluation.exam"),
        "m",
        "evaluation-1",
        Status.READY,
        outputs={"best": "gpt-4o.ft-1", "score": 0.75},
    )
    expected = {"trained_tokens": 480.0, "cost_usd": 0.5, "best_step": 12.0, "evaluation/exam": 0.75}
    assert tracked(reported(record()), exam).metrics == expected
    del expected["cost_usd"]  # the emulator bills nothing
    assert tracked(reported(record()), exam, provider="emulator").metrics == expected


def test_what_identifies_a_run() -> None:
    run = tracked(reported(record()))
    assert (run.key, run.name, run.sweep) == ("ftjob-1", str(JOB), "job.tone")
    assert run.tags["ftops.model"] == "gpt-4o.ft-1"
    assert run.checkpoints == {"12": "gpt-4o.ft-1:12", "24": "gpt-4o.ft-1"}
    assert run.digest == tracked(reported(record())).digest
    assert run.digest != tracked(reported(record(), ({"step": 1, "a": 1},))).digest
    assert replace(run, job="a' or b/../c").key == "a__or_b_.._c"


def test_no_secret_is_logged() -> None:
    job = record(
        inputs={
            "suffix": TOKEN,
            "grader": {"type": "endpoint", "name": "g", "headers": {"key": "s3cr3t-value"}},
        },
        outputs={"status": "failed: s3cr3t-value", "fine_tuned_model": ""},
    )
    run = tracked(reported(job))
    assert "s3cr3t-value" not in str(run)
    assert (run.parameters["suffix"], run.parameters["grader"]) == ("${env.TOKEN}", "endpoint g")
    assert run.tags["ftops.status"] == "failed: ${env.TOKEN}"

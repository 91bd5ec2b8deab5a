"""Run wire format: what events, checkpoints and the status of a job say of its training. No calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ftops.core.measures import step_number
from ftops.core.nested import object_at
from ftops.providers.base import Progress
from ftops.providers.dataplane.job_wire import (
    QUEUED,
    attributes_of,
    created_at,
    hyperparameters_of,
    message_of,
    metrics_of,
    moment_of,
    own_training_type,
    status_of,
)
from ftops.providers.training_run import JobEvent, SavedCheckpoint, TrainingRun
from ftops.state.state import Status

_STEP_OF = re.compile(r"\bstep\s+(\d{1,18})\s*(?:/|of)\s*(\d{1,18})\b", re.IGNORECASE)
_METRICS = (
    ("train_loss", "loss"),
    ("train_mean_token_accuracy", "token accuracy"),
    ("valid_loss", "valid loss"),
    ("valid_mean_token_accuracy", "valid token accuracy"),
    ("full_valid_loss", "full valid loss"),
    *((name, "reward") for name in ("train_reward_mean", "train_mean_reward")),
    *((name, "valid reward") for name in ("valid_reward_mean", "valid_mean_reward")),
    *((name, "full valid reward") for name in ("full_valid_reward_mean", "full_valid_mean_reward")),
    *((f"{data}_reasoning_tokens_mean", f"{data} reasoning tokens") for data in ("train", "valid")),
)


def progress_of(event: Mapping[str, Any]) -> Progress:
    """One event, to be shown."""
    message = str(event.get("message") or "")
    steps = _STEP_OF.search(message)
    total = (int(steps[2]) or None) if steps else None
    percent = min(100.0, 100 * int(steps[1]) / total) if steps and total else None
    metrics = metrics_of(object_at(event, "data"))
    if "step" not in metrics:
        return Progress(message, percent, metrics, total)
    shown = ", ".join(f"{label} {metrics[name]:.4g}" for name, label in _METRICS if name in metrics)
    step = f"step {int(metrics['step'])}" + (f"/{steps[2]}" if steps else "")
    return Progress(f"{step}: {shown}" if shown else step, percent, metrics, total)


def event_of(event: Mapping[str, Any]) -> JobEvent:
    """One event, as it is listed."""
    progress = progress_of(event)
    message = str(event.get("message") or "")
    named = _STEP_OF.search(message)
    step = progress.metrics.get("step", float(named[1]) if named else None)
    return JobEvent(
        str(event["id"]),
        moment_of(event.get("created_at")),
        str(event.get("level") or "info"),
        message,
        progress,
        None if step is None else int(step),
        int(named[2]) if named else None,
    )


def checkpoint_of(checkpoint: Mapping[str, Any]) -> SavedCheckpoint:
    return SavedCheckpoint(
        step_number(checkpoint.get("step_number")) or 0,
        str(checkpoint.get("fine_tuned_model_checkpoint") or ""),
        metrics_of(object_at(checkpoint, "metrics")),
    )


def jobs_ahead(job: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> int | None:
    """How many of these jobs wait that were created before it, of its training type; None if it doesn't
    wait itself."""
    if str(job.get("status") or "").lower() not in QUEUED:
        return None
    kind, at = own_training_type(job), created_at(job)
    ahead = [
        other
        for other in others
        if str(other.get("status") or "").lower() in QUEUED and own_training_type(other) == kind
    ]
    return sum(created_at(other) < at for other in ahead if other["id"] != job["id"])


def run_of(
    job: Mapping[str, Any],
    events: Iterable[Mapping[str, Any]],
    checkpoints: Iterable[Mapping[str, Any]],
    others: Iterable[Mapping[str, Any]],
    pause: float,
) -> TrainingRun:
    """A job as it is now. `events`: the oldest first."""
    state, attributes = status_of(job), attributes_of(job)
    tokens = job.get("trained_tokens")
    return TrainingRun(
        str(job["id"]),
        str(job.get("status") or "unknown"),
        state,
        message_of(job) if state is Status.TAINTED else "",
        str(attributes.get("created_at") or ""),
        str(attributes.get("finished_at") or ""),
        tokens if isinstance(tokens, int) else None,
        tuple(map(event_of, events)),
        tuple(sorted(map(checkpoint_of, checkpoints), key=lambda saved: saved.step)),
        jobs_ahead(job, others),
        pause if state is Status.PENDING else None,
        hyperparameters_of(job),
    )

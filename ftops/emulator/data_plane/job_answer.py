"""Answers about jobs: a job on the wire, in either of the service's dialects.

Sources: recorded jobs. Most are in the dialect ``dated``; a private preview of v1 answered in another one
(2025-12), which is closer to that of the OpenAI platform.
"""

from __future__ import annotations

from ftops.emulator.account.cloud import JSON, Cloud, Job
from ftops.emulator.data_plane.files import find, processed
from ftops.emulator.data_plane.graders import masked
from ftops.emulator.data_plane.job_schedule import TERMINAL, status
from ftops.emulator.http.errors import Plane

AUTO = -1
_EXPLORATION = dict.fromkeys(("compute_multiplier", "eval_interval", "eval_samples"), "auto")
"""What a job of reinforcement shows in the preview if it isn't given."""


def described(cloud: Cloud, job: Job, plane: Plane) -> JSON:
    """A job as of now."""
    if plane is Plane.V1 and cloud.settings.job_dialect == "preview":
        return _in_preview(cloud, job)
    return _dated(cloud, job, plane)


def _dated(cloud: Cloud, job: Job, plane: Plane) -> JSON:
    """What is not known yet is left out."""
    state = status(job, cloud.clock.now())
    optional = {
        "validation_file": job.validation_file,
        "suffix": job.suffix,
        "user_provided_suffix": job.suffix if plane is Plane.V1 else None,
        "trainingType": job.training_type,
        "method": _method(job) or None,
        "metadata": job.metadata,
        "integrations": job.integrations,
        "estimated_finish": None if job.estimated_finish is None else int(job.estimated_finish),
        **_ending(job, state),
    }
    return {
        **_always(job, state),
        "hyperparameters": _hyperparameters(job, state),
        **{key: value for key, value in optional.items() if value is not None},
    }


def _in_preview(cloud: Cloud, job: Job) -> JSON:
    """What is not known yet is null or empty, and hyperparameters are those of the method."""
    state = status(job, cloud.clock.now())
    method = _method(job)
    kind = method.get("type", "supervised")
    unset = {**_EXPLORATION, "reasoning_effort": cloud.settings.default_effort}
    chosen = {
        **(unset if kind == "reinforcement" else {}),
        **(method.get(kind) or {}).get("hyperparameters", {}),
        **_hyperparameters(job, state),
    }
    if state != "succeeded":
        chosen |= dict.fromkeys(job.auto, "auto")
    own = {**(method.get(kind) or {}), "hyperparameters": chosen}
    unknown = dict.fromkeys(("fine_tuned_model", "finished_at", "trained_tokens", "eval_id", "usage_metrics"))
    ending = _ending(job, state)
    return {
        **_always(job, _preview_status(cloud, job, state)),
        "method": {"type": kind, kind: own},
        "validation_file": job.validation_file,
        "user_provided_suffix": job.suffix,
        "metadata": job.metadata,
        "integrations": job.integrations or [],
        "estimated_finish": None,
        "organization_id": "org-emulator",
        "shared_with_openai": False,
        "result_files": [],
        **unknown,
        **ending,
        "error": ending.get("error") or {},
    }


def _method(job: Job) -> JSON:
    method = job.method or {}
    if own := method.get("reinforcement"):
        return {**method, "reinforcement": {**own, "grader": masked(own["grader"])}}
    return method


def _always(job: Job, state: str) -> JSON:
    return {
        "id": job.id,
        "object": "fine_tuning.job",
        "created_at": int(job.created),
        "status": state,
        "model": job.model,
        "training_file": job.training_file,
        "seed": job.seed,
    }


def _hyperparameters(job: Job, state: str) -> JSON:
    return (state == "succeeded" and job.resolved) or job.requested


def _preview_status(cloud: Cloud, job: Job, state: str) -> str:
    if state != "pending":
        return state
    file = find(cloud, job.training_file)
    return "queued" if file is not None and processed(cloud, file) else "validating_files"


def _ending(job: Job, state: str) -> JSON:
    if job.outcome is None or state not in TERMINAL:
        return {}
    ending: JSON = {"finished_at": int(job.outcome["at"]), "error": job.outcome.get("error")}
    if state == "succeeded":
        ending |= {
            "fine_tuned_model": job.fine_tuned_model,
            "result_files": [job.result_file],
            "trained_tokens": job.trained_tokens,
        }
    return ending

"""Fine-tuning jobs on the wire: create, list, read, cancel, delete; events and checkpoints."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator import catalog, events
from ftops.emulator.cloud import JSON, Checkpoint, Cloud, Job, new_hex
from ftops.emulator.errors import Plane, invalid, not_found, over_quota, wrong_state
from ftops.emulator.files import processed
from ftops.emulator.http import created, listing, page, plane_of, read_object, reply
from ftops.emulator.schedule import TERMINAL, Schedule, status

NOT_TRAINABLE = "The specified base model does not support fine-tuning."
AUTO = -1
_TRAINING_TYPES = {
    "standard": "standard",
    "1": "standard",
    "globalstandard": "globalStandard",
    "developertier": "developerTier",
}
_HYPERPARAMETERS: dict[str, tuple[type, float, float]] = {
    "n_epochs": (int, 1, 50),
    "batch_size": (int, 1, 256),
    "learning_rate_multiplier": (float, 0.0, 100.0),
}
_SUFFIX = re.compile(r"[A-Za-z0-9_-]+")
_SUFFIX_LENGTH = {Plane.DATED: 40, Plane.V1: 64}
MAX_SEED = 2**31 - 1


async def create(cloud: Cloud, request: Request) -> Response:
    """POST /fine_tuning/jobs."""
    body = await read_object(request)
    plane = plane_of(request)
    _refuse_beyond_limits(cloud)
    model = _model(cloud, body)
    now = cloud.clock.now()
    settings = cloud.settings
    job = Job(
        id=f"ftjob-{new_hex()}",
        created=now,
        model=str(body["model"]),
        training_file=_file(cloud, body, "training_file") or "",
        validation_file=_file(cloud, body, "validation_file"),
        seed=_seed(body),
        requested=_hyperparameters(body, model),
        suffix=_suffix(body, plane),
        training_type=_training_type(body),
        method=_method(body),
        metadata=_metadata(body) if plane is Plane.V1 or settings.metadata_on_dated else None,
        integrations=body.get("integrations") or None,
        doom=request.scope.get("emulator.job_fault"),
        estimated_finish=now + settings.queue_seconds + settings.min_training_seconds,
    )
    with cloud.lock:
        cloud.jobs.put(job)
        events.record(cloud, job.id, now, "Job enqueued. Waiting for jobs ahead to complete.")
    schedule_of(request).settle()
    return created(request, described(cloud, job, plane), f"fine_tuning/jobs/{job.id}")


def schedule_of(request: Request) -> Schedule:
    """The schedule that runs the account's jobs."""
    schedule: Schedule = request.scope["emulator.schedule"]
    return schedule


def _refuse_beyond_limits(cloud: Cloud) -> None:
    jobs = cloud.jobs.all()
    now = cloud.clock.now()
    queued = sum(status(job, now) == "pending" for job in jobs)
    if queued >= cloud.settings.queued_jobs_limit:
        raise over_quota(f"The resource has {queued} queued fine-tuning jobs, which is the limit.")
    if len(jobs) >= cloud.settings.jobs_limit:
        raise over_quota(f"The resource has {len(jobs)} fine-tuning jobs, which is the limit.")


def _model(cloud: Cloud, body: Mapping[str, Any]) -> catalog.BaseModel:
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise invalid("The field 'model' is required.")
    tuned = cloud.models.get(name)
    if tuned is not None and tuned.created > cloud.clock.now():
        tuned = None
    base = catalog.BY_ID.get(tuned.base if tuned else name)
    if base is None or not base.trainable:
        raise invalid(NOT_TRAINABLE)
    return base


def _training_type(body: Mapping[str, Any]) -> str:
    given = str(body.get("trainingType", "")).lower()
    if given not in _TRAINING_TYPES:
        raise invalid(NOT_TRAINABLE)
    return _TRAINING_TYPES[given]


def _file(cloud: Cloud, body: Mapping[str, Any], key: str) -> str | None:
    name = body.get(key)
    if name is None and key == "validation_file":
        return None
    what = key.replace("_", " ")
    file = cloud.files.get(name) if isinstance(name, str) else None
    if file is None:
        raise invalid(f"The specified {what} '{name}' does not exist.")
    if file.purpose != "fine-tune":
        raise invalid(f"The {what} '{name}' has purpose '{file.purpose}' instead of 'fine-tune'.")
    if not processed(cloud, file):
        raise wrong_state(f"The {what} '{name}' is in status 'pending'. Wait until it is 'processed'.")
    return file.id


def _seed(body: Mapping[str, Any]) -> int:
    seed = body.get("seed")
    if seed is None:
        return random.randint(0, MAX_SEED)  # noqa: S311 - not a secret
    if type(seed) is not int or not 0 <= seed <= MAX_SEED:
        raise invalid(f"'seed' must be an integer between 0 and {MAX_SEED}.")
    return seed


def _suffix(body: Mapping[str, Any], plane: Plane) -> str | None:
    suffix = body.get("suffix")
    if suffix is None:
        return None
    longest = _SUFFIX_LENGTH[plane]
    if not isinstance(suffix, str) or not _SUFFIX.fullmatch(suffix) or len(suffix) > longest:
        raise invalid(f"'suffix' must be 1 to {longest} letters, digits, '-' or '_'.")
    return suffix


def _method(body: Mapping[str, Any]) -> JSON | None:
    method = body.get("method")
    if method is None:
        return None
    if not isinstance(method, dict) or method.get("type") not in (
        "supervised",
        "dpo",
        "reinforcement",
    ):
        raise invalid("'method.type' must be supervised, dpo or reinforcement.")
    if method["type"] != "supervised":
        raise invalid(f"The emulator trains by the method 'supervised' only, not {method['type']}.")
    return method


def _hyperparameters(body: Mapping[str, Any], model: catalog.BaseModel) -> JSON:
    method = body.get("method") or {}
    inner = method.get("supervised") if isinstance(method, dict) else None
    given = {
        **(body.get("hyperparameters") or {}),
        **((inner or {}).get("hyperparameters") or {}),
    }
    values = {key: _hyperparameter(key, given.get(key)) for key in _HYPERPARAMETERS}
    if values["learning_rate_multiplier"] == AUTO:
        values["learning_rate_multiplier"] = model.learning_rate_multiplier
    return values


def _hyperparameter(key: str, value: Any) -> int | float:
    if value in (None, "auto", AUTO):
        return AUTO
    kind, low, high = _HYPERPARAMETERS[key]
    number: int | float = float(value) if kind is float and type(value) is int else value
    if type(number) is not kind or not low <= number <= high or number == 0:
        raise invalid(f"'{key}' must be 'auto' or a number from {low:g} to {high:g}.")
    return number


def _metadata(body: Mapping[str, Any]) -> JSON | None:
    metadata = body.get("metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or len(metadata) > 16:
        raise invalid("'metadata' must be an object of at most 16 pairs.")
    for key, value in metadata.items():
        if not isinstance(value, str) or len(key) > 64 or len(value) > 512:
            raise invalid("'metadata' takes keys of at most 64 and texts of at most 512 signs.")
    return metadata or None


async def list_all(cloud: Cloud, request: Request) -> Response:
    """GET /fine_tuning/jobs, newest first; ``metadata[key]=value`` selects."""
    schedule_of(request).settle()
    wanted = {
        key[len("metadata[") : -1]: value
        for key, value in request.query_params.items()
        if key.startswith("metadata[")
    }
    jobs = [
        job
        for job in reversed(cloud.jobs.all())
        if all((job.metadata or {}).get(key) == value for key, value in wanted.items())
    ]
    some, more = page(request, jobs, lambda job: job.id, 20)
    plane = plane_of(request)
    return reply(listing([described(cloud, job, plane) for job in some], more))


async def get(cloud: Cloud, request: Request) -> Response:
    """GET /fine_tuning/jobs/{job}."""
    schedule_of(request).settle()
    return reply(described(cloud, _existing(cloud, request), plane_of(request)))


async def cancel(cloud: Cloud, request: Request) -> Response:
    """POST /fine_tuning/jobs/{job}/cancel: at any time before the end."""
    schedule = schedule_of(request)
    schedule.settle()
    job = _existing(cloud, request)
    with cloud.lock:
        now = cloud.clock.now()
        state = status(job, now)
        if state in TERMINAL:
            raise wrong_state(f"The job is in status '{state}' and cannot be cancelled.")
        schedule.cancel(job, now)
    schedule.settle()
    return reply(described(cloud, _existing(cloud, request), plane_of(request)))


async def delete(cloud: Cloud, request: Request) -> Response:
    """DELETE /fine_tuning/jobs/{job}, of a job that has ended."""
    schedule_of(request).settle()
    job = _existing(cloud, request)
    state = status(job, cloud.clock.now())
    if state not in TERMINAL:
        raise wrong_state(f"The job is in status '{state}'; cancel it before deleting it.")
    with cloud.lock:
        cloud.jobs.remove(job.id)
        events.forget(cloud, job.id)
        for checkpoint in _checkpoints(cloud, job):
            cloud.checkpoints.remove(checkpoint.id)
        if cloud.settings.delete_job_deletes_model:
            for model in [model for model in cloud.models.all() if model.job == job.id]:
                cloud.models.remove(model.id)
                cloud.weights(model.weights).unlink(missing_ok=True)
    return Response(status_code=204)


async def list_events(cloud: Cloud, request: Request) -> Response:
    """GET …/events, newest first."""
    schedule_of(request).settle()
    job = _existing(cloud, request)
    now = cloud.clock.now()
    visible = [event for event in events.read(cloud, job.id) if event["created_at"] <= now]
    visible.sort(key=lambda event: event["created_at"])  # stable: as recorded within an instant
    visible.reverse()
    some, more = page(request, visible, lambda event: str(event["id"]), 20)
    return reply(listing([{**event, "created_at": int(event["created_at"])} for event in some], more))


async def list_checkpoints(cloud: Cloud, request: Request) -> Response:
    """GET …/checkpoints, newest first."""
    job = _existing(cloud, request)
    some, more = page(request, _checkpoints(cloud, job), lambda item: item.id, 10)
    return reply(listing([_checkpoint(item) for item in some], more))


def _checkpoints(cloud: Cloud, job: Job) -> list[Checkpoint]:
    now = cloud.clock.now()
    own = [item for item in cloud.checkpoints.all() if item.job == job.id and item.created <= now]
    return sorted(own, key=lambda item: -item.step)[:3]


def _checkpoint(item: Checkpoint) -> JSON:
    return {
        "id": item.id,
        "created_at": int(item.created),
        "fine_tuned_model_checkpoint": item.model,
        "fine_tuning_job_id": item.job,
        "metrics": item.metrics,
        "object": "fine_tuning.job.checkpoint",
        "step_number": item.step,
    }


def described(cloud: Cloud, job: Job, plane: Plane) -> JSON:
    """The job on the wire, as it is now; what is not known yet is left out."""
    now = cloud.clock.now()
    state = status(job, now)
    optional = {
        "validation_file": job.validation_file,
        "suffix": job.suffix,
        "user_provided_suffix": job.suffix if plane is Plane.V1 else None,
        "trainingType": job.training_type,
        "method": job.method,
        "metadata": job.metadata,
        "integrations": job.integrations,
        "estimated_finish": None if job.estimated_finish is None else int(job.estimated_finish),
        **_ending(job, state),
    }
    return {
        "id": job.id,
        "object": "fine_tuning.job",
        "created_at": int(job.created),
        "status": state,
        "model": job.model,
        "training_file": job.training_file,
        "hyperparameters": (state == "succeeded" and job.resolved) or job.requested,
        "seed": job.seed,
        **{key: value for key, value in optional.items() if value is not None},
    }


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


def _existing(cloud: Cloud, request: Request) -> Job:
    name = request.path_params["job"]
    job = cloud.jobs.get(name)
    if job is None:
        raise not_found("fine-tuning job", name)
    return job

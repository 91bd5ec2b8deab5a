"""Request for a fine-tuning job: parsing and validation.

Sources: the Azure OpenAI authoring API 2024-10-21 and 2025-04-01-preview; for ``trainingType`` and
``inference_configs`` Microsoft's documents and samples.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from ftops.emulator.account import catalog
from ftops.emulator.account.cloud import JSON, Cloud, Job
from ftops.emulator.account.settings import Settings
from ftops.emulator.data_plane import response_format
from ftops.emulator.data_plane.files import file_error, find, processed
from ftops.emulator.data_plane.graders import Graders, graders_of
from ftops.emulator.data_plane.job_answer import AUTO
from ftops.emulator.data_plane.job_schedule import TERMINAL, places, status
from ftops.emulator.http.errors import Plane, invalid, over_quota, wrong_state
from ftops.emulator.http.messages import plane_of

NOT_TRAINABLE = "The specified base model does not support fine-tuning."
_TRAINING_TYPES = {
    "standard": "standard",
    "1": "standard",
    "globalstandard": "globalStandard",
    "datazonestandard": "dataZoneStandard",
    "developertier": "developerTier",
}
_FIELDS = ("model", "training_file", "validation_file", "suffix", "seed", "hyperparameters")
"""That every description of a job has."""
_LATER_FIELDS = {
    "stable": (),
    "preview": ("method", "integrations"),
    "v1": ("method", "integrations", "metadata"),
}
_METHODS = ("supervised", "dpo", "reinforcement")
_INFERENCE_SKUS = {0: "DeveloperTier", 2: "GlobalStandard"}
_HYPERPARAMETERS: dict[str, tuple[type, float, float]] = {
    "n_epochs": (int, 1, 50),
    "batch_size": (int, 1, 256),
    "learning_rate_multiplier": (float, 0.0, 100.0),
}
_EXPLORATION: dict[str, tuple[type, float, float]] = {
    "compute_multiplier": (float, 0.00001, 10.0),
    "eval_interval": (int, 1, 100_000),
    "eval_samples": (int, 1, 1_000),
}
_REWARDED = ("compute_multiplier", "eval_interval", "eval_samples", "reasoning_effort")
_NAMES = {*_HYPERPARAMETERS, "beta", "l2_multiplier", *_REWARDED}
"""Of the hyperparameters that some method has."""
_UNSET = (None, "auto", AUTO)
_SUFFIX = re.compile(r"[A-Za-z0-9_-]+")
_SUFFIX_LENGTH = {Plane.DATED: 40, Plane.V1: 64}
MAX_SEED = 2**31 - 1


def parsed(cloud: Cloud, request: Request, body: Mapping[str, Any]) -> Job:
    """The job that ``body`` describes. Raises ServiceError."""
    plane, settings, now = plane_of(request), cloud.settings, cloud.clock.now()
    name, model = _model(cloud, body)
    version = _version(request)
    _refuse_undescribed(cloud.settings, version, body)
    method = _method(body, graders_of(request))
    kind = _training_type(cloud.settings, version, body, model)
    _refuse_beyond_limits(cloud, kind)
    is_local = cloud.account.location.replace(" ", "").lower() in catalog.TRAINING_REGIONS
    is_offered = (method or {}).get("type", "supervised") in model.methods and (
        kind != "standard" or is_local
    )
    if settings.strict and not is_offered:
        raise invalid(NOT_TRAINABLE)
    return Job(
        id=cloud.new_id("ftjob"),
        created=now,
        model=name,
        training_file=_file(cloud, body, "training_file") or "",
        validation_file=_file(cloud, body, "validation_file"),
        seed=_seed(body),
        requested=_hyperparameters(body, model),
        suffix=_suffix(body, plane),
        training_type=kind,
        method=method,
        auto=_left_to_service(body),
        metadata=None if settings.metadata == "dropped" else _metadata(body),
        integrations=body.get("integrations") or None,
        inference_sku=_inference_sku(body),
        fault=request.scope["emulator.fault"].job,
        estimated_finish=now + settings.queue_seconds + settings.min_training_seconds,
    )


def _refuse_beyond_limits(cloud: Cloud, kind: str) -> None:
    jobs, settings, now = cloud.jobs.all(), cloud.settings, cloud.clock.now()
    queued = sum(status(job, now) == "pending" for job in jobs)
    unfinished = sum(job.training_type == kind and status(job, now) not in TERMINAL for job in jobs)
    rows = [(queued, "queued ", settings.queued_jobs_limit), (len(jobs), "", settings.jobs_limit)]
    if settings.too_many_running == "refused":
        rows.append((unfinished, "running ", places(settings, kind)))
    for count, what, limit in rows:
        if count >= limit:
            message = f"The resource has {count} {what}fine-tuning jobs, which is the limit."
            raise over_quota(settings, message)


def _model(cloud: Cloud, body: Mapping[str, Any]) -> tuple[str, catalog.BaseModel]:
    """The name that the job shows, and its base model."""
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise invalid("The field 'model' is required.")
    tuned = cloud.models.get(name)
    if tuned is not None and tuned.created > cloud.clock.now():
        tuned = None
    short = cloud.settings.short_model_names == "accepted"
    base = catalog.trainable(tuned.base if tuned else name, short=short)
    if base is None:
        raise invalid(NOT_TRAINABLE)
    return (name if tuned else base.id), base


def _version(request: Request) -> str:
    """The kind of API version: v1, preview or stable."""
    if plane_of(request) is Plane.V1:
        return "v1"
    return "preview" if "preview" in request.query_params.get("api-version", "") else "stable"


def _refuse_undescribed(settings: Settings, version: str, body: Mapping[str, Any]) -> None:
    """Raise for a field that the description of the API version lacks."""
    switches = {
        "trainingType": _use_of_training_type(settings, version) != "refused",
        "metadata": version == "v1" or settings.metadata != "refused",
    }
    described = {*_FIELDS, *_LATER_FIELDS[version]}
    for name in body:
        if not switches.get(name, name in described or not settings.strict):
            raise invalid(f"Unknown parameter: '{name}'.")
    if settings.strict and (unknown := sorted({*_given_hyperparameters(body)} - _NAMES)):
        raise invalid(f"Unknown parameter: 'hyperparameters.{unknown[0]}'.")


def _use_of_training_type(settings: Settings, version: str) -> str:
    use: str = getattr(settings, f"training_type_{version}")
    return use


def _training_type(
    settings: Settings, version: str, body: Mapping[str, Any], model: catalog.BaseModel
) -> str:
    name, use = str(body.get("trainingType", "")).lower(), _use_of_training_type(settings, version)
    required = use == "required" and (settings.strict or not model.only_standard)
    if not name and not required:
        return "standard"
    if _TRAINING_TYPES.get(name) not in model.training_types:
        raise invalid(NOT_TRAINABLE)
    return _TRAINING_TYPES[name]


def _file(cloud: Cloud, body: Mapping[str, Any], key: str) -> str | None:
    name = body.get(key)
    if name is None and key == "validation_file":
        return None
    what, settings = key.replace("_", " "), cloud.settings
    file = find(cloud, name) if isinstance(name, str) else None
    if file is None:
        raise invalid(f"The specified {what} '{name}' does not exist.")
    if file.purpose != "fine-tune":
        raise invalid(f"The {what} '{name}' has purpose '{file.purpose}' instead of 'fine-tune'.")
    must_be_processed = settings.strict or settings.unprocessed_file == "refused"
    if must_be_processed and not processed(cloud, file):
        message = f"The {what} '{name}' is in status 'pending'. Wait until it is 'processed'."
        raise wrong_state(settings, message)
    if file_error(cloud, file) is not None:
        raise wrong_state(settings, f"The {what} '{name}' is in status 'error'.")
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


def _method(body: Mapping[str, Any], graders: Graders) -> JSON | None:
    method = body.get("method")
    if method is None:
        return None
    if not isinstance(method, dict) or method.get("type") not in _METHODS:
        raise invalid("'method.type' must be supervised, dpo or reinforcement.")
    own = method.get(method["type"]) or {}
    if not isinstance(own, dict) or not isinstance(own.get("hyperparameters") or {}, dict):
        raise invalid(f"'method.{method['type']}' and its hyperparameters must be objects.")
    if method["type"] == "reinforcement":
        if not body.get("validation_file"):
            raise invalid("The field 'validation_file' is required for reinforcement.")
        graders.check(own.get("grader"))
        _check_format(own.get("response_format"))
        for key, (kind, low, high) in _EXPLORATION.items():
            value = _given_hyperparameters(body).get(key)
            if value not in (None, "auto"):
                _number(key, value, kind, low, high)
    return method


def _check_format(value: Any) -> None:
    """Raise if it isn't a format that the description of jobs has: only JSON by a schema."""
    name = "method.reinforcement.response_format"
    if value is not None and (not isinstance(value, dict) or value.get("type") != "json_schema"):
        raise invalid(f"'{name}.type' must be json_schema.")
    response_format.parsed(value, name)


def _inference_sku(body: Mapping[str, Any]) -> str | None:
    """The SKU of the deployment that the service creates by itself, by ``inference_configs``."""
    configs = body.get("inference_configs") or {}
    if not isinstance(configs, dict):
        raise invalid("'inference_configs' must be an object.")
    if not configs.get("auto_inference_enabled"):
        return None
    sku = configs.get("inference_sku", 2)
    if type(sku) is not int or sku not in _INFERENCE_SKUS:
        raise invalid("'inference_configs.inference_sku' must be 0 (Developer) or 2 (GlobalStandard).")
    return _INFERENCE_SKUS[sku]


def _hyperparameters(body: Mapping[str, Any], model: catalog.BaseModel) -> JSON:
    given = _given_hyperparameters(body)
    values = {key: _hyperparameter(key, given.get(key)) for key in _HYPERPARAMETERS}
    if values["learning_rate_multiplier"] == AUTO:
        values["learning_rate_multiplier"] = model.learning_rate_multiplier
    return values


def _left_to_service(body: Mapping[str, Any]) -> list[str]:
    given = _given_hyperparameters(body)
    return [key for key in _HYPERPARAMETERS if given.get(key) in _UNSET]


def _given_hyperparameters(body: Mapping[str, Any]) -> JSON:
    """Those of the job and those of its method."""
    method = body.get("method") or {}
    inner = method.get(method.get("type", "supervised")) if isinstance(method, dict) else None
    own = body.get("hyperparameters") or {}
    if not isinstance(own, dict):
        raise invalid("'hyperparameters' must be an object.")
    return {**own, **((inner or {}).get("hyperparameters") or {})}


def _hyperparameter(key: str, value: Any) -> int | float:
    if value in _UNSET:
        return AUTO
    return _number(key, value, *_HYPERPARAMETERS[key])


def _number(key: str, value: Any, kind: type, low: float, high: float) -> int | float:
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
            raise invalid("'metadata' takes keys of at most 64 and values of at most 512 characters.")
    return metadata or None

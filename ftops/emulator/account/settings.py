"""What can be set from outside: one frozen value, from flags, a file or the admin endpoint.

Durations are seconds of the virtual clock. Defaults make a whole run quick.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Settings:
    """Each field is a flag of ``python -m ftops.emulator`` and a key of ``/_emulator/settings``."""

    file_processing_seconds: float = 0.2
    queue_seconds: float = 0.2
    min_training_seconds: float = 1.0
    steps_per_second: float = 0.0  # 0: as fast as it computes
    evaluation_seconds: float = 0.1  # between the event "Job succeeded." and the status
    deployment_seconds: float = 0.5
    deletion_seconds: float = 0.2
    not_found_seconds: float = 0.3  # 404 DeploymentNotFound after Succeeded
    stale_route_seconds: float = 60.0  # a name used again within this goes on serving the old model
    quota_return_seconds: float = 0.0  # a deleted deployment's capacity comes back after this
    developer_tier_seconds: float = 24 * 3600.0
    idle_deployment_seconds: float = 15 * 24 * 3600.0
    retry_after_seconds: int = 0  # 0: no Retry-After header
    base_deployment_async: bool = False
    ft_put_async_header: bool = True
    patch_async: bool = False
    delete_async: bool = True
    account_state: str = "Succeeded"  # any other one refuses every write of a deployment
    metadata_on_dated: bool = True
    training_type_required: bool = True
    results_encoding: str = "plain"
    unprocessed_file: str = "awaited"
    dated_model_delete: bool = True
    delete_job_deletes_model: bool = False
    disable_local_auth: bool = False
    strict: bool = False
    pause_seconds: float = 0.1  # pausing, until the checkpoint can be deployed
    resume_seconds: float = 0.1
    pause_reply: str = "pausing"
    wrong_state_status: int = 400
    wrong_state_code: str = "unexpectedEntityState"
    over_limit_status: int = 400
    file_too_large_status: int = 400
    second_job_delete_status: int = 404
    running_job_delete: str = "refused"
    failed_job_delete: str = "allowed"
    too_many_running: str = "queued"
    jsonl_checked: str = "job"  # where bad JSONL shows: the job fails, or the file does
    missing_data_action_status: int = 401
    v1_unauthorized_message: str = ""  # "": that of the dated plane
    auto_deployment_name: str = "{job}"  # may use {job}, {suffix} and {model}
    copy_seconds: float = 0.2  # of a checkpoint to another account
    import_timeout_seconds: float = 10.0  # real ones
    clock_skew_seconds: float = 0.0  # of the header "date", either way
    list_order: str = "newest"
    list_lag_seconds: float = 0.0  # until lists of files and jobs show what is new
    deployed_model_delete_status: int = 409
    max_file_bytes: int = 512_000_000
    running_jobs_limit: int = 3  # of the training types Standard and GlobalStandard, each
    running_developer_jobs_limit: int = 5
    queued_jobs_limit: int = 20
    jobs_limit: int = 500
    files_limit: int = 100
    deployments_limit: int = 32
    finetuned_deployments_limit: int = 10
    model_quota: int = 1000  # thousand tokens a minute, per SKU and model


CHOICES: dict[str, tuple[object, ...]] = {
    "list_order": ("newest", "oldest"),
    "deployed_model_delete_status": (400, 409),
    "account_state": ("Succeeded", "Accepted", "Creating", "Moving", "Deleting"),
    "pause_reply": ("pausing", "paused"),
    "wrong_state_status": (400, 409),
    "wrong_state_code": ("unexpectedEntityState", "conflict"),
    "over_limit_status": (400, 403, 409, 429),
    "file_too_large_status": (400, 413),
    "second_job_delete_status": (204, 404),
    "running_job_delete": ("refused", "cancels"),
    "failed_job_delete": ("allowed", "refused"),
    "too_many_running": ("queued", "refused"),
    "jsonl_checked": ("job", "file"),
    "results_encoding": ("plain", "base64"),
    "unprocessed_file": ("awaited", "refused"),
    "missing_data_action_status": (401, 403),
}
_SIGNED = ("clock_skew_seconds",)
TYPES: dict[str, type] = {field.name: type(field.default) for field in dataclasses.fields(Settings)}


def changed(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """``settings`` with ``changes``; ``ValueError`` says what is wrong with them."""
    checked = {name: _checked(name, value) for name, value in changes.items()}
    return dataclasses.replace(settings, **checked)


def tolerated(stored: Mapping[str, Any]) -> Settings:
    """Settings from a stored file: what this version does not know is left out."""
    return changed(Settings(), {name: stored[name] for name in TYPES if name in stored})


def _checked(name: str, value: Any) -> Any:
    wanted = TYPES.get(name)
    if wanted is None:
        raise ValueError(f"unknown setting {name!r}; known: {', '.join(sorted(TYPES))}")
    value = float(value) if wanted is float and type(value) is int else value
    if type(value) is not wanted:
        raise ValueError(f"{name} must be a {wanted.__name__}, not {value!r}")
    if name in CHOICES and value not in CHOICES[name]:
        raise ValueError(f"{name} must be one of {CHOICES[name]}, not {value!r}")
    if isinstance(value, (int, float)) and value < 0 and name not in _SIGNED:
        raise ValueError(f"{name} must not be negative, got {value!r}")
    return value

"""Settings of the emulator as documentation: what each one means, in tables for docs/emulator.md."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ftops.emulator.account.settings import CHOICES, Settings

TIMES: Mapping[str, str] = {
    "file_processing_seconds": "how long a file is pending",
    "queue_seconds": "minimum time in the queue (20 to 60 minutes are common)",
    "min_training_seconds": "minimum time of a training",
    "steps_per_second": "training steps per second; 0: as fast as possible",
    "evaluation_seconds": 'time between the event "Job succeeded." and the status (9 in a recorded run)',
    "pause_seconds": "how long a job is being paused",
    "resume_seconds": "how long a job is being resumed",
    "deployment_seconds": "how long a fine-tuned model's deployment is Creating (180 to 300 in the service)",
    "deletion_seconds": "how long a deployment is Deleting",
    "not_found_seconds": "how long calls return 404 DeploymentNotFound after that (up to 600 in the service)",
    "stale_route_seconds": "a deployment name that is reused within this time still serves the old model",
    "quota_return_seconds": "delay until a deleted deployment's quota is free (15 to 20 in the service)",
    "developer_tier_seconds": "lifetime of a deployment with the SKU DeveloperTier",
    "idle_deployment_seconds": "lifetime of a deployment of a fine-tuned model without calls",
    "copy_seconds": "how long the copy of a checkpoint takes",
    "import_timeout_seconds": "timeout for the source of an import, in real seconds",
    "clock_skew_seconds": "error of the Date header, positive or negative",
}
LIMITS: Mapping[str, str] = {
    "running_jobs_limit": "concurrent jobs, each for Standard and for GlobalStandard",
    "running_developer_jobs_limit": "concurrent jobs of the developer tier",
    "queued_jobs_limit": "queued jobs",
    "jobs_limit": "jobs in the account",
    "files_limit": "files in the account, without result files",
    "max_file_bytes": "size of a file, with `strict`",
    "deployments_limit": "deployments in the account",
    "finetuned_deployments_limit": "deployments of fine-tuned models",
    "model_quota": "thousands of tokens per minute, per SKU and model",
}
BEHAVIOUR: Mapping[str, str] = {
    "strict": "strict mode, see above",
    "disable_local_auth": "the data plane rejects API keys",
    "account_state": "provisioning state of the account; deployments can only be changed if it is Succeeded",
    "base_deployment_async": "a deployment of a base model takes time, too",
    "results_encoding": "result files as CSV, or in base64, as has been observed",
    "patch_async": "PATCH returns 202",
    "delete_async": "DELETE of a deployment returns 202, otherwise 200",
    "training_type_required": "a job without trainingType is rejected (since 2026), except for gpt-35-turbo",
    "missing_data_action_status": "status for a principal without the data action",
    "pause_reply": "job status in the reply to a pause: as recorded, or as in the official example",
}
UNKNOWN: Mapping[str, str] = {
    "wrong_state_status": "status of cancel, pause and resume of a job in the wrong state",
    "wrong_state_code": "error code of these",
    "over_limit_status": "status if a limit of jobs or files is exceeded",
    "file_too_large_status": "status for a file over 512 MB",
    "too_many_running": "what happens to a job beyond the limit of running jobs",
    "second_job_delete_status": "status of the second deletion of a job",
    "running_job_delete": "what the deletion of a running job does",
    "failed_job_delete": "whether a failed job can be deleted",
    "delete_job_deletes_model": "the deletion of a job deletes its models",
    "dated_model_delete": "models can be deleted with dated API versions",
    "deployed_model_delete_status": "status of the deletion of a deployed model",
    "ft_put_async_header": "PUT of a deployment of a fine-tuned model returns Azure-AsyncOperation",
    "retry_after_seconds": "Retry-After of operations and of their status; 0: none",
    "v1_unauthorized_message": "message of 401 on v1 routes; empty: as on dated routes",
    "auto_deployment_name": "name of a deployment created by inference_configs; {job}, {suffix}, {model}",
    "metadata_on_dated": "dated API versions store metadata",
    "list_order": "order of files in a list",
    "list_lag_seconds": "seconds until new files and jobs appear in lists",
    "unprocessed_file": "whether a job whose file is still pending waits for it or is rejected",
    "jsonl_checked": "what fails if the JSONL is invalid: the job or the file",
}
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Behaviour of the service that isn't known": UNKNOWN,
    "Behaviour": BEHAVIOUR,
    "Seconds": TIMES,
    "Limits": LIMITS,
}


def markdown() -> str:
    """All settings with their defaults, as tables."""
    return "\n\n".join(_section(title, rows) for title, rows in SECTIONS.items()) + "\n"


def _section(title: str, rows: Mapping[str, str]) -> str:
    defaults = dataclasses.asdict(Settings())
    lines = [f"### {title}", "", "| setting | meaning | default | other values |", "|---|---|---|---|"]
    for name, meaning in rows.items():
        others = [f"`{_shown(value)}`" for value in CHOICES.get(name, ()) if value != defaults[name]]
        if isinstance(defaults[name], bool):
            others = [f"`{_shown(not defaults[name])}`"]
        lines.append(f"| `{name}` | {meaning} | `{_shown(defaults[name])}` | {', '.join(others)} |")
    return "\n".join(lines)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value) or '""'

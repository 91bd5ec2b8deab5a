"""The settings for people: what each one means, and whether the service is known to behave so."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ftops.emulator.account.settings import CHOICES, Settings

TIMES: Mapping[str, str] = {
    "file_processing_seconds": "a file is pending",
    "queue_seconds": "a job waits at least (20 to 60 minutes are common)",
    "min_training_seconds": "a training takes at least",
    "steps_per_second": "the pace of training; 0: as fast as it computes",
    "evaluation_seconds": 'between the event "Job succeeded." and the status (recorded: 9)',
    "pause_seconds": "pausing",
    "resume_seconds": "resuming",
    "deployment_seconds": "a tuned model's deployment is Creating (180 to 300 in the service)",
    "deletion_seconds": "a deployment is Deleting",
    "not_found_seconds": "404 DeploymentNotFound after Succeeded (up to 600 in the service)",
    "stale_route_seconds": "a name that is used again within this goes on serving the old model",
    "quota_return_seconds": "a deleted deployment's quota comes back after this (15 to 20 in the service)",
    "developer_tier_seconds": "life of a deployment of the developer tier",
    "idle_deployment_seconds": "life of a tuned model's deployment without calls",
    "copy_seconds": "a checkpoint's copy is under way",
    "import_timeout_seconds": "an import waits for its source; real seconds",
    "clock_skew_seconds": "the header Date is off by this, either way",
}
LIMITS: Mapping[str, str] = {
    "running_jobs_limit": "jobs that run at a time, for Standard and for GlobalStandard each",
    "running_developer_jobs_limit": "the same for the developer tier",
    "queued_jobs_limit": "jobs that wait",
    "jobs_limit": "jobs that are kept",
    "files_limit": "files, results not counted",
    "max_file_bytes": "size of a file, with strict",
    "deployments_limit": "deployments of the account",
    "finetuned_deployments_limit": "deployments of tuned models",
    "model_quota": "thousand tokens a minute, per SKU and model",
}
BEHAVIOUR: Mapping[str, str] = {
    "strict": "refuse also what is in the way of quick trials",
    "disable_local_auth": "the data plane takes no keys",
    "account_state": "the account's provisioning state; any but Succeeded refuses writes of deployments",
    "base_deployment_async": "a base model's deployment takes time, too",
    "results_encoding": "result files as they are, or in base64, as has been seen",
    "patch_async": "PATCH answers 202",
    "delete_async": "DELETE of a deployment answers 202; else 200",
    "training_type_required": "a job without trainingType is refused, as since 2026; gpt-35-turbo not",
    "missing_data_action_status": "to a principal without the data action",
    "pause_reply": "the status in the reply to a pause: recorded, or as the official example has it",
}
UNKNOWN: Mapping[str, str] = {
    "wrong_state_status": "cancelling, pausing or resuming in a wrong state",
    "wrong_state_code": "the code of that refusal",
    "over_limit_status": "more jobs or files than the limits allow",
    "file_too_large_status": "a file over 512 MB",
    "too_many_running": "whether more jobs than may run wait or are refused",
    "second_job_delete_status": "deleting a job twice",
    "running_job_delete": "deleting a job that has not ended",
    "failed_job_delete": "deleting a job that failed",
    "delete_job_deletes_model": "whether a job's deletion deletes its models",
    "dated_model_delete": "whether the dated plane can delete models at all",
    "deployed_model_delete_status": "deleting a model that is deployed",
    "ft_put_async_header": "whether PUT of a tuned model carries Azure-AsyncOperation",
    "retry_after_seconds": "Retry-After on operations and their polls; 0: none",
    "v1_unauthorized_message": "wording of 401 on v1; empty: as on the dated plane",
    "auto_deployment_name": "name of a deployment by inference_configs, of {job}, {suffix}, {model}",
    "metadata_on_dated": "whether dated api-versions keep metadata",
    "list_order": "order of files in lists",
    "list_lag_seconds": "seconds until lists of files and jobs show what is new",
    "unprocessed_file": "a job whose file is still pending waits for it, or is refused",
    "jsonl_checked": "where bad JSONL shows: the job fails, or the file does",
}
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Unknown of the service: switches": UNKNOWN,
    "Behaviour": BEHAVIOUR,
    "Seconds": TIMES,
    "Limits": LIMITS,
}


def markdown() -> str:
    """All settings with their defaults, as tables."""
    return "\n\n".join(_section(title, rows) for title, rows in SECTIONS.items()) + "\n"


def _section(title: str, rows: Mapping[str, str]) -> str:
    defaults = dataclasses.asdict(Settings())
    lines = [f"### {title}", "", "| setting | means | default | others |", "|---|---|---|---|"]
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

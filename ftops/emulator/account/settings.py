"""Settings of the emulator: flags of the command, keys of ``/_emulator/settings``, and ``settings.json``.

Durations are seconds of the virtual clock. The defaults make a whole run quick.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import replace


class Settings(Struct, frozen=True):
    """Each field has its description; a ``Literal`` lists the values that it may have."""

    # What is not known of the service: how it behaves, or which status it answers with.
    wrong_state_status: Annotated[
        Literal[400, 409], "status of cancel, pause and resume of a job in the wrong state"
    ] = 400
    wrong_state_code: Annotated[Literal["unexpectedEntityState", "conflict"], "error code of these"] = (
        "unexpectedEntityState"
    )
    over_limit_status: Annotated[
        Literal[400, 403, 409, 429], "status if a limit of jobs or files is exceeded"
    ] = 400
    file_too_large_status: Annotated[Literal[400, 413], "status for a file over 512 MB"] = 400
    too_many_running: Annotated[
        Literal["queued", "refused"], "what happens to a job beyond the limit of running jobs"
    ] = "queued"
    second_job_delete_status: Annotated[Literal[204, 404], "status of the second deletion of a job"] = 404
    running_job_delete: Annotated[
        Literal["refused", "cancels"], "what the deletion of a running job does"
    ] = "refused"
    failed_job_delete: Annotated[Literal["allowed", "refused"], "whether a failed job can be deleted"] = (
        "allowed"
    )
    delete_job_deletes_model: Annotated[bool, "the deletion of a job deletes its models"] = False
    dated_model_delete: Annotated[bool, "models can be deleted with dated API versions"] = True
    v1_model_delete: Annotated[bool, "models can be deleted on v1"] = True
    deployed_model_delete_status: Annotated[
        Literal[400, 409], "status of the deletion of a deployed model"
    ] = 409
    ft_put_async_header: Annotated[
        bool, "PUT of a deployment of a fine-tuned model returns Azure-AsyncOperation"
    ] = True
    retry_after_seconds: Annotated[int, "Retry-After of operations and of their status; 0: none"] = 0
    v1_unauthorized_message: Annotated[str, "message of 401 on v1 routes; empty: as on dated routes"] = ""
    auto_deployment_name: Annotated[
        str, "name of a deployment created by inference_configs; {job}, {suffix}, {model}"
    ] = "{job}"
    metadata: Annotated[
        Literal["stored", "dropped", "refused"],
        "what happens to the metadata of a job; it is refused only with dated API versions",
    ] = "stored"
    training_type_v1: Annotated[
        Literal["required", "accepted", "refused"],
        "trainingType of a job on v1; it isn't required for gpt-35-turbo, except in strict mode",
    ] = "required"
    training_type_preview: Annotated[
        Literal["required", "accepted", "refused"], "the same with dated previews"
    ] = "required"
    training_type_stable: Annotated[
        Literal["required", "accepted", "refused"], "the same with stable dated versions"
    ] = "required"
    audience: Annotated[
        Literal["either", "own"],
        "tokens for cognitiveservices.azure.com and for ai.azure.com: both count everywhere, or only the "
        "former for a resource and only the latter in a project",
    ] = "either"
    short_model_names: Annotated[
        Literal["accepted", "refused"],
        "a job may name its base model without a version (gpt-4.1); the job then shows the full name",
    ] = "accepted"
    pending_file_bytes: Annotated[bool, "a file that is still pending already shows its size"] = True
    job_dialect: Annotated[
        Literal["dated", "preview"], "how v1 describes jobs, see [Dialects](#dialects)"
    ] = "dated"
    eval_create_status: Annotated[
        Literal[201, 200], "status of the creation of an eval; that of a run is always 201"
    ] = 201
    eval_pass_share: Annotated[
        float, "from which share of its range the score of a criterion without `pass_threshold` passes"
    ] = 0.5
    default_effort: Annotated[
        Literal["default", "medium"], "reasoning_effort of a job that sets none, in the dialect `preview`"
    ] = "default"
    list_order: Annotated[Literal["newest", "oldest"], "order of files in a list"] = "newest"
    list_lag_seconds: Annotated[float, "seconds until new files and jobs appear in lists"] = 0.0
    unprocessed_file: Annotated[
        Literal["awaited", "refused"], "whether a job whose file is still pending waits for it or is rejected"
    ] = "awaited"
    jsonl_checked: Annotated[
        Literal["job", "file"], "what fails if the JSONL is invalid: the job or the file"
    ] = "job"

    adapter_registration: Annotated[
        Literal["job", "nobody"],
        "who registers the adapter of an open model as a version of a project model: the job, or nobody",
    ] = "job"
    default_template: Annotated[
        Literal["adapters", "plain"],
        "whether a managed deployment without `deploymentTemplate` takes adapters",
    ] = "adapters"
    managed_async_header: Annotated[
        bool, "PUT of managed deployments and adapters returns Azure-AsyncOperation and Location"
    ] = True
    managed_model_name: Annotated[
        Literal["model", "deployment"], "`model` in the answers of managed deployments and adapters"
    ] = "model"
    managed_on_dated_routes: Annotated[bool, "dated routes know managed deployments and adapters"] = False
    managed_conflicts: Annotated[
        bool, "a write to a deployment, managed or not, is refused while another one of the account runs"
    ] = False
    managed_names: Annotated[
        Literal["own", "common"],
        "whether managed deployments may have names of other deployments and adapters, or not",
    ] = "common"
    targeted_delete: Annotated[
        Literal["refused", "allowed"], "the deletion of a managed deployment that adapters are on"
    ] = "refused"
    retarget_state: Annotated[
        Literal["Updating", "Creating"], "provisioning state of an adapter that gets another target"
    ] = "Updating"
    retarget_reply: Annotated[
        Literal["requested", "former"], "targetDeploymentName of an adapter until it is on the new target"
    ] = "requested"
    adapter_etag: Annotated[
        Literal["write", "operation"],
        "when the etag of an adapter changes: with each write, or also when its operation ends",
    ] = "write"
    managed_usages: Annotated[
        Literal["listed", "empty"], "whether the quotas of managed compute are listed"
    ] = "listed"

    strict: Annotated[bool, "strict mode: rejects more, as the service does"] = False
    disable_local_auth: Annotated[bool, "the data plane rejects API keys"] = False
    newer_api_versions: Annotated[
        Literal["refused", "accepted"],
        "what the control plane does with api-versions that are newer than those it knows",
    ] = "refused"
    account_state: Annotated[
        Literal["Succeeded", "Accepted", "Creating", "Moving", "Deleting"],
        "provisioning state of the account; deployments can only be changed if it is Succeeded",
    ] = "Succeeded"
    base_deployment_async: Annotated[bool, "a deployment of a base model takes time, too"] = False
    results_encoding: Annotated[
        Literal["plain", "base64"], "result files as CSV, or in base64, as has been observed"
    ] = "plain"
    patch_async: Annotated[bool, "PATCH returns 202"] = False
    delete_async: Annotated[
        bool, "DELETE of a deployment of a fine-tuned model returns 202, otherwise 200"
    ] = True
    base_delete_async: Annotated[bool, "the same for a deployment of a base model"] = False
    missing_data_action_status: Annotated[
        Literal[401, 403], "status for a principal without the data action"
    ] = 401
    answer_noise: Annotated[
        float,
        "share of answers that differ from the model's own (1: all), the same in every run of the server",
    ] = 0.0
    recordings: Annotated[
        str, "file with the answers of the model `replay`; see [Recorded answers](#recorded-answers)"
    ] = ""
    pause_reply: Annotated[
        Literal["pausing", "paused"],
        "job status in the reply to a pause: as recorded, or as in the official example",
    ] = "pausing"

    spending_limit: Annotated[
        float, "US dollars after which a job pauses by itself, once (5000 in the service); 0: none"
    ] = 0.0
    training_price: Annotated[float, "US dollars for an hour of training, for the spending limit"] = 100.0

    file_processing_seconds: Annotated[float, "how long a file is pending"] = 0.2
    queue_seconds: Annotated[float, "minimum time in the queue (20 to 60 minutes are common)"] = 0.2
    min_training_seconds: Annotated[float, "minimum time of a training"] = 1.0
    steps_per_second: Annotated[float, "training steps per second; 0: as fast as possible"] = 0.0
    evaluation_seconds: Annotated[
        float, 'time between the event "Job succeeded." and the status (9 in a recorded run)'
    ] = 0.1
    pause_seconds: Annotated[float, "how long a job is being paused"] = 0.1
    resume_seconds: Annotated[float, "how long a job is being resumed"] = 0.1
    deployment_seconds: Annotated[
        float, "how long a fine-tuned model's deployment is Creating (180 to 300 in the service)"
    ] = 0.5
    deletion_seconds: Annotated[float, "how long a deployment is Deleting"] = 0.2
    managed_seconds: Annotated[
        float, "how long a managed deployment is Accepted and Creating (600 to 900 in the service)"
    ] = 0.5
    adapter_registration_seconds: Annotated[float, "how long after its job an adapter is registered"] = 0.0
    adapter_seconds: Annotated[float, "how long an adapter is Accepted, and Creating or Updating"] = 0.3
    not_found_seconds: Annotated[
        float, "how long calls return 404 DeploymentNotFound after that (up to 600 in the service)"
    ] = 0.3
    stale_route_seconds: Annotated[
        float, "a deployment name that is reused within this time still serves the old model"
    ] = 60.0
    quota_return_seconds: Annotated[
        float, "delay until a deleted deployment's quota is free (15 to 20 in the service)"
    ] = 0.0
    developer_tier_seconds: Annotated[float, "lifetime of a deployment with the SKU DeveloperTier"] = (
        24 * 3600.0
    )
    idle_deployment_seconds: Annotated[
        float, "lifetime of a deployment of a fine-tuned model without calls"
    ] = 15 * 24 * 3600.0
    answer_seconds: Annotated[
        float, "how long an answer of 20 tokens takes, others in proportion (at most 30 real seconds)"
    ] = 0.0
    eval_queue_seconds: Annotated[float, "how long a run of an eval is queued"] = 0.1
    eval_run_seconds: Annotated[float, "minimum time of a run of an eval (23 in a recorded run)"] = 0.2
    copy_seconds: Annotated[float, "how long the copy of a checkpoint takes"] = 0.2
    import_timeout_seconds: Annotated[float, "timeout for the source of an import, in real seconds"] = 10.0
    clock_skew_seconds: Annotated[float, "error of the Date header, positive or negative"] = 0.0

    running_jobs_limit: Annotated[int, "concurrent jobs, each for Standard and for GlobalStandard"] = 3
    running_developer_jobs_limit: Annotated[int, "concurrent jobs of the developer tier"] = 5
    queued_jobs_limit: Annotated[int, "queued jobs"] = 20
    jobs_limit: Annotated[int, "jobs in the account"] = 500
    files_limit: Annotated[int, "files in the account, without result files"] = 100
    max_file_bytes: Annotated[int, "size of a file, in strict mode"] = 512_000_000
    deployments_limit: Annotated[int, "deployments in the account"] = 32
    finetuned_deployments_limit: Annotated[int, "deployments of fine-tuned models"] = 10
    model_quota: Annotated[int, "thousands of tokens per minute, per SKU and model"] = 1000
    accelerator_quota: Annotated[int, "GPUs of managed compute, per family"] = 16
    requests_per_unit: Annotated[
        int, "requests in 10 seconds for each unit of a deployment's capacity (1 in the service); 0: no limit"
    ] = 0
    tokens_per_unit: Annotated[
        int, "tokens per minute for each unit of a deployment's capacity (1000 in the service); 0: no limit"
    ] = 0


_HINTS = {name: get_args(hint) for name, hint in get_type_hints(Settings, include_extras=True).items()}
HELP: Mapping[str, str] = {name: help for name, (_, help) in _HINTS.items()}
TYPES: Mapping[str, type] = {name: type(getattr(Settings(), name)) for name in _HINTS}
CHOICES = {name: get_args(hint) for name, (hint, _) in _HINTS.items() if get_origin(hint) is Literal}

_WANTED = {
    bool: "true or false",
    int: "a whole number, not a negative one",
    float: "a number, not a negative one",
    str: "text",
}


def changed(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """``settings`` with ``changes``. Raises ValueError."""
    return replace(settings, **{name: _checked(name, value) for name, value in changes.items()})


def from_file(stored: Mapping[str, Any]) -> Settings:
    """Settings from a stored file. Names that this version does not know are ignored."""
    return changed(Settings(), {name: stored[name] for name in TYPES if name in stored})


def faults(given: Mapping[str, Any]) -> dict[str, tuple[str, str, str, bool]]:
    """What would be rejected of these settings: name → summary, detail, hint, and whether it is the name.
    Values aren't repeated, since they may be secret, and are left out as long as they aren't known."""
    found: dict[str, tuple[str, str, str, bool]] = {}
    for name, value in given.items():
        if name not in TYPES:
            near = get_close_matches(name, TYPES, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else "`ftops emulator --help` lists the settings."
            found[name] = (f"the emulator has no setting `{name}`", "", hint, True)
        elif value is None or isinstance(value, (bool, int, float, str, list, dict)):
            try:
                _checked(name, value)
            except ValueError:
                wanted = ", ".join(map(str, CHOICES.get(name, ()))) or _WANTED[TYPES[name]]
                found[name] = (f"the emulator rejects `{name}`", f"It takes: {wanted}.", "", False)
    return found


def _checked(name: str, value: Any) -> Any:
    expected = TYPES.get(name)
    if expected is None:
        near = get_close_matches(name, TYPES, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(TYPES))}"
        raise ValueError(f"unknown setting {name!r}; {advice}")
    value = float(value) if expected is float and type(value) is int else value
    if type(value) is not expected:
        raise ValueError(f"{name} must be a {expected.__name__}, not {value!r}")
    if name in CHOICES and value not in CHOICES[name]:
        raise ValueError(f"{name} must be one of {CHOICES[name]}, not {value!r}")
    if isinstance(value, (int, float)) and value < 0 and name != "clock_skew_seconds":
        raise ValueError(f"{name} must not be negative, got {value!r}")
    return value

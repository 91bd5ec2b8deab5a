"""The official examples: each one's request, and how the reply may differ from the printed one."""

from __future__ import annotations

from dataclasses import dataclass

from tests.conformance import senders as send
from tests.conformance.facts import CONTROL, PREVIEW, STABLE
from tests.conformance.rows import Row, example

_JOBS = "fine_tuning/jobs"
_FILE_LATER = "an upload has no file before it is complete"
_NO_STATUS = "status and nextResetTime are of other services"
_JOB = frozenset({".seed", ".estimated_finish", ".trainingType", ".user_provided_suffix"})
_HYPER = frozenset({".hyperparameters.batch_size", ".hyperparameters.learning_rate_multiplier"})
_DEPLOYMENT = frozenset(
    {
        ".etag", ".systemData", ".properties.currentCapacity", ".properties.capabilities",
        ".properties.rateLimits", ".properties.versionUpgradeOption",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Example:
    """One example, how to send it, and the known differences of the reply."""

    operation: str
    send: send.Send
    lacking: frozenset[str] = frozenset()
    beyond: frozenset[str] = frozenset()
    note: str = ""


_ROWS = frozenset(f".value[]{key}" for key in _DEPLOYMENT)
_MODEL_KEYS = {".isDefaultVersion", ".skus", ".finetuneCapabilities", ".lifecycleStatus", ".systemData"}
_CAPABILITIES = {".inference", ".chatCompletion", ".maxContextToken", ".FineTuneTokensMaxValue"}
_CAPABILITIES |= {".FineTuneTokensMaxValuePerExample"}
_ACCOUNT_MODELS = frozenset(
    {f".value[]{key}" for key in _MODEL_KEYS} | {f".value[].capabilities{key}" for key in _CAPABILITIES}
)

_LOCATION_MODELS = frozenset(
    {
        ".value[].model.isDefaultVersion", ".value[].model.capabilities.chatCompletion",
        ".value[].model.capabilities.maxContextToken", ".value[].model.finetuneCapabilities.chatCompletion",
        ".value[].model.capabilities.FineTuneTokensMaxValuePerExample",
        ".value[].model.skus[].deprecationDate", ".value[].model.skus[].rateLimits",
    }
)  # fmt: skip
_GONE = frozenset(
    f".value[].model.{side}.{key}"
    for side in ("capabilities", "finetuneCapabilities")
    for key in ("fineTune", "inference", "scaleType", "completion", "search", "FineTuneTokensMaxValue")
)

EXAMPLES: dict[str, Example] = {
    f"{STABLE}/examples/cancel_finetuning_job.json": Example(
        f"POST {_JOBS}/{{job}}/cancel", send.cancel, beyond=_JOB | _HYPER
    ),
    f"{STABLE}/examples/delete_file.json": Example("DELETE files/{file}", send.delete_file),
    f"{STABLE}/examples/get_files.json": Example("GET files", send.files),
    f"{STABLE}/examples/get_finetuning_job.json": Example(
        f"GET {_JOBS}/{{job}}", send.of_job(""), beyond=_JOB | _HYPER | {".validation_file"}
    ),
    f"{STABLE}/examples/get_finetuning_job_checkpoints.json": Example(
        f"GET {_JOBS}/{{job}}/checkpoints", send.of_job("/checkpoints")
    ),
    f"{STABLE}/examples/get_finetuning_job_events.json": Example(
        f"GET {_JOBS}/{{job}}/events", send.of_job("/events?limit=100"), beyond=frozenset({".data[].data"})
    ),
    f"{STABLE}/examples/get_finetuning_jobs.json": Example(
        f"GET {_JOBS}", send.jobs, beyond=frozenset(f".data[]{key}" for key in _JOB | _HYPER)
    ),
    f"{STABLE}/examples/get_model_base.json": Example("GET models/{model}", send.base_model),
    f"{STABLE}/examples/get_model_finetune.json": Example("GET models/{model}", send.tuned_model),
    f"{STABLE}/examples/import_file.json": Example("POST files/import", send.fetch),
    f"{STABLE}/examples/upload_file.json": Example(
        "POST files",
        send.upload,
        beyond=frozenset({".bytes"}),
        note="a pending file shows its size, unless pending_file_bytes is off",
    ),
    f"{STABLE}/examples/upload_file_complete.json": Example("POST uploads/{upload}/complete", send.complete),
    f"{STABLE}/examples/upload_file_part.json": Example("POST uploads/{upload}/parts", send.part),
    f"{STABLE}/examples/upload_file_start.json": Example(
        "POST uploads", send.start, frozenset({".file"}), note=_FILE_LATER
    ),
    f"{PREVIEW}/examples/delete_finetuning_job.json": Example(f"DELETE {_JOBS}/{{job}}", send.delete_job),
    f"{PREVIEW}/examples/get_file_content.json": Example("GET files/{file}/content", send.content),
    f"{PREVIEW}/examples/get_files.json": Example("GET files", send.files),
    f"{PREVIEW}/examples/pause_finetuning_job.json": Example(
        f"POST {_JOBS}/{{job}}/pause",
        send.pause,
        frozenset({".finished_at"}),
        _JOB | _HYPER,
        "a paused job has not finished",
    ),
    f"{PREVIEW}/examples/post_finetuning_job.json": Example(
        f"POST {_JOBS}", send.create, beyond=_JOB | _HYPER
    ),
    f"{PREVIEW}/examples/resume_finetuning_job.json": Example(
        f"POST {_JOBS}/{{job}}/resume",
        send.resume,
        frozenset({".finished_at"}),
        _JOB | _HYPER,
        "a resumed job has not finished",
    ),
    f"{CONTROL}/DeleteDeployment.json": Example("DELETE deployment", send.with_deployment("DELETE")),
    f"{CONTROL}/GetAccount.json": Example(
        "GET account",
        send.account("GET", ""),
        frozenset({".tags"}),
        frozenset(
            {
                ".systemData",
                *(
                    f".properties.{key}"
                    for key in (
                        "endpoints",
                        "disableLocalAuth",
                        "customSubDomainName",
                        "dateCreated",
                        "publicNetworkAccess",
                        "capabilities",
                        "callRateLimit",
                    )
                ),
            }
        ),
        "the account has no tags",
    ),
    f"{CONTROL}/GetDeployment.json": Example(
        "GET deployment", send.with_deployment("GET"), beyond=_DEPLOYMENT
    ),
    f"{CONTROL}/GetUsages.json": Example(
        "GET account usages",
        send.account("GET", "/usages"),
        frozenset(f".value[].{key}" for key in ("status", "nextResetTime", "quotaPeriod")),
        note=_NO_STATUS,
    ),
    f"{CONTROL}/ListAccountModels.json": Example("GET account models", send.models, beyond=_ACCOUNT_MODELS),
    f"{CONTROL}/ListDeploymentSkus.json": Example(
        "GET deployment skus",
        send.with_deployment("GET", "/skus"),
        frozenset({".value[].capacity.allowedValues"}),
        note="any capacity is allowed here",
    ),
    f"{CONTROL}/ListDeployments.json": Example("GET deployments", send.with_deployment("GET"), beyond=_ROWS),
    f"{CONTROL}/ListKeys.json": Example("POST listKeys", send.account("POST", "/listKeys")),
    f"{CONTROL}/ListLocationBasedModelCapacities.json": Example(
        "GET location modelCapacities", send.subscription("locations/{location}/modelCapacities")
    ),
    f"{CONTROL}/ListLocationModels.json": Example(
        "GET location models",
        send.subscription("locations/{location}/models"),
        _GONE,
        _LOCATION_MODELS,
        "capabilities of models before chat",
    ),
    f"{CONTROL}/ListModelCapacities.json": Example(
        "GET modelCapacities", send.subscription("modelCapacities")
    ),
    f"{CONTROL}/ListUsages.json": Example(
        "GET location usages", send.subscription("locations/{location}/usages")
    ),
    f"{CONTROL}/PutDeployment.json": Example("PUT deployment", send.put, beyond=_DEPLOYMENT),
    f"{CONTROL}/UpdateDeployment.json": Example(
        "PATCH deployment", send.with_deployment("PATCH", key="deployment"), beyond=_DEPLOYMENT
    ),
}
for _path, _row in EXAMPLES.items():
    _name = _path.rpartition("/")[2].removesuffix(".json")
    _id = f"{_name} ({_path.split('/')[2 if 'azure' in _path else 1].removeprefix('examples-')})"
    _source = "ARM example 2024-10-01" if _path.startswith("arm") else f"example {_path.split('/')[2]}"
    example.rows[_id] = Row("example", _id, _row.operation, _source, _row.note)

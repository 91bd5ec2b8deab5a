"""Job wire format: the request body of a job, and what a reply means. No calls."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ftops.config.schema.resources import Job
from ftops.core.address import Json
from ftops.core.measures import deciding, step_number
from ftops.core.nested import list_at, object_at
from ftops.core.normal_form import squeezed
from ftops.core.timestamps import iso_timestamp
from ftops.providers.account_facts import RUNNING_LIMITS
from ftops.providers.base import Request
from ftops.providers.dataplane.errors import Refusal
from ftops.state.state import OWNER_DIGITS, PendingOperation, RemoteObject, Status

TOKEN_KEY = "ftops"  # noqa: S105 (the name of a metadata entry)
FINGERPRINT_KEY = "ftops_fingerprint"
"""Identifies what a job is made from, so that the same job isn't paid for twice."""
CLOCK_SKEW = 15 * 60.0
"""Seconds by which the service's clock may differ from the local one."""
_OWN_BITS = 15
"""Bits of a seed that distinguish jobs with one fingerprint."""
_INTENT_BITS = 5
_NO_MOMENT = 253402300800
"""Unix time of the year 10000, which `datetime` can't represent."""

_STATUS: Mapping[str, Status] = {
    "succeeded": Status.READY,
    "failed": Status.TAINTED,
    "cancelled": Status.TAINTED,
    "canceled": Status.TAINTED,
    "expired": Status.TAINTED,
}
"""Any other status (pending, queued, running, pausing, or a new one) means pending."""
QUEUED = frozenset({"created", "pending", "queued", "notrunning", "validating_files"})
_RUNNING = frozenset({"running", "resuming", "pausing"})
_TRAINING_TYPES: Mapping[str, tuple[str, str]] = {
    "standard": ("Standard", "standard"),
    "globalstandard": ("GlobalStandard", "global_standard"),
    **dict.fromkeys(("datazone", "datazonestandard"), ("DataZoneStandard", "data_zone")),
    **dict.fromkeys(("developer", "developertier"), ("developerTier", "developer")),
}
"""By its letters: the names of a training type at the service and in specs."""
AS_HYPERPARAMETERS = frozenset({"beta", "l2_multiplier"})
"""Inputs of a job that the service takes as hyperparameters of the method."""
_NO_VALUE = (None, -1, "auto")
_TOO_MANY_REQUESTS = 429
_LIMIT_CODES = frozenset({"", "429", "quotaexceeded", "toomanyrequests", "rate_limit_exceeded"})
_OF_UNFINISHED_JOBS = re.compile(
    r"\b(queued|running|pending|active|concurrent|simultaneous|in progress)\b|too many (fine-tun\w+ )?jobs",
    re.IGNORECASE,
)


def status_of(job: Mapping[str, Any]) -> Status:
    return _STATUS.get(str(job.get("status") or "").lower(), Status.PENDING)


def seed_for(inputs: Mapping[str, Json], token: str, fingerprint: str = "") -> int:
    """The seed to send. One is always sent: if the service stores no metadata, its 31 bits identify what the
    job is made from (16), which state started it (10), and the intent (5)."""
    given = inputs.get("seed")
    if isinstance(given, int | float | str) and not isinstance(given, bool) and str(given).strip():
        return int(given)
    if not fingerprint:
        return _bits(token, 31)
    intent = _seed_owner(token[:OWNER_DIGITS]) << _INTENT_BITS | _bits(token, _INTENT_BITS)
    return int(fingerprint[:4], 16) << _OWN_BITS | intent


def is_marked(seed: Json, fingerprint: str) -> bool:
    """Whether ftops chose this seed for a job with this fingerprint."""
    return isinstance(seed, int) and seed >> _OWN_BITS == int(fingerprint[:4], 16)


def is_marked_by(seed: Json, mark: str) -> bool:
    """Whether a seed that ftops chose is from the state with this mark."""
    return isinstance(seed, int) and (seed % 2**_OWN_BITS) >> _INTENT_BITS == _seed_owner(mark)


def _seed_owner(mark: str) -> int:
    return _bits(mark, _OWN_BITS - _INTENT_BITS)


def _bits(text: str, count: int) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % (1 << count)


def job_body(
    request: Request, *, with_method: bool, with_training_type: bool, training_types: Mapping[str, str] = {}
) -> dict[str, Any]:
    """The arguments of `fine_tuning.jobs.create`. The stable dated version has no `method`: a supervised job
    is sent without it. `training_types`: other names that the service has for them."""
    inputs = request.inputs
    method = str(inputs.get("method") or "supervised").lower()
    body: dict[str, Any] = {
        "model": inputs["model"],
        "training_file": inputs["training"],
        "seed": seed_for(inputs, request.token, request.fingerprint),
        "metadata": {**_metadata(inputs), TOKEN_KEY: request.token},
    }
    if request.fingerprint:
        body["metadata"][FINGERPRINT_KEY] = request.fingerprint
    if with_training_type:
        body["extra_body"] = {"trainingType": training_type(inputs.get("training_type"), training_types)}
    for ours, theirs in (
        ("validation", "validation_file"),
        ("suffix", "suffix"),
        ("integrations", "integrations"),
    ):
        if inputs.get(ours):
            body[theirs] = inputs[ours]
    hyperparameters = _chosen(object_at(inputs, "hyperparameters"))
    if method == "supervised" and not with_method:
        return body | ({"hyperparameters": hyperparameters} if hyperparameters else {})
    return body | {"method": _method(method, inputs, hyperparameters)}


def _metadata(inputs: Mapping[str, Json]) -> dict[str, str]:
    return {str(name): str(value) for name, value in object_at(inputs, "metadata").items()}


def training_type(value: Json, names: Mapping[str, str] = {}) -> str:
    """The service's name of a training type; `names` has precedence."""
    text = str(value or "standard")
    if text in names:
        return names[text]
    return _TRAINING_TYPES.get(squeezed(text), (text, ""))[0]


def own_training_type(job: Mapping[str, Any], names: Mapping[str, str] = {}) -> str:
    """The name of a job's training type in specs; empty if none is reported."""
    reported = str(job.get("trainingType") or job.get("training_type") or "")
    own = {squeezed(theirs): ours for ours, theirs in names.items()}
    known = own.get(squeezed(reported))
    return known or _TRAINING_TYPES.get(squeezed(reported), ("", reported))[1]


def job_counts(jobs: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many of these jobs wait in the queue, and how many of each training type run, by the names of the
    limits for them."""
    counts = dict.fromkeys(("queued_jobs", *RUNNING_LIMITS.values()), 0)
    for job in jobs:
        status = str(job.get("status") or "").lower()
        limit = RUNNING_LIMITS.get(own_training_type(job) or "standard") if status in _RUNNING else None
        if name := "queued_jobs" if status in QUEUED else limit:
            counts[name] += 1
    return counts


def is_no_room(refusal: Refusal) -> bool:
    """Whether a new job was refused because of those that aren't finished. No document says how: by a code of
    limits or by the status, and a message about jobs that run or wait. Limits for days are others."""
    is_limit = refusal.status == _TOO_MANY_REQUESTS or refusal.code.lower() == "quotaexceeded"
    is_ours = refusal.code.lower() in _LIMIT_CODES
    return is_limit and is_ours and bool(_OF_UNFINISHED_JOBS.search(refusal.message))


def observed_inputs(job: Mapping[str, Any], inputs: Mapping[str, Json]) -> dict[str, Json]:
    """The inputs that the service reports, as the spec spells them. A value that only differs in case, or
    isn't known yet (auto), counts as requested."""
    reported: dict[str, Json] = {
        "model": job.get("model"),
        "training": job.get("training_file"),
        "validation": job.get("validation_file"),
        "suffix": job.get("suffix") or job.get("user_provided_suffix"),
        "seed": job.get("seed"),
    }
    observed: dict[str, Json] = {}
    for name, value in reported.items():
        asked = inputs.get(name)
        if name in inputs and value not in _NO_VALUE:
            alike = same_model if name == "model" else _same
            observed[name] = asked if alike(asked, value) else value
    chosen = inputs.get("hyperparameters")
    if isinstance(chosen, Mapping):
        observed["hyperparameters"] = _observed_hyperparameters(job, chosen)
    return observed


def attributes_of(job: Mapping[str, Any]) -> dict[str, Json]:
    """The computed attributes, without checkpoints."""
    attributes: dict[str, Json] = {"id": str(job["id"]), "status": str(job.get("status") or "unknown")}
    for name in ("fine_tuned_model", "trained_tokens", "seed"):
        if job.get(name) is not None:
            attributes[name] = job[name]
    for name in ("created_at", "finished_at"):  # `estimated_finish` may be months too late
        if moment := moment_of(job.get(name)):
            attributes[name] = moment
    if job.get("result_files"):
        attributes["result_files"] = [str(file) for file in list_at(job, "result_files")]
    if hyperparameters := hyperparameters_of(job):
        attributes["hyperparameters"] = hyperparameters
    return attributes


def hyperparameters_of(job: Mapping[str, Any]) -> dict[str, Json]:
    """The hyperparameters that the service reports, in any of the places where it does."""
    kind = str(object_at(job, "method").get("type"))
    nested, top = object_at(job, "method", kind, "hyperparameters"), object_at(job, "hyperparameters")
    merged = {str(k): v for k, v in nested.items() if v is not None}
    return merged | {k: v for k, v in top.items() if v is not None and merged.get(k) in _NO_VALUE}


def message_of(job: Mapping[str, Any]) -> str:
    """The message about a job that isn't ready."""
    status = status_of(job)
    word = str(job.get("status") or "no status")
    if status is Status.READY:
        return ""
    error = job.get("error")
    reason = error.get("message") or error.get("code") if isinstance(error, Mapping) else error
    if status is not Status.TAINTED:
        return f"the job is {word}"
    ended, why = f"the job {'was ' * (word == 'cancelled')}{word}", str(reason or "")
    if why.lower().startswith(ended):
        return ended + why[len(ended) :]
    return f"{ended}: {why}" if why else ended


def checkpoint_names(checkpoints: Iterable[Mapping[str, Any]], final: str) -> dict[str, Json]:
    """Model names by step, and `best`: the one with the highest reward or the lowest validation loss, else
    the last one."""
    named = sorted(
        (c for c in checkpoints if c.get("fine_tuned_model_checkpoint")),
        key=lambda c: _number(c.get("step_number"), 0),
    )
    names: dict[str, Json] = {
        str(int(_number(c.get("step_number"), 0))): str(c["fine_tuned_model_checkpoint"]) for c in named
    }
    best = final or (str(named[-1]["fine_tuned_model_checkpoint"]) if named else "")
    metrics = [flat_metrics(object_at(checkpoint, "metrics")) for checkpoint in named]
    if measure := deciding(metrics):
        values = [measure.value(row) for row in metrics]
        highest = measure.best(value for value in values if value is not None)
        best = str(named[values.index(highest)]["fine_tuned_model_checkpoint"])
    return ({"best": best} if best else {}) | names


def final_metrics(checkpoints: Iterable[Mapping[str, Any]]) -> dict[str, Json]:
    """The metrics of the final model, which are those of the last checkpoint."""
    last = max(checkpoints, key=lambda c: _number(c.get("step_number"), 0), default={})
    return dict(sorted(metrics_of(object_at(last, "metrics")).items()))


def metrics_of_checkpoint(checkpoints: Iterable[Mapping[str, Any]], model: object) -> dict[str, Json]:
    """The metrics of the checkpoint with this model; none if there is none."""
    found = (one for one in checkpoints if model and one.get("fine_tuned_model_checkpoint") == model)
    return dict(sorted(metrics_of(object_at(next(found, {}), "metrics")).items()))


def metrics_of(reported: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that have a value. The service reports a negative loss if it has none."""
    return {
        str(name): value
        for name, value in flat_metrics(reported).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not (value < 0 and str(name).endswith("loss"))
        if name != "step" or step_number(value) is not None
    }


def flat_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics, with those of `scores` and `usage.samples` beside them."""
    return {**object_at(metrics, "usage", "samples"), **object_at(metrics, "scores"), **metrics}


def moment_of(seconds: object) -> str:
    """A time of the service in ISO 8601; empty for what is none."""
    if not isinstance(seconds, int | float) or not 0 < seconds < _NO_MOMENT:
        return ""
    return iso_timestamp(datetime.fromtimestamp(int(seconds), UTC))


def carries(job: Mapping[str, Any], token: str) -> bool | None:
    """Whether the job has this token; None if it has no token of ftops."""
    mark = object_at(job, "metadata").get(TOKEN_KEY)
    return None if not mark else mark == token


def resembles(job: Mapping[str, Any], inputs: Mapping[str, Json], operation: PendingOperation) -> bool:
    """Whether a job without a token must be the one that the operation requested: everything that it reports,
    including the seed, is as requested, and it was created since then."""
    if status_of(job) is Status.TAINTED or job.get("seed") is None:
        return False
    if created_at(job) < started_at(operation) - CLOCK_SKEW:
        return False
    pairs = (
        (job.get("seed"), seed_for(inputs, operation.token, operation.fingerprint)),
        (job.get("training_file"), inputs.get("training")),
        (job.get("validation_file"), inputs.get("validation")),
    )
    suffix = job.get("suffix") or job.get("user_provided_suffix")
    asked_for = dict(object_at(inputs, "hyperparameters"))
    return (
        all(_same(asked or "", got or "") for got, asked in pairs)
        and same_model(inputs.get("model"), job.get("model"))
        and _observed_hyperparameters(job, asked_for) == asked_for
        and (suffix is None or _same(inputs.get("suffix") or "", suffix))
    )


def created_at(job: Mapping[str, Any]) -> float:
    return _number(job.get("created_at"), math.inf)


def started_at(operation: PendingOperation) -> float:
    """When the operation began, in seconds since the epoch; 0 if that isn't recorded."""
    try:
        return datetime.fromisoformat(operation.started_at).timestamp()
    except ValueError:
        return 0.0


def is_paused(job: Mapping[str, Any]) -> bool:
    return str(job.get("status") or "").lower() == "paused"


def is_preempted(job: Mapping[str, Any], inputs: Mapping[str, Json]) -> bool:
    """Whether the service pauses such a job when it needs the capacity, and resumes it by itself."""
    reported = (
        own_training_type(job)
        or _TRAINING_TYPES.get(squeezed(str(inputs.get("training_type") or "")), ("", ""))[1]
    )
    return reported == "developer"


def paused_text(events: Iterable[Mapping[str, Any]], checkpoints: Mapping[str, Json], *, resume: str) -> str:
    """Of a paused job: since when, by the newest event that says so, and what can be done. `resume`: the
    command that resumes it; empty if the service does."""
    said = next((e for e in events if "paus" in str(e.get("message") or "").lower()), {})
    text = "paused"
    if at := moment_of(said.get("created_at")):
        text += f" since {at}"
    text += f" ({str(said['message']).rstrip('.')})" if said else ""
    if not resume:
        return f"{text}; the service resumes it"
    text += f"; resume it with {resume}"
    steps = [step for step in checkpoints if step != "best"]
    if not steps:
        return text
    return f"{text}, or deploy its checkpoint of step {steps[-1]}: `model: {checkpoints[steps[-1]]}`"


def remote_of(job: Mapping[str, Any], inputs: Mapping[str, Json], pause: float) -> RemoteObject:
    """The job, without checkpoints."""
    status = status_of(job)
    return RemoteObject(
        remote_id=str(job["id"]),
        status=status,
        attributes=attributes_of(job),
        inputs=observed_inputs(job, inputs),
        message=message_of(job),
        requeue_after=pause if status is Status.PENDING else None,
    )


def _method(method: str, inputs: Mapping[str, Json], hyperparameters: dict[str, Json]) -> dict[str, Any]:
    own = {name: inputs[name] for name in inputs_of_method(method) if inputs.get(name) is not None}
    chosen = _chosen({name: value for name, value in own.items() if name in AS_HYPERPARAMETERS})
    hyperparameters = hyperparameters | chosen
    settings: dict[str, Any] = {n: value for n, value in own.items() if n not in AS_HYPERPARAMETERS}
    if hyperparameters:
        settings["hyperparameters"] = hyperparameters
    return {"type": method, method: settings}


def inputs_of_method(method: str) -> tuple[str, ...]:
    """The inputs of a job that only this method supports."""
    return tuple(name for name, field in Job.fields.items() if field.method == method)


def _chosen(hyperparameters: Mapping[str, Json]) -> dict[str, Json]:
    """Without what the service chooses: `auto` is sent by sending nothing."""
    return {str(name): value for name, value in hyperparameters.items() if value not in _NO_VALUE}


def _observed_hyperparameters(job: Mapping[str, Any], chosen: Mapping[str, Json]) -> dict[str, Json]:
    reported = hyperparameters_of(job)
    return {
        name: asked
        if asked in _NO_VALUE or reported.get(name) in _NO_VALUE or _same(asked, reported[name])
        else reported[name]
        for name, asked in chosen.items()
    }


def _same(asked: object, got: object) -> bool:
    """Whether two values are equal to the service, which changes case and writes 2 as 2.0."""
    if isinstance(asked, str) and isinstance(got, str):
        return asked.casefold() == got.casefold()
    try:
        return math.isclose(float(str(asked)), float(str(got)), rel_tol=1e-9)
    except ValueError:
        return asked == got


def same_model(asked: object, got: object) -> bool:
    """Whether two model names mean the same: the service adds the version if it is missing."""
    return _same(asked, got) or str(got).casefold().startswith(f"{asked}-".casefold())


def _number(value: Any, default: float) -> float:
    return float(value) if isinstance(value, int | float) else default

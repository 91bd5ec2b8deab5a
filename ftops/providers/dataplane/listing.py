"""What an account holds, as lists show it: bodies of the service → inputs as a spec spells them. No calls.

Tolerant: anybody may have made these objects, with any tool, and services leave fields out, write null, or
change the case of a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ftops.core.address import Json
from ftops.providers.base import Existing
from ftops.providers.dataplane.job_wire import FINGERPRINT_KEY, TOKEN_KEY, created_at, hyperparameters_of
from ftops.state.state import RemoteObject

_MARKS = re.compile(r"\.(?:(?P<digest>[0-9a-f]{16})\.)?(?P<token>[0-9a-f]{16})(?=\.[^.]*\Z)")
"""What ftops puts into the name of a file: see `datasets.remote_name`."""
_TRAINING_TYPES: Mapping[str, str] = {
    "standard": "standard",
    "globalstandard": "global_standard",
    "developer": "developer",
    "developertier": "developer",
}
_HYPERPARAMETERS = (
    "n_epochs",
    "batch_size",
    "learning_rate_multiplier",
    "compute_multiplier",
    "eval_interval",
    "eval_samples",
    "reasoning_effort",
)
_BESIDE: Mapping[str, tuple[str, ...]] = {"reinforcement": ("grader", "response_format")}
"""By method: settings that are inputs of the job themselves."""


def existing_file(body: Mapping[str, Any], remote: RemoteObject) -> Existing:
    """`remote` is the file as a read shows it."""
    filename = str(body.get("filename") or "")
    marks = _MARKS.search(filename)
    purpose = str(body.get("purpose") or "").lower() or "fine-tune"
    return Existing(
        kind="dataset",
        remote=_with_inputs(remote, {"purpose": purpose}),
        name=_MARKS.sub("", filename).rsplit("/", 1)[-1],
        created_at=created_at(body),
        digest=(marks["digest"] or "") if marks else "",
        token=marks["token"] if marks else "",
    )


def existing_job(body: Mapping[str, Any], remote: RemoteObject) -> Existing:
    """`remote` is the job as a read shows it, checkpoints aside."""
    metadata = body.get("metadata")
    marks = metadata if isinstance(metadata, Mapping) else {}
    inputs = job_inputs(body)
    return Existing(
        kind="job",
        remote=_with_inputs(remote, inputs),
        name=str(inputs.get("suffix") or ""),
        created_at=created_at(body),
        fingerprint=str(marks.get(FINGERPRINT_KEY) or ""),
        token=str(marks.get(TOKEN_KEY) or ""),
    )


def job_inputs(body: Mapping[str, Any]) -> dict[str, Json]:
    """What a job was asked for, as far as it reports it. `training` and `validation` are ids of files."""
    method = body.get("method")
    kind = str(method.get("type") or "") if isinstance(method, Mapping) else ""
    settings = method.get(kind) if isinstance(method, Mapping) else None
    settings = settings if isinstance(settings, Mapping) else {}
    reported = {name: value for name, value in hyperparameters_of(body).items() if value not in (-1, "auto")}
    inputs: dict[str, Json] = {
        "model": str(body.get("model") or ""),
        "method": kind.lower() or "supervised",
        "training": str(body.get("training_file") or ""),
        "validation": body.get("validation_file"),
        "hyperparameters": {n: reported[n] for n in _HYPERPARAMETERS if n in reported},
        "training_type": _training_type(body),
        "seed": body.get("seed"),
        "suffix": body.get("suffix") or body.get("user_provided_suffix"),
        "integrations": body.get("integrations"),
        "beta": reported.get("beta") if kind.lower() == "dpo" else None,
        **{name: settings.get(name) for name in _BESIDE.get(kind.lower(), ())},
    }
    return {name: value for name, value in inputs.items() if value not in (None, "", {}, [])}


def _training_type(body: Mapping[str, Any]) -> str | None:
    said = body.get("trainingType") or body.get("training_type")
    return _TRAINING_TYPES.get(re.sub(r"[\s_-]", "", str(said or "")).lower())


def _with_inputs(remote: RemoteObject, inputs: Mapping[str, Json]) -> RemoteObject:
    return RemoteObject(
        remote_id=remote.remote_id,
        status=remote.status,
        attributes=remote.attributes,
        inputs=inputs,
        message=remote.message,
        requeue_after=remote.requeue_after,
    )

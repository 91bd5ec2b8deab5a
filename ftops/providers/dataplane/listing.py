"""Listing: objects as the service lists them, with inputs as a spec spells them. No calls.

Tolerant: any tool may have created these objects, and services leave fields out, write null, or change the
case of words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ftops.config.schema.hyperparameters import Hyperparameters
from ftops.core.address import Json
from ftops.core.nested import object_at
from ftops.providers.base import Existing
from ftops.providers.dataplane.job_wire import (
    AS_HYPERPARAMETERS,
    FINGERPRINT_KEY,
    TOKEN_KEY,
    created_at,
    hyperparameters_of,
    inputs_of_method,
    own_training_type,
)
from ftops.state.state import RemoteObject

_MARKS = re.compile(r"\.(?:(?P<digest>[0-9a-f]{16})\.)?(?P<token>[0-9a-f]{16})(?=\.[^.]*\Z)")
"""What ftops adds to the name of a file; see `datasets.remote_name`."""


def existing_file(body: Mapping[str, Any], remote: RemoteObject) -> Existing:
    """`remote`: the file as `read` returns it."""
    filename = str(body.get("filename") or "")
    marks = _MARKS.search(filename)
    purpose = str(body.get("purpose") or "").lower() or "fine-tune"
    return Existing(
        kind="dataset",
        remote=replace(remote, inputs={"purpose": purpose}),
        name=_MARKS.sub("", filename).rsplit("/", 1)[-1],
        created_at=created_at(body),
        digest=(marks["digest"] or "") if marks else "",
        token=marks["token"] if marks else "",
    )


def existing_job(
    body: Mapping[str, Any], remote: RemoteObject, training_types: Mapping[str, str] = {}
) -> Existing:
    """`remote`: the job as `read` returns it, without checkpoints."""
    marks = object_at(body, "metadata")
    inputs = job_inputs(body, training_types)
    return Existing(
        kind="job",
        remote=replace(remote, inputs=inputs),
        name=str(inputs.get("suffix") or ""),
        created_at=created_at(body),
        fingerprint=str(marks.get(FINGERPRINT_KEY) or ""),
        token=str(marks.get(TOKEN_KEY) or ""),
    )


def job_inputs(body: Mapping[str, Any], training_types: Mapping[str, str] = {}) -> dict[str, Json]:
    """The inputs of a job, as far as it reports them. `training` and `validation` are IDs of files."""
    kind = str(object_at(body, "method").get("type") or "")
    settings = object_at(body, "method", kind)
    reported = {name: value for name, value in hyperparameters_of(body).items() if value not in (-1, "auto")}
    inputs: dict[str, Json] = {
        "model": str(body.get("model") or ""),
        "method": kind.lower() or "supervised",
        "training": str(body.get("training_file") or ""),
        "validation": body.get("validation_file"),
        "hyperparameters": {n: reported[n] for n in Hyperparameters.fields if n in reported},
        "training_type": own_training_type(body, training_types),
        "seed": body.get("seed"),
        "suffix": body.get("suffix") or body.get("user_provided_suffix"),
        "integrations": body.get("integrations"),
        **{
            name: (reported if name in AS_HYPERPARAMETERS else settings).get(name)
            for name in inputs_of_method(kind.lower())
        },
    }
    return {name: value for name, value in inputs.items() if value not in (None, "", {}, [])}

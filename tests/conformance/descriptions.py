"""Replies against the official descriptions: types, required keys, enums; nothing undeclared by accident."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.conformance import replies, schemas
from tests.conformance.facts import PREVIEW as PREVIEW_FACTS
from tests.conformance.facts import STABLE as STABLE_FACTS
from tests.conformance.facts import load
from tests.conformance.rows import Row, described
from tests.conformance.world import PREVIEW, STABLE, World

_FILES = {f"Files_{name}" for name in ("Upload", "List", "Get", "GetContent", "Import", "Delete")}
_JOBS = {
    f"FineTuning_{name}"
    for name in ("Create", "List", "Get", "Cancel", "Delete", "GetEvents", "GetCheckpoints")
}
_UPLOADS = {f"UploadFile_{name}" for name in ("Start", "Part", "Complete", "Cancel")}
DATED = sorted(_FILES | _JOBS | _UPLOADS | {"Models_List", "Models_Get"})
PREVIEWED = sorted([*DATED, "FineTuning_Pause", "FineTuning_Resume"])

# What the service is known to say beyond its description: FACTS and public SDK samples.
_BEYOND = {"trainingType", "method", "metadata", "integrations"}


@dataclass(frozen=True, slots=True)
class Against:
    """A schema of the OpenAI or ARM description, and how the service is known to differ from it."""

    schema: str
    problems: frozenset[str] = frozenset()
    undeclared: frozenset[str] = frozenset()
    note: str = ""


_ORGANIZATION = "$.organization_id: is missing"
_AZURE_JOB = frozenset({"$.trainingType", "$.user_provided_suffix"})
_JOB_NOTE = "Azure leaves unset keys out, says pending for queued, -1 for auto"
_UNSET = frozenset(
    {
        _ORGANIZATION,
        "$.error: is missing",
        "$.fine_tuned_model: is missing",
        "$.finished_at: is missing",
        "$.result_files: is missing",
        "$.trained_tokens: is missing",
        "$.validation_file: is missing",
        "$.status: 'pending' breaks enum",
        "$.hyperparameters.batch_size: -1 breaks minimum",
        "$.hyperparameters.n_epochs: -1 breaks minimum",
        "$.hyperparameters.batch_size: int instead of string",
        "$.hyperparameters.n_epochs: int instead of string",
    }
)
_IN_LIST = frozenset({problem.replace("$.", "$.data[].") for problem in _UNSET})
V1 = {
    "GET /files": Against("ListFilesResponse"),
    "GET /files/{file}": Against("OpenAIFile"),
    "DELETE /files/{file}": Against("DeleteFileResponse"),
    "GET /fine_tuning/jobs": Against(
        "ListPaginatedFineTuningJobsResponse", _IN_LIST, frozenset({"$.data[].trainingType"}), _JOB_NOTE
    ),
    "GET /fine_tuning/jobs/{job}": Against("FineTuningJob", _UNSET, _AZURE_JOB, _JOB_NOTE),
    "POST /fine_tuning/jobs": Against("FineTuningJob", _UNSET, _AZURE_JOB, _JOB_NOTE),
    "POST /fine_tuning/jobs/{job}/cancel": Against("FineTuningJob", _UNSET, _AZURE_JOB, _JOB_NOTE),
    "GET /fine_tuning/jobs/{job}/events": Against("ListFineTuningJobEventsResponse"),
    "GET /fine_tuning/jobs/{job}/checkpoints": Against(
        "ListFineTuningJobCheckpointsResponse",
        frozenset({"$.first_id: is missing", "$.last_id: is missing"}),
        note="first_id and last_id are not on the recorded page",
    ),
    "GET /models": Against(
        "ListModelsResponse",
        frozenset({"$.data[].created: is missing", "$.data[].owned_by: is missing"}),
        frozenset(
            f"$.data[].{key}"
            for key in (
                "created_at", "status", "capabilities", "lifecycle_status", "deprecation", "model",
                "fine_tune",
            )
        ),
        "Azure describes models in its own way",
    ),
    "DELETE /models/{model}": Against("DeleteModelResponse"),
}  # fmt: skip
_RATE_NOTE = "apiVersion is a key of templates, not of replies"
_TEMPLATE = frozenset({"$.apiVersion: is missing"})
CONTROL = {
    "GET account": Against("Microsoft.CognitiveServices/accounts", _TEMPLATE, note=_RATE_NOTE),
    **{
        name: Against("Microsoft.CognitiveServices/accounts/deployments", _TEMPLATE, note=_RATE_NOTE)
        for name in (
            "PUT deployment",
            "PATCH deployment",
            "GET deployment",
            "PUT tuned deployment",
            "GET tuned deployment",
        )
    },
}


@dataclass(slots=True)
class Tours:
    """The replies of a server, each set made once."""

    world: World
    made: dict[str, dict[str, replies.Reply]] = field(default_factory=dict)

    def get(self, name: str) -> dict[str, replies.Reply]:
        """The replies of one plane."""
        if name not in self.made:
            self.world.reset()
            self.made[name] = _TOURS[name](self.world)
        return self.made[name]


_TOURS: dict[str, Callable[[World], dict[str, replies.Reply]]] = {
    "stable": replies.dated,
    "preview": partial(replies.dated, version=PREVIEW),
    "v1": replies.v1,
    "control": replies.control,
}


def check_dated(tours: Tours, which: str, name: str) -> None:
    """A reply of the dated plane against the operation of that id."""
    root = load(f"{STABLE_FACTS if which == 'stable' else PREVIEW_FACTS}/azureopenai.distilled.json")
    operations = {op["operationId"]: op for path in root["paths"].values() for op in path.values()}
    status, headers, body = tours.get(which)[name]
    said = operations[name]["responses"][str(status)]
    assert {key.lower() for key in said.get("headers", {})} <= set(headers)
    if "schema" not in said:
        assert body == b""
        return
    if said["schema"].get("type") == "file":
        assert isinstance(body, bytes)
        return
    found = schemas.Document(root).check(said["schema"], body)
    assert found.problems == []
    assert {path.rpartition(".")[2] for path in found.undeclared} <= _BEYOND


def check_against(tours: Tours, which: str, name: str) -> None:
    """A reply of v1 or of the control plane; no other differences than those that are known."""
    against = (V1 if which == "v1" else CONTROL)[name]
    status, _, body = tours.get(which)[name]
    assert status in (200, 201)
    document, schema = _v1_schema(against.schema) if which == "v1" else _control_schema(against.schema)
    found = document.check(schema, body)
    assert {_short(problem) for problem in found.problems} <= against.problems
    assert found.undeclared <= against.undeclared


def _short(problem: str) -> str:
    for word in (" enum", " minimum", " instead of string"):
        head, found, _ = problem.partition(word)
        problem = head + found
    return problem


def _v1_schema(name: str) -> tuple[schemas.Document, Any]:
    root = load("openai/openapi.finetuning-subset.json")
    return schemas.Document(root), root["components"]["schemas"][name]


def _control_schema(name: str) -> tuple[schemas.Document, Any]:
    types = load("arm/types-2025-09-01.json")
    document = schemas.from_types(types)
    index = next(number for number, entry in enumerate(types) if entry.get("name") == name)
    return document, document.root[index]


CASES = [
    *(("stable", name, f"authoring API {STABLE}", "") for name in DATED),
    *(("preview", name, f"authoring API {PREVIEW}", "") for name in PREVIEWED),
    *(("v1", name, f"OpenAI description: {row.schema}", row.note) for name, row in V1.items()),
    *(("control", name, f"ARM types 2025-09-01: {row.schema}", row.note) for name, row in CONTROL.items()),
]
for _which, _name, _source, _note in CASES:
    _id = f"{_which} {_name}"
    described.rows[_id] = Row("description", _id, _name, _source, _note)

"""Replies against the types of the openai SDK, strictly: where they fit, and where Azure is known not to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openai.types import FileDeleted, FileObject, Model, ModelDeleted, Upload
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint
from openai.types.uploads import UploadPart
from pydantic import BaseModel

from tests.conformance.replies import Reply
from tests.conformance.rows import Row, typed

_SOURCE = "openai SDK 3.52"
Pick = Callable[[dict[str, Reply]], Any]


@dataclass(frozen=True, slots=True)
class Typed:
    """Which reply of which plane has which type, and the places where it does not."""

    plane: str
    pick: Pick
    type: type[BaseModel]
    differs: frozenset[str] = frozenset()
    note: str = ""


def _whole(operation: str) -> Pick:
    return lambda replies: replies[operation][2]


def _rows(operation: str) -> Pick:
    return lambda replies: replies[operation][2]["data"]


_JOB = frozenset({"organization_id"})
_NEW_JOB = _JOB | {"status", "result_files"}
TYPED = {
    "POST files": Typed(
        "stable", _whole("Files_Upload"), FileObject, frozenset({"status"}),
        "pending is no status of OpenAI's",
    ),
    "GET files/{file}": Typed("stable", _whole("Files_Get"), FileObject),
    "DELETE files/{file}": Typed("stable", _whole("Files_Delete"), FileDeleted),
    "POST fine_tuning/jobs": Typed(
        "stable", _whole("FineTuning_Create"), FineTuningJob, _NEW_JOB, "unset keys are left out"
    ),
    "GET fine_tuning/jobs/{job}": Typed(
        "stable", _whole("FineTuning_Get"), FineTuningJob, _JOB, "no organization in Azure"
    ),
    "GET …/events": Typed("stable", _rows("FineTuning_GetEvents"), FineTuningJobEvent),
    "GET …/checkpoints": Typed("stable", _rows("FineTuning_GetCheckpoints"), FineTuningJobCheckpoint),
    "GET models": Typed(
        "stable", _rows("Models_List"), Model, frozenset({"created", "owned_by"}), "Azure says created_at"
    ),
    "POST uploads": Typed("stable", _whole("UploadFile_Start"), Upload),
    "POST uploads/{upload}/parts": Typed("stable", _whole("UploadFile_Part"), UploadPart),
    "GET v1/files": Typed("v1", _rows("GET /files"), FileObject),
    "DELETE v1/models/{model}": Typed("v1", _whole("DELETE /models/{model}"), ModelDeleted),
}  # fmt: skip
STRICT = {
    "chat completion": ("test_chat", "ChatCompletion, strict client", ""),
    "chat completion with tools": ("test_chat_with_tools", "ChatCompletion, strict client", ""),
    "streamed chat completion": ("test_streamed_chat", "ChatCompletion, strict client", ""),
    "response": ("test_response", "Response", "no cache writes in the usage, which Azure doesn't require"),
    "streamed response": (
        "test_streamed_response",
        "ResponseStreamEvent",
        "no cache writes in the usage, which Azure doesn't require",
    ),
}
"""By name: the test, the type and what differs."""
for _name, _row in TYPED.items():
    typed.rows[_name] = Row("SDK type", _name, _name, f"{_SOURCE}: {_row.type.__name__}", _row.note)
for _name, (_, _type, _note) in STRICT.items():
    typed.rows[_name] = Row("SDK type", _name, _name, f"{_SOURCE}: {_type}", _note)

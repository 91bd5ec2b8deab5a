"""The recorded gpt-4.1 run of September 2025, replayed: 40 examples, a validation file, everything "auto".

Compared are order and wording of events, keys, names and steps; not the numbers of the training, which
depend on data that nobody published.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conformance.facts import load, needed
from tests.conformance.rows import Row, step
from tests.conformance.world import BASE, VALIDATION, World

_RECORDED = "observed/azure_gpt41_sft_2025-09.json"
_SOURCE = "recorded run of gpt-4.1, 2025-09"
ORDER = (
    "Job enqueued. Waiting for jobs ahead to complete.",
    "Preprocessing running for file training file.",
    "Preprocessing completed for file training file.",
    "Preprocessing running for file validation file.",
    "Preprocessing completed for file validation file.",
    "Job started.",
    "Data Import started.",
    "Finetuning started.",
    "Job queued, waiting for GPUs.",
    "Training started.",
    "Created results file: …",
    *(f"Step {number}: training loss=…" for number in range(10, 121, 10)),
    "Job succeeded.",
    "Model Evaluation Passed.",
    "Completed results file: …",
    "Training tokens billed: …",
)
"""All messages, oldest first; the recorded page shows the last ten."""

pytestmark = needed


@dataclass(frozen=True, slots=True)
class Replay:
    """The run as it was, and as it is here."""

    recorded: Any
    create: Any
    final: Any
    page: Any
    events: Any
    checkpoints: Any


@pytest.fixture(scope="module")
def replay(server: World) -> Replay:
    server.reset()
    file, validation = server.file(), server.file(VALIDATION)
    create = server.job(training_file=file, validation_file=validation, seed=105)[2]
    final = server.finished(training_file=file, validation_file=validation, seed=105)
    path = f"fine_tuning/jobs/{final['id']}"
    return Replay(
        load(_RECORDED),
        create,
        final,
        server.data_call("GET", f"{path}/events?limit=10")[2],
        server.data_call("GET", f"{path}/events?limit=100")[2]["data"],
        server.data_call("GET", f"{path}/checkpoints")[2],
    )


def _said(value: dict[str, Any]) -> set[str]:
    """The keys of a recording; the SDK that wrote it down showed absent ones as null."""
    return {key for key, item in value.items() if item is not None}


def _wording(message: str) -> str:
    return re.sub(r"file-[0-9a-f]{32}|(?<=billed: )\d+|(?<=loss=)[\d.e-]+", "…", message)


STEPS = {
    "create": "POST /openai/fine_tuning/jobs",
    "final": "GET /openai/fine_tuning/jobs/{job}",
    "page": "GET …/events?limit=10",
    "order": "GET …/events",
    "timing": "job and its last events",
    "checkpoints": "GET …/checkpoints",
}
for _name, _operation in STEPS.items():
    step.rows[_name] = Row("recording", _name, _operation, _SOURCE)


def test_create(replay: Replay) -> None:
    wanted = replay.recorded["create"]
    assert set(replay.create) == _said(wanted) | {"trainingType"}
    for key in ("hyperparameters", "model", "object", "seed", "status"):
        assert replay.create[key] == wanted[key]


def test_final(replay: Replay) -> None:
    wanted = replay.recorded["final"]
    assert set(replay.final) == _said(wanted) | {"trainingType"}
    for key in ("hyperparameters", "model", "object", "seed", "status"):
        assert replay.final[key] == wanted[key]
    tail = replay.final["id"].removeprefix("ftjob-")
    assert replay.final["fine_tuned_model"] == f"{BASE}.ft-{tail}"


def test_page(replay: Replay) -> None:
    wanted = replay.recorded["events"]
    assert replay.page["has_more"] == wanted["has_more"]
    for got, recorded in zip(replay.page["data"], wanted["data"], strict=True):
        assert _wording(got["message"]) == _wording(recorded["message"])
        assert set(got) == _said(recorded)
        assert (got["type"], got["level"]) == (recorded["type"], recorded["level"])
        assert set(got.get("data", ())) == set(recorded["data"] or ())
        assert re.fullmatch("ftevent-[0-9a-f]{32}", got["id"])


def test_order(replay: Replay) -> None:
    messages = [_wording(event["message"]) for event in reversed(replay.events)]
    assert tuple(messages) == ORDER


def test_timing(replay: Replay) -> None:
    """The status changes seconds after the event that says so, with the last event."""
    for final, events in (
        (replay.final, replay.page["data"]),
        (replay.recorded["final"], replay.recorded["events"]["data"]),
    ):
        at = {_wording(event["message"]): event["created_at"] for event in events}
        assert final["finished_at"] == at["Training tokens billed: …"]
        assert 5 <= final["finished_at"] - at["Job succeeded."] <= 15


def test_checkpoints(replay: Replay) -> None:
    wanted = replay.recorded["checkpoints"]
    assert replay.checkpoints["has_more"] == wanted["has_more"]
    for got, recorded in zip(replay.checkpoints["data"], wanted["data"], strict=True):
        assert set(got) == set(recorded)
        assert set(got["metrics"]) == set(recorded["metrics"])
        assert got["step_number"] == recorded["step_number"]
        assert got["metrics"]["step"] == recorded["metrics"]["step"]
        names = [row["fine_tuned_model_checkpoint"].partition(".ft-")[2][32:] for row in (got, recorded)]
        assert names[0] == names[1]


def test_the_steps_are_those_of_the_table() -> None:
    assert {f"test_{name}" for name in STEPS} <= set(globals())

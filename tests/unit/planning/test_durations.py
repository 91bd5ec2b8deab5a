"""Which recorded jobs are comparable with a new one."""

from __future__ import annotations

from ftops.core.address import Address, Json
from ftops.planning.cost.durations import comparable
from ftops.state.state import ResourceState, Status

BASE = "gpt-4o-mini-2024-07-18"
INPUTS: dict[str, Json] = {"method": "supervised", "training_type": "standard"}


def record(minutes: int, status: Status = Status.READY, kind: str = "job", **inputs: Json) -> ResourceState:
    times: dict[str, Json] = {
        "created_at": "2026-11-21T04:00:00Z",
        "finished_at": f"2026-11-21T{4 + minutes // 60:02}:{minutes % 60:02}:00Z",
    }
    outputs = times if minutes else {"created_at": times["created_at"]}
    return ResourceState(
        Address(kind, "j"), "azure", "1", status, {"model": BASE, **INPUTS, **inputs}, outputs
    )


def test_only_like_is_compared_with_like() -> None:
    records = [
        record(85),
        record(52, model=f"{BASE}.ft-0123"),
        record(10, training_type="developer"),
        record(11, method="dpo"),
        record(12, model="gpt-4.1-2025-04-14"),
        record(13, Status.TAINTED),
        record(14, kind="deployment"),
        record(0),
    ]
    assert comparable(BASE, "supervised", "standard", records) == (52 / 60, 85 / 60)
    assert comparable(BASE, "", "", records) == (52 / 60, 85 / 60)
    assert comparable(BASE, "", "developer", records) == ()

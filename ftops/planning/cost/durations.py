"""Durations: how long recorded jobs took that are comparable with a new one, and how long one still takes.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from ftops.core.model_names import base_of
from ftops.core.resource_types import kind_of
from ftops.planning.preflight.context import text
from ftops.state.state import ResourceState, Status


def comparable(
    base: str, method: str, training_type: str, records: Iterable[ResourceState]
) -> tuple[float, ...]:
    """Hours from creation to end, the shortest first, of all finished jobs with this base model, method and
    training type. None if there is only one: it says little."""
    alike = (
        record
        for record in records
        if kind_of(record.address).trains
        and record.status is Status.READY
        and not record.stopped
        and base_of(text(record.inputs, "model")).casefold() == base.casefold()
        and (text(record.inputs, "method") or "supervised") == (method or "supervised")
        and (text(record.inputs, "training_type") or "standard") == (training_type or "standard")
    )
    found = sorted(hours for record in alike if (hours := hours_of_job(record)) is not None)
    return tuple(found) if len(found) > 1 else ()


def left_by_pace(points: Sequence[tuple[int, float]], steps: int, now: float) -> tuple[float, float] | None:
    """The least and the most seconds that a training still takes: its steps that are left, at the pace of all
    that are done and of the later half of them. None if there is no pace yet, or no step left.

    `points`: steps and the seconds at which they were done, by the clock of `now`; the first is the start.
    """
    (first, since), (step, at) = points[0], points[-1]
    half = next((p for p in reversed(points) if 2 * (p[0] - first) <= step - first), points[0])
    paces = [(at - then) / (step - before) for before, then in ((first, since), half) if step > before]
    if step >= steps or not paces or min(paces) <= 0:
        return None
    left = [max(0.0, pace * (steps - step) - (now - at)) for pace in paces]
    return min(left), max(left)


def hours_between(start: object, end: object) -> float | None:
    """Between two times in ISO 8601; None if one of them isn't known."""
    try:
        seconds = (datetime.fromisoformat(str(end)) - datetime.fromisoformat(str(start))).total_seconds()
    except (ValueError, TypeError):
        return None
    return seconds / 3600 if seconds > 0 else None


def hours_of_job(record: ResourceState) -> float | None:
    """From the creation of a job to its end, by the clock of the service if it says when that was."""
    created_at = record.outputs.get("created_at") or record.created_at
    return hours_between(created_at, record.outputs.get("finished_at"))

"""Events of jobs: a JSON line each.

The id of an event is derived from its job and its message, or a key: a training run that starts again, after
a restart or a pause, adds nothing twice.
"""

from __future__ import annotations

import json
from pathlib import Path

from ftops.emulator.account.cloud import JSON, Cloud, derived_hex
from ftops.emulator.account.storage import replace_text


def record(
    cloud: Cloud,
    job: str,
    at: float,
    message: str,
    *,
    key: str = "",
    level: str = "info",
    data: JSON | None = None,
) -> None:
    """Append one event at the virtual time ``at``. ``key``: what it is about, if another run of the job may
    say it in other words."""
    event: JSON = {
        "id": f"ftevent-{derived_hex(job, key or message)}",
        "created_at": at,
        "level": level,
        "message": message,
        "object": "fine_tuning.job.event",
        "type": "message" if data is None else "metrics",
    }
    if data is not None:
        event["data"] = data
    with _path(cloud, job).open("ab", buffering=0) as file:
        file.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")


def read(cloud: Cloud, job: str) -> list[JSON]:
    """The events of a job in the order of recording, including those of the future."""
    try:
        lines = _path(cloud, job).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    events: dict[str, JSON] = {}
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # the server was killed while it wrote the line
        events.setdefault(event["id"], event)
    return list(events.values())


def drop_after(cloud: Cloud, job: str, at: float) -> None:
    """Delete the events after ``at``: they won't happen."""
    kept = [json.dumps(event) for event in read(cloud, job) if event["created_at"] <= at]
    replace_text(_path(cloud, job), "".join(f"{line}\n" for line in kept))


def delete(cloud: Cloud, job: str) -> None:
    _path(cloud, job).unlink(missing_ok=True)


def _path(cloud: Cloud, job: str) -> Path:
    return cloud.folder / "jobs" / f"{job}.events.jsonl"

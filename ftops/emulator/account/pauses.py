"""Paused jobs: how far a job had come, and what is later because of its pauses.

Training is planned ahead, so a pause moves the rest of the plan; the weights of a step follow from
data and seed, so that a run can stop after any of them.
"""

from __future__ import annotations

from ftops.emulator.account import events
from ftops.emulator.account.cloud import Cloud, Job


def moved(job: Job, planned: float) -> float:
    """When something happens that was planned without the pauses."""
    for pause in job.pauses:
        if planned > pause["at"]:
            planned += pause["until"] - pause["at"]
    return planned


def steps_done(cloud: Cloud, job: Job, now: float) -> int:
    """The training steps that a running job has behind it at ``now``; 0 before the first.

    By the plan, unless the computation is late: then by the last step that it told of.
    """
    if job.running is None or job.step_seconds is None:
        return 0
    active = now - sum(pause["until"] - pause["at"] for pause in job.pauses)
    planned = int((active - job.running) / job.step_seconds + 1e-9)
    if job.outcome is not None:
        return planned
    told = [event["data"]["step"] for event in events.read(cloud, job.id) if event["type"] == "metrics"]
    return min(planned, max(told, default=0))

"""Fine-tuning jobs: create, list, read, cancel, pause, resume, delete; events, checkpoints and their copies.

Sources: the Azure OpenAI authoring API 2024-10-21; pausing and resuming of 2025-04-01-preview; for copies, a
preview of the v1 plane, Microsoft's document on copying checkpoints across regions.

The destination of a copy is another emulator, whose folder is beside this one's. It fetches the copy when it
lists models or creates a deployment. If there is no such account, the copy fails.
"""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account import events, other_accounts
from ftops.emulator.account.cloud import JSON, Checkpoint, Cloud, Copy, Job
from ftops.emulator.data_plane import job_request
from ftops.emulator.data_plane.job_answer import described
from ftops.emulator.data_plane.job_schedule import (
    KEPT_CHECKPOINTS,
    TERMINAL,
    Schedule,
    prune_checkpoints,
    status,
)
from ftops.emulator.http.errors import gateway_not_found, invalid, not_found, wrong_state
from ftops.emulator.http.messages import created, page, plane_of, read_object, reply


async def create(cloud: Cloud, request: Request) -> Response:
    body = await read_object(request)
    with cloud.lock:
        job = job_request.parsed(cloud, request, body)
        cloud.jobs.put(job)
        events.record(cloud, job.id, job.created, "Job enqueued. Waiting for jobs ahead to complete.")
    schedule_of(request).settle()
    return created(request, described(cloud, job, plane_of(request)), f"fine_tuning/jobs/{job.id}")


def schedule_of(request: Request) -> Schedule:
    schedule: Schedule = request.scope["emulator.schedule"]
    return schedule


async def list_all(cloud: Cloud, request: Request) -> Response:
    """List jobs, newest first. ``metadata[key]=value`` filters them."""
    schedule_of(request).settle()
    query = request.query_params.items()
    metadata = {key[len("metadata[") : -1]: value for key, value in query if key.startswith("metadata[")}
    jobs = [
        job
        for job in reversed(cloud.jobs.all())
        if cloud.is_listed(job.created)
        and all((job.metadata or {}).get(key) == value for key, value in metadata.items())
    ]
    return reply(page(request, [described(cloud, job, plane_of(request)) for job in jobs], 20))


async def get(cloud: Cloud, request: Request) -> Response:
    return reply(described(cloud, _existing(cloud, request), plane_of(request)))


async def cancel(cloud: Cloud, request: Request) -> Response:
    """Cancel a job that has not ended."""
    schedule, job = schedule_of(request), _existing(cloud, request)
    with cloud.lock:
        now = cloud.clock.now()
        state = status(job, now)
        if state in TERMINAL:
            raise wrong_state(cloud.settings, f"The job is in status '{state}' and cannot be cancelled.")
        schedule.cancel(job, now)
    return await get(cloud, request)


async def pause(cloud: Cloud, request: Request) -> Response:
    """Pause a running job after its first step. It leaves a checkpoint that can be deployed."""
    schedule, job = schedule_of(request), _existing(cloud, request)
    with cloud.lock:
        now = cloud.clock.now()
        state = status(job, now)
        step = _steps_done(cloud, job, now) if state == "running" else 0
        if step < 1:
            raise wrong_state(cloud.settings, f"The job is in status '{state}' and cannot be paused.")
        schedule.pause(job, now, step)
    body = described(cloud, _existing(cloud, request), plane_of(request))
    return reply({**body, "status": cloud.settings.pause_reply})


async def resume(cloud: Cloud, request: Request) -> Response:
    schedule, job = schedule_of(request), _existing(cloud, request)
    with cloud.lock:
        now = cloud.clock.now()
        state = status(job, now)
        if state != "paused":
            raise wrong_state(cloud.settings, f"The job is in status '{state}' and cannot be resumed.")
        schedule.resume_job(job, now)
    return await get(cloud, request)


async def delete(cloud: Cloud, request: Request) -> Response:
    """Delete a job that has ended. Only on the dated plane."""
    schedule, settings = schedule_of(request), cloud.settings
    if cloud.jobs.get(request.path_params["job"]) is None and settings.second_job_delete_status == 204:
        return Response(status_code=204)
    job = _existing(cloud, request)
    state = status(job, cloud.clock.now())
    if state not in TERMINAL and settings.running_job_delete == "refused":
        raise wrong_state(settings, f"The job is in status '{state}'; cancel it before deleting it.")
    if state == "failed" and settings.failed_job_delete == "refused":
        raise wrong_state(settings, "The job is in status 'failed' and cannot be deleted.")
    with cloud.lock:
        if state not in TERMINAL:
            schedule.cancel(job, cloud.clock.now())
        remove_job(cloud, job)
    return Response(status_code=204)


def remove_job(cloud: Cloud, job: Job) -> None:
    """Remove a job with its events and checkpoints, and with its models if that is switched on."""
    cloud.jobs.remove(job.id)
    events.delete(cloud, job.id)
    cloud.remove_results(job.id, after=0.0, models=cloud.settings.delete_job_deletes_model)


async def list_events(cloud: Cloud, request: Request) -> Response:
    """List the events of a job, newest first."""
    job, now = _existing(cloud, request), cloud.clock.now()
    visible = [event for event in events.read(cloud, job.id) if event["created_at"] <= now]
    visible.sort(key=lambda event: event["created_at"])  # stable: events of one moment stay in order
    visible.reverse()
    rows = [{**event, "created_at": int(event["created_at"])} for event in visible]
    return reply(page(request, rows, 20))


async def list_checkpoints(cloud: Cloud, request: Request) -> Response:
    """List the last three checkpoints of a job, newest first."""
    job, now = _existing(cloud, request), cloud.clock.now()
    prune_checkpoints(cloud, job.id)
    own = [item for item in cloud.checkpoints.all() if item.job == job.id and item.created <= now]
    newest = sorted(own, key=lambda item: -item.step)[:KEPT_CHECKPOINTS]
    return reply(page(request, [_checkpoint(item) for item in newest], 10))


async def list_events_by_post(cloud: Cloud, request: Request) -> Response:
    """POST, as in the how-to documents. No API description has it, so ``strict`` refuses it."""
    if cloud.settings.strict:
        raise gateway_not_found()
    return await list_events(cloud, request)


async def list_checkpoints_by_post(cloud: Cloud, request: Request) -> Response:
    """As for events."""
    if cloud.settings.strict:
        raise gateway_not_found()
    return await list_checkpoints(cloud, request)


def _steps_done(cloud: Cloud, job: Job, now: float) -> int:
    """The steps that a running job has done: by the plan, or the last one reported if the computation is
    late."""
    if job.running is None or job.step_seconds is None:
        return 0
    active = now - sum(pause["until"] - pause["at"] for pause in job.pauses)
    planned = int((active - job.running) / job.step_seconds + 1e-9)
    if job.outcome is not None:
        return planned
    reported = [event["data"]["step"] for event in events.read(cloud, job.id) if event["type"] == "metrics"]
    return min(planned, max(reported, default=0))


def _checkpoint(item: Checkpoint) -> JSON:
    return {
        "id": item.id,
        "created_at": int(item.created),
        "fine_tuned_model_checkpoint": item.model,
        "fine_tuning_job_id": item.job,
        "metrics": item.metrics,
        "object": "fine_tuning.job.checkpoint",
        "step_number": item.step,
    }


def _existing(cloud: Cloud, request: Request) -> Job:
    """The job of a request, after the schedule was brought up to date."""
    schedule_of(request).settle()
    name = request.path_params["job"]
    job = cloud.jobs.get(name)
    if job is None:
        raise not_found("fine-tuning job", name)
    return job


_HEADER = "aoai-copy-ft-checkpoints"
_ACCOUNT_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.CognitiveServices/accounts/[^/]+",
    re.IGNORECASE,
)


async def copy_checkpoint(cloud: Cloud, request: Request) -> Response:
    checkpoint = _copied(cloud, request)
    body = await read_object(request)
    destination, region = body.get("destinationResourceId"), body.get("region")
    if not isinstance(destination, str) or not _ACCOUNT_ID.fullmatch(destination):
        raise invalid("'destinationResourceId' must be the ARM id of an account.")
    if not isinstance(region, str) or not region:
        raise invalid("The field 'region' is required.")
    id, now = f"{checkpoint.id}-to-{len(cloud.copies)}", cloud.clock.now()
    ends = now + cloud.settings.copy_seconds
    cloud.copies.put(Copy(id, now, checkpoint.job, checkpoint.model, destination, region, ends))
    return reply(_copies(cloud, checkpoint))


async def list_copies(cloud: Cloud, request: Request) -> Response:
    return reply(_copies(cloud, _copied(cloud, request)))


def _copied(cloud: Cloud, request: Request) -> Checkpoint:
    if request.headers.get(_HEADER) != "preview":
        raise gateway_not_found()
    name = request.path_params["checkpoint"]
    checkpoint = cloud.checkpoints.get(name)
    if checkpoint is None or checkpoint.job != request.path_params["job"]:
        raise not_found("checkpoint", name)
    if checkpoint.created > cloud.clock.now():
        raise not_found("checkpoint", name)
    return checkpoint


def _copies(cloud: Cloud, checkpoint: Checkpoint) -> JSON:
    rows = [
        {
            "destinationResourceId": copy.destination,
            "region": copy.region,
            "status": _progress(cloud, copy),
        }
        for copy in cloud.copies.all()
        if copy.id.startswith(f"{checkpoint.id}-to-")
    ]
    return {
        "checkpointedModelName": checkpoint.model,
        "fineTuningJobId": checkpoint.job,
        "copiedAccountDetails": rows,
    }


def _progress(cloud: Cloud, copy: Copy) -> str:
    if cloud.clock.now() < copy.ends:
        return "InProgress"
    return "Completed" if other_accounts.is_beside(cloud, copy.destination) else "Failed"

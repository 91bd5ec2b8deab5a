"""Job schedule: starts jobs in the order of their creation, up to the limit of running jobs.

The status of a job is a function of the clock and of what its run has written. Each running job has a thread,
which may be ahead of the clock: everything that it writes has the virtual time from which it is valid.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ftops.emulator.account import events
from ftops.emulator.account.cloud import Cloud, Job
from ftops.emulator.account.settings import Settings

if TYPE_CHECKING:
    from ftops.emulator.data_plane.graders import Graders

TERMINAL = ("succeeded", "failed", "cancelled")
KEPT_CHECKPOINTS = 3


def places(settings: Settings, training_type: str | None) -> int:
    """How many jobs of a training type may run at a time."""
    developer = training_type == "developerTier"
    limit = settings.running_developer_jobs_limit if developer else settings.running_jobs_limit
    return max(limit, 1)


def status(job: Job, now: float) -> str:
    """The status of a job at the virtual time ``now``."""
    if job.outcome is not None and now >= job.outcome["at"]:
        return str(job.outcome["status"])
    if job.pause is not None:
        done = job.pause.get("saved") and now >= job.pause["ready"]
        return "paused" if done else "pausing"
    if job.pauses and now < job.pauses[-1]["until"]:
        return "resuming"
    if job.running is not None and now >= job.running:
        return "running"
    return "pending"


def prune_checkpoints(cloud: Cloud, job: str) -> None:
    """Delete the checkpoints of a job that enough newer ones have followed by now. A run that is ahead of the
    clock has saved later ones, which don't count: the job may be cancelled before them."""
    with cloud.lock:
        now = cloud.clock.now()
        saved = [item for item in cloud.checkpoints.all() if item.job == job and item.created <= now]
        for old in sorted(saved, key=lambda item: item.step)[:-KEPT_CHECKPOINTS]:
            cloud.checkpoints.remove(old.id)
            if model := cloud.models.get(old.model):
                cloud.remove_model(model)


class Schedule:
    def __init__(self, cloud: Cloud, graders: Graders, notify: Callable[[], None]) -> None:
        self._cloud = cloud
        self._graders = graders
        self._notify = notify
        self._stops: dict[str, threading.Event] = {}

    def resume(self) -> None:
        """Continue the jobs that were running when the server stopped."""
        for job in self._cloud.jobs.all():
            if job.started is not None and job.outcome is None and not (job.pause or {}).get("saved"):
                self._launch(job)

    def settle(self) -> None:
        """Start every job that is due by now."""
        with self._cloud.lock:
            while (due := self._next()) is not None and due[1] <= self._cloud.clock.now():
                job = replace(due[0], started=due[1])
                self._cloud.jobs.put(job)
                self._launch(job)
            self._pause_at_limit()
        self._notify()

    def _pause_at_limit(self) -> None:
        """Pause the jobs that have reached the spending limit. After a resume there is no limit."""
        limit, price = self._cloud.settings.spending_limit, self._cloud.settings.training_price
        if not limit or not price:
            return
        for job in self._cloud.jobs.all():
            if job.running is None or job.step_seconds is None or job.pause or job.pauses:
                continue
            at = job.running + 3600 * limit / price
            ended = job.outcome is not None and job.outcome["at"] <= at
            if not ended and at <= self._cloud.clock.now():
                step = max(1, int((at - job.running) / job.step_seconds))
                self.pause(job, at, step, f"Job paused at the spending limit of ${limit:g}.")

    def next_due(self) -> float | None:
        """When the next job is due; None if that is not known before a run ends."""
        with self._cloud.lock:
            due = self._next()
        return None if due is None else due[1]

    def cancel(self, job: Job, now: float) -> None:
        """Cancel a job at ``now``."""
        with self._cloud.lock:
            self.stop(job.id)
            outcome = {"status": "cancelled", "at": now}
            self._interrupt(job, now, "Job cancelled.", outcome=outcome, pause=None)

    def pause(self, job: Job, now: float, step: int, message: str = "") -> None:
        """Pause a job: a new run trains up to ``step`` and saves a checkpoint."""
        ready = now + self._cloud.settings.pause_seconds
        with self._cloud.lock:
            self.stop(job.id)
            pause = {"at": now, "step": step, "ready": ready}
            message = message or f"Job paused ({len(job.pauses) + 1})."  # the service's is not known
            self._launch(self._interrupt(job, now, message, pause=pause, outcome=None))

    def resume_job(self, job: Job, now: float) -> None:
        """Resume a paused job. What was planned for later is delayed by the pause."""
        until = now + self._cloud.settings.resume_seconds
        with self._cloud.lock:
            pauses = [*job.pauses, {"at": (job.pause or {"at": now})["at"], "until": until}]
            message = f"Job resumed ({len(pauses)})."
            self._launch(self._interrupt(job, now, message, pause=None, pauses=pauses))

    def _interrupt(self, job: Job, now: float, message: str, **changes: object) -> Job:
        """Store the job with ``changes``, and delete what its run wrote for after ``now``."""
        cleared = replace(job, result_file=None, fine_tuned_model=None, trained_tokens=None)
        changed = replace(cleared, **changes)
        cloud = self._cloud
        cloud.jobs.put(changed)
        events.drop_after(cloud, job.id, now)
        events.record(cloud, job.id, now, message)
        cloud.remove_results(job.id, after=now)
        if job.result_file is not None:
            cloud.files.remove(job.result_file)
            cloud.content(job.result_file).unlink(missing_ok=True)
        return changed

    def stop(self, job: str) -> None:
        """Stop the run of a job. It writes nothing more."""
        if stop := self._stops.pop(job, None):
            stop.set()

    def stop_all(self) -> None:
        """Stop every run. The next server continues them."""
        for job in list(self._stops):
            self.stop(job)

    def _next(self) -> tuple[Job, float] | None:
        """The waiting job that starts first, and when; None if that is not known yet."""
        jobs = self._cloud.jobs.all()
        waiting = [job for job in jobs if job.started is None and job.outcome is None]
        first = {job.training_type: job for job in reversed(waiting)}
        due = [(job, start) for job in first.values() if (start := self._start(job, jobs)) is not None]
        return min(due, key=lambda pair: pair[1], default=None)

    def _start(self, waiting: Job, jobs: list[Job]) -> float | None:
        """When the first waiting job of a training type can start."""
        names = (waiting.training_file, waiting.validation_file)
        files = [file for name in names if name and (file := self._cloud.files.get(name))]
        ready = max([waiting.created + self._cloud.settings.queue_seconds, *(file.ready for file in files)])
        kind = waiting.training_type
        started = [job for job in jobs if job.started is not None and job.training_type == kind]
        ends = sorted(job.outcome["at"] if job.outcome else float("inf") for job in started)
        busy = [end for end in ends if end > ready]
        limit = places(self._cloud.settings, kind)
        start = ready if len(busy) < limit else busy[-limit]
        return None if start == float("inf") else start

    def _launch(self, job: Job) -> None:
        stop = threading.Event()
        self._stops[job.id] = stop
        name = f"train-{job.id[-6:]}"
        threading.Thread(target=self._run, args=(job, stop), name=name, daemon=True).start()

    def _run(self, job: Job, stop: threading.Event) -> None:
        # Imported here: numpy is loaded by the first job, not when the server starts.
        from ftops.emulator.data_plane.job_run import Run

        Run(self._cloud, self._graders, job, stop).run()
        if not stop.is_set():
            self._stops.pop(job.id, None)
            self.settle()

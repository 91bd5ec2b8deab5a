"""When jobs start and end: the state of a job is a function of the clock and of what its run wrote.

Jobs get a place in the order of their creation, at most ``running_jobs_limit`` at a time. The
training itself is done by a thread per running job, which may be ahead of the clock: what it
writes carries the virtual time from which it holds.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

from ftops.emulator.account import events
from ftops.emulator.account.cloud import Cloud, Job
from ftops.emulator.account.settings import Settings

TERMINAL = ("succeeded", "failed", "cancelled")


def places(settings: Settings, training_type: str | None) -> int:
    """How many jobs of a training type may run at a time: each type has places of its own."""
    developer = training_type == "developerTier"
    limit = settings.running_developer_jobs_limit if developer else settings.running_jobs_limit
    return max(limit, 1)


def status(job: Job, now: float) -> str:
    """The job's status on the wire at the virtual time ``now``."""
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


class Schedule:
    """Starts the runs of an account's jobs when they are due."""

    def __init__(self, cloud: Cloud, notify: Callable[[], None]) -> None:
        self._cloud = cloud
        self._notify = notify
        self._stops: dict[str, threading.Event] = {}

    def resume(self) -> None:
        """Go on with the jobs that a stopped server left in the midst of training."""
        for job in self._cloud.jobs.all():
            if job.started is not None and job.outcome is None and not (job.pause or {}).get("saved"):
                self._launch(job)

    def settle(self) -> None:
        """Start every job that is due by now."""
        with self._cloud.lock:
            while (due := self._next()) is not None and due[1] <= self._cloud.clock.now():
                job = dataclasses.replace(due[0], started=due[1])
                self._cloud.jobs.put(job)
                self._launch(job)
        self._notify()

    def next_due(self) -> float | None:
        """The virtual time at which ``settle`` has something to do; None: not before a run ends."""
        with self._cloud.lock:
            due = self._next()
        return None if due is None else due[1]

    def cancel(self, job: Job, now: float) -> None:
        """End a job at ``now``, and forget what its run wrote for later."""
        with self._cloud.lock:
            self.stop(job.id)
            outcome = {"status": "cancelled", "at": now}
            self._cut(job, now, "Job cancelled.", outcome=outcome, pause=None)

    def pause(self, job: Job, now: float, step: int) -> None:
        """Halt a job after ``step``: a run of its own trains that far and leaves a checkpoint."""
        ready = now + self._cloud.settings.pause_seconds
        with self._cloud.lock:
            self.stop(job.id)
            pause = {"at": now, "step": step, "ready": ready}
            # No recording shows the wording of these two events.
            self._launch(
                self._cut(job, now, f"Job paused ({len(job.pauses) + 1}).", pause=pause, outcome=None)
            )

    def unpause(self, job: Job, now: float) -> None:
        """Let a paused job go on: what was planned for later happens later by the pause."""
        until = now + self._cloud.settings.resume_seconds
        with self._cloud.lock:
            halted = (job.pause or {"at": now})["at"]
            pauses = [*job.pauses, {"at": halted, "until": until}]
            self._launch(self._cut(job, now, f"Job resumed ({len(pauses)}).", pause=None, pauses=pauses))

    def _cut(self, job: Job, now: float, message: str, **changes: object) -> Job:
        """The job with ``changes``, and without what its run wrote for later than ``now``."""
        clean = dataclasses.replace(job, result_file=None, fine_tuned_model=None, trained_tokens=None)
        changed: Job = dataclasses.replace(clean, **changes)  # type: ignore[arg-type]
        self._cloud.jobs.put(changed)
        events.keep_until(self._cloud, job.id, now)
        events.record(self._cloud, job.id, now, message)
        self._forget_future(job, now)
        return changed

    def stop(self, job: str) -> None:
        """Let the run of a job end without a trace."""
        if stop := self._stops.pop(job, None):
            stop.set()

    def stop_all(self) -> None:
        """Let every run end; they start again with the next server."""
        for job in list(self._stops):
            self.stop(job)

    def _forget_future(self, job: Job, now: float) -> None:
        cloud = self._cloud
        for checkpoint in cloud.checkpoints.all():
            if checkpoint.job == job.id and checkpoint.created > now:
                cloud.checkpoints.remove(checkpoint.id)
        for model in cloud.models.all():
            if model.job == job.id and model.created > now:
                cloud.models.remove(model.id)
                cloud.weights(model.weights).unlink(missing_ok=True)
        if job.result_file is not None:
            cloud.files.remove(job.result_file)
            cloud.content(job.result_file).unlink(missing_ok=True)

    def _next(self) -> tuple[Job, float] | None:
        """The waiting job that gets a place first, and when; None when that is unknown."""
        jobs = self._cloud.jobs.all()
        waiting = [job for job in jobs if job.started is None and job.outcome is None]
        first = {job.training_type: job for job in reversed(waiting)}
        due = [(job, start) for job in first.values() if (start := self._start(job, jobs)) is not None]
        return min(due, key=lambda pair: pair[1], default=None)

    def _start(self, waiting: Job, jobs: list[Job]) -> float | None:
        """When the first waiting job of a training type gets a place."""
        ready = max(waiting.created + self._cloud.settings.queue_seconds, self._data_ready(waiting))
        kind = waiting.training_type
        placed = [job for job in jobs if job.started is not None and job.training_type == kind]
        ends = sorted(job.outcome["at"] if job.outcome else float("inf") for job in placed)
        busy = [end for end in ends if end > ready]
        limit = places(self._cloud.settings, kind)
        start = ready if len(busy) < limit else busy[-limit]
        return None if start == float("inf") else start

    def _data_ready(self, job: Job) -> float:
        """When the last of the job's files is processed."""
        files = (self._cloud.files.get(name) for name in (job.training_file, job.validation_file) if name)
        return max((file.ready for file in files if file is not None), default=0.0)

    def _launch(self, job: Job) -> None:
        stop = threading.Event()
        self._stops[job.id] = stop
        thread = threading.Thread(
            target=self._run, args=(job, stop), name=f"train-{job.id[-6:]}", daemon=True
        )
        thread.start()

    def _run(self, job: Job, stop: threading.Event) -> None:
        # Imported here: numpy is loaded by the first job, not by the start of the server.
        from ftops.emulator.data_plane.job_run import Run

        Run(self._cloud, job, stop).run()
        if not stop.is_set():
            self._stops.pop(job.id, None)
            self.settle()

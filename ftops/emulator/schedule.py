"""When jobs start and end: the state of a job is a function of the clock and of what its run wrote.

Jobs get a place in the order of their creation, at most ``running_jobs_limit`` at a time. The
training itself is done by a thread per running job, which may be ahead of the clock: what it
writes carries the virtual time from which it holds.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

from ftops.emulator import events
from ftops.emulator.cloud import Cloud, Job

TERMINAL = ("succeeded", "failed", "cancelled")


def status(job: Job, now: float) -> str:
    """The job's status on the wire at the virtual time ``now``."""
    if job.outcome is not None and now >= job.outcome["at"]:
        return str(job.outcome["status"])
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
            if job.started is not None and job.outcome is None:
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
            ended = dataclasses.replace(job, outcome=outcome, result_file=None, fine_tuned_model=None)
            self._cloud.jobs.put(ended)
            events.keep_until(self._cloud, job.id, now)
            events.record(self._cloud, job.id, now, "Job cancelled.")
            self._forget_future(job, now)

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
        """The oldest job without a place, and when it gets one; None when that is unknown."""
        jobs = self._cloud.jobs.all()
        waiting = next((job for job in jobs if job.started is None and job.outcome is None), None)
        if waiting is None:
            return None
        ready = waiting.created + self._cloud.settings.queue_seconds
        placed = [job for job in jobs if job.started is not None]
        ends = sorted(job.outcome["at"] if job.outcome else float("inf") for job in placed)
        busy = [end for end in ends if end > ready]
        limit = max(self._cloud.settings.running_jobs_limit, 1)
        start = ready if len(busy) < limit else busy[-limit]
        return None if start == float("inf") else (waiting, start)

    def _launch(self, job: Job) -> None:
        stop = threading.Event()
        self._stops[job.id] = stop
        thread = threading.Thread(
            target=self._run, args=(job, stop), name=f"train-{job.id[-6:]}", daemon=True
        )
        thread.start()

    def _run(self, job: Job, stop: threading.Event) -> None:
        # Imported here: numpy is loaded by the first job, not by the start of the server.
        from ftops.emulator.training import Run

        Run(self._cloud, job, stop).run()
        if not stop.is_set():
            self._stops.pop(job.id, None)
            self.settle()

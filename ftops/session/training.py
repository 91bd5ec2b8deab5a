"""Training: how recorded jobs train, and how long they still take. It records nothing, takes no lock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from ftops.core.address import Address
from ftops.core.errors import FtopsError, UsageError
from ftops.core.model_names import base_of
from ftops.core.resource_types import kind_of
from ftops.core.suggestions import some
from ftops.planning.cost.durations import comparable, left_by_pace
from ftops.planning.desired import training_steps, unreported_counts
from ftops.planning.moves import located, nothing_recorded
from ftops.planning.targeting import matching
from ftops.providers.base import Provider, ReportsProgress, visible_after
from ftops.providers.training_run import JobEvent, TrainingRun, WatchesTraining, recorded_run
from ftops.providers.visibility import invisible_for
from ftops.session.session import Session
from ftops.state.state import ResourceState, State, Status


class Expected(Struct, frozen=True):
    """Seconds until a job ends, and what says so: `pace` of its own steps, or the `recorded` durations of
    comparable jobs. Both are 0 for one that takes longer than any of those."""

    least: float
    most: float
    by: str


class Training(Struct, frozen=True):
    """A recorded job and its run. `steps` is the number of all steps, if it is known; seconds are None if
    their ends aren't."""

    address: Address
    run: TrainingRun
    steps: int | None = None
    elapsed: float | None = None
    trained: float | None = None
    """Seconds since training started, without the time in the queue."""
    expected: Expected | None = None
    is_gone: bool = False
    """Whether the service doesn't have the job any more."""
    is_stopped: bool = False
    """Whether a rule of its sweep has stopped it, or kept it from being started."""
    unknown: tuple[str, ...] = ()
    """Hyperparameters that the service chooses, so that `steps` isn't known yet."""

    @property
    def is_ended(self) -> bool:
        return self.run.state is not Status.PENDING


def jobs_of(session: Session, address: Address | None) -> list[ResourceState]:
    """The recorded jobs at an address, which means all its instances if it has no key; all without one.
    Raises FtopsError."""
    if address is not None and not kind_of(address).trains:
        raise UsageError(f"{address} isn't a job", "only jobs train.", "write `job.` and its name")
    known = session.state.resources
    if address in session.state.pending:
        raise FtopsError(
            f"{address} isn't recorded yet",
            "a run is creating it, or was interrupted while it did.",
            "try again in a moment; `ftops plan` looks for it",
        )
    jobs = [one for one in known if kind_of(one).trains]
    wanted = matching([address], jobs) if address else set(jobs)
    if address and not wanted:
        raise nothing_recorded(known, address, session.state.serial)
    resources = located(session.state, session.config)[0].resources
    return [resources[one] for one in sorted(wanted, key=lambda one: one.sort_key)]


def only_job(session: Session) -> Address:
    """The address of the only recorded job, or of the only sweep, without a key. Raises FtopsError."""
    found = {one._replace(key=None) for one in session.state.resources if kind_of(one).trains}
    if not found:
        raise FtopsError("no job is recorded", "", "`ftops apply` starts those of the spec")
    if len(found) > 1:
        names = some(sorted(map(str, found)), 12)
        raise UsageError(
            "several jobs are recorded", "An address says which one.", f"write one of them: {names}"
        )
    return found.pop()


def trainings(session: Session, jobs: Sequence[ResourceState]) -> list[Training]:
    """How these jobs train now. Raises ProviderError."""
    now = session.wall_clock()
    asked = session.ask_all(jobs, partial(_run_of, now=now))
    return [_training(job, asked[job.address], session.state, now) for job in jobs]


def events_of(
    session: Session, jobs: Sequence[ResourceState], seen: Mapping[str, str] | None = None
) -> Mapping[Address, list[JobEvent]]:
    """The events of jobs, after those that were `seen`, by the ID of the job. Raises FtopsError,
    ProviderError."""
    return session.ask_all(jobs, partial(_events_of, seen=seen or {}))


def standings(session: Session, addresses: Collection[Address]) -> Mapping[Address, Training]:
    """How recorded jobs in progress train."""
    resources = located(session.state, session.config)[0].resources
    jobs = [resources[a] for a in addresses if a in resources and kind_of(a).trains]
    running = [job for job in jobs if job.status is Status.PENDING]
    return {training.address: training for training in trainings(session, running)}


def percent_done(session: Session, address: Address) -> float | None:
    """How much of a recorded job in progress is done; None if that isn't known. Raises ProviderError."""
    job = session.state.resources.get(address)
    provider = session.providers(job.provider) if job is not None else None
    if job is None or not isinstance(provider, ReportsProgress):
        return None
    said, _ = provider.progress(job, "")
    steps = training_steps(job, session.state.resources.values())
    known = (line.percent_of(steps) for line in reversed(said))
    percent = next((percent for percent in known if percent is not None), None)
    return None if percent is None else round(percent, 1)


def _run_of(provider: Provider, job: ResourceState, now: datetime) -> TrainingRun | None:
    """None if the service doesn't have it any more. A new one may not be visible yet."""
    if isinstance(provider, WatchesTraining) and not job.is_off:
        run = provider.training_run(job)
        if run or not invisible_for(job.created_at, visible_after(provider), now):
            return run
    return recorded_run(job)


def _events_of(provider: Provider, job: ResourceState, seen: Mapping[str, str]) -> list[JobEvent]:
    if isinstance(provider, WatchesTraining):
        return [] if job.is_off else provider.job_events(job, seen.get(job.remote_id, ""))
    raise UsageError(f"{job.address} has no events", f"the provider {job.provider} keeps none.")


def _training(job: ResourceState, run: TrainingRun | None, state: State, now: datetime) -> Training:
    if run is None:
        return Training(job.address, recorded_run(job), is_gone=True)
    is_stopped = bool(job.stopped) and run.state is not Status.PENDING
    if is_stopped:
        run = replace(run, status=job.said_status, state=job.status, message=str(job.stopped.get("reason")))
    steps = run.steps or training_steps(job, state.resources.values(), run.hyperparameters)
    newest = max((event.at for event in run.events), default="")
    is_ended = run.state is not Status.PENDING
    # The clock of the service may be ahead of the one here.
    until = _time(run.finished_at or newest) if is_ended else max(filter(None, (now, _time(newest))))
    created, started = _time(run.created_at), _time(run.started_at)
    elapsed = _seconds(created, until)
    expected = None if is_ended else _by_pace(run, steps, until) or _by_records(job, elapsed, state)
    unknown = () if steps or is_ended else tuple(unreported_counts(job, run.hyperparameters))
    trained = _seconds(started, until)
    return Training(
        job.address, run, steps, elapsed, trained, expected, unknown=unknown, is_stopped=is_stopped
    )


def _by_pace(run: TrainingRun, steps: int | None, now: datetime | None) -> Expected | None:
    started = _time(run.started_at)
    done = [(e.step, at.timestamp()) for e in run.events if e.step and (at := _time(e.at))]
    if started is None or now is None or steps is None or not done:
        return None
    left = left_by_pace([(0, started.timestamp()), *done], steps, now.timestamp())
    return Expected(*left, "pace") if left else None


def _by_records(job: ResourceState, elapsed: float | None, state: State) -> Expected | None:
    base, *how = (str(job.inputs.get(name) or "") for name in ("model", "method", "training_type"))
    hours = comparable(base_of(base), how[0], how[1], state.resources.values())
    if not hours or elapsed is None:
        return None
    least, most = (max(0.0, 3600 * end - elapsed) for end in (hours[0], hours[-1]))
    return Expected(least, most, "recorded")


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else max(0.0, (end - start).total_seconds())

"""Trainings of a report: recorded jobs, their curves and verdicts, and sweeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ftops.catalog import Catalog
from ftops.core.address import Address
from ftops.core.errors import FtopsError
from ftops.core.model_names import base_of
from ftops.core.nested import object_at
from ftops.core.plurals import plural
from ftops.planning.cost.recorded import training_dollars, training_price
from ftops.providers.redaction import redaction
from ftops.providers.training_curves import curves_of, verdict_of
from ftops.providers.training_results import Results, best_checkpoint
from ftops.providers.training_run import TrainingRun, recorded_run
from ftops.session.report.history import Runs
from ftops.session.report.values import DataUse, ReportedJob
from ftops.session.session import Session
from ftops.session.sweep import Sweep, read_results, sweep_from
from ftops.session.training import Training, trainings
from ftops.session.unasked import Unasked, unasked
from ftops.state.state import ResourceState, State, Status

_OFFLINE = "not read: the report was made offline"
_ROLES = ("training", "validation")


class Asked(Struct, frozen=True):
    """What services say of jobs, and the providers that can't be asked."""

    trainings: Mapping[Address, Training]
    results: Mapping[Address, Results | str]
    unasked: tuple[Unasked, ...] = ()


def ask(session: Session, jobs: Sequence[ResourceState], *, offline: bool) -> Asked:
    """All about these jobs, as far as their services can be reached. Raises nothing."""
    known = {job.address: Training(job.address, recorded_run(job)) for job in jobs}
    results: dict[Address, Results | str] = dict.fromkeys(known, _OFFLINE)
    missing: list[Unasked] = []
    by_provider: dict[str, list[ResourceState]] = {}
    for job in () if offline else jobs:
        by_provider.setdefault(job.provider, []).append(job)
    for name, some in by_provider.items():
        try:
            known |= {one.address: one for one in trainings(session, some)}
            ended = [job for job in some if known[job.address].is_ended]
            results |= {job.address: f"still {known[job.address].run.status}" for job in some}
            results |= session.ask_all(ended, lambda _, job: read_results(session, job))
        except FtopsError as error:
            count = plural(len(some), "job")
            missing.append(unasked(name, f"only what is recorded of the training of {count} is shown", error))
            results |= {job.address: f"not read: {error.summary}" for job in some}
    clean = redaction(session.config.secrets)
    results = {job: clean.text(one) if isinstance(one, str) else one for job, one in results.items()}
    return Asked(known, results, tuple(missing))


def reported_jobs(
    session: Session, jobs: Sequence[ResourceState], asked: Asked, runs: Runs, known: Catalog
) -> Iterator[ReportedJob]:
    """Each job with all that is known of it."""
    state, clean = session.state, redaction(session.config.secrets)
    names = model_names(state)
    data = {one.identities["content"]: one for one in state.resources.values() if "content" in one.identities}
    for job in jobs:
        training = asked.trainings[job.address]
        training = replace(
            training, run=replace(training.run, message=clean.text(training.run.message or job.message))
        )
        found = asked.results.get(job.address)
        results = found if isinstance(found, Results) else None
        shown = results or _so_far(training.run)
        curves = tuple(curves_of(shown)) if shown else ()
        step, checkpoint = best_checkpoint(job)
        metrics = object_at(job.outputs, "metrics")
        tokens = job.outputs.get("trained_tokens")
        billed = tokens if isinstance(tokens, int) else None
        seconds = training.elapsed if training.trained is None else training.trained
        dollars = training_dollars(job, billed, known, seconds if training.is_ended else None)
        model = str(job.inputs.get("model") or "")
        yield ReportedJob(
            job,
            training,
            base_of(model) or model,
            names.get(model, ""),
            tuple(_data_of(job, data)),
            results,
            curves,
            verdict_of(curves, step) if results else None,
            {name: float(value) for name, value in metrics.items() if isinstance(value, int | float)},
            step,
            checkpoint,
            dollars,
            dollars is not None and training.trained is None and training_price(job, known) is None,
            found if isinstance(found, str) and (training.is_ended or not curves) else "",
            runs.of(job),
        )


def reported_sweeps(session: Session, jobs: Sequence[ResourceState], asked: Asked) -> Iterator[Sweep]:
    """The sweeps among these jobs: those of a `for_each` with more than one job."""
    sweeps: dict[Address, list[ResourceState]] = {}
    for job in jobs:
        if job.address.key is not None:
            sweeps.setdefault(job.address._replace(key=None), []).append(job)
    for some in sweeps.values():
        if len(some) > 1:
            yield sweep_from(session, some, [_results_for_sweep(job, asked) for job in some])


def model_names(state: State) -> dict[str, str]:
    """Models by the jobs that have trained them: `job.copilot`, `job.copilot step 16`."""
    found: dict[str, str] = {}
    for address, record in state.resources.items():
        for step, model in object_at(record.outputs, "checkpoint").items():
            if step.isdecimal():
                found[str(model)] = f"{address} step {step}"
    for address, record in state.resources.items():
        if model := record.outputs.get("fine_tuned_model"):
            found[str(model)] = str(address)
    return found


def _results_for_sweep(job: ResourceState, asked: Asked) -> Results | str:
    """Its results; if they weren't read, the recorded metrics of its final model."""
    found = asked.results.get(job.address) or str(asked.trainings[job.address].run.status)
    metrics: Any = object_at(job.outputs, "metrics")
    if isinstance(found, Results) or not metrics or job.status is not Status.READY:
        return found
    return Results("", "", tuple(metrics), (dict(metrics),))


def _so_far(run: TrainingRun) -> Results | None:
    """What the events of a job in progress say of its metrics, as rows of a result file."""
    rows: dict[int, dict[str, float | str]] = {}
    for step, metrics in [(event.step, event.progress.metrics) for event in run.events]:
        if step is not None and metrics:
            rows.setdefault(step, {"step": step}).update(metrics)
    for saved in run.checkpoints:
        rows.setdefault(saved.step, {"step": saved.step}).update(saved.metrics)
    columns = tuple(dict.fromkeys(name for row in rows.values() for name in row))
    return Results("", "", columns, tuple(rows[step] for step in sorted(rows))) if rows else None


def _data_of(job: ResourceState, data: Mapping[str, ResourceState]) -> Iterator[DataUse]:
    for role in _ROLES:
        if digest := job.identities.get(role):
            record = data.get(digest)
            examples = record.outputs.get("examples") if record else None
            count = examples if isinstance(examples, int) else None
            yield DataUse(role, digest, record.address if record else None, count)

"""Tracking: recorded jobs as runs for experiment trackers."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ftops import catalog
from ftops.core.address import EXPRESSIONS, Address
from ftops.core.errors import FtopsError
from ftops.core.measures import Measure, step_number
from ftops.core.nested import object_at
from ftops.core.plurals import plural
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.providers.redaction import Redaction, redaction
from ftops.providers.training_curves import metric_name
from ftops.session.report.history import Runs
from ftops.session.report.trainings import ask, reported_jobs
from ftops.session.report.values import ReportedJob
from ftops.session.session import Session
from ftops.session.sweep import evaluations_of, scores_of
from ftops.session.training import jobs_of
from ftops.state.state import ResourceState, Status
from ftops.trackers.tracked_run import FAILED, FINISHED, KILLED, RUNNING, Point, TrackedRun

_STATUSES = {Status.PENDING: RUNNING, Status.READY: FINISHED, Status.TAINTED: FAILED}
_CANCELLED = ("cancelled", "canceled")
_OF_EACH_RUN = ("method", "training_type", "suffix", "beta", "l2_multiplier")
"""Inputs that are parameters, besides the hyperparameters."""

Parameters = Mapping[str, str | int | float | bool]


def tracked_runs(
    session: Session, addresses: Sequence[Address]
) -> tuple[list[TrackedRun], Mapping[Address, str]]:
    """The recorded jobs at these addresses with their training results, each once; and those that weren't
    started, with the reason. An address without a key means all jobs of a sweep. Raises FtopsError if none
    was started, ProviderError."""
    found = {job.address: job for address in addresses for job in jobs_of(session, address)}
    left_out = {address: job.not_started for address, job in found.items() if job.not_started}
    jobs = [job for address, job in found.items() if address not in left_out]
    if not jobs:
        reason = next(iter(left_out.values()))
        raise FtopsError("there is no run to log", f"{reason}.", "change the budget, and apply")
    asked = ask(session, jobs, offline=False)
    for one in asked.unasked:
        summary = f"nothing was logged: provider {one.provider} can't be asked"
        raise FtopsError(summary, f"{one.reason}.", "try again when the service can be reached")
    known = catalog.load(session.config.project, os.environ)
    reported = reported_jobs(session, jobs, asked, Runs(session.runs()), known)
    evaluations = evaluations_of(session.state)
    types = {name: provider.type for name, provider in session.config.providers.items()}
    about = {"ftops.spec": session.config.name, "ftops.environment": session.config.environment}
    clean = redaction(session.config.secrets)
    runs = [
        tracked_run(
            job,
            evaluations,
            {**about, "ftops.provider_type": types.get(job.record.provider, "")},
            session.state.lineage,
            clean,
        )
        for job in reported
    ]
    return runs, left_out


def tracked_run(
    job: ReportedJob,
    evaluations: Collection[ResourceState],
    about: Mapping[str, str],
    lineage: str,
    clean: Redaction,
) -> TrackedRun:
    """A job as a run. `about` are tags, of which `ftops.spec` names the project. Pure."""
    record, address = job.record, job.address
    points, left_out = _points(job)
    notes = [job.note] if job.note else []
    if left_out:
        notes.append(f"{plural(left_out, 'value')} that are no numbers or have no step are left out")
    tags = {**about, **_tags(job)}
    return TrackedRun(
        record.remote_id,
        str(address),
        about["ftops.spec"],
        str(address._replace(key=None)) if address.key is not None else "",
        lineage,
        _status(job),
        job.training.run.created_at or record.created_at,
        job.training.run.finished_at,
        {name: clean.text(v) if isinstance(v, str) else v for name, v in _parameters(job).items()},
        {name: clean.text(value) for name, value in tags.items() if value},
        tuple(points),
        dict(_single_metrics(job, evaluations, about)),
        {
            step: str(model)
            for step, model in object_at(record.outputs, "checkpoint").items()
            if step.isdecimal()
        },
        tuple(notes),
    )


def _status(job: ReportedJob) -> str:
    training = job.training
    is_killed = training.is_stopped or training.run.status.lower() in _CANCELLED
    return KILLED if is_killed else _STATUSES[training.run.state]


def _parameters(job: ReportedJob) -> Parameters:
    """Those that the service has used, else those that were asked for. What it chooses itself is left out
    until it says it."""
    record = job.record
    chosen = object_at(record.inputs, "hyperparameters")
    used = {
        name: value for name, value in object_at(record.outputs, "hyperparameters").items() if _is_set(value)
    }
    found: dict[str, Any] = {"base_model": job.base, "continued_from": job.continued}
    found |= {name: record.inputs.get(name) for name in _OF_EACH_RUN}
    found |= {**chosen, **used}
    found["seed"] = record.outputs.get("seed", record.inputs.get("seed"))
    grader = object_at(record.inputs, "grader")
    found["grader"] = " ".join(str(grader[name]) for name in ("type", "name") if grader.get(name))
    for use in job.data:
        found[f"{use.role}_data"] = use.digest
        found[f"{use.role}_examples"] = use.examples
    return {name: value for name, value in ((n, _scalar(v)) for n, v in found.items()) if value is not None}


def _is_set(value: object) -> bool:
    """Whether the service says a value: `auto` and -1 mean that it chooses one."""
    return value not in (None, "", "auto", -1)


def _scalar(value: Any) -> str | int | float | bool | None:
    """Without what isn't set, and with the expressions of secrets in place of their values."""
    if isinstance(value, EXPRESSIONS):
        return str(value)
    return value if isinstance(value, str | int | float) and _is_set(value) else None


def _tags(job: ReportedJob) -> dict[str, str]:
    record, run = job.record, job.run
    return {
        "ftops.address": str(job.address),
        "ftops.model": str(record.outputs.get("fine_tuned_model") or ""),
        "ftops.status": job.training.run.status,
        "ftops.verdict": job.verdict.text if job.verdict else "",
        "ftops.best_checkpoint": job.checkpoint,
        "ftops.commit": run.begun.commit if run else "",
        "ftops.run_url": run.begun.run_url if run else "",
    }


def _points(job: ReportedJob) -> tuple[list[Point], int]:
    """The metrics by step, and how many values are none. The service reports a negative loss if it has
    none: that one isn't counted."""
    if job.results is None:
        rows: Sequence[Mapping[str, Any]] = [
            {"step": step, curve.column: value} for curve in job.curves for step, value in curve.points
        ]
    else:
        rows = job.results.rows
    left_out, by_step = 0, dict[int, dict[str, float]]()
    for row in rows:
        values = {name: value for name, value in row.items() if name != "step"}
        step = step_number(row.get("step"))
        if step is None:
            left_out += len(values)
            continue
        left_out += sum(not _is_number(value) for value in values.values())
        if numbers := {metric_name(name): value for name, value in _numbers(values)}:
            by_step.setdefault(step, {}).update(numbers)
    return [Point(step, by_step[step]) for step in sorted(by_step)], left_out


def _numbers(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, given in values.items():
        value = Measure(name, not name.endswith("loss")).value(values)
        if _is_number(given) and value is not None:
            yield name, value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _single_metrics(
    job: ReportedJob, evaluations: Collection[ResourceState], about: Mapping[str, str]
) -> Iterator[tuple[str, float]]:
    tokens = job.record.outputs.get("trained_tokens")
    if isinstance(tokens, int):
        yield "trained_tokens", float(tokens)
    row = PROVIDER_TYPES.get(about.get("ftops.provider_type", ""))
    if job.dollars is not None and not (row and row.is_rehearsal):
        yield "cost_usd", job.dollars
    if job.step is not None:
        yield "best_step", float(job.step)
    for address, score in scores_of(job.record, evaluations):
        yield f"evaluation/{address.partition('.')[2]}", score

"""Sweeps: the jobs of a `for_each` side by side, by their training results and their records in the state."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ftops import catalog
from ftops.catalog import Catalog
from ftops.config.sweeps import Choice, choices_of
from ftops.core.address import Address, Json, encode
from ftops.core.errors import FtopsError, UsageError
from ftops.core.measures import Measure, deciding
from ftops.core.nested import object_at
from ftops.core.normal_form import Leaf, leaves
from ftops.core.resource_types import kind_of
from ftops.core.suggestions import did_you_mean
from ftops.planning.cost.recorded import training_dollars
from ftops.planning.moves import nothing_recorded
from ftops.providers.training_results import Results, best_checkpoint, results_of
from ftops.session.session import Session
from ftops.state.state import ResourceState, State, Status

_ACCURACIES = tuple(f"{data}_mean_token_accuracy" for data in ("full_valid", "valid", "train"))
_LOSS = Measure("train_loss", False)


class Trial(Struct, frozen=True):
    """One job of a sweep. What isn't known is None."""

    address: Address
    status: str
    differs: Mapping[str, Json]
    """The inputs that aren't the same in all jobs, by path; hyperparameters by their name."""
    last: float | None = None
    best: float | None = None
    """The metric by which jobs are compared: at the last step that has it, and the best of all steps."""
    best_at: int | None = None
    """The step of `best`, of which there may be no checkpoint any more."""
    accuracy: float | None = None
    tokens: int | None = None
    """Tokens that were billed."""
    dollars: float | None = None
    """What they cost, by the catalogue."""
    checkpoint: str | None = None
    """The model of the best checkpoint, and its step."""
    step: int | None = None
    scores: Mapping[str, float] = {}
    """By evaluation: the score of the job's model, or of its checkpoint that was asked."""
    note: str = ""
    """Why it has no metrics, or was stopped."""
    stopped: Mapping[str, Json] = {}
    """Which rule stopped it, why, at which step, and what that saved."""


class Sweep(Struct, frozen=True):
    """`metric` is empty if no job has any."""

    address: Address
    metric: str
    is_reward: bool
    accuracy: str
    trials: tuple[Trial, ...]
    taken: Address | None = None
    """The job that the spec takes as the best, if it refers to that."""
    sorted_by: str = "last"
    """A name of `sort_columns`."""


def sweep_of(session: Session, address: Address, sort: str = "") -> Sweep:
    """All recorded jobs of a `for_each`, the one with the best final model first, as the spec compares them,
    or sorted by a column. Results are read from the service. Raises FtopsError, ProviderError, UsageError."""
    jobs = [session.job(one) for one in instances(session.state.resources, address)]
    if not jobs:
        raise nothing_recorded(session.state.resources, address, session.state.serial)
    read = session.ask_all(jobs, lambda _, job: read_results(session, job))
    return _sorted(sweep_from(session, jobs, [read[job.address] for job in jobs]), sort)


def sweep_from(session: Session, jobs: Sequence[ResourceState], read: Sequence[Results | str]) -> Sweep:
    """The same of the jobs whose results were read, or of which it is said why they have none; the best one
    first."""
    rows: list[Mapping[str, Any]] = [row for one in read if isinstance(one, Results) for row in one.rows]
    address = jobs[0].address._replace(key=None)
    declared = session.graph.sweeps.get(address)
    measure = (declared.measure(rows) if declared else deciding(rows)) or _LOSS
    names = {name for row in rows for name in row}
    accuracy = next((name for name in _ACCURACIES if name in names), "")
    differing = _differing(jobs, session.state.resources)
    known = catalog.load(session.config.project, os.environ)
    evaluations = evaluations_of(session.state)
    trials = [
        _trial(job, results, differs, measure, accuracy, evaluations, known)
        for job, results, differs in zip(jobs, read, differing, strict=True)
    ]
    has_metric = any(trial.best is not None for trial in trials)
    name = measure.name if has_metric else ""
    taken = next((one.ranked[0].address for one in choices(session) if one.sweep == address), None)
    return _sorted(Sweep(address, name, measure.is_reward, accuracy, tuple(trials), taken), "")


def choices(session: Session) -> tuple[Choice, ...]:
    """Of the sweeps whose best job the spec refers to: which one that is by the records."""
    ready = {a: one.outputs for a, one in session.state.resources.items() if one.status is Status.READY}
    return choices_of(session.config, session.graph.sweeps, ready.get)


def evaluations_of(state: State) -> list[ResourceState]:
    """The recorded evaluations, by address."""
    found = (one for one in state.resources.values() if kind_of(one.address).is_record)
    return sorted(found, key=lambda one: one.address.sort_key)


def instances(recorded: Iterable[Address], address: Address) -> list[Address]:
    """The addresses of a `for_each` without its key."""
    same = (a for a in recorded if a[:2] == address[:2] and a.key is not None)
    return sorted(same, key=lambda a: a.sort_key)


def sort_columns(sweep: Sweep) -> dict[str, Callable[[Trial], Any]]:
    """The values that a sweep can be sorted by, by the name of their column, in the table or in CSV."""
    scores = sorted({name for trial in sweep.trials for name in trial.scores})
    differing = sorted({name for trial in sweep.trials for name in trial.differs})
    return {
        "last": lambda trial: trial.last,
        "best": lambda trial: trial.best,
        **dict.fromkeys(("accuracy", "token_accuracy"), lambda trial: trial.accuracy),
        **dict.fromkeys(("tokens", "trained_tokens"), lambda trial: trial.tokens),
        **dict.fromkeys(("cost", "dollars"), lambda trial: trial.dollars),
        **{name: _of(name, "scores") for name in scores},
        **{name: _of(name, "differs") for name in differing},
    }


def _of(name: str, attribute: str) -> Callable[[Trial], Any]:
    return lambda trial: getattr(trial, attribute).get(name)


def _sorted(sweep: Sweep, sort: str) -> Sweep:
    """The highest first of rewards, accuracies and scores, else the lowest; last, what has no value."""
    columns = sort_columns(sweep)
    column = sort or "last"
    if column not in columns:
        hint = did_you_mean(column, columns)
        raise UsageError(f"{sweep.address} can't be sorted by `{column}`", "", hint)
    scores = {name for trial in sweep.trials for name in trial.scores}
    falls = column in {"accuracy", "token_accuracy", *scores} or (
        column in ("last", "best") and sweep.is_reward
    )

    def order(trial: Trial) -> tuple[int, float, str]:
        value = columns[column](trial)
        if isinstance(value, int | float):
            return (0, -value if falls else value, "")
        return (2, 0, "") if value is None else (1, 0, str(value))

    return replace(sweep, trials=tuple(sorted(sweep.trials, key=order)), sorted_by=column)


def read_results(session: Session, job: ResourceState) -> Results | str:
    """The results of a job, or why it has none."""
    try:
        return results_of(session.providers(job.provider), job)
    except FtopsError as error:
        if job.stopped:
            return job.said_message
        if job.status is not Status.READY:
            return job.message or job.said_status
        return "no result file" if not job.outputs.get("result_files") else error.summary


def _trial(
    job: ResourceState,
    results: Results | str,
    differs: Mapping[str, Json],
    measure: Measure,
    accuracy: str,
    evaluations: Sequence[ResourceState],
    known: Catalog,
) -> Trial:
    left = [object_at(job.outputs, "metrics")] * bool(job.stopped)
    rows = results.rows if isinstance(results, Results) else left
    steps = [(value, row.get("step")) for row in rows if (value := measure.value(row)) is not None]
    values = [value for value, _ in steps]
    best = measure.best(values) if values else None
    accuracies = [float(row[accuracy]) for row in rows if isinstance(row.get(accuracy), int | float)]
    tokens = job.outputs.get("trained_tokens")
    billed = tokens if isinstance(tokens, int) else None
    step, model = best_checkpoint(job)
    return Trial(
        job.address,
        job.said_status,
        differs,
        last=values[-1] if values else None,
        best=best,
        best_at=next((int(at) for value, at in steps if value == best and at is not None), None),
        accuracy=accuracies[-1] if accuracies else None,
        tokens=billed,
        dollars=training_dollars(job, billed, known),
        checkpoint=model or None,
        step=step,
        scores=dict(scores_of(job, evaluations)),
        note=results if isinstance(results, str) else job.said_message if job.stopped else "",
        stopped=dict(job.stopped),
    )


def scores_of(job: ResourceState, evaluations: Iterable[ResourceState]) -> Iterator[tuple[str, float]]:
    """Of the job's final model, else of the best of its checkpoints that were asked."""
    checkpoints: Any = job.outputs.get("checkpoint") or {}
    final = str(job.outputs.get("fine_tuned_model") or "")
    for record in evaluations:
        scores: Any = record.outputs.get("scores") or {
            record.outputs.get("best"): record.outputs.get("score")
        }
        asked = [scores.get(final)] if final in scores else [scores.get(m) for m in checkpoints.values()]
        numbers = [float(score) for score in asked if isinstance(score, int | float)]
        if numbers:
            yield str(record.address), max(numbers)


def _differing(
    jobs: Sequence[ResourceState], recorded: Mapping[Address, ResourceState]
) -> list[dict[str, Json]]:
    """The inputs of each job that aren't the same in all, with addresses in place of IDs."""
    named: dict[object, Json] = {}
    for address, record in recorded.items():
        ids = (record.remote_id, record.outputs.get("fine_tuned_model"))
        named |= {value: str(address) for value in ids if value}
    row = kind_of(jobs[0].address)
    inputs = ({name: value for name, value in job.inputs.items() if name not in row.local} for job in jobs)
    found = [{leaf.path: leaf for _, leaf in leaves(one, row.spelling)} for one in inputs]
    said: dict[str, list[Leaf | None]] = {
        path: [one.get(path) for one in found] for path in sorted({path for one in found for path in one})
    }
    differing = {
        path: every for path, every in said.items() if len({one and one.meaning for one in every}) > 1
    }

    def shown(leaf: Leaf | None) -> Json:
        value = leaf.value if leaf else None
        return named.get(value, value) if isinstance(value, str) else encode(value)

    return [
        {path.removeprefix("hyperparameters."): shown(every[index]) for path, every in differing.items()}
        for index in range(len(jobs))
    ]

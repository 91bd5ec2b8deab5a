"""Jobs in progress and their events, as a table, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ftops.core.address import Json
from ftops.core.measures import deciding
from ftops.core.plurals import agree, plural
from ftops.providers.training_run import JobEvent, SavedCheckpoint
from ftops.session.training import Expected, Training
from ftops.state.state import Status
from ftops.views.folding import columns_of, distinct_names
from ftops.views.paint import Painter, clean
from ftops.views.table import draw_table, left_out, width_of
from ftops.views.training_metrics import METRICS, known
from ftops.views.values import duration

_LESS_NEEDED = ("accuracy", "tokens", "elapsed", "loss", "reward", "to expect")
"""Columns in the order in which they are left out of a table that is too wide."""
_SHORTEST_NAME = 16
"""Columns that names get at least."""
_NOTES = 6
"""Lines for headings and for what is said below a table."""
_STYLES = {Status.READY: "good", Status.TAINTED: "error", Status.PENDING: "update"}
_SHARES = ("preferred", "accuracy")
_NUMBERS = frozenset({*METRICS, "step", "tokens", "elapsed"})
_BY = {"pace": "at the pace of its steps", "recorded": "as long as recorded jobs like it took"}


def draw_jobs(
    trainings: Sequence[Training], paint: Painter, width: int | None = None, height: int | None = None
) -> list[str]:
    """A table with a row for each job, or all about a single one. Jobs in progress are the first rows, those
    that wait next, and what doesn't fit into so many lines is only counted."""
    if len(trainings) == 1:
        return _detail(trainings[0], paint)
    if not trainings:
        return []
    ordered = sorted(trainings, key=lambda one: (one.is_ended, one.run.step is None))
    shown = ordered[: None if height is None or len(ordered) < height - _NOTES else max(1, height - _NOTES)]
    whole = [_row(training) for training in shown]
    known_columns = [name for name in whole[0] if any(row[name] for row in whole)]
    rows, columns = _fitted(whole, known_columns, width)
    cells = [columns, *([row[name] or "-" for name in columns] for row in rows)]
    numbers = [at for at, name in enumerate(columns) if name in _NUMBERS]
    state = columns.index("state")
    styles = {(n, state): _style(training) for n, training in enumerate(shown, 1)}
    lines = draw_table(cells, paint, width, right=numbers, styles=styles)
    if rest := len(ordered) - len(shown):
        lines.append(paint(f"… and {rest} more", "dim"))
    if rows[0]["address"] != whole[0]["address"]:
        lines.append(paint(f"The first is {shown[0].address}.", "dim"))
    return [*lines, *left_out(known_columns, columns, paint, "`ftops jobs ADDRESS` has them")]


def _fitted(
    rows: Sequence[Mapping[str, str]], known_columns: Sequence[str], width: int | None
) -> tuple[list[Mapping[str, str]], list[str]]:
    """Rows and columns that take so many columns of a terminal: steps and keys get shorter, then columns are
    left out, then names are cut."""
    rows, columns = list(rows), list(known_columns)
    if width is None or _width(rows, columns) <= width:
        return rows, columns
    addresses = [row["address"] for row in rows]
    whole = max(map(columns_of, addresses))

    def named(room: int) -> list[Mapping[str, str]]:
        names = distinct_names(addresses, room)
        return [{**row, "address": name} for row, name in zip(rows, names, strict=True)]

    rows = [{**row, "step": row["step"].replace(" of ", "/")} for row in rows]
    others = [name for name in columns if name not in ("address", *_LESS_NEEDED)]
    rows = named(max(_SHORTEST_NAME, min(whole, width - 2 - _width(rows, others))))
    for name in _LESS_NEEDED:
        if _width(rows, columns) > width and name in columns:
            columns.remove(name)
    return rows, columns


def standing(training: Training) -> str:
    """Where a job stands, in a few words: `running, step 64 of 96, loss 0.087`."""
    row = _row(training)
    parts = [row["state"], f"step {row['step']}" if row["step"] else ""]
    parts += [f"{name} {row[name]}" for name in METRICS if name not in _SHARES and row[name]]
    parts += [_ahead(training), f"{row['to expect']} to expect" if row["to expect"] else ""]
    return ", ".join(part for part in parts if part)


def draw_standing(training: Training, paint: Painter) -> str:
    """The same as a line of its own."""
    return f"{paint(str(training.address), 'bold')}: {paint(standing(training))}"


def draw_event(event: JobEvent, paint: Painter) -> str:
    """`2026-11-30T10:00:00Z  Step 10: training loss=0.5`"""
    level = "" if event.level == "info" else f"{paint(event.level, 'warning')}: "
    message = event.progress.message if event.progress.metrics else event.message
    return f"{paint(event.at or '-', 'dim')}  {level}{paint(message)}"


def event_to_json(event: JobEvent) -> dict[str, Json]:
    return {
        "id": event.id,
        "at": event.at or None,
        "level": event.level,
        "message": event.message,
        "step": event.step,
        "steps": event.steps,
        "metrics": dict(event.progress.metrics),
    }


def training_to_json(training: Training) -> dict[str, Json]:
    """A job; docs/json-output.md describes it."""
    run, expected = training.run, training.expected
    return {
        "address": str(training.address),
        "remote_id": run.remote_id,
        "status": run.status,
        "ended": training.is_ended,
        "gone": training.is_gone,
        "message": run.message,
        "step": run.step,
        "steps": training.steps,
        "metrics": dict(run.metrics),
        "tokens": run.tokens,
        "created_at": run.created_at or None,
        "started_at": run.started_at or None,
        "finished_at": run.finished_at or None,
        "elapsed": training.elapsed,
        "expected": {"least": expected.least, "most": expected.most, "by": expected.by} if expected else None,
        "ahead": run.ahead,
        "checkpoints": [
            {"step": saved.step, "model": saved.model, "metrics": dict(saved.metrics)}
            for saved in run.checkpoints
        ],
    }


def best_of(checkpoints: Sequence[SavedCheckpoint]) -> SavedCheckpoint | None:
    """The checkpoint that `checkpoint.best` means, if a metric decides it."""
    measure = deciding([saved.metrics for saved in checkpoints])
    known = [
        (value, saved)
        for saved in checkpoints
        if measure and (value := measure.value(saved.metrics)) is not None
    ]
    if measure is None or not known:
        return None
    best = measure.best(value for value, _ in known)
    return next(saved for value, saved in known if value == best)


def _row(training: Training) -> dict[str, str]:
    run, metrics = training.run, known(training.run.metrics)
    shown = {name: f"{metrics[name]:.4g}" if name in metrics else "" for name in METRICS}
    return {
        "address": clean(str(training.address)),
        "state": "gone" if training.is_gone else clean(run.status),
        "step": _step(training),
        **shown,
        "queue": "" if run.ahead is None else f"{run.ahead} ahead" if run.ahead else "next",
        "tokens": f"{run.tokens:,}" if run.tokens is not None else "",
        "elapsed": duration(training.elapsed) if training.elapsed is not None else "",
        "to expect": _range(training.expected),
    }


def _step(training: Training) -> str:
    step, steps = training.run.step, training.steps
    if step is None:
        return ""
    return f"{step:,} of {steps:,}" if steps else f"{step:,}"


def _why_open(training: Training) -> str:
    """Why a step is shown without the number of all of them."""
    if not training.unknown or training.run.step is None:
        return ""
    chosen = " and ".join(training.unknown)
    return f"; how many there are is known at the end: the service chooses {chosen}"


def _range(expected: Expected | None) -> str:
    """`5m10s to 7m00s`"""
    if expected is None:
        return ""
    if not expected.most:
        return "any moment" if expected.by == "pace" else "longer than usual"
    least, most = duration(expected.least), duration(expected.most)
    if not expected.least:
        return f"up to {most}"
    return most if least == most else f"{least} to {most}"


def _ahead(training: Training) -> str:
    count = training.run.ahead
    if count is None:
        return ""
    return (
        f"{plural(count, 'job')} of this account {agree(count, 'is', 'are')} ahead"
        if count
        else "next in the queue of this account"
    )


def _width(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> int:
    return width_of([columns, *([row[name] for name in columns] for row in rows)])


def _style(training: Training) -> str:
    if training.is_gone or training.is_stopped:
        return "error" if training.is_gone else "update"
    return _STYLES.get(training.run.state, "")


def _detail(training: Training, paint: Painter) -> list[str]:
    run, row = training.run, _row(training)
    state = paint(row["state"], _style(training))
    percent = f" ({100 * (run.step or 0) / training.steps:.0f} %)" if training.steps and run.step else ""
    waited = "" if training.trained is None else f", of which {duration(training.trained)} training"
    lines = {
        "why": run.message,
        "step": row["step"] + percent + _why_open(training),
        **{name: row[name] for name in METRICS},
        "tokens": row["tokens"],
        "elapsed": row["elapsed"] + waited,
        "to expect": _expected(training.expected),
        "queue": _ahead(training).removesuffix(" in the queue of this account"),
        "checkpoints": _checkpoints(run.checkpoints),
        "gone": "the service doesn't have the job any more; this is what the state has" * training.is_gone,
    }
    head = f"{paint(str(training.address), 'bold')}  {state}  {paint(run.remote_id, 'dim')}"
    width = max(len(name) for name, text in lines.items() if text or name == "checkpoints")
    return [head, *(f"  {name:<{width}}  {paint(text)}" for name, text in lines.items() if text)]


def _expected(expected: Expected | None) -> str:
    if expected is None:
        return ""
    return f"{_range(expected)} ({_BY[expected.by]})"


def _checkpoints(saved: Sequence[SavedCheckpoint]) -> str:
    best = best_of(saved)
    return ", ".join(f"step {one.step}{' (best)' if one is best else ''}" for one in saved)

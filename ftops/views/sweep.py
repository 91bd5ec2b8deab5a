"""Sweeps as a table: a row for each job, as text, CSV, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

from ftops.core.address import Json
from ftops.planning.estimate import dollars_of
from ftops.session.sweep import Sweep, Trial
from ftops.views.facts import csv_line, plain
from ftops.views.markdown_text import cell as escaped
from ftops.views.markdown_text import table
from ftops.views.paint import Painter, clean
from ftops.views.table import draw_table, fits, left_out
from ftops.views.values import show

_WIDTH = 40
_LESS_NEEDED = ("tokens", "cost", "checkpoint", "at step", "accuracy")
"""Columns in the order in which they are left out of a table that is too wide."""
_IN_TABLE = {"token_accuracy": "accuracy", "trained_tokens": "tokens", "dollars": "cost"}
"""Columns of the table by their names in CSV."""
Columns = dict[str, list[str]]
"""The cells of a column, by its name."""


def draw_sweep(sweep: Sweep, paint: Painter, columns: int | None = None) -> list[str]:
    """The rows below a heading, and on a terminal of so many `columns` what doesn't fit into them. A table
    that is too wide is drawn without keys, if its inputs say the same, and then without the columns that are
    less needed, if it fits then."""
    drawn = _columns(sweep)
    shown, below = drawn, list[str]()
    if columns is not None:
        drawn = {**drawn, "": [_brief(cell) for cell in drawn[""]]} if "" in drawn else drawn
        below = [paint(line, "dim") for line in _reasons(sweep)]
        shown, drawn = _fitted(sweep, drawn, columns)
        if sweep.metric and "best" in shown:
            below = [paint(f"best and last: {sweep.metric}", "dim"), *below]
    numbers = [n for n, cells in enumerate(shown.values()) if all(map(_is_number, cells))]
    lines = draw_table(_rows(shown), paint, columns, right=numbers)
    if "key" not in shown:
        below = [paint(f"The first is {sweep.trials[0].address}.", "dim"), *below]
    return [*lines, *left_out(drawn, shown, paint, "`-o csv` has them"), *below]


def sweep_to_markdown(sweep: Sweep) -> str:
    """The same as a table."""
    columns = {name or "note": cells for name, cells in _columns(sweep).items()}
    heading, *rows = _rows(columns)
    return table(
        [escaped(name) for name in heading],
        [[cell if _is_number(cell) else escaped(cell) for cell in row] for row in rows],
    )


def sweep_to_csv(sweep: Sweep) -> Iterator[str]:
    """Lines with their ends, the first with the names of the columns. Numbers aren't rounded."""
    rows = [
        _flat(
            {
                **_trial_to_json(trial),
                "stopped": bool(trial.stopped),
                "taken": trial.address == sweep.taken,
            }
        )
        for trial in sweep.trials
    ]
    names = list(dict.fromkeys(name for row in rows for name in row))
    yield csv_line(names)
    for row in rows:
        yield csv_line(_plain(row.get(name)) for name in names)


def sweep_to_json(sweep: Sweep) -> dict[str, Json]:
    """The document that `results -o json` prints for a sweep; docs/json-output.md describes it."""
    return {
        "address": str(sweep.address),
        "metric": sweep.metric or None,
        "mode": "max" if sweep.is_reward else "min",
        "accuracy": sweep.accuracy or None,
        "taken": str(sweep.taken) if sweep.taken else None,
        "trials": [_trial_to_json(trial) for trial in sweep.trials],
    }


def note_of(sweep: Sweep, trial: Trial) -> str:
    """Whether the spec takes the job, and why it has no metrics or was stopped."""
    return ", ".join(filter(None, ["taken" * (trial.address == sweep.taken), trial.note]))


def _trial_to_json(trial: Trial) -> dict[str, Json]:
    return {
        "address": str(trial.address),
        "key": trial.address.key,
        "status": trial.status,
        "inputs": dict(trial.differs),
        "last": trial.last,
        "best": trial.best,
        "best_at": trial.best_at,
        "token_accuracy": trial.accuracy,
        "trained_tokens": trial.tokens,
        "dollars": trial.dollars,
        "best_step": trial.step,
        "best_checkpoint": trial.checkpoint,
        "scores": dict(trial.scores),
        "note": trial.note,
        "stopped": dict(trial.stopped) or None,
    }


def _flat(row: dict[str, Json]) -> dict[str, Json]:
    flat: dict[str, Json] = {}
    for name, value in row.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def _plain(value: Json) -> object:
    return "" if value is None else plain(value) if isinstance(value, str) else value


def _brief(note: str) -> str:
    """Without the reason, which is said below the table."""
    return note.partition(":")[0].replace("stopped early", "stopped")


def _reasons(sweep: Sweep) -> Iterator[str]:
    """Why jobs were stopped, or have no results, each once: `stopped early: the reason (its jobs)`."""
    jobs: dict[str, list[str]] = {}
    for trial in sweep.trials:
        if ":" in trial.note:
            jobs.setdefault(trial.note, []).append(str(trial.address.key))
    for note, keys in jobs.items():
        yield f"{clean(note)} ({clean('; '.join(keys))})"


def _rows(columns: Columns) -> list[list[str]]:
    """The heading and a row for each job."""
    return [list(columns), *map(list, zip(*columns.values(), strict=True))]


def _fitted(sweep: Sweep, drawn: Columns, columns: int) -> tuple[Columns, Columns]:
    """What fits into so many columns of a terminal, and all that there is. Titles get shorter before columns
    are left out, and aren't broken if it is enough to leave out a few."""
    if fits(_rows(drawn), columns, whole_names=True):
        return drawn, drawn
    short = {f"{word} {sweep.metric}": word for word in ("best", "last")}
    titled = {short.get(name, name): cells for name, cells in drawn.items()}
    narrower = [*_narrower(sweep, titled)]
    few = [one for one in narrower if {*titled} - {*one} <= {"key", *_LESS_NEEDED[:3]}]
    whole = (one for one in few if fits(_rows(one), columns, whole_names=True))
    broken = (one for one in narrower if fits(_rows(one), columns))
    fitting = next(chain(whole, broken), None)
    return (drawn, drawn) if fitting is None else (fitting, titled)


def _narrower(sweep: Sweep, columns: Columns) -> Iterator[Columns]:
    """The columns, and then fewer and fewer of them, but always the one that it is sorted by."""
    yield columns
    without = set[str]()
    redundant = ("key",) if all(map(says_its_inputs, sweep.trials)) else ()
    kept = _IN_TABLE.get(sweep.sorted_by, sweep.sorted_by)
    for name in (*redundant, *_LESS_NEEDED):
        if name in columns and name != kept:
            without.add(name)
            yield {name: cells for name, cells in columns.items() if name not in without}


def says_its_inputs(trial: Trial) -> bool:
    """Whether a key such as `rate=0.5,training=mild`, of a matrix, has only values of inputs that differ."""
    values = {value if isinstance(value, str) else show(value) for value in trial.differs.values()}
    names = {value.removeprefix("dataset.") for value in values}
    parts = [part.partition("=") for part in (trial.address.key or "").split(",")]
    return all(equals and value in names for _, equals, value in parts)


def _columns(sweep: Sweep) -> Columns:
    """A column without any value is left out."""
    differing = dict.fromkeys(name for trial in sweep.trials for name in trial.differs)
    scores = dict.fromkeys(name for trial in sweep.trials for name in trial.scores)
    written = dollars_of(trial.dollars for trial in sweep.trials)
    columns: dict[str, Callable[[Trial], str]] = {
        "key": lambda trial: clean(trial.address.key or ""),
        **{clean(name): partial(_input, name) for name in differing},
        f"best {sweep.metric}": lambda trial: _number(trial.best),
        "at step": lambda trial: "" if trial.best_at is None else str(trial.best_at),
        f"last {sweep.metric}": lambda trial: _number(trial.last),
        "accuracy": lambda trial: _number(trial.accuracy),
        "tokens": lambda trial: "" if trial.tokens is None else f"{trial.tokens:,}",
        "cost": lambda trial: "" if trial.dollars is None else written(trial.dollars),
        "checkpoint": lambda trial: "" if trial.step is None else str(trial.step),
        **{name: partial(_score, name) for name in scores},
        "": lambda trial: clean(note_of(sweep, trial)),
    }
    drawn = {name: [cell(trial) for trial in sweep.trials] for name, cell in columns.items()}
    return {name: cells for name, cells in drawn.items() if any(cells)}


def _input(name: str, trial: Trial) -> str:
    value = trial.differs.get(name)
    return "" if value is None else show(value, _WIDTH)


def _score(name: str, trial: Trial) -> str:
    return _number(trial.scores.get(name))


def _is_number(cell: str) -> bool:
    return not cell.strip("0123456789.,-$≈ ")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"

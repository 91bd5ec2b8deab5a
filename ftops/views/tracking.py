"""Logged runs: what became of each in an experiment tracker, and where to look, as text and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ftops.core.address import Address, Json
from ftops.trackers.tracked_run import CREATED, UNCHANGED, UPDATED, Logged
from ftops.views.paint import Painter
from ftops.views.table import draw_table

_WORDS: Mapping[str, str] = {
    CREATED: "logged",
    UPDATED: "updated",
    UNCHANGED: "already logged, nothing has changed",
}
_NONE: Mapping[Address, str] = MappingProxyType({})


def draw_logged(
    logged: Logged,
    title: str,
    paint: Painter,
    columns: int | None = None,
    left_out: Mapping[Address, str] = _NONE,
) -> list[str]:
    """A row for each run, what was left out, and where to look. `columns` are those of the terminal;
    `left_out` are jobs without a run, with the reason."""
    rows = [["job", "run", ""], *([run.name, run.id, _WORDS[run.outcome]] for run in logged.runs)]
    name = "/".join(filter(None, (logged.entity, logged.experiment)))
    by = f", by {paint(logged.chosen_by)}" if logged.chosen_by else ""
    lines = [f"{title}, {paint(name, 'bold')} ({paint(logged.place)}){by}", ""]
    lines += [*draw_table(rows, paint, columns), ""]
    lines += [f"{paint(run.name)}: {paint(note)}" for run in logged.runs for note in run.notes]
    lines += [f"{paint(str(job))}: left out, {paint(reason)}" for job, reason in left_out.items()]
    return lines + [f"Look at it: {paint(look)}" for look in logged.look]


def logged_to_json(logged: Logged, tracker: str, left_out: Mapping[Address, str] = _NONE) -> dict[str, Json]:
    """The document that `results --to -o json` prints; docs/json-output.md describes it."""
    return {
        "tracker": tracker,
        "place": logged.place,
        "experiment": logged.experiment,
        "entity": logged.entity or None,
        "chosen_by": logged.chosen_by or None,
        "runs": [
            {
                "address": run.name,
                "run_id": run.id,
                "outcome": run.outcome,
                "url": run.url or None,
                "notes": list(run.notes),
            }
            for run in logged.runs
        ],
        "left_out": [{"address": str(job), "reason": reason} for job, reason in left_out.items()],
        "look": list(logged.look),
    }

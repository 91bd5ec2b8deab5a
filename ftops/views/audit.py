"""Audit log as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import asdict

from ftops.core.address import Json
from ftops.core.plurals import plural
from ftops.planning.plan import Action
from ftops.state.backends.audit_log import LOST, Run
from ftops.views.paint import Painter
from ftops.views.table import draw_table

_STYLES: Mapping[str, str] = {"done": "good", "failed": "error", "lost": "error"}
_HEAD = ("WHEN", "WHO", "WHAT", "RESULT", "CHANGES", "STATE", "PLAN")


def draw_runs(runs: Sequence[Run], left_out: int, paint: Painter, columns: int | None = None) -> list[str]:
    """A line for each run, oldest first."""
    if not runs:
        return ["No runs yet."]
    result = _HEAD.index("RESULT")
    styles = {(row, result): _STYLES.get(run.result, "update") for row, run in enumerate(runs, 1)}
    rows = [_HEAD, *(_cells(run) for run in runs)]
    lines = [*draw_table(rows, paint, columns, styles=styles, heading="dim"), *_legend(runs, paint)]
    links = [paint(f"{run.begun.at}  {run.begun.run_url}") for run in runs if run.begun.run_url]
    lines += ["", *links] if links else []
    return lines + [f"… {plural(left_out, 'older run')} left out: --limit 0 shows all"] * bool(left_out)


def _legend(runs: Sequence[Run], paint: Painter) -> list[str]:
    """What the symbols of the changes mean, and `lost`."""
    used = {name for run in runs for name in run.begun.counts}
    done: dict[str, list[str]] = {}
    for action in Action:
        if action.value in used:
            done.setdefault(action.symbol, []).append(action.done)
    meant = ", ".join(f"{symbol} {' or '.join(words)}" for symbol, words in done.items())
    lost = ["A lost run was killed; the next one has noted that."] * any(run.result == LOST for run in runs)
    return [paint(line, "dim") for line in (*[f"Changes: {meant}."] * bool(meant), *lost)]


def runs_to_json(runs: Sequence[Run], spec: str, environment: str) -> dict[str, Json]:
    """The document of `audit -o json`."""
    return {"spec": spec, "environment": environment, "runs": [_run(run) for run in runs]}


def _run(run: Run) -> Json:
    ended = run.ended
    return {
        **asdict(run.begun),
        "ended_at": ended.at if ended else None,
        "result": run.result,
        "serial_after": ended.serial if ended else None,
        "steps": dict(ended.steps) if ended else {},
        "noted_by": ended.noted_by if ended else "",
    }


def _cells(run: Run) -> tuple[str, ...]:
    begun, ended = run.begun, run.ended
    after = "?" if ended is None or ended.serial is None else str(ended.serial)
    counts = [f"{Action(name).symbol}{count}" for name, count in begun.counts.items() if name in _ACTIONS]
    plan = begun.plan.rpartition(":")[2][:12] + (" (saved)" if begun.planned_at else "")
    plan += f" of {begun.grant.rpartition(':')[2][:12]}" if begun.grant else ""
    plan += "".join(f", gate of {address} overridden: {why}" for address, why in begun.overrides.items())
    plan += "".join(
        f", {address} {'' if to == 'released' else 'pinned to '}{to}" for address, to in begun.pins.items()
    )
    plan += "".join(f", rule {name} overridden: {why}" for name, why in begun.rule_overrides.items())
    who = f"{begun.who}@{begun.host}"
    changed = f"{begun.serial} → {after}" if after != str(begun.serial) else after
    return (begun.at[:19] + "Z", who, begun.operation, run.result, " ".join(counts), changed, plan)


_ACTIONS = frozenset(action.value for action in Action)

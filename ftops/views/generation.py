"""Generated data: what was made and dropped, and how often each function and value occurs."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from ftops.core.address import Json
from ftops.core.plurals import plural
from ftops.generation.coverage import Row
from ftops.views.paint import Painter, clean

if TYPE_CHECKING:
    from ftops.session.generation import Report

_WIDEST = 24


def draw(report: Report, paint: Painter) -> str:
    """The counts, then a line for each parameter of each function; what has no example is marked."""
    made = report.made
    total = len(made.training) + len(made.held_out)
    missing = f" of {report.wanted:,} that `examples` asks for" if total < report.wanted else ""
    lines = [f"{clean(report.folder)}: {plural(len(made.training), 'example')}{missing}{_more(report)}"]
    if report.dropped:
        counts = ", ".join(f"{count:,} {reason}" for reason, count in report.dropped.items())
        lines.append(f"  dropped: {counts}")
    lines.append("")
    width = max((len(clean(row.function)) for row in made.coverage), default=0)
    for name, group in groupby(made.coverage, key=lambda row: row.function):
        function, *values = group
        lines.append(f"  {clean(name):{width}}  {_count(function, paint)}")
        for parameter, rows in groupby(values, key=lambda row: row.parameter):
            cells = "  ".join(f"{_value(row)} {_count(row, paint)}" for row in rows)
            lines.append(f"  {'':{width}}    {clean(parameter)}: {cells}")
    if holes := report.holes:
        lines += ["", f"{plural(len(holes), 'hole')}, marked with !: too few examples"]
    return "\n".join(lines) + "\n"


def _more(report: Report) -> str:
    made = report.made
    held = f", {len(made.held_out):,} held out" if made.held_out else ""
    spent = f", about ${report.spent:.2f} spent" if report.spent else ""
    return held + (f", {made.unused:,} not needed" if made.unused else "") + spent


def _count(row: Row, paint: Painter) -> str:
    return paint(f"{row.examples}!", "red") if row.is_hole else str(row.examples)


def _value(row: Row) -> str:
    value = clean(row.value)
    return value if len(value) <= _WIDEST else f"{value[: _WIDEST - 1]}…"


def to_json(report: Report) -> dict[str, Json]:
    made = report.made
    rows: list[Json] = [
        {
            "function": row.function,
            "parameter": row.parameter or None,
            "value": row.value or None,
            "examples": row.examples,
            "wanted": row.wanted,
            "is_hole": row.is_hole,
        }
        for row in made.coverage
    ]
    return {
        "name": report.name,
        "folder": report.folder,
        "examples": len(made.training),
        "held_out": len(made.held_out),
        "unused": made.unused,
        "dropped": dict(report.dropped),
        "answers": report.answers,
        "dollars": round(report.spent, 4),
        "coverage": rows,
    }

"""Training results as a table: each evaluation, every tenth step, and the best reward or loss."""

from __future__ import annotations

from ftops.core.address import Address, Json
from ftops.providers.training_results import Results, deciding
from ftops.views.paint import Painter, clean

_EVERY = 10


def draw_results(address: Address, results: Results, paint: Painter) -> list[str]:
    """`step  train_loss  …`, with a mark at the best reward or loss."""
    measure = deciding(results.rows)
    values = [measure.value(row) if measure else None for row in results.rows]
    known = [value for value in values if value is not None]
    best = measure.best(known) if measure and known else None
    columns = [name for name in results.columns if any(name in row for row in results.rows)]
    lines = [paint("  ".join(columns), "bold")] if columns else [f"{address}: no metrics"]
    for number, (row, value) in enumerate(zip(results.rows, values, strict=True), 1):
        if not (number % _EVERY == 0 or value is not None or number == len(results.rows)):
            continue
        cells = (f"{_shown(row.get(name)):>{len(name)}}" for name in columns)
        mark = paint("  best", "create") if best is not None and value == best else ""
        lines.append("  ".join(cells) + mark)
    return lines


def results_to_json(address: Address, results: Results) -> dict[str, Json]:
    """The document that `results -o json` prints; docs/json-output.md describes it."""
    return {
        "address": str(address),
        "file": results.file,
        "columns": list(results.columns),
        "rows": [dict(row) for row in results.rows],
    }


def _shown(value: float | str | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else clean(str(value))

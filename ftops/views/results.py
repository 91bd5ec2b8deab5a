"""Training results: curves, or a table of each evaluation and every tenth step; and a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import asdict

from ftops.core.address import Address, Json
from ftops.core.measures import deciding
from ftops.core.nested import object_at
from ftops.providers.training_curves import curves_of, verdict_of
from ftops.providers.training_results import Results, best_checkpoint, checkpoint_word
from ftops.state.state import ResourceState
from ftops.views.curves import draw_curves
from ftops.views.markdown_text import cell, code, table
from ftops.views.paint import Painter, clean
from ftops.views.table import draw_table

_EVERY = 10


def draw_results(address: Address, results: Results, paint: Painter, width: int | None = None) -> list[str]:
    """`step  train_loss  …`, with a mark at the best reward or loss."""
    columns = _columns(results)
    if not columns:
        return [f"{address}: no metrics"]
    rows = [[*columns, ""]]
    for row, is_best in _rows(results):
        rows.append([*(_shown(row.get(name)) for name in columns), "best" if is_best else ""])
    styles = {(number, len(columns)): "create" for number in range(1, len(rows))}
    return draw_table(rows, paint, width, right=range(len(columns)), styles=styles)


def results_to_markdown(job: ResourceState, results: Results) -> str:
    """The same rows as a table, the best in bold, and below it the verdict and the best checkpoint."""
    columns = _columns(results)
    rows = [
        [f"**{cell(text)}**" if is_best and text else cell(text) for text in cells]
        for cells, is_best in (
            ([_shown(row.get(name)) for name in columns], is_best) for row, is_best in _rows(results)
        )
    ]
    step, model = best_checkpoint(job)
    verdict = verdict_of(curves_of(results), step)
    drawn = table([cell(name) for name in columns], rows) if columns else "No metrics.\n"
    said = f"\n**Verdict:** {verdict.text}. {verdict.rule}\n" if verdict else ""
    kept = f"\n{_word(job).capitalize()} checkpoint: step {step}, {code(model)}\n" if step is not None else ""
    return drawn + said + kept


def _columns(results: Results) -> list[str]:
    """Those that have any value."""
    return [name for name in results.columns if any(name in row for row in results.rows)]


def _rows(results: Results) -> Iterator[tuple[Mapping[str, float | str], bool]]:
    """Every tenth row, evaluations and the last row, and whether it is the best."""
    measure = deciding(results.rows)
    values = [measure.value(row) if measure else None for row in results.rows]
    known = [value for value in values if value is not None]
    best = measure.best(known) if measure and known else None
    for number, (row, value) in enumerate(zip(results.rows, values, strict=True), 1):
        if number % _EVERY == 0 or value is not None or number == len(results.rows):
            yield row, best is not None and value == best


def draw_result_curves(
    job: ResourceState, results: Results, width: int, is_braille: bool, paint: Painter
) -> list[str]:
    """The same as curves, for a terminal."""
    step = best_checkpoint(job)[0]
    return draw_curves(curves_of(results), step, width, is_braille, paint, _word(job))


def draw_verdict(job: ResourceState, results: Results, paint: Painter) -> list[str]:
    """How training went, by which rule, and the best checkpoint."""
    step, model = best_checkpoint(job)
    verdict = verdict_of(curves_of(results), step)
    lines = (
        [f"{paint('Verdict:', 'bold')} {paint(verdict.text)}.", f"  {paint(verdict.rule, 'dim')}"]
        if verdict
        else []
    )
    if step is None:
        return lines
    return [*lines, f"{_word(job).capitalize()} checkpoint: step {step}, {paint(model)}"]


def _word(job: ResourceState) -> str:
    return checkpoint_word(object_at(job.outputs, "metrics"))


def results_to_json(job: ResourceState, results: Results) -> dict[str, Json]:
    """The document that `results -o json` prints; docs/json-output.md describes it."""
    step, model = best_checkpoint(job)
    verdict = verdict_of(curves_of(results), step)
    return {
        "address": str(job.address),
        "file": results.file,
        "columns": list(results.columns),
        "rows": [dict(row) for row in results.rows],
        "verdict": asdict(verdict) if verdict else None,
        "best_checkpoint": {"step": step, "model": model} if step is not None else None,
    }


def _shown(value: float | str | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else clean(str(value))

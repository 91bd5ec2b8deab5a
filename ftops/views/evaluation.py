"""Evaluation results as text, Markdown and JSON: shares, tests, verdicts and wrong answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

from ftops.core.address import Json
from ftops.core.plurals import plural
from ftops.evaluation.answers import Answer, Failure
from ftops.evaluation.comparison import Row, Share
from ftops.evaluation.evaluation import Comparison, Evaluation, ModelResult
from ftops.evaluation.metrics import FEWEST_FOR_P95, Latency, Metrics, Quantile
from ftops.evaluation.prompts import Prompt
from ftops.evaluation.spending import Expected
from ftops.evaluation.statistics import Interval
from ftops.planning.estimate import about, dollars
from ftops.views import money
from ftops.views.paint import PLAIN, Painter, clean
from ftops.views.table import draw_table, left_out, width_of

LONGEST = 300
"""Characters of a prompt or an answer in a report for people."""
SHOWN = 10
"""Wrong answers at most, unless all are asked for."""
_LESS_NEEDED = ("gained", "lost", "p")
"""Columns that a narrow table lacks."""
_MODEL, _BASELINE = "model", "baseline"
"""The titles of its models."""
_STYLES = {"better": "create", "significantly worse": "delete", "incomplete": "delete"}
_ADJUSTED = "* adjusted for the number of slices (Holm). "
_METHODS = {
    ("mcnemar",): "Exact McNemar test; 95 % intervals (Wilson, Newcombe).",
    ("sign_flip",): "Sign-flip test; 95 % intervals (bootstrap).",
    ("mcnemar", "sign_flip"): "Exact McNemar test, but a sign-flip test for rows with clusters or several "
    "samples; 95 % intervals (Wilson and Newcombe, or bootstrap).",
}


def _share(share: Share) -> str:
    """`3 of 5  60 % [23, 88]`"""
    right = f"{share.right:.0f}" if share.right == int(share.right) else f"{share.right:.1f}"
    return _percent(share) if share.value is None else f"{right} of {share.graded}  {_percent(share)}"


def _percent(share: Share, *, with_interval: bool = True) -> str:
    """`60 % [23, 88]`"""
    if share.value is None:
        return "n/a"
    interval = _interval(share.interval) if with_interval else ""
    ungraded = f", {share.ungraded} ungraded" if share.ungraded else ""
    return f"{100 * share.value:.0f} % {interval}".strip() + ungraded


_FORMS = (
    (_percent, ()),
    (_percent, _LESS_NEEDED),
    (partial(_percent, with_interval=False), _LESS_NEEDED),
)
"""Of tables that are too wide: how shares are written, and which columns are left out."""


def draw(
    evaluation: Evaluation,
    paint: Painter,
    show: str = "misses",
    limit: int | None = SHOWN,
    columns: int | None = None,
) -> str:
    """The tables of each grader and candidate, then what was wrong."""
    lines: list[str] = []
    for comparison in evaluation.comparisons:
        lines += _table(evaluation, comparison, paint, columns)
    lines += _usage(evaluation, paint, columns)
    for result in evaluation.results:
        if result.deployment != evaluation.baseline:
            lines += _wrong(evaluation, result, paint, show, limit)
    return "\n".join(lines) + "\n"


def _table(
    evaluation: Evaluation, comparison: Comparison, paint: Painter, columns: int | None
) -> Iterator[str]:
    shown = rows_to_show(comparison)
    rows = whole = table_rows(evaluation, comparison, shown)
    if columns is not None and width_of(whole) > columns:
        forms = [_narrow(evaluation, comparison, shown, *form) for form in _FORMS]
        rows = next((form for form in forms if width_of(form) <= columns), forms[-1])
    names, verdict = rows[0], len(rows[0]) - 1
    styles = {(n, verdict): _STYLES.get(row.verdict, "") for n, row in enumerate(shown, 1)}
    yield from draw_table(rows, paint, columns, right=range(1, verdict), styles=styles)
    if rows is not whole:
        models = {_MODEL: comparison.candidate, _BASELINE: evaluation.baseline}
        yield paint("; ".join(f"{name}: {clean(model)}" for name, model in models.items() if model), "dim")
        yield from left_out(
            [name for name in whole[0] if name in _LESS_NEEDED], names, paint, "`-o json` has them"
        )
    yield from (paint(note, "dim") for note in notes(evaluation, comparison))
    yield ""


def _narrow(
    evaluation: Evaluation,
    comparison: Comparison,
    rows: Sequence[Row],
    share: Callable[[Share], str],
    less_needed: Collection[str],
) -> list[list[str]]:
    """The same as `table_rows`, with short titles for the models, and without what is less needed."""
    heading, *table = table_rows(evaluation, comparison, rows, share)
    titles = [*heading[:2], _MODEL, _BASELINE, *heading[4:]][: len(heading)]
    kept = [at for at, name in enumerate(titles) if name not in less_needed]
    return [[row[at] for at in kept] for row in (titles, *table)]


def rows_to_show(comparison: Comparison) -> list[Row]:
    """Without the functions that were always called rightly."""
    return [row for row in comparison.rows if row.by != "function" or not _is_perfect(row)]


def notes(evaluation: Evaluation, comparison: Comparison) -> Iterator[str]:
    """Below a table: what it leaves out, the methods, and how far a judge can be trusted."""
    if evaluation.is_partial:
        yield "Partial: only the prompts that decided the gate were asked. The others may differ."
    if left := len(comparison.rows) - len(rows_to_show(comparison)):
        yield f"{plural(left, 'other function')}: all answers are right"
    tested = [row for row in comparison.rows if row.p is not None]
    if methods := _METHODS.get(tuple(sorted({row.test for row in tested}))):
        yield (_ADJUSTED if any(row.by for row in tested) else "") + methods
    if found := evaluation.agreements.get(comparison.grader):
        kappa = "n/a" if found.kappa is None else f"{found.kappa:.2f}"
        more = f"; {found.ungraded} ungraded" if found.ungraded else ""
        graded = plural(found.answers - found.ungraded, "answer")
        yield f"The judge agrees with people on {found.agreed} of {graded}{more} (Cohen's kappa {kappa})."


def table_rows(
    evaluation: Evaluation,
    comparison: Comparison,
    rows: Sequence[Row],
    share: Callable[[Share], str] = _share,
) -> list[list[str]]:
    """The heading, then the cells of these rows; the last is the verdict, if there is a baseline."""
    has_baseline = bool(evaluation.baseline)
    heading = [comparison.grader, "prompts", comparison.candidate]
    if has_baseline:
        heading += [evaluation.baseline, "gained", "lost", "difference", "p", "verdict"]
    return [heading, *(_cells(row, has_baseline, share) for row in rows)]


def _is_perfect(row: Row) -> bool:
    shares = [share for share in (row.candidate, row.baseline) if share]
    return all(share.right == row.prompts for share in shares)


def _cells(row: Row, has_baseline: bool, share: Callable[[Share], str]) -> list[str]:
    cells = [row.slice or "all", str(row.prompts), share(row.candidate)]
    if not has_baseline or row.baseline is None:
        return cells + [""] * (6 * has_baseline)
    star = "*" if row.slice else ""
    return [
        *cells,
        share(row.baseline),
        str(row.gained),
        str(row.lost),
        ""
        if row.difference is None
        else f"{100 * row.difference:+.0f} {_interval(row.interval, '+')}".strip(),
        "" if row.p is None else f"{row.p:.2g}{star}",
        row.verdict + (" (equivalent)" if row.is_equivalent else ""),
    ]


def _interval(interval: Interval | None, sign: str = "") -> str:
    if interval is None:
        return ""
    return f"[{100 * interval.low:{sign}.0f}, {100 * interval.high:{sign}.0f}]"


def _usage(evaluation: Evaluation, paint: Painter, columns: int | None) -> Iterator[str]:
    rows = usage_rows(evaluation)
    yield from draw_table(rows, paint, columns, right=range(1, len(rows[0])))
    yield from usage_notes(evaluation)
    yield ""


def expected_costs(by_deployment: Mapping[str, Expected], *, is_rehearsal: bool) -> Iterator[str]:
    """A line for each deployment that will be asked."""
    if by_deployment and is_rehearsal:
        yield "The emulator is free; the service would charge:"
    for name, expected in by_deployment.items():
        yield f"  {clean(name)}: {_expected_cost(expected)}"


def _expected_cost(expected: Expected) -> str:
    """`about 38,000 tokens in, at most 2,000 out: at most $0.01`."""
    tokens = money.tokens(expected.input, expected.output, is_limited=expected.is_limited)
    if expected.prices is None:
        return f"{tokens}: the price isn't known"
    if expected.dollars is None:
        return f"{tokens}: the cost isn't known"
    if expected.output is None:
        return (
            f"{tokens}: {dollars(expected.dollars)}, and ${expected.prices.output:g} per million tokens out"
        )
    return f"{tokens}: {about(expected.dollars, at_most=expected.is_limited)}"


def usage_rows(evaluation: Evaluation) -> list[list[str]]:
    """The heading, then what the answers of each deployment took."""
    heading = ["per answer", "tokens in", "cached", "tokens out", "$ per 1,000", "median", "p95"]
    return [heading, *(_usage_cells(result.deployment, result.metrics) for result in evaluation.results)]


def _usage_cells(name: str, metrics: Metrics) -> list[str]:
    unknown = not metrics.counted
    tokens = (metrics.input, metrics.cached, metrics.output)
    found = metrics.latency
    return [
        name,
        *("n/a" if unknown else f"{number:,.0f}" for number in tokens),
        "n/a" if metrics.cost_per_1000 is None else f"{metrics.cost_per_1000:,.4f}",
        _milliseconds(found.median) if found else "n/a",
        _milliseconds(found.p95) if found and found.p95 else "n/a",
    ]


def _milliseconds(found: Quantile) -> str:
    low_high = f" [{found.interval.low:,.0f}, {found.interval.high:,.0f}]" if found.interval else ""
    return f"{found.value:,.0f} ms{low_high}"


def usage_notes(evaluation: Evaluation) -> Iterator[str]:
    """Below the table: where prices and latencies come from, and why some are missing."""
    metrics = [result.metrics for result in evaluation.results]
    dates = {str(m.prices.as_of) for m in metrics if m.prices and m.prices.as_of}
    if dates:
        yield f"Prices as of {' and '.join(sorted(dates))}."
    if any(m.prices is None for m in metrics):
        yield "A price isn't known: add it to ftops.catalog.yaml."
    counts = [m.latency.answers if m.latency else 0 for m in metrics]
    if not any(counts):
        yield "Cached answers have no latency (--fresh)."
    elif min(counts) < FEWEST_FOR_P95:
        shown = " and ".join(map(str, counts))
        yield f"Latencies of {shown} new answers; p95 needs {FEWEST_FOR_P95}."


def _wrong(
    evaluation: Evaluation, result: ModelResult, paint: Painter, show: str, limit: int | None
) -> Iterator[str]:
    found = wrong_answers(evaluation, result, regressions_only=show == "regressions")
    if not found:
        yield f"{clean(result.deployment)}: no {'regressions' if show == 'regressions' else 'misses'}"
        return
    label = "regression" if show == "regressions" else "wrong answer"
    yield paint(f"{result.deployment}: {plural(len(found), label)}", "bold")
    for row in found[:limit]:
        mark = "regressed " if row["regressed"] and show != "regressions" else ""
        yield f"  {_short(row['prompt'])}"
        yield f"      expected {_short(row['expected'])}"
        yield f"      got      {_short(row['answer'])}  {paint(mark + str(row['class']), 'delete')}"
    if limit is not None and len(found) > limit:
        yield f"  … and {len(found) - limit} more (--show all)"


def _short(value: Json) -> str:
    """JSON has it whole."""
    text = str(value)
    return clean(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")


def wrong_answers(
    evaluation: Evaluation, result: ModelResult, *, regressions_only: bool = False
) -> list[dict[str, Json]]:
    """By the main grader: the first wrong or ungraded sample of each prompt; regressions, which the baseline
    got right, come first."""
    main = evaluation.inputs.graders[0].name
    baseline = evaluation.result(evaluation.baseline) if evaluation.baseline else None
    rows: list[dict[str, Json]] = []
    for i, prompt in enumerate(evaluation.inputs.prompts):
        bad = next((j for j, g in enumerate(result.grades[main][i]) if not g.passed), None)
        if bad is None:
            continue
        miss = result.grades[main][i][bad].miss
        regressed = baseline is not None and all(g.passed for g in baseline.grades[main][i])
        rows.append(
            {
                "id": prompt.id,
                "prompt": prompt.text,
                "slice": prompt.slice,
                "expected": expected_text(prompt),
                "answer": answer_text(result.answers[i][bad]),
                "class": miss.kind if miss else "",
                "where": miss.where if miss else "",
                "detail": miss.detail if miss else "",
                "regressed": regressed,
            }
        )
    kept = [row for row in rows if row["regressed"] or not regressions_only]
    return sorted(kept, key=lambda row: not row["regressed"])


def expected_text(prompt: Prompt) -> str:
    """What is right, as the row says it."""
    value = prompt.expected.value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def answer_text(answer: Answer | Failure) -> str:
    """Calls as `name(arguments)`; else the text, or why there is none."""
    if isinstance(answer, Failure):
        return answer.reason
    if answer.calls:
        return ", ".join(f"{call.name}({call.arguments})" for call in answer.calls)
    return answer.content or answer.finish_reason or "nothing"


def draw_markdown(evaluation: Evaluation, limit: int = SHOWN) -> str:
    """For a pull request: what others have written stands in code blocks only."""
    lines = [
        f"### Evaluation: {_summary(evaluation)}",
        "",
        "```",
        draw(evaluation, PLAIN, limit=limit).rstrip(),
    ]
    return (
        "\n".join(line.replace("```", "'''") if i > 2 else line for i, line in enumerate(lines)) + "\n```\n"
    )


def _summary(evaluation: Evaluation) -> str:
    verdicts = [
        f"`{name.replace('`', '')}` {verdict}" for name, verdict in evaluation.verdicts.items() if verdict
    ]
    return "; ".join(verdicts) or plural(len(evaluation.inputs.prompts), "prompt")


def to_json(evaluation: Evaluation) -> dict[str, Json]:
    """The document of `eval -o json`; docs/json-output.md describes it."""
    return {
        "format_version": 1,
        "prompts": len(evaluation.inputs.prompts),
        "samples": evaluation.inputs.samples,
        "baseline": evaluation.baseline or None,
        "is_complete": evaluation.is_complete,
        "is_partial": evaluation.is_partial,
        "verdicts": dict(evaluation.verdicts),
        "agreements": {
            name: {"answers": a.answers, "agreed": a.agreed, "ungraded": a.ungraded, "kappa": a.kappa}
            for name, a in evaluation.agreements.items()
        },
        "comparisons": [_comparison_json(c) for c in evaluation.comparisons],
        "models": [
            {
                "name": result.deployment,
                "model": result.model,
                "answered": len(result.given),
                "metrics": _metrics_json(result.metrics),
                "wrong": list(wrong_answers(evaluation, result)),
            }
            for result in evaluation.results
        ],
    }


def _metrics_json(metrics: Metrics) -> dict[str, Json]:
    tokens = ("input", "cached", "output")
    found = metrics.latency
    return {
        **{f"{name}_tokens": getattr(metrics, name) if metrics.counted else None for name in tokens},
        "cost_per_1000": metrics.cost_per_1000,
        "prices_as_of": str(metrics.prices.as_of) if metrics.prices and metrics.prices.as_of else None,
        "latency": _latency_json(found) if found else None,
    }


def _latency_json(found: Latency) -> dict[str, Json]:
    p95 = _quantile_json(found.p95) if found.p95 else None
    return {"answers": found.answers, "median": _quantile_json(found.median), "p95": p95}


def _quantile_json(found: Quantile) -> dict[str, Json]:
    return {"milliseconds": found.value, "interval": list(found.interval) if found.interval else None}


def _comparison_json(comparison: Comparison) -> dict[str, Json]:
    rows: list[Json] = [
        {
            "by": row.by or None,
            "slice": row.slice or None,
            "prompts": row.prompts,
            "candidate": _share_json(row.candidate),
            "baseline": _share_json(row.baseline) if row.baseline else None,
            "gained": row.gained,
            "lost": row.lost,
            "difference": row.difference,
            "interval": list(row.interval) if row.interval else None,
            "p": row.p,
            "test": row.test or None,
            "verdict": row.verdict or None,
            "equivalent": row.is_equivalent,
        }
        for row in comparison.rows
    ]
    return {"grader": comparison.grader, "candidate": comparison.candidate, "rows": rows}


def _share_json(share: Share) -> dict[str, Json]:
    interval: Json = list(share.interval) if share.interval else None
    return {"right": share.right, "graded": share.graded, "ungraded": share.ungraded, "interval": interval}

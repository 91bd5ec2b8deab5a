"""Evaluations of a report as HTML: scores with intervals, gates, slices. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ftops.core.nested import object_at
from ftops.core.plurals import plural
from ftops.planning.estimate import dollars
from ftops.session.report.values import (
    Report,
    ReportedEvaluation,
)
from ftops.views.html import Node, element, folded, table
from ftops.views.spec_report import words
from ftops.views.spec_report.plots import interval_bar

Parts = Iterator[Node]
_MOST_SLICES = 40


def evaluations(report: Report) -> Parts:
    for one in report.evaluations:
        yield element("article", *_evaluation(one), class_="card")


def _evaluation(one: ReportedEvaluation) -> Parts:
    outputs: Any = one.record.outputs
    verdict = str(outputs.get("verdict") or "")
    yield element(
        "h3",
        str(one.record.address),
        "  ",
        element("span", verdict or "no verdict", class_=f"tag {_verdict_style(verdict)}"),
        id=words.anchor(one.record.address),
    )
    yield table(["model", "score", "", "", ""], _scores(one), class_="words scores")
    if outputs.get("difference") is not None:
        low, high = outputs.get("difference_low"), outputs.get("difference_high")
        between = (
            f" (95 % interval {100 * low:+.0f} to {100 * high:+.0f})"
            if low is not None and high is not None
            else ""
        )
        yield element(
            "p",
            f"{100 * outputs['difference']:+.1f} points to the baseline{between}, "
            f"p = {outputs.get('p', 1.0):.2g}; {plural(int(outputs.get('gained') or 0), 'prompt')} gained, "
            f"{int(outputs.get('lost') or 0):,} lost.",
        )
    for gate in one.gates:
        passed = not gate.reasons
        word = "passed" if passed else "overridden" if gate.override else "not passed"
        style = "good" if passed else "warning" if gate.override else "error"
        why = "; ".join(filter(None, (*gate.reasons, gate.override)))
        yield element(
            "p",
            element("span", f"gate {word}", class_=f"tag {style}"),
            words.link(gate.deployment),
            f" requires: {gate.require}" + (f". {why}" if why else ""),
        )
    yield from _slices(outputs)
    metrics = object_at(outputs, "metrics")
    cost = metrics.get("cost_per_1000")
    yield words.facts(
        [
            ("Prompts", f"{outputs.get('prompts'):,}" if isinstance(outputs.get("prompts"), int) else ""),
            ("Answers", f"{metrics['answers']:,}" if isinstance(metrics.get("answers"), int) else ""),
            ("Cost of 1,000 answers", dollars(cost) if isinstance(cost, int | float) else ""),
            ("Evaluated", words.when(one.record.created_at)),
            ("Applied by", words.by(one.run)),
        ]
    )


def _verdict_style(verdict: str) -> str:
    return {"better": "good", "": "dim", "incomplete": "warning", "significantly worse": "error"}.get(
        verdict, "note"
    )


def _scores(one: ReportedEvaluation) -> list[list[Node]]:
    """The best candidate, the others and the baseline, each with a bar."""
    outputs: Any = one.record.outputs
    best, baseline = str(outputs.get("best") or ""), str(outputs.get("baseline") or "")
    low, high = one.interval or (None, None)
    others = [(model, score) for model, score in (outputs.get("scores") or {}).items() if model != best]
    rows = [
        (best, outputs.get("score"), low, high, "bar", ""),
        *((m, s, None, None, "bar", "") for m, s in others),
    ]
    rows += [(baseline, outputs.get("baseline_score"), None, None, "framing", "baseline")] if baseline else []
    return [
        [
            one.names.get(model, model),
            f"{score:.1%}",
            interval_bar(score, low, high, style),
            f"{low:.0%} to {high:.0%}" if low is not None and high is not None else "",
            note,
        ]
        for model, score, low, high, style, note in rows
        if isinstance(score, int | float)
    ]


def _slices(outputs: Any) -> Parts:
    metrics = object_at(outputs, "metrics")
    rows: list[list[Node]] = []
    for by in ("graders", "slices", "functions"):
        for name, value in object_at(metrics, by).items():
            share = value.get("accuracy") if isinstance(value, dict) else value
            if isinstance(share, int | float):
                rows.append(
                    [f"{by.removesuffix('s')} {name}", f"{share:.1%}", interval_bar(share, None, None, "bar")]
                )
    if rows:
        drawn = table(["part", "right", ""], rows[:_MOST_SLICES], class_="words scores")
        more = f", {len(rows) - _MOST_SLICES} of them left out" if len(rows) > _MOST_SLICES else ""
        yield folded(f"By grader, slice and function ({len(rows)}{more})", drawn)

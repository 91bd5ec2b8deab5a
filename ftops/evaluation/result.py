"""Result of an evaluation: what is recorded of it, which gates and other resources refer to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ftops.core.address import Json
from ftops.evaluation.agreement import Agreement
from ftops.evaluation.comparison import Row, Share
from ftops.evaluation.evaluation import Comparison, Evaluation, ModelResult
from ftops.evaluation.gates import Ranges
from ftops.evaluation.remote_graders import REMOTE

MOST_SLICES = 50
"""Slices of each kind that are recorded: a record stays small."""
_DIGITS = 6


def best_of(evaluation: Evaluation, decide: str = "") -> tuple[ModelResult, bool]:
    """The candidate with the highest score of a grader, by default the main one, and whether another one has
    the same score. Of equal ones, the one whose answers have fewer tokens, then the first. A score of only a
    part of the answers comes after all others."""
    ranks = [
        (_rank(evaluation, r, decide), _tokens(r), number)
        for number, r in enumerate(evaluation.results)
        if r.deployment != evaluation.baseline
    ]
    (rank, _, number), *others = sorted(ranks)
    return evaluation.results[number], any(other[0] == rank for other in others)


def outcome(evaluation: Evaluation, decide: str = "", ranges: Ranges | None = None) -> dict[str, Json]:
    """The attributes of an evaluation, by the best candidate. Shares are between 0 and 1. `decide`: the
    grader that chooses it, if it isn't the main one. `ranges` of shares, if not all was asked."""
    best, is_tie = best_of(evaluation, decide)
    own = [c for c in evaluation.comparisons if c.candidate == best.deployment]
    main = own[0].rows[0]
    judges = evaluation.agreements
    scored = len(evaluation.results) - bool(evaluation.baseline)
    others: Mapping[str, Json] = {
        r.model: rounded(_share(evaluation, r, decide).value)
        for r in evaluation.results
        if r.deployment != evaluation.baseline
    }
    return {
        "best": best.model,
        "is_tie": is_tie,
        "verdict": main.verdict or ("" if evaluation.is_complete or ranges is not None else "incomplete"),
        "is_complete": evaluation.is_complete,
        "is_partial": ranges is not None,
        **({"ranges": {key: list(one) for key, one in ranges.items()}} if ranges is not None else {}),
        "score": rounded(main.candidate.value),
        **_compared(main),
        "metrics": {
            **_metrics(own[0].rows, best),
            "graders": {c.grader: rounded(_decided(evaluation, c)) for c in own},
            **({"kappa": {n: _kappa(agreement) for n, agreement in judges.items()}} if judges else {}),
        },
        **({"scores": others} if scored > 1 else {}),
    }


def _compared(row: Row) -> dict[str, Json]:
    if row.baseline is None:
        return {}
    low, high = row.interval or (None, None)
    return {
        "baseline_score": rounded(row.baseline.value),
        "difference": rounded(row.difference),
        "difference_low": rounded(low),
        "difference_high": rounded(high),
        "p": row.p,
        "gained": row.gained,
        "lost": row.lost,
    }


def _decided(evaluation: Evaluation, comparison: Comparison) -> float | None:
    """The share of right answers by a grader. None if it is asked and hasn't graded all of them: those that
    it has may be the better ones."""
    share = comparison.rows[0].candidate
    is_asked = any(g.name == comparison.grader and g.type in REMOTE for g in evaluation.inputs.graders)
    return None if is_asked and share.ungraded else share.value


def _kappa(agreement: Agreement) -> float | None:
    return None if agreement.ungraded else rounded(agreement.kappa)


def _metrics(rows: Sequence[Row], best: ModelResult) -> dict[str, Json]:
    spent = best.metrics
    return {
        "accuracy": rounded(rows[0].candidate.value),
        "slices": _slices(rows, "slice"),
        "functions": _slices(rows, "function"),
        "answers": len(best.given),
        "input_tokens": rounded(spent.input) if spent.counted else None,
        "cached_tokens": rounded(spent.cached) if spent.counted else None,
        "output_tokens": rounded(spent.output) if spent.counted else None,
        "cost_per_1000": rounded(spent.cost_per_1000),
    }


def _slices(rows: Sequence[Row], by: str) -> Json:
    found = [row for row in rows if row.by == by]
    return {row.slice: {"accuracy": rounded(row.candidate.value)} for row in found[:MOST_SLICES]}


def _rank(evaluation: Evaluation, result: ModelResult, decide: str) -> tuple[bool, float]:
    share = _share(evaluation, result, decide)
    return share.ungraded > 0, -(share.value or 0.0)


def _share(evaluation: Evaluation, result: ModelResult, decide: str) -> Share:
    by = (decide or evaluation.inputs.graders[0].name, result.deployment)
    return next(c.rows[0].candidate for c in evaluation.comparisons if (c.grader, c.candidate) == by)


def _tokens(result: ModelResult) -> int:
    return sum(answer.usage.output for answer in result.given)


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)

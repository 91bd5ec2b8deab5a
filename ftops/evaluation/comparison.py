"""Comparison of a candidate with a baseline on the same prompts: shares, tests and verdicts, by slice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ftops.evaluation.graders import Grade
from ftops.evaluation.prompts import Prompt
from ftops.evaluation.statistics import (
    ALPHA,
    Interval,
    Pairs,
    bootstrap,
    holm,
    mcnemar,
    newcombe,
    sign_flip,
    wilson,
)

MARGIN = 0.05
VERDICTS = ("better", "no measurable change", "worse, within noise", "significantly worse", "incomplete")


class Share(Struct, frozen=True):
    """How many of the graded answers are right. With several answers a prompt, `right` is their mean."""

    right: float
    graded: int
    ungraded: int
    interval: Interval | None

    @property
    def value(self) -> float | None:
        return self.right / self.graded if self.graded else None


class Row(Struct, frozen=True):
    """A slice of the prompts, or all of them (`slice` is empty). `p` is adjusted over the slices. `test` is
    the method behind `p`: `mcnemar`, `sign_flip`, or empty if nothing was tested."""

    by: str
    slice: str
    prompts: int
    candidate: Share
    baseline: Share | None = None
    gained: int = 0
    lost: int = 0
    difference: float | None = None
    interval: Interval | None = None
    p: float | None = None
    test: str = ""
    verdict: str = ""
    is_equivalent: bool = False


class Scores(Struct, frozen=True):
    """Of one model and one grader: a score for each prompt, the mean of its samples; None without a grade."""

    values: tuple[float | None, ...]
    is_binary: bool


def scores_of(grades: Sequence[Sequence[Grade]]) -> Scores:
    """`grades` has the samples of each prompt. A prompt with one ungraded sample has no score."""
    values = [
        None if any(g.score is None for g in samples) or not samples
        else sum(g.score or 0.0 for g in samples) / len(samples)
        for samples in grades
    ]  # fmt: skip
    return Scores(tuple(values), all(value in (None, 0.0, 1.0) for value in values))


def compare(
    prompts: Sequence[Prompt],
    candidate: Scores,
    baseline: Scores | None,
    alpha: float = ALPHA,
    margin: float = MARGIN,
) -> tuple[Row, ...]:
    """The row of all prompts, which is the one declared test, then those of slices and functions, whose
    p-values are adjusted as one family. A slice too small to show anything isn't tested."""
    all_groups = list(groups(prompts))
    rows = [_row(*group, prompts, candidate, baseline, alpha, margin) for group in all_groups]
    independent = [len({prompts[i].group for i in positions}) for _, _, positions in all_groups]
    least = fewest_for(alpha)
    tested = [i for i, row in enumerate(rows) if i and row.p is not None and independent[i] >= least]
    rows = [
        row if i in (0, *tested) else replace(row, p=None, test="", verdict="") for i, row in enumerate(rows)
    ]
    adjusted = holm([rows[i].p or 0.0 for i in tested])
    for i, p in zip(tested, adjusted, strict=True):
        is_whole = rows[i].verdict != "incomplete"
        verdict = _verdict(p, rows[i].difference or 0.0, alpha) if is_whole else "incomplete"
        rows[i] = replace(rows[i], p=p, verdict=verdict)
    return tuple(rows)


def fewest_for(alpha: float) -> int:
    """The fewest prompts, or clusters, that can give a significant result: if all of them are gained. Both
    tests then have the same p-value."""
    return next(n for n in range(1, 1000) if mcnemar(n, 0) <= alpha)


def groups(prompts: Sequence[Prompt]) -> Iterator[tuple[str, str, list[int]]]:
    """What prompts are sliced by, the slice, and the positions of its prompts."""
    yield "", "", list(range(len(prompts)))
    for by in ("slice", "function"):
        found: dict[str, list[int]] = {}
        for i, prompt in enumerate(prompts):
            name = prompt.slice if by == "slice" else prompt.expected.function
            if name:
                found.setdefault(name, []).append(i)
        if len(found) > 1:
            yield from ((by, name, positions) for name, positions in found.items())


def _row(
    by: str,
    name: str,
    positions: Sequence[int],
    prompts: Sequence[Prompt],
    candidate: Scores,
    baseline: Scores | None,
    alpha: float,
    margin: float,
) -> Row:
    own = [candidate.values[i] for i in positions]
    clusters = [prompts[i].group for i in positions]
    row = Row(by, name, len(positions), _share(own, clusters, candidate.is_binary, alpha))
    if baseline is None:
        return row
    other = [baseline.values[i] for i in positions]
    row = replace(row, baseline=_share(other, clusters, baseline.is_binary, alpha))
    pairs = [
        (a, b, cluster)
        for a, b, cluster in zip(own, other, clusters, strict=True)
        if a is not None and b is not None
    ]
    row = _tested(row, pairs, candidate.is_binary and baseline.is_binary, alpha)
    if len(pairs) < len(positions):
        return replace(row, verdict="incomplete")
    low, high = row.interval or (-1.0, 1.0)
    return replace(row, is_equivalent=-margin <= low and high <= margin)


def _tested(row: Row, pairs: Sequence[tuple[float, float, object]], is_binary: bool, alpha: float) -> Row:
    """With what is lost and gained, and the test that fits: McNemar's for one answer each to independent
    prompts, otherwise the permutation of the signs of clusters."""
    if not pairs:
        return row
    differences = [a - b for a, b, _ in pairs]
    clusters = [cluster for _, _, cluster in pairs]
    gained, lost = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    if is_binary and len(set(clusters)) == len(clusters):
        both = sum(a == b == 1 for a, b, _ in pairs)
        counts = Pairs(both, gained, lost, len(pairs) - both - gained - lost)
        row = replace(row, test="mcnemar", p=mcnemar(gained, lost), interval=newcombe(counts, alpha))
    else:
        p, interval = sign_flip(differences, clusters), bootstrap(differences, clusters, alpha)
        if interval and not gained + lost:  # resampling equal values shows no uncertainty
            interval = newcombe(Pairs(len(set(clusters)), 0, 0, 0), alpha)
        row = replace(row, test="sign_flip", p=p, interval=interval)
    difference = sum(differences) / len(differences)
    verdict = _verdict(row.p or 0.0, difference, alpha)
    return replace(row, gained=gained, lost=lost, difference=difference, verdict=verdict)


def _verdict(p: float, difference: float, alpha: float) -> str:
    if p <= alpha and difference:
        return "better" if difference > 0 else "significantly worse"
    return "no measurable change" if difference >= 0 else "worse, within noise"


def _share(
    values: Sequence[float | None], clusters: Sequence[object], is_binary: bool, alpha: float
) -> Share:
    """Wilson's interval for one answer each to independent prompts, otherwise a bootstrap over clusters."""
    graded = [(value, cluster) for value, cluster in zip(values, clusters, strict=True) if value is not None]
    right, groups = sum(value for value, _ in graded), {cluster for _, cluster in graded}
    if is_binary and len(groups) == len(graded):
        interval: Interval | None = wilson(int(right), len(graded), alpha)
    else:
        interval = bootstrap([value for value, _ in graded], [cluster for _, cluster in graded], alpha)
        if interval and right in (0, len(graded)):  # resampling equal values shows no uncertainty
            interval = wilson(len(groups) if right else 0, len(groups), alpha)
    return Share(right, len(graded), len(values) - len(graded), interval)


def rejections(expected: Sequence[bool], rejected: Sequence[bool]) -> Mapping[str, tuple[int, int]]:
    """Precision and recall of rejections, each as a count of a count: 0 of 0 is not 0."""
    both = sum(e and r for e, r in zip(expected, rejected, strict=True))
    return {"precision": (both, sum(rejected)), "recall": (both, sum(expected))}

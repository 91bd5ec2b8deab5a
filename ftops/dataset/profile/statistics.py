"""Statistics of a dataset: lengths, tokens by role, and what would be cut off."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, count, pairwise
from typing import NamedTuple

from msgspec import Struct

from ftops.dataset.profile import example_digest
from ftops.dataset.profile.profiler import Measured, Sums, Use

BINS = 12
WIDE = 20
"""The longest is so many times the shortest that a scale is logarithmic."""
LONGEST = 5


class Bin(NamedTuple):
    """Examples whose length in tokens is at least `low` and below `high`."""

    low: int
    high: int
    examples: int


class Cut(NamedTuple):
    """The examples that are longer than the model's limit, which training cuts off."""

    limit: int
    examples: int
    tokens: int
    """All tokens beyond the limit."""
    lines: tuple[int, ...]
    """The lines of the first few."""


class Spread(NamedTuple):
    """How a number varies: its percentiles are values that occur (nearest rank)."""

    least: int
    median: int
    percentile_95: int
    percentile_99: int
    most: int
    mean: float


class Statistics(Struct, frozen=True):
    sums: Sums
    length: Spread
    """Tokens of an example."""
    bins: tuple[Bin, ...]
    """Examples by length."""
    each: dict[str, Spread]
    """`messages`, `turns` and `calls` of an example, and `answer`: the tokens of one; without those that
    no example has."""
    longest: tuple[tuple[int, int], ...]
    """(line, tokens), longest first."""
    functions: dict[str, Use]
    duplicates: int
    """Examples that are equal to an earlier one."""
    cut: Cut | None

    @property
    def billed(self) -> int:
        """Tokens of one epoch: what is cut off isn't trained on."""
        return self.sums.tokens - (self.cut.tokens if self.cut else 0)


def statistics(measured: Measured, limit: int | None = None) -> Statistics:
    """The statistics of a measured file. `limit`: the most tokens of one example that the model takes."""
    rows = list(example_digest.rows(measured.rows))
    lengths = Counter(row.tokens for row in rows)
    sums = measured.sums
    each = {
        "messages": sums.messages_each,
        "turns": sums.turns_each,
        "calls": sums.calls_each,
        "answer": sums.answer_tokens,
    }
    return Statistics(
        sums=sums,
        length=spread(lengths),
        bins=bins(lengths),
        each={name: spread(tally) for name, tally in each.items() if any(tally)},
        longest=tuple(
            (r.line, r.tokens) for r in sorted(rows, key=lambda r: (-r.tokens, r.line))[:LONGEST] if r.tokens
        ),
        functions={
            name: Use(calls, sums.call_tokens[name])
            for name, calls in sorted(sums.calls.items(), key=lambda item: (-item[1], item[0]))
        },
        duplicates=len(rows) - len({row.content for row in rows}),
        cut=_cut(rows, limit) if limit else None,
    )


def spread(tally: Mapping[int, int]) -> Spread:
    """Of numbers, given as number → how often it occurs; zeros if there are none."""
    ordered = sorted(tally.items())
    total = sum(tally.values())
    if not total:
        return Spread(0, 0, 0, 0, 0, 0.0)
    ends = list(accumulate(tally[number] for number, _ in ordered))
    half, most_of, nearly_all = (
        ordered[bisect_left(ends, -(-total * percent // 100))][0] for percent in (50, 95, 99)
    )
    mean = sum(number * tally[number] for number in tally) / total
    return Spread(ordered[0][0], half, most_of, nearly_all, ordered[-1][0], mean)


def bins(tally: Mapping[int, int]) -> tuple[Bin, ...]:
    """Numbers, given as in `spread`, in a few bins with round limits, from the least to the most.

    If the most is WIDE times the least, the limits are 1, 2, 5, 10, 20, …; otherwise all bins have one width,
    and the last one has all that is far beyond the 99th percentile.
    """
    least, _, _, nearly_all, most, _ = spread(tally)
    if not most:
        return ()
    is_wide = most >= WIDE * max(least, 1)
    limits = _round_limits(least, most) if is_wide else _even_limits(least, nearly_all, most)
    counts = Counter[int]()
    for number, occurrences in tally.items():
        counts[bisect_right(limits, number)] += occurrences
    return tuple(Bin(low, high, counts[i]) for i, (low, high) in enumerate(pairwise(limits), 1))


def _round_limits(least: int, most: int) -> list[int]:
    """0 (if it occurs), 1, 2, 5, 10, …, from the last one that isn't above the least."""
    steps = [0, *(step * 10**power for power in range(len(str(most)) + 1) for step in (1, 2, 5))]
    return steps[bisect_right(steps, least) - 1 : bisect_right(steps, most) + 1]


def _even_limits(least: int, nearly_all: int, most: int) -> list[int]:
    width = _width(nearly_all - least)
    start = least // width * width
    limits = list(range(start, nearly_all // width * width + width + 1, width))
    if most < limits[-1]:
        return limits
    return [*limits, max(most + 1, limits[-1] + width)]


def _cut(rows: Sequence[example_digest.Row], limit: int) -> Cut:
    over = [row for row in rows if row.tokens > limit]
    tokens = sum(row.tokens - limit for row in over)
    return Cut(limit, len(over), tokens, tuple(row.line for row in over[:LONGEST]))


def _width(span: int) -> int:
    """The least of 1, 2, 5, 10, 20, 50, … that needs no more than BINS bins."""
    widths: Iterator[int] = (step * 10**power for power in count() for step in (1, 2, 5))
    return next(width for width in widths if span < width * (BINS - 1))

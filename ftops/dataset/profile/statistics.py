"""Statistics of a dataset: lengths, tokens by role, and what would be cut off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

from msgspec import Struct

from ftops.dataset.profile import example_digest
from ftops.dataset.profile.profiler import Measured, Sums, Use

BINS = 12
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


class Statistics(Struct, frozen=True):
    sums: Sums
    least: int
    median: int
    percentile_95: int
    most: int
    mean: float
    bins: tuple[Bin, ...]
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
    lengths = sorted(row.tokens for row in rows)
    total = len(lengths)
    sums = measured.sums
    return Statistics(
        sums=sums,
        least=lengths[0] if lengths else 0,
        median=_at(lengths, 0.5),
        percentile_95=_at(lengths, 0.95),
        most=lengths[-1] if lengths else 0,
        mean=sum(lengths) / total if total else 0.0,
        bins=_bins(lengths),
        longest=tuple(
            (r.line, r.tokens) for r in sorted(rows, key=lambda r: (-r.tokens, r.line))[:LONGEST] if r.tokens
        ),
        functions={
            name: Use(calls, sums.call_tokens[name])
            for name, calls in sorted(sums.calls.items(), key=lambda item: (-item[1], item[0]))
        },
        duplicates=total - len({row.content for row in rows}),
        cut=_cut(rows, limit) if limit else None,
    )


def _at(lengths: Sequence[int], part: float) -> int:
    """The nearest-rank percentile: the least length that is not below this part of all lengths."""
    if not lengths:
        return 0
    return lengths[max(0, -(-int(len(lengths) * part * 100) // 100) - 1)]


def _cut(rows: Sequence[example_digest.Row], limit: int) -> Cut:
    over = [row for row in rows if row.tokens > limit]
    tokens = sum(row.tokens - limit for row in over)
    return Cut(limit, len(over), tokens, tuple(row.line for row in over[:LONGEST]))


def _bins(lengths: Sequence[int]) -> tuple[Bin, ...]:
    """At most BINS bins of one round width, from the shortest example to the longest."""
    if not lengths or not lengths[-1]:
        return ()
    width = _width(lengths[-1] - lengths[0])
    start = lengths[0] // width * width
    counts = [0] * ((lengths[-1] - start) // width + 1)
    for length in lengths:
        counts[(length - start) // width] += 1
    return tuple(Bin(start + i * width, start + (i + 1) * width, n) for i, n in enumerate(counts))


def _width(span: int) -> int:
    """The least of 1, 2, 5, 10, 20, 50, … that needs no more than BINS bins."""
    widths: Iterator[int] = (step * 10**power for power in count() for step in (1, 2, 5))
    return next(width for width in widths if span < width * (BINS - 1))

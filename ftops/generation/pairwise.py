"""Pairwise combinations: few rows in which every two values of two parameters occur together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

Row = tuple[int, ...]
MOST_ROWS = 50_000
MOST_PAIRS = 1_000_000
_OPEN = -1
"""A parameter of a row whose value doesn't matter yet."""


def pairwise(sizes: Sequence[int]) -> list[Row]:
    """Rows of indices, one for each parameter with so many values. Each pair of values of two parameters is
    in a row; so is each value. In an order that depends on nothing else (in-parameter-order, Lei and Tai).
    Raises ValueError if there are too many."""
    if not sizes or 0 in sizes:
        return [] if sizes else [()]
    if prod(sorted(sizes)[-2:]) > MOST_ROWS:
        raise ValueError(f"two parameters have more than {MOST_ROWS:,} pairs of values")
    if (sum(sizes) ** 2 - sum(size**2 for size in sizes)) // 2 > MOST_PAIRS:
        raise ValueError(f"its parameters have more than {MOST_PAIRS:,} pairs of values")
    order = sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))
    ranked = [sizes[i] for i in order]
    rows = [list(row) for row in product(*map(range, ranked[:2]))]
    for column in range(2, len(ranked)):
        rows = _with_column(rows, ranked, column)
    for number, row in enumerate(rows):
        for i, value in enumerate(row):
            if value == _OPEN:
                row[i] = number % ranked[i]
    places = {parameter: i for i, parameter in enumerate(order)}
    return sorted({tuple(row[places[i]] for i in range(len(sizes))) for row in rows})


def _with_column(rows: list[list[int]], sizes: Sequence[int], column: int) -> list[list[int]]:
    """Each row gets the value that covers most; what is then missing gets rows of its own."""
    size = sizes[column]
    missing = {(i, a, b) for i in range(column) for a in range(sizes[i]) for b in range(size)}
    for number, row in enumerate(rows):
        value = max(
            ((b + number) % size for b in range(size)),
            key=lambda b: sum((i, a, b) in missing for i, a in enumerate(row)),
        )
        missing -= {(i, a, value) for i, a in enumerate(row)}
        row.append(value)
    added: list[list[int]] = []
    for i, a, b in sorted(missing):
        row = next((r for r in added if r[column] == b and r[i] == _OPEN), [])
        if not row:
            row = [_OPEN] * column + [b]
            added.append(row)
        row[i] = a
    return rows + added

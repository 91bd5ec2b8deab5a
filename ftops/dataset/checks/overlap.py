"""Overlap of two files: validation examples that are also in the training data."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from ftops.dataset.checks import checker
from ftops.dataset.checks.aggregate import MAX_PAIRS, Aggregate
from ftops.dataset.checks.example_text import word_pairs_by_line
from ftops.dataset.checks.minhash import LIKE, groups_of_equal, likeness
from ftops.dataset.rules.findings import Overlap, Pair


def overlap(path: Path, other: Path, format: str) -> Overlap:
    """Examples of `path` that are in `other`, exactly or nearly. Raises OSError."""
    ours, theirs = checker.aggregate_of(path, format), checker.aggregate_of(other, format)
    exact = _exact(ours, theirs)
    near: dict[int, int] = {}
    candidates = _candidates(ours, theirs, {index for index, _ in exact})
    if candidates:
        words = word_pairs_by_line(checker.lines_at(path, {ours.numbers[a] for a, _ in candidates}))
        others = word_pairs_by_line(checker.lines_at(other, {theirs.numbers[b] for _, b in candidates}))
        for a, b in candidates:
            both = words.get(ours.numbers[a]), others.get(theirs.numbers[b])
            if a not in near and both[0] and both[1] and likeness(both[0], both[1]) >= LIKE:
                near[a] = b
    first = [
        next(((ours.numbers[a], theirs.numbers[b]) for a, b in pairs), None)
        for pairs in (exact, sorted(near.items()))
    ]
    return Overlap(len(exact), len(near), *first)


def _exact(ours: Aggregate, theirs: Aggregate) -> list[Pair]:
    """Pairs of indices of examples with the same content."""
    return sorted(_equal(ours.contents[::2], theirs.contents[::2]))


def _candidates(ours: Aggregate, theirs: Aggregate, exact: set[int]) -> list[Pair]:
    """Pairs of indices of examples that may be nearly the same, some MAX_PAIRS at most."""
    halves = (_equal(ours.minhashes[half::2], theirs.minhashes[half::2]) for half in (0, 1))
    pairs = (pair for pair in chain.from_iterable(halves) if pair[0] not in exact)
    return list(dict.fromkeys(islice(pairs, 2 * MAX_PAIRS)))[:MAX_PAIRS]


def _equal(ours: array[int], theirs: array[int]) -> Iterator[Pair]:
    """The indices of our keys that are among theirs, each with the first index of the same key there."""
    start = len(theirs)
    for first, *others in groups_of_equal(theirs + ours):
        if first < start:
            yield from ((index - start, first) for index in others if index >= start)

"""Overlap of two files: validation examples that are also in the training data."""

from __future__ import annotations

from array import array
from pathlib import Path

from ftops.dataset.checks import checker
from ftops.dataset.checks.aggregate import MAX_PAIRS, Aggregate
from ftops.dataset.checks.example_text import word_pairs_by_line
from ftops.dataset.checks.minhash import LIKE, MANY, groups_of_equal, likeness
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
    wanted, known = ours.contents[::2], theirs.contents[::2]
    if len(known) > MANY:
        import numpy

        shared = numpy.isin(
            numpy.frombuffer(known, dtype=numpy.uint64), numpy.frombuffer(wanted, dtype=numpy.uint64)
        )
        indices = numpy.flatnonzero(shared).tolist()
    else:
        keys = set(wanted)
        indices = [index for index, key in enumerate(known) if key in keys]
    first = {known[index]: index for index in reversed(indices)}
    return [(index, first[key]) for index, key in enumerate(wanted) if key in first]


def _candidates(ours: Aggregate, theirs: Aggregate, exact: set[int]) -> list[Pair]:
    """Pairs of indices of examples that may be nearly the same, some MAX_PAIRS at most."""
    start = len(theirs.numbers)
    pairs: dict[Pair, None] = {}
    for half in (0, 1):
        keys = array("Q", theirs.minhashes[half::2]) + array("Q", ours.minhashes[half::2])
        for group in groups_of_equal(keys):
            first = group[0]
            for index in group:
                if first < start <= index and index - start not in exact:
                    pairs[index - start, first] = None
            if len(pairs) >= MAX_PAIRS:
                return list(pairs)
    return list(pairs)

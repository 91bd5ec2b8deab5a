"""Overlap of two files: validation examples that the model was trained on."""

from __future__ import annotations

from array import array
from pathlib import Path

from ftops.dataset.checks import checker
from ftops.dataset.checks.aggregate import MAX_PAIRS, Aggregate, is_near
from ftops.dataset.checks.example_facts import pairs_in
from ftops.dataset.checks.minhash import MANY, same
from ftops.dataset.rules.findings import Overlap, Pair


def overlap(one: Path, other: Path, format: str) -> Overlap:
    """Examples of `one` that are in `other`, exactly or nearly. Raises OSError."""
    mine, theirs = checker.whole_of(one, format), checker.whole_of(other, format)
    exact = _exact(mine, theirs)
    told = {index for index, _ in exact}
    near = _near(mine, theirs, told, one, other)
    pairs = [[(mine.numbers[a], theirs.numbers[b]) for a, b in found] for found in (exact, near)]
    return Overlap(len(exact), len(near), *(found[0] if found else None for found in pairs))


def _exact(mine: Aggregate, theirs: Aggregate) -> list[Pair]:
    """Pairs of indices of examples with the same content."""
    ours = mine.contents[::2]
    wanted = set(ours)
    known = theirs.contents[::2]
    places: dict[int, int] = {}
    if len(known) > MANY:
        import numpy

        shared = numpy.isin(
            numpy.frombuffer(known, dtype=numpy.uint64), numpy.frombuffer(ours, dtype=numpy.uint64)
        )
        indices = numpy.flatnonzero(shared).tolist()
    else:
        indices = [index for index, key in enumerate(known) if key in wanted]
    for index in indices:
        places.setdefault(known[index], index)
    return [(index, places[key]) for index, key in enumerate(ours) if key in places]


def _near(mine: Aggregate, theirs: Aggregate, told: set[int], one: Path, other: Path) -> list[Pair]:
    candidates = _candidates(mine, theirs, told)
    if not candidates:
        return []
    said = pairs_in(checker.lines_at(one, {mine.numbers[a] for a, _ in candidates}))
    others = pairs_in(checker.lines_at(other, {theirs.numbers[b] for _, b in candidates}))
    found: dict[int, int] = {}
    for a, b in candidates:
        both = {0: said.get(mine.numbers[a], ()), 1: others.get(theirs.numbers[b], ())}
        if a not in found and all(both.values()) and is_near(both, 0, 1):
            found[a] = b
    return sorted(found.items())


def _candidates(mine: Aggregate, theirs: Aggregate, told: set[int]) -> list[Pair]:
    start = len(theirs.numbers)
    pairs: dict[Pair, None] = {}
    for half in (0, 1):
        keys = array("Q", theirs.sketches[half::2]) + array("Q", mine.sketches[half::2])
        for group in same(keys):
            first = group[0]
            for index in group:
                if first < start <= index and index - start not in told:
                    pairs[index - start, first] = None
            if len(pairs) >= MAX_PAIRS:
                return list(pairs)
    return list(pairs)

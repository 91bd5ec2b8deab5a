"""Dataset diff: compares two versions by content, not by line.

An example of the new version is `same` (its content stands in the old one), `edited` (it takes the place of
an old one: the same is asked, or nearly the same is said) or `added`; what is left of the old is `removed`.
Order, key order and spaces don't matter.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from ftops.dataset.profile import example_digest
from ftops.dataset.profile.example_digest import Row
from ftops.dataset.profile.profiler import Measured, Sums
from ftops.dataset.rules.findings import Where

ALIKE = 0.6
"""Sketches from which on two examples are nearly the same."""
_BAND = 4
"""Bytes of a sketch that have to be equal for two examples to be compared at all."""
_CANDIDATES = 50
"""Old examples that a new one is compared with at most: many with one band in common say little."""


class Difference(Struct, frozen=True):
    """Rows of both versions: `edited` has (old, new)."""

    added: tuple[Row, ...]
    removed: tuple[Row, ...]
    edited: tuple[tuple[Row, Row], ...]
    same: int
    new_duplicates: tuple[tuple[Row, Row], ...]
    """(the first, its repetition) in the new version, where the old one had fewer of them."""
    tokens: int
    """More than before."""
    reordered: bool = False
    """The same examples stand in another order."""

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.edited)


class Shift(Struct, frozen=True):
    """How often something stood in the old version and stands in the new one."""

    name: str
    before: int
    after: int


class Compared(Struct, frozen=True):
    """Two versions and their difference. Excerpts say by line what an example asks; of the old version
    they may be missing."""

    found: Difference
    old: Sums
    new: Sums
    old_excerpts: Mapping[int, str] = {}
    new_excerpts: Mapping[int, str] = {}
    overlaps: tuple[tuple[Row, Row], ...] = ()
    """(in the new version, in the other file)"""
    other: str = ""
    """The file that must not overlap with the new version."""
    where: Where | None = None
    """Of a new version that is several files: where its lines come from."""


def difference(old: Measured, new: Measured) -> Difference:
    """Raises ValueError where a measured file is damaged."""
    before, after = list(example_digest.rows(old.rows)), list(example_digest.rows(new.rows))
    left, fresh, same = _without_same(before, after)
    left, fresh, edited = _same_prompt(left, fresh)
    left, fresh, near = _nearly_same(left, fresh)
    return Difference(
        added=tuple(fresh),
        removed=tuple(left),
        edited=tuple(sorted((*edited, *near), key=lambda pair: pair[1].line)),
        same=same,
        new_duplicates=_new_duplicates(before, after),
        tokens=sum(r.tokens for r in after) - sum(r.tokens for r in before),
        reordered=same == len(before) and [r.content for r in before] != [r.content for r in after],
    )


def shifts(before: Mapping[str, int], after: Mapping[str, int], limit: int = 10) -> tuple[Shift, ...]:
    """What differs most first."""
    names = sorted({*before, *after}, key=lambda n: (-abs(after.get(n, 0) - before.get(n, 0)), n))
    found = (Shift(name, before.get(name, 0), after.get(name, 0)) for name in names)
    return tuple(s for s in found if s.before != s.after)[:limit]


def overlap(one: Measured, other: Measured) -> tuple[tuple[Row, Row], ...]:
    """Examples that stand in both files, whole or by what is asked."""
    contents = {row.content: row for row in example_digest.rows(one.rows)}
    prompts = {row.prompt: row for row in example_digest.rows(one.rows)}
    pairs = (
        (contents.get(row.content) or prompts.get(row.prompt), row) for row in example_digest.rows(other.rows)
    )
    return tuple((first, row) for first, row in pairs if first is not None)


def _without_same(before: Sequence[Row], after: Sequence[Row]) -> tuple[list[Row], list[Row], int]:
    """What of both has no counterpart of the same content."""
    counts = Counter(row.content for row in before)
    fresh = [row for row in after if not _take(counts, row.content)]
    counts = Counter(row.content for row in after)
    left = [row for row in before if not _take(counts, row.content)]
    return left, fresh, len(after) - len(fresh)


def _take(counts: Counter[bytes], key: bytes) -> bool:
    if counts[key] <= 0:
        return False
    counts[key] -= 1
    return True


def _same_prompt(
    left: Sequence[Row], fresh: Sequence[Row]
) -> tuple[list[Row], list[Row], list[tuple[Row, Row]]]:
    """Pairs of which the same is asked, in the order of the files."""
    waiting: defaultdict[bytes, deque[Row]] = defaultdict(deque)
    for row in left:
        waiting[row.prompt].append(row)
    pairs, rest = [], []
    for row in fresh:
        old = waiting.get(row.prompt)
        if old:
            pairs.append((old.popleft(), row))
        else:
            rest.append(row)
    used = {old for old, _ in pairs}
    return [row for row in left if row not in used], rest, pairs


def _nearly_same(
    left: Sequence[Row], fresh: Sequence[Row]
) -> tuple[list[Row], list[Row], list[tuple[Row, Row]]]:
    """Pairs of which nearly the same is said; each new example with the old one that is most like it."""
    bands: defaultdict[tuple[int, bytes], list[Row]] = defaultdict(list)
    for row in left:
        for band in _bands(row):
            bands[band].append(row)
    used: set[Row] = set()
    pairs, rest = [], []
    for row in fresh:
        candidates = (old for band in _bands(row) for old in bands.get(band, ())[:_CANDIDATES])
        best = _most_alike(row, (old for old in candidates if old not in used))
        if best is None:
            rest.append(row)
        else:
            used.add(best)
            pairs.append((best, row))
    return [row for row in left if row not in used], rest, pairs


def _bands(row: Row) -> Iterable[tuple[int, bytes]]:
    for start in range(0, example_digest.BUCKETS, _BAND):
        part = row.sketch[start : start + _BAND]
        if any(part):
            yield start, part


def _most_alike(row: Row, candidates: Iterable[Row]) -> Row | None:
    rated = [
        (example_digest.likeness(row.sketch, old.sketch), -abs(old.line - row.line), old)
        for old in candidates
    ]
    likeness, _, best = max(rated, default=(0.0, 0, row))
    return best if likeness >= ALIKE else None


def _new_duplicates(before: Sequence[Row], after: Sequence[Row]) -> tuple[tuple[Row, Row], ...]:
    allowed = Counter(row.content for row in before)
    first: dict[bytes, Row] = {}
    seen: Counter[bytes] = Counter()
    found = []
    for row in after:
        seen[row.content] += 1
        original = first.setdefault(row.content, row)
        if seen[row.content] > max(1, allowed[row.content]):
            found.append((original, row))
    return tuple(found)

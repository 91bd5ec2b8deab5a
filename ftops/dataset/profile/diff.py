"""Dataset diff: compares two versions by content, not by line.

An example of the new version is `same` (the old version has its content), `edited` (it replaces an old
example with the same prompt, or with nearly the same text; if few are left, a similar one) or `added`. Old
examples that are left are `removed`. The order of examples and keys, and spaces, don't matter.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from ftops.dataset.profile import example_digest
from ftops.dataset.profile.edits import Edit
from ftops.dataset.profile.example_digest import Row
from ftops.dataset.profile.profiler import Measured, Sums
from ftops.dataset.rules.findings import Where

SHOWN = 10
"""Number of examples listed in each section."""
ALIKE = 0.6
"""The similarity from which on two examples are nearly the same."""
_SIMILAR, _IN_LINE = 0.4, 0.25
"""The same for the few that are left in the end, and for two of them in the same line."""
_FEW = 2_500
"""Pairs at most of these that are compared."""
_BAND = 4
"""Bytes of a MinHash value that must be equal for two examples to be compared at all."""
_CANDIDATES = 50
"""Old examples at most that a new one is compared with for each band."""


Pairs = tuple[tuple[Row, Row], ...]


class Difference(Struct, frozen=True):
    """Rows of both versions."""

    added: tuple[Row, ...]
    removed: tuple[Row, ...]
    edited: Pairs
    """(old, new)"""
    same: int
    new_duplicates: Pairs
    """(first, repetition) in the new version, if the old one had fewer of them."""
    tokens: int
    """Tokens of the new version minus those of the old one."""
    reordered: bool = False
    """The versions have the same examples in another order."""

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.edited)


class Shift(Struct, frozen=True):
    """How often something occurs in the old version and in the new one."""

    name: str
    before: int
    after: int


class Compared(Struct, frozen=True):
    """Two versions and their difference, with excerpts by line; those of the old version may be missing."""

    found: Difference
    old: Sums
    new: Sums
    old_excerpts: Mapping[int, str] = {}
    new_excerpts: Mapping[int, str] = {}
    edits: Mapping[int, tuple[Edit, ...]] = {}
    """What differs in the first edited examples, by line of the new version."""
    overlaps: Pairs = ()
    """(in the new version, in the other file)"""
    grown: Pairs = ()
    """The same, for conversations of which one is the beginning of the other."""
    other: str = ""
    """The file that must not overlap with the new version."""
    where: Where | None = None
    """Where the lines of the new version come from, if it is joined from several files."""


def difference(old: Measured, new: Measured) -> Difference:
    """Compares two versions. Raises ValueError if one is damaged."""
    before, after = list(example_digest.rows(old.rows)), list(example_digest.rows(new.rows))
    left, fresh = _surplus(before, after), _surplus(after, before)
    same = len(after) - len(fresh)
    left, fresh, edited = _same_prompt(left, fresh)
    left, fresh, near = _nearly_same(left, fresh)
    left, fresh, similar = _similar(left, fresh)
    return Difference(
        added=tuple(fresh),
        removed=tuple(left),
        edited=tuple(sorted((*edited, *near, *similar), key=lambda pair: pair[1].line)),
        same=same,
        new_duplicates=_new_duplicates(before, after),
        tokens=sum(r.tokens for r in after) - sum(r.tokens for r in before),
        reordered=same == len(before) and [r.content for r in before] != [r.content for r in after],
    )


def shifts(before: Mapping[str, int], after: Mapping[str, int], limit: int = 10) -> tuple[Shift, ...]:
    """The counts that differ, those with the largest difference first."""
    names = sorted({*before, *after}, key=lambda n: (-abs(after.get(n, 0) - before.get(n, 0)), n))
    found = (Shift(name, before.get(name, 0), after.get(name, 0)) for name in names)
    return tuple(s for s in found if s.before != s.after)[:limit]


def overlap(measured: Measured, other: Measured) -> Pairs:
    """Examples that are in both files, with the same content or the same prompt."""
    rows = list(example_digest.rows(measured.rows))
    contents = {row.content: row for row in rows}
    prompts = {row.prompt: row for row in rows}
    pairs = (
        (contents.get(row.content) or prompts.get(row.prompt), row) for row in example_digest.rows(other.rows)
    )
    return tuple((first, row) for first, row in pairs if first is not None)


def _surplus(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Rows that have no counterpart with the same content."""
    counts = Counter(row.content for row in others)
    surplus = []
    for row in rows:
        counts[row.content] -= 1
        if counts[row.content] < 0:
            surplus.append(row)
    return surplus


def _same_prompt(
    left: Sequence[Row], fresh: Sequence[Row]
) -> tuple[list[Row], list[Row], list[tuple[Row, Row]]]:
    """Pairs with the same prompt, in the order of the files, and the examples that are left."""
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
    """Pairs with nearly the same text: each new example with the most similar old one; and the others."""
    bands: defaultdict[tuple[int, bytes], list[Row]] = defaultdict(list)
    for row in left:
        for band in _bands(row):
            bands[band].append(row)
    used: set[Row] = set()
    pairs, rest = [], []
    for row in fresh:
        candidates = (old for band in _bands(row) for old in bands.get(band, ())[:_CANDIDATES])
        best = _most_similar(row, (old for old in candidates if old not in used))
        if best is None:
            rest.append(row)
        else:
            used.add(best)
            pairs.append((best, row))
    return [row for row in left if row not in used], rest, pairs


def _similar(left: Sequence[Row], fresh: Sequence[Row]) -> tuple[list[Row], list[Row], list[tuple[Row, Row]]]:
    """Pairs with similar texts if few examples are left, those in the same line first; and the others."""
    rated = []
    if len(left) * len(fresh) <= _FEW:
        for new in fresh:
            for old in left:
                likeness = example_digest.likeness(new.minhash, old.minhash)
                is_in_line = new.line == old.line
                if likeness >= (_IN_LINE if is_in_line else _SIMILAR):
                    rated.append((is_in_line, likeness, -abs(old.line - new.line), old, new))
    pairs: dict[Row, Row] = {}
    used: set[Row] = set()
    for *_, old, new in sorted(rated, reverse=True):
        if new not in used and old not in pairs:
            pairs[old] = new
            used.add(new)
    rest = [row for row in left if row not in pairs], [row for row in fresh if row not in used]
    return *rest, [*pairs.items()]


def _bands(row: Row) -> Iterable[tuple[int, bytes]]:
    for start in range(0, example_digest.BUCKETS, _BAND):
        part = row.minhash[start : start + _BAND]
        if any(part):
            yield start, part


def _most_similar(row: Row, candidates: Iterable[Row]) -> Row | None:
    rated = [
        (example_digest.likeness(row.minhash, old.minhash), -abs(old.line - row.line), old)
        for old in candidates
    ]
    likeness, _, best = max(rated, default=(0.0, 0, row))
    return best if likeness >= ALIKE else None


def _new_duplicates(before: Sequence[Row], after: Sequence[Row]) -> Pairs:
    allowed = Counter(row.content for row in before)
    first: dict[bytes, Row] = {}
    seen: Counter[bytes] = Counter()
    duplicates = []
    for row in after:
        seen[row.content] += 1
        original = first.setdefault(row.content, row)
        if seen[row.content] > max(1, allowed[row.content]):
            duplicates.append((original, row))
    return tuple(duplicates)

"""Groups of examples that are the same, or nearly the same: the largest ones of a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import nlargest

from ftops.dataset.checks.minhash import groups_of_equal
from ftops.dataset.rules.findings import Group, Pair

MAX_GROUPS = 20
"""Groups of each sort that are kept."""
MAX_LINES = 10
"""Lines of a group that are kept; the others are counted."""


def largest_groups(contents: Sequence[int], near: Iterable[Pair], lines: Sequence[int]) -> tuple[Group, ...]:
    """`contents`: a digest of each example. `near`: the indices of an example and of a later one that is like
    it. `lines`: the line of each example."""
    first: dict[int, int] = {}
    alike: dict[int, list[int]] = {}
    for before, after in near:
        root = first.setdefault(after, first.get(before, before))
        members = alike.setdefault(root, [root])
        members += [index for index in (before, after) if index not in members]
    return tuple(
        Group(tuple(lines[index] for index in sorted(group)[:MAX_LINES]), len(group), is_same)
        for is_same, groups in ((True, groups_of_equal(contents)), (False, alike.values()))
        for group in nlargest(MAX_GROUPS, groups, key=len)
    )

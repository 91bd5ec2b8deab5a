"""Value diff: the attributes in which two values differ. The only module that uses deepdiff.

Importing deepdiff takes longer than a whole plan without changes, so it is only loaded if two values differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ftops.core.address import Value
from ftops.core.normal_form import AS_WRITTEN, Leaf, Spelling, canonical, leaves


class Difference(NamedTuple):
    """`path` is dotted: `sku.capacity`. None stands for absent."""

    path: str
    before: Value
    after: Value


def differences(
    before: Mapping[str, Value], after: Mapping[str, Value], spelling: Spelling = AS_WRITTEN
) -> tuple[Difference, ...]:
    """Differences in meaning, with the values as written, sorted by path. A list is one value."""
    # Both comparisons are needed: in Python `1` equals `True`, and in JSON `nan` is `null`.
    if before == after and canonical(before) == canonical(after):
        return ()
    old, new = dict(leaves(before, spelling)), dict(leaves(after, spelling))
    meant, wanted = ({place: leaf.meaning for place, leaf in tree.items()} for tree in (old, new))
    if meant == wanted:
        return ()
    from deepdiff import DeepDiff

    found = DeepDiff(meant, wanted, view="tree", threshold_to_diff_deeper=0)
    places = {item.path(output_format="list")[0] for group in found.values() for item in group}
    return tuple(sorted((_difference(old.get(p), new.get(p)) for p in sorted(places)), key=lambda d: d.path))


def _difference(old: Leaf | None, new: Leaf | None) -> Difference:
    leaf = new or old
    assert leaf is not None  # noqa: S101 - a place is one of the two
    return Difference(leaf.path, old.value if old else None, new.value if new else None)

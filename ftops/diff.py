"""The only place that knows deepdiff: which attributes of two values differ.

deepdiff takes longer to import than a whole plan without changes takes, so it is loaded only once two
values are known to differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ftops.address import Json, Value, decode, encode


class Difference(NamedTuple):
    """`path` is dotted: `sku.capacity`. None stands for absent."""

    path: str
    before: Value
    after: Value


def differences(before: Mapping[str, Value], after: Mapping[str, Value]) -> tuple[Difference, ...]:
    """What differs, sorted by path. Mappings are looked into; a list is one value."""
    if before == after:
        return ()
    from deepdiff import DeepDiff

    old, new = _flat(before), _flat(after)
    found = DeepDiff(old, new, view="tree", ignore_numeric_type_changes=False, threshold_to_diff_deeper=0)
    paths = {item.path(output_format="list")[0] for group in found.values() for item in group}
    return tuple(
        Difference(str(path), decode(old.get(path)), decode(new.get(path))) for path in sorted(paths)
    )


def _flat(tree: Mapping[str, Value], prefix: str = "") -> dict[str, Json]:
    """Leaves by dotted path; expressions as their text, so that they compare as text."""
    leaves: dict[str, Json] = {}
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            leaves.update(_flat(value, f"{path}."))
        else:
            leaves[path] = encode(value)
    return leaves

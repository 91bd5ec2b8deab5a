"""State diff: the differences between two versions of a state. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ftops.core.address import Address, Json
from ftops.core.value_diff import Difference, differences
from ftops.state.file_format import record_to_json
from ftops.state.state import ResourceState, State


class Changed(Struct, frozen=True):
    """A resource of both versions, and its differences."""

    address: Address
    attributes: tuple[Difference, ...]


class Comparison(Struct, frozen=True):
    """From the serial `before` to the serial `after`. Addresses are sorted."""

    before: int
    after: int
    added: tuple[ResourceState, ...]
    removed: tuple[ResourceState, ...]
    changed: tuple[Changed, ...]
    outputs: tuple[Difference, ...]

    @property
    def is_same(self) -> bool:
        return not (self.added or self.removed or self.changed or self.outputs)


def compare(before: State, after: State) -> Comparison:
    """Compares current resources and outputs. A restore doesn't bring back pending or deposed objects."""
    old, new = before.resources, after.resources
    addresses = sorted(old.keys() | new.keys(), key=lambda a: a.sort_key)
    both = [a for a in addresses if a in old and a in new and old[a] != new[a]]
    changed = (Changed(a, differences(_fields(old[a]), _fields(new[a]))) for a in both)
    return Comparison(
        before.serial,
        after.serial,
        tuple(new[a] for a in addresses if a not in old),
        tuple(old[a] for a in addresses if a not in new),
        tuple(change for change in changed if change.attributes),
        differences(before.outputs, after.outputs),
    )


def _fields(resource: ResourceState) -> Mapping[str, Json]:
    fields = record_to_json(resource)
    return {name: value for name, value in fields.items() if name not in ("address", "resume", "token")}

"""State diff: what differs between two versions of a state. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ftops.core.address import Address, Json
from ftops.core.value_diff import Difference, differences
from ftops.state.codec import resource_to_json
from ftops.state.state import ResourceState, State


class Changed(Struct, frozen=True):
    """One resource that both have, and in what it differs."""

    address: Address
    attributes: tuple[Difference, ...]


class Comparison(Struct, frozen=True):
    """From `before` to `after`, each by its serial. Addresses are sorted."""

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
    """Resources that are recorded; what is pending or deposed is left out: no restore brings that back."""
    old, new = before.resources, after.resources
    both = [a for a in _sorted(old) if a in new]
    changed = (Changed(a, _differences(old[a], new[a])) for a in both if old[a] != new[a])
    return Comparison(
        before.serial,
        after.serial,
        tuple(new[a] for a in _sorted(new) if a not in old),
        tuple(old[a] for a in _sorted(old) if a not in new),
        tuple(change for change in changed if change.attributes),
        differences(before.outputs, after.outputs),
    )


def _differences(old: ResourceState, new: ResourceState) -> tuple[Difference, ...]:
    return differences(_fields(old), _fields(new))


def _fields(resource: ResourceState) -> Mapping[str, Json]:
    fields = resource_to_json(resource)
    return {name: value for name, value in fields.items() if name not in ("address", "resume", "token")}


def _sorted(resources: Iterable[Address]) -> list[Address]:
    return sorted(resources, key=lambda a: a.sort_key)

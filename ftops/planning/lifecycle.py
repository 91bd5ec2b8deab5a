"""Lifecycle settings on record, and which of them a plan changes. Nothing changes at the service. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from ftops.config.config import Lifecycle, Resource
from ftops.core.address import Address, Scalar
from ftops.planning.decision import Decision
from ftops.planning.plan import Action, SettingChange
from ftops.state.state import ResourceState

_SETTINGS: Mapping[str, tuple[Callable[[ResourceState], Scalar], Callable[[Lifecycle], Scalar]]] = {
    "prevent_destroy": (lambda r: r.prevent_destroy, lambda block: block.prevent_destroy),
    "on_destroy": (lambda r: "retain" if r.retain else "delete", lambda block: block.on_destroy),
}
"""Settings that decide what becomes of an object after its lines are gone: as recorded, as declared."""
_ENDS = frozenset({Action.CREATE, Action.DELETE, Action.FORGET})
"""Actions after which nothing is left of the former record."""


def setting_changes(
    declared: Iterable[Resource],
    recorded: Mapping[Address, ResourceState],
    decisions: Mapping[Address, Decision],
    selected: Collection[Address],
) -> tuple[SettingChange, ...]:
    """Settings that are recorded otherwise than they are declared, of what stays on record."""
    return tuple(
        change
        for resource in declared
        if resource.address in selected and resource.address in recorded
        if (decision := decisions.get(resource.address)) is None or decision.action not in _ENDS
        for change in _changes(resource, recorded[resource.address])
    )


def _changes(resource: Resource, recorded: ResourceState) -> Iterator[SettingChange]:
    for name, (of_record, of_block) in _SETTINGS.items():
        before, after = of_record(recorded), of_block(resource.lifecycle)
        if before != after:
            yield SettingChange(resource.address, f"lifecycle.{name}", before, after)

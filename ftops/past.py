"""The past: the recorded state brought up to date with what was observed. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ftops.address import Address, Json
from ftops.diff import differences
from ftops.plan import AttributeChange, Drift
from ftops.schedule import deposed_key
from ftops.state import (
    Entry,
    Failed,
    Observed,
    Operation,
    Recorded,
    Removed,
    ResourceState,
    State,
    observed_as,
    resource_from,
)


class Past(Struct, frozen=True):
    """The recorded state, brought up to date with what was observed; `entries` say how it got there."""

    resources: Mapping[Address, ResourceState]
    deposed: Mapping[tuple[Address, str], ResourceState]
    entries: tuple[Entry, ...]
    drift: tuple[Drift, ...]
    vanished: Mapping[Address, str]
    """Those that are gone, and how: `vanished` or `expired`."""
    found: frozenset[Address]
    """Made by a run that was interrupted before it could record them."""
    interrupted: frozenset[Address]
    """Their update was begun and may or may not have been made; nobody has looked."""


def settle(state: State, observed: Observed) -> Past:
    """What exists now, what was found out about interrupted runs, and how the records follow."""
    resources = dict(state.resources)
    deposed = dict(state.deposed)
    entries: list[Entry] = []
    drift: list[Drift] = []
    for address, remote in observed.objects.items():
        recorded = resources[address]
        if remote is None:
            del resources[address]
            entries.append(Removed(address))
            drift.append(Drift(address, observed.causes.get(address, "vanished")))
            continue
        current = observed_as(recorded, remote)
        changed = _seen_changes(recorded, remote.inputs)
        if changed:
            drift.append(Drift(address, "changed", changed))
        if current != recorded:
            resources[address] = current
            entries.append(Recorded(current))
    for key, remote in observed.deposed.items():
        if remote is None:
            del deposed[key]
            entries.append(Removed(*key))
    found, interrupted = _settle_pending(state, observed, resources, deposed, entries)
    return Past(
        resources,
        deposed,
        tuple(entries),
        tuple(drift),
        {d.address: d.kind for d in drift if d.address not in resources},
        found,
        interrupted,
    )


def _settle_pending(
    state: State,
    observed: Observed,
    resources: dict[Address, ResourceState],
    deposed: dict[tuple[Address, str], ResourceState],
    entries: list[Entry],
) -> tuple[frozenset[Address], frozenset[Address]]:
    found: set[Address] = set()
    interrupted: set[Address] = set()
    for address, operation in state.pending.items():
        remote = observed.found.get(address)
        if operation.operation is Operation.UPDATE:
            entries.append(Failed(address, "interrupted"))
            interrupted.add(address)
        elif remote is None:
            entries.append(Failed(address, "interrupted before anything was created"))
        else:
            old = resources.get(address)
            key = deposed_key(old) if old else ""
            if old:
                deposed[address, key] = old
            protect = old.prevent_destroy if old else False
            resources[address] = resource_from(operation, remote, prevent_destroy=protect, retain=False)
            entries.append(Recorded(resources[address], key))
            found.add(address)
    return frozenset(found), frozenset(interrupted)


def _seen_changes(recorded: ResourceState, seen: Mapping[str, Json]) -> tuple[AttributeChange, ...]:
    """How inputs as the service shows them differ from those that were recorded."""
    if not seen:
        return ()
    before = {k: recorded.inputs.get(k) for k in seen}
    return tuple(AttributeChange(d.path, d.before, d.after) for d in differences(before, dict(seen)))

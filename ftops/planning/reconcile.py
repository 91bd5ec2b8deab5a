"""Reconcile: brings the recorded state up to date with what was observed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.config.config import Resource
from ftops.core.address import Address, Json, Value
from ftops.core.drift_classes import IGNORE, policy_of
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.value_diff import Difference, differences
from ftops.planning.decision import deposed_key
from ftops.planning.desired import covers, put
from ftops.planning.plan import AttributeChange, Drift
from ftops.state.state import (
    Entry,
    Failed,
    LiveState,
    Observed,
    Operation,
    PendingOperation,
    Reassigned,
    Reassignment,
    Recorded,
    RemoteObject,
    Removed,
    ResourceState,
    Source,
    State,
    observed_as,
    resource_from,
)

NO_POLICIES: Mapping[str, str] = {}


class Reconciled(Struct, frozen=True):
    """The recorded state, brought up to date with what was observed; `entries` say how it got there."""

    resources: Mapping[Address, ResourceState]
    deposed: Mapping[tuple[Address, str], ResourceState]
    entries: tuple[Entry, ...]
    drift: tuple[Drift, ...]
    vanished: Mapping[Address, str]
    """Resources whose object is gone, with the class of their drift."""
    away: frozenset[Address]
    """Resources whose object is gone, and that stay recorded: the drift policy is to ignore it."""
    seen: Mapping[Address, Mapping[str, Json]]
    """Inputs as the service shows them, without ignored changes."""
    seen_deposed: Mapping[tuple[Address, str], Mapping[str, Json]]
    """The same for objects that were deposed by the object of an interrupted create."""
    found: frozenset[Address]
    """Created by a run that was interrupted before it could record them."""
    interrupted: frozenset[Address]
    """Their update was interrupted; it may or may not have taken effect."""
    restored: frozenset[Address] = frozenset()
    """Resources that reuse a deposed object."""
    displaced: frozenset[Address] = frozenset()
    """Resources whose object was deposed for one that is reused."""
    inherited: Mapping[Address, Address] = {}
    """Resources that reuse the object of another address, and that address."""
    intents: Mapping[Address, PendingOperation] = {}
    """All pending operations."""


def reconcile(
    state: State,
    observed: Observed,
    policies: Mapping[str, str] = NO_POLICIES,
    *,
    accept: bool = False,
    declared: Mapping[Address, Resource] = {},
) -> Reconciled:
    """What exists now, what was found out about interrupted runs, and how the records follow. `policies`
    are those of drift; with `accept`, inputs are recorded as the service shows them. `declared` resources say
    which changes are ignored, and which are expected."""
    records = _Records(
        state, observed, policies, accept, declared, dict(state.resources), dict(state.deposed)
    )
    for address, remote in observed.objects.items():
        if remote is None:
            records.object_gone(address)
        else:
            records.object_read(state.resources[address], remote)
    for source, remote in observed.deposed.items():
        records.deposed_read(source, remote)
    for operation in state.pending.values():
        records.operation_interrupted(operation, observed.found.get(operation.address))
    return records.result()


class _Records(Struct):
    """The records of a state while they are reconciled; see `Reconciled` for the fields."""

    state: State
    observed: Observed
    policies: Mapping[str, str]
    accept: bool
    declared: Mapping[Address, Resource]
    resources: dict[Address, ResourceState]
    deposed: dict[Source, ResourceState]
    entries: list[Entry] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)
    vanished: dict[Address, str] = field(default_factory=dict)
    away: set[Address] = field(default_factory=set)
    seen: dict[Address, Mapping[str, Json]] = field(default_factory=dict)
    seen_deposed: dict[Source, Mapping[str, Json]] = field(default_factory=dict)
    found: set[Address] = field(default_factory=set)
    interrupted: set[Address] = field(default_factory=set)

    def object_gone(self, address: Address) -> None:
        kind = self.vanished[address] = self.observed.causes.get(address, "vanished")
        policy = policy_of(self.policies, kind)
        self.drift.append(Drift(address, kind, policy=policy))
        if policy == IGNORE and address not in self.observed.found:
            self.away.add(address)
            return
        del self.resources[address]
        if address not in self.observed.found:  # else the object that was found replaces the record
            self.entries.append(Removed(address))

    def object_read(self, recorded: ResourceState, remote: RemoteObject) -> None:
        address = recorded.address
        changed, left_alone = _drift(recorded, remote.inputs, self.policies, self.declared.get(address))
        self.drift += (*changed, *left_alone)
        seen = self.seen[address] = _without_ignored(remote.inputs, changed)
        current = observed_as(recorded, remote)
        if self.accept and any(d.policy != IGNORE for d in changed):
            heads = {change.path.split(".")[0] for drift in changed for change in drift.attributes}
            drifted = {name: value for name, value in seen.items() if name in heads}
            current = replace(current, inputs={**recorded.inputs, **drifted})
        if current != recorded:
            self.resources[address] = current
            if address not in self.observed.found:  # an entry would end the pending operation too early
                self.entries.append(Recorded(current))

    def deposed_read(self, source: Source, remote: RemoteObject | None) -> None:
        if remote is None:
            del self.deposed[source]
            self.entries.append(Removed(*source))
        else:
            self.deposed[source] = observed_as(self.deposed[source], remote)

    def operation_interrupted(self, operation: PendingOperation, remote: RemoteObject | None) -> None:
        """An update may or may not have been made; a create has an object if one was found."""
        address = operation.address
        if operation.operation is Operation.UPDATE:
            self.entries.append(Failed(address, "interrupted"))
            self.interrupted.add(address)
        elif remote is None:
            self.entries.append(Failed(address, "interrupted before anything was created"))
        else:
            self._object_found(operation, remote)

    def _object_found(self, operation: PendingOperation, remote: RemoteObject) -> None:
        """The object of an interrupted create takes the place of the current one, which is deposed."""
        address = operation.address
        old = self.resources.get(address)
        key = deposed_key(old) if old else ""
        if old:
            self.deposed[address, key] = old
        if address in self.seen:
            self.seen_deposed[address, deposed_key(self.state.resources[address])] = self.seen[address]
        self.resources[address] = resource_from(operation, remote)
        self.entries.append(Recorded(self.resources[address], key))
        self.found.add(address)
        self.seen[address] = remote.inputs
        self.vanished.pop(address, None)

    def result(self) -> Reconciled:
        return Reconciled(
            self.resources,
            self.deposed,
            tuple(self.entries),
            tuple(self.drift),
            self.vanished,
            frozenset(self.away),
            self.seen,
            self.seen_deposed,
            frozenset(self.found),
            frozenset(self.interrupted),
        )


def reassigned(before: Reconciled, observed: Observed, objects: tuple[Reassignment, ...]) -> Reconciled:
    """The same, with these objects (and the inputs seen of each) under the addresses that reuse them."""
    live = LiveState(State("", resources=before.resources, deposed=before.deposed))
    entry = Reassigned(objects)
    live.add(entry)
    seen = dict(before.seen)
    taken = [
        remote.inputs
        if (remote := observed.deposed.get((one.source, one.key)))
        else before.seen_deposed.get((one.source, one.key), {})
        if one.key
        else seen.pop(one.source, {})
        for one in objects
    ]
    seen |= {one.target: inputs for one, inputs in zip(objects, taken, strict=True)}
    names = {one.source: one.target for one in objects if not one.key}
    targets = frozenset(one.target for one in objects)
    displaced = {one.target for one in objects if one.deposes}
    return replace(
        before,
        resources=live.resources,
        deposed=live.deposed,
        entries=(*before.entries, entry),
        seen=seen,
        found=_follow(before.found, names, targets),
        interrupted=_follow(before.interrupted, names, targets),
        restored=before.restored | {one.target for one in objects if one.key},
        displaced=before.displaced | (displaced - names.keys()),
        inherited={
            **before.inherited,
            **{one.target: one.source for one in objects if one.source != one.target},
        },
    )


def _follow(
    addresses: frozenset[Address], names: Mapping[Address, Address], targets: frozenset[Address]
) -> frozenset[Address]:
    """The same objects under the addresses that they have after a reassignment."""
    kept = addresses - names.keys() - targets
    return kept | {names[address] for address in addresses & names.keys()}


def _drift(
    recorded: ResourceState,
    seen: Mapping[str, Json],
    policies: Mapping[str, str],
    declared: Resource | None,
) -> tuple[tuple[Drift, ...], tuple[Drift, ...]]:
    """How inputs as the service shows them differ from the recorded ones, by class; then the changes that
    `ignore_changes` covers."""
    ignored = declared.lifecycle.ignore_changes if declared else ()
    inputs = declared.inputs if declared else recorded.inputs
    before = {name: recorded.inputs.get(name) for name in seen}
    changed: dict[str, list[AttributeChange]] = {}
    left_alone: dict[str, list[AttributeChange]] = {}
    for found in differences(before, seen, RESOURCE_TYPES[recorded.address.kind].spelling):
        kind = _class_of(found, recorded.address.kind, inputs)
        group = left_alone if covers(ignored, found.path) else changed
        group.setdefault(kind, []).append(AttributeChange(found.path, found.before, found.after))
    address = recorded.address
    return (
        tuple(Drift(address, kind, tuple(c), policy_of(policies, kind)) for kind, c in changed.items()),
        tuple(Drift(address, kind, tuple(c), IGNORE) for kind, c in left_alone.items()),
    )


def _class_of(change: Difference, kind: str, inputs: Mapping[str, Value]) -> str:
    """The class of drift of a changed input."""
    if change.before is None:
        return "normalised"
    rule = RESOURCE_TYPES[kind].upgraded_by_service.get(change.path)
    upgraded = rule is not None and rule(change.before, change.after, inputs)
    return "upgraded" if upgraded else "changed"


def _without_ignored(seen: Mapping[str, Json], found: Iterable[Drift]) -> Mapping[str, Json]:
    """The inputs as the service shows them; those whose drift is ignored, as recorded."""
    tree: dict[str, Any] = dict(seen)
    for change in (change for drift in found if drift.policy == IGNORE for change in drift.attributes):
        put(tree, change.path, change.before)
    return tree

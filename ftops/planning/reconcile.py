"""Reconcile: brings the recorded state up to date with what was observed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ftops.config.config import Resource
from ftops.core.address import Address, Json
from ftops.core.drift_classes import IGNORE, policy_of
from ftops.core.hosting_hours import is_off_at
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.value_diff import differences
from ftops.planning.decision import deposed_key
from ftops.planning.desired import covers, put
from ftops.planning.plan import AttributeChange, Drift
from ftops.state.entries import Entry, Failed, Reassigned, Reassignment, Recorded, Removed
from ftops.state.live_state import LiveState
from ftops.state.state import (
    Observed,
    Operation,
    PendingOperation,
    RemoteObject,
    ResourceState,
    Source,
    State,
    observed_as,
    resource_from,
    switched_off,
)


class Reconciled(Struct):
    """The recorded state, brought up to date with what was observed; `entries` say how it got there."""

    resources: dict[Address, ResourceState]
    deposed: dict[Source, ResourceState]
    intents: Mapping[Address, PendingOperation] = {}
    """All pending operations."""
    entries: list[Entry] = []
    drift: list[Drift] = []
    vanished: dict[Address, str] = {}
    """Resources whose object is gone, with the class of their drift."""
    away: set[Address] = set()
    """Resources whose object is gone, and that stay recorded: the drift policy is to ignore it."""
    seen: dict[Address, Mapping[str, Json]] = {}
    """Inputs as the service shows them, without ignored changes."""
    seen_deposed: dict[Source, Mapping[str, Json]] = {}
    """The same for objects that were deposed by the object of an interrupted create."""
    found: set[Address] = set()
    """Created by a run that was interrupted before it could record them."""
    interrupted: set[Address] = set()
    """Their update was interrupted; it may or may not have taken effect."""
    restored: set[Address] = set()
    """Resources that reuse a deposed object."""
    displaced: set[Address] = set()
    """Resources whose object was deposed for one that is reused."""
    inherited: dict[Address, Address] = {}
    """Resources that reuse the object of another address, and that address."""


def reconcile(
    state: State,
    observed: Observed,
    policies: Mapping[str, str] = {},
    *,
    accept: bool = False,
    declared: Mapping[Address, Resource] = {},
) -> Reconciled:
    """What exists now, what was found out about interrupted runs, and how the records follow. `policies`
    are those of drift; with `accept`, inputs are recorded as the service shows them. `declared` resources say
    which changes are ignored, and which are expected. What is gone outside its hosting hours, such as by
    a run that was killed, is off."""
    now = Reconciled(dict(state.resources), dict(state.deposed), state.pending)
    for address, remote in observed.objects.items():
        if remote is None and is_off_at(state.resources[address].inputs, observed.moment):
            _object_off(now, address, is_found=address in observed.found)
        elif remote is None:
            _object_gone(now, address, observed, policies)
        else:
            is_found = address in observed.found
            _object_read(now, state.resources[address], remote, policies, accept, declared, is_found)
    for source, remote in observed.deposed.items():
        if remote is None:
            del now.deposed[source]
            now.entries.append(Removed(*source))
        else:
            now.deposed[source] = observed_as(now.deposed[source], remote)
    for address, operation in state.pending.items():
        if operation.operation is Operation.UPDATE:  # it may or may not have been made
            now.entries.append(Failed(address, "interrupted"))
            now.interrupted.add(address)
        elif address not in observed.found:
            now.entries.append(Failed(address, "interrupted before anything was created"))
        else:
            _object_found(now, operation, observed.found[address], state)
    return now


def _object_off(now: Reconciled, address: Address, *, is_found: bool) -> None:
    """`is_found`: as of `_object_read`."""
    recorded = now.resources[address] = switched_off(now.resources[address])
    if not is_found:
        now.entries.append(Recorded(recorded))


def _object_gone(now: Reconciled, address: Address, observed: Observed, policies: Mapping[str, str]) -> None:
    kind = now.vanished[address] = observed.causes.get(address, "vanished")
    policy = policy_of(policies, kind)
    now.drift.append(Drift(address, kind, policy=policy))
    if policy == IGNORE and address not in observed.found:
        now.away.add(address)
        return
    del now.resources[address]
    if address not in observed.found:  # else the object that was found replaces the record
        now.entries.append(Removed(address))


def _object_read(
    now: Reconciled,
    recorded: ResourceState,
    remote: RemoteObject,
    policies: Mapping[str, str],
    accept: bool,
    declared: Mapping[Address, Resource],
    is_found: bool,
) -> None:
    """`is_found`: there is an object of an interrupted create, too; an entry would end that too early."""
    address = recorded.address
    changed, left_alone = _drift(recorded, remote.inputs, policies, declared.get(address))
    now.drift += (*changed, *left_alone)
    seen = now.seen[address] = _without_ignored(remote.inputs, changed)
    current = observed_as(recorded, remote)
    if accept and any(d.policy != IGNORE for d in changed):
        heads = {change.path.split(".")[0] for drift in changed for change in drift.attributes}
        drifted = {name: value for name, value in seen.items() if name in heads}
        current = replace(current, inputs={**recorded.inputs, **drifted})
    if current != recorded:
        now.resources[address] = current
        if not is_found:
            now.entries.append(Recorded(current))


def _object_found(now: Reconciled, operation: PendingOperation, remote: RemoteObject, state: State) -> None:
    """The object of an interrupted create takes the place of the current one, which is deposed."""
    address = operation.address
    old = now.resources.get(address)
    if old is not None and old.is_off:  # there is nothing to delete
        old = None
    key = deposed_key(old) if old else ""
    if old:
        now.deposed[address, key] = old
    if address in now.seen:
        now.seen_deposed[address, deposed_key(state.resources[address])] = now.seen[address]
    now.resources[address] = resource_from(operation, remote)
    now.entries.append(Recorded(now.resources[address], key))
    now.found.add(address)
    now.seen[address] = remote.inputs
    now.vanished.pop(address, None)


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

    def follow(addresses: set[Address]) -> set[Address]:
        """The same objects under the addresses that they have now."""
        kept = addresses - names.keys() - {one.target for one in objects}
        return kept | {names[address] for address in addresses & names.keys()}

    return replace(
        before,
        resources=live.resources,
        deposed=live.deposed,
        entries=[*before.entries, entry],
        seen=seen,
        found=follow(before.found),
        interrupted=follow(before.interrupted),
        restored=before.restored | {one.target for one in objects if one.key},
        displaced=before.displaced | ({one.target for one in objects if one.deposes} - names.keys()),
        inherited=before.inherited | {one.target: one.source for one in objects if one.source != one.target},
    )


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
    row = RESOURCE_TYPES[recorded.address.kind]
    for found in differences(before, seen, row.spelling):
        rule = row.upgraded_by_service.get(found.path)
        kind = "normalised"
        if found.before is not None:
            is_upgrade = rule is not None and rule(found.before, found.after, inputs)
            kind = "upgraded" if is_upgrade else "changed"
        group = left_alone if covers(ignored, found.path) else changed
        group.setdefault(kind, []).append(AttributeChange(found.path, found.before, found.after))
    address = recorded.address
    return (
        tuple(Drift(address, kind, tuple(c), policy_of(policies, kind)) for kind, c in changed.items()),
        tuple(Drift(address, kind, tuple(c), IGNORE) for kind, c in left_alone.items()),
    )


def _without_ignored(seen: Mapping[str, Json], found: Iterable[Drift]) -> Mapping[str, Json]:
    """The inputs as the service shows them; those whose drift is ignored, as recorded."""
    tree: dict[str, Any] = dict(seen)
    for change in (change for drift in found if drift.policy == IGNORE for change in drift.attributes):
        put(tree, change.path, change.before)
    return tree

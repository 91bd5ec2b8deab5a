"""The past: the recorded state brought up to date with what was observed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ftops.config.config import Resource
from ftops.core.address import Address, Json, Value
from ftops.core.drift_classes import IGNORE, policy_of
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.value_diff import Difference, differences
from ftops.planning.decision import deposed_key
from ftops.planning.desired import covers
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
    Removed,
    ResourceState,
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
    """Those that are gone, and the class of their drift."""
    away: frozenset[Address]
    """Those that are gone, but stay on record as if they weren't: the spec says to ignore it."""
    seen: Mapping[Address, Mapping[str, Json]]
    """Inputs as the service shows them, without what is to be ignored."""
    seen_deposed: Mapping[tuple[Address, str], Mapping[str, Json]]
    """The same of objects that are deposed for what an interrupted run has made."""
    found: frozenset[Address]
    """Made by a run that was interrupted before it could record them."""
    interrupted: frozenset[Address]
    """Their update was begun and may or may not have been made; nobody has looked."""
    restored: frozenset[Address] = frozenset()
    """Their object was deposed, and is taken instead of creating another one."""
    displaced: frozenset[Address] = frozenset()
    """Their object was deposed for one that is taken or adopted."""
    inherited: Mapping[Address, Address] = {}
    """Their object was another address's, and which."""
    intents: Mapping[Address, PendingOperation] = {}
    """All that were open."""


def settle(
    state: State,
    observed: Observed,
    policies: Mapping[str, str] = NO_POLICIES,
    *,
    accept: bool = False,
    declared: Mapping[Address, Resource] = {},
) -> Reconciled:
    """What exists now, what was found out about interrupted runs, and how the records follow. `policies`
    are those of drift; with `accept`, inputs are recorded as the service shows them. What is `declared` says
    which changes are no drift, or expected."""
    resources = dict(state.resources)
    deposed = dict(state.deposed)
    entries: list[Entry] = []
    drift: list[Drift] = []
    vanished: dict[Address, str] = {}
    away: set[Address] = set()
    seen: dict[Address, Mapping[str, Json]] = {}
    for address, remote in observed.objects.items():
        recorded = resources[address]
        if remote is None:
            kind = vanished[address] = observed.causes.get(address, "vanished")
            policy = policy_of(policies, kind)
            drift.append(Drift(address, kind, policy=policy))
            if policy == IGNORE and address not in observed.found:
                away.add(address)
                continue
            del resources[address]
            if address not in observed.found:  # else the record of what was found takes its place, at once
                entries.append(Removed(address))
            continue
        current = observed_as(recorded, remote)
        found, left_alone = _seen_changes(recorded, remote.inputs, policies, declared.get(address))
        drift += (*found, *left_alone)
        seen[address] = _without(remote.inputs, recorded.inputs, found)
        if accept and any(d.policy != IGNORE for d in found):
            current = replace(current, inputs={**recorded.inputs, **_recordable(seen[address], found)})
        if current != recorded:
            resources[address] = current
            if address not in observed.found:  # else it would end the intent too early
                entries.append(Recorded(current))
    _settle_deposed(observed, deposed, entries)
    found_objects, interrupted = _settle_pending(state, observed, resources, deposed, entries)
    seen_deposed: dict[tuple[Address, str], Mapping[str, Json]] = {}
    for address in found_objects:
        if address in seen:
            seen_deposed[address, deposed_key(state.resources[address])] = seen[address]
        seen[address] = observed.found[address].inputs
        vanished.pop(address, None)
    return Reconciled(
        resources,
        deposed,
        tuple(entries),
        tuple(drift),
        vanished,
        frozenset(away),
        seen,
        seen_deposed,
        found_objects,
        interrupted,
    )


def _settle_deposed(
    observed: Observed, deposed: dict[tuple[Address, str], ResourceState], entries: list[Entry]
) -> None:
    for key, remote in observed.deposed.items():
        if remote is None:
            del deposed[key]
            entries.append(Removed(*key))
        else:
            deposed[key] = observed_as(deposed[key], remote)


def reassigned(past: Reconciled, observed: Observed, objects: tuple[Reassignment, ...]) -> Reconciled:
    """The past with these objects under the addresses that take them, and what was seen of each with it."""
    live = LiveState(State("", resources=past.resources, deposed=past.deposed))
    entry = Reassigned(objects)
    live.add(entry)
    seen = dict(past.seen)
    taken = [
        remote.inputs
        if (remote := observed.deposed.get((one.source, one.key)))
        else past.seen_deposed.get((one.source, one.key), {})
        if one.key
        else seen.pop(one.source, {})
        for one in objects
    ]
    seen |= {one.target: inputs for one, inputs in zip(objects, taken, strict=True)}
    names = {one.source: one.target for one in objects if not one.key}
    targets = frozenset(one.target for one in objects)
    displaced = {one.target for one in objects if one.deposes}
    return replace(
        past,
        resources=live.resources,
        deposed=live.deposed,
        entries=(*past.entries, entry),
        seen=seen,
        found=_follow(past.found, names, targets),
        interrupted=_follow(past.interrupted, names, targets),
        restored=past.restored | {one.target for one in objects if one.key},
        displaced=past.displaced | (displaced - names.keys()),
        inherited={
            **past.inherited,
            **{one.target: one.source for one in objects if one.source != one.target},
        },
    )


def _follow(
    addresses: frozenset[Address], names: Mapping[Address, Address], targets: frozenset[Address]
) -> frozenset[Address]:
    """The same objects under the addresses that they have after a reassignment."""
    kept = addresses - names.keys() - targets
    return kept | {names[address] for address in addresses & names.keys()}


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
            resources[address] = resource_from(operation, remote)
            entries.append(Recorded(resources[address], key))
            found.add(address)
    return frozenset(found), frozenset(interrupted)


def _seen_changes(
    recorded: ResourceState,
    seen: Mapping[str, Json],
    policies: Mapping[str, str],
    declared: Resource | None,
) -> tuple[tuple[Drift, ...], tuple[Drift, ...]]:
    """How inputs as the service shows them differ from those that were recorded: what somebody changed,
    and what the service did by itself. Then those that `ignore_changes` leaves alone."""
    ignored = declared.lifecycle.ignore_changes if declared else ()
    inputs = declared.inputs if declared else recorded.inputs
    before = {k: recorded.inputs.get(k) for k in seen}
    sorts: dict[str, list[AttributeChange]] = {}
    alone: dict[str, list[AttributeChange]] = {}
    for found in differences(before, seen, RESOURCE_TYPES[recorded.address.kind].spelling):
        kind = _class_of(found, recorded.address.kind, inputs)
        group = alone if covers(ignored, found.path) else sorts
        group.setdefault(kind, []).append(AttributeChange(found.path, found.before, found.after))
    address = recorded.address
    return (
        tuple(Drift(address, kind, tuple(c), policy_of(policies, kind)) for kind, c in sorts.items()),
        tuple(Drift(address, kind, tuple(c), IGNORE) for kind, c in alone.items()),
    )


def _class_of(change: Difference, kind: str, inputs: Mapping[str, Value]) -> str:
    """The class of drift of an input that is another one at the service."""
    if change.before is None:
        return "normalised"
    rule = RESOURCE_TYPES[kind].upgraded_by_service.get(change.path)
    upgraded = rule is not None and rule(change.before, change.after, inputs)
    return "upgraded" if upgraded else "changed"


def _without(
    seen: Mapping[str, Json], recorded: Mapping[str, Value], found: Iterable[Drift]
) -> Mapping[str, Json]:
    """What the service shows, with what is to be ignored as it was recorded."""
    ignored = [change for drift in found if drift.policy == IGNORE for change in drift.attributes]
    if not ignored:
        return seen
    tree: dict[str, Any] = dict(seen)
    for change in ignored:
        *above, leaf = change.path.split(".")
        branch = tree
        for name in above:
            branch[name] = branch = dict(branch.get(name) or {})
        if change.before is None:
            branch.pop(leaf, None)
        else:
            branch[leaf] = change.before
    return tree


def _recordable(seen: Mapping[str, Json], found: Iterable[Drift]) -> Mapping[str, Json]:
    """The inputs, whole, of which something is to be recorded as it was found."""
    heads = {change.path.split(".")[0] for drift in found for change in drift.attributes}
    return {name: value for name, value in seen.items() if name in heads}

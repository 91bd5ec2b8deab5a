"""Comparison: what differs between a declared resource and its recorded object. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec.structs import replace

from ftops.config.config import Lifecycle, Resource
from ftops.config.sweeps import Choice, Ranked, is_best
from ftops.core.address import Address, Reference, Secret, Value, encode, references, secrets
from ftops.core.normal_form import leaves
from ftops.core.resource_types import RESOURCE_TYPES, forces_replacement, is_tuned
from ftops.core.value_diff import Difference, differences
from ftops.planning.decision import Decision
from ftops.planning.desired import Desired, at, comparable, covers, put
from ftops.planning.plan import Action, AttributeChange, SettingChange
from ftops.state.state import ResourceState


def attribute_changes(
    resource: Resource, desired: Desired, recorded: ResourceState, seen: Mapping[str, Value]
) -> tuple[AttributeChange, ...]:
    """The inputs that would change. `seen` are the inputs as the service shows them."""
    before, after = comparable(desired, recorded, seen)
    kind = RESOURCE_TYPES[resource.address.kind]
    ignored = resource.lifecycle.ignore_changes
    return tuple(
        AttributeChange(
            d.path,
            d.before,
            d.after,
            forces_replacement(kind, d.path, d.before, resource.inputs.get(d.path, d.after), resource.inputs),
            _note(resource, d),
        )
        for d in differences(before, after, kind.spelling)
        if not covers(ignored, d.path)
    )


def _note(resource: Resource, difference: Difference) -> str:
    head = difference.path.split(".")[0]
    source = resource.sources.get(head)
    if source:
        return f"{head}.{source}"
    value = resource.inputs.get(head)
    if isinstance(value, Reference):
        return f"the best of {value.address._replace(key=None)}" if is_best(value) else str(value.address)
    return ""


def keeping_present(
    resource: Resource,
    recorded: ResourceState,
    seen: Mapping[str, Value],
    action: Action,
    known: Collection[Secret],
) -> Resource:
    """The resource with the inputs to send. An input that is only spelled differently keeps the spelling that
    the service accepted. One whose changes are ignored keeps its present value, unless that is a secret that
    is no longer known; `ignore_changes` of the result has the inputs that do."""
    now = {**recorded.inputs, **seen}
    inputs = dict(resource.inputs)
    for path, value in _respelled(resource, now):
        put(inputs, path, value)
    kept = tuple(p for p in _kept(resource, recorded, action) if {*known} >= {*secrets(at(now, p))})
    for path in kept:
        put(inputs, path, at(now, path))
    return replace(resource, inputs=inputs, lifecycle=replace(resource.lifecycle, ignore_changes=kept))


def kept_notes(asked: Resource, sent: Resource) -> Iterator[str]:
    """Warnings about inputs that keep their present value although the spec has another."""
    spelling = RESOURCE_TYPES[asked.address.kind].spelling
    for path, now, wanted in differences(sent.inputs, asked.inputs, spelling):
        if wanted is not None and covers(sent.lifecycle.ignore_changes, path):
            values = [json.dumps(encode(value), ensure_ascii=False) for value in (now, wanted)]
            stays = "stays unset" if now is None else f"stays {values[0]}"
            yield f"{asked.address}: {path} {stays}, although the spec has {values[1]} (ignore_changes)"


def unchangeable_notes(resource: Resource, desired: Desired, recorded: ResourceState) -> Iterator[str]:
    """Warnings about inputs of an object that stays which the spec has changed, but the service can't."""
    kind = RESOURCE_TYPES[resource.address.kind]
    before, after = (
        {k: v for k, v in i.items() if k in kind.kept} for i in (recorded.inputs, desired.inputs)
    )
    why = f"it is only sent when {kind.noun} is created"
    for path, now, wanted in differences(before, after, kind.spelling):
        if covers(resource.lifecycle.ignore_changes, path):
            continue
        old, new = (json.dumps(encode(value), ensure_ascii=False) for value in (now, wanted))
        stays = "isn't added" if now is None else f"stays {old}"
        spec = f"the spec has {new}" if wanted is not None else "the spec no longer has it"
        yield f"{resource.address}: {path} {stays}, although {spec}: {why}"


def _respelled(resource: Resource, now: Mapping[str, Value]) -> Iterator[tuple[str, Value]]:
    """Inputs that differ from the present ones only in spelling: their path and present value."""
    kind = RESOURCE_TYPES[resource.address.kind]
    asked = {name: value for name, value in resource.inputs.items() if name not in kind.local}
    present = dict(leaves(now, kind.spelling))
    for place, leaf in leaves(asked, kind.spelling):
        same = present.get(place)
        if same is not None and same.path == leaf.path and same.meaning == leaf.meaning:
            yield leaf.path, same.value


def _kept(resource: Resource, recorded: ResourceState, action: Action) -> tuple[str, ...]:
    """Ignored inputs that keep their present value. A replacement takes data and models from the resources
    that the spec names: a recorded id may belong to an object that is deleted."""
    kind = RESOURCE_TYPES[resource.address.kind]
    referring = {
        name
        for name, value in resource.inputs.items()
        if references(value)
        or is_tuned(recorded.inputs.get(name))
        or (name in kind.compared_by_content and name in recorded.identities)
    }
    left = kind.local | (referring if action is Action.REPLACE else frozenset())
    return tuple(path for path in resource.lifecycle.ignore_changes if path.partition(".")[0] not in left)


def setting_changes(
    address: Address, lifecycle: Lifecycle, recorded: ResourceState
) -> Iterator[SettingChange]:
    """Lifecycle settings whose record changes. Nothing changes at the service."""
    on_destroy = "retain" if recorded.retain else "delete"
    for name, before, after in (
        ("prevent_destroy", recorded.prevent_destroy, lifecycle.prevent_destroy),
        ("on_destroy", on_destroy, lifecycle.on_destroy),
    ):
        if before != after:
            yield SettingChange(address, f"lifecycle.{name}", before, after)


def describe(
    attributes: Iterable[AttributeChange], decisions: Mapping[Address, Decision], chosen: Mapping[str, str]
) -> str:
    """One line: what changed, and where the new value comes from. `chosen` says by input how the best of a
    sweep was chosen."""
    parts = []
    for change in attributes:
        after = change.after
        if change.path in chosen:
            parts.append(chosen[change.path])
        elif is_best(after):
            parts.append(f"{change.path} is {change.note}, which may be another one")
        elif isinstance(after, Reference) and after.address in decisions:
            fate = will_be(decisions[after.address])
            parts.append(f"{change.path} comes from {after.address}, which {fate}")
        else:
            source = f" ({change.note})" if change.note else ""
            parts.append(f"{change.path} changed{source}")
    shown = "; ".join(parts[:3])
    return shown if len(parts) <= 3 else f"{shown}; and {len(parts) - 3} more"


def best_changed(choice: Choice, before: Ranked | None) -> str:
    """`best is now job.sweep["b"]: full_valid_loss 0.41, was job.sweep["a"]: 0.43`."""
    now = choice.ranked[0]
    text = f"best is now {now.address}: {choice.metric} {now.value:.4g}"
    if before is None or before.address == now.address:
        return text
    return f"{text}, was {before.address}: {before.value:.4g}"


def will_be(decision: Decision) -> str:
    """`will be replaced`."""
    return "is still in progress" if decision.action is Action.RESUME else f"will be {decision.action.done}"

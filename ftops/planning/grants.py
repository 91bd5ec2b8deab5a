"""Grants: what is left of a plan that was approved, and what a new plan may do under that approval. Pure.

A grant never widens. A step under it is of an address that the approved plan changes, with an action that the
approved one includes, and with the same inputs. Everything else is left out, or refused if a step needs it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from ftops.core.address import Address
from ftops.core.dag import closure, reverse
from ftops.core.resource_types import kind_of
from ftops.planning.plan import CREATING, Action, Change, Options, Plan
from ftops.state.entries import Entry, Moved, ProviderReplaced, Reassigned, Recorded, Removed
from ftops.state.state import INTERRUPTED, Grant, ResourceState, State

_GOES_ON = frozenset({Action.ADOPT, Action.RESUME, Action.RESTORE})
"""Actions that create and cost nothing."""
_ENDS = frozenset({Action.DELETE, Action.FORGET})
_INCLUDED: Mapping[Action, frozenset[Action]] = {
    Action.CREATE: CREATING | _GOES_ON,
    Action.REPLACE: CREATING | _GOES_ON,
    Action.UPDATE: frozenset({Action.UPDATE}) | _GOES_ON,
    Action.ADOPT: _GOES_ON,
    Action.RESUME: _GOES_ON,
    Action.RESTORE: _GOES_ON,
}
"""What is approved with an action. A replacement is a creation once the old object is deleted, and a creation
a replacement of what failed."""


class Residual(Struct, frozen=True):
    """What is left of an approved plan. `failed`: addresses whose object failed, or is gone, after it was
    made under the approval; without a retry they and what needs them are left out of the plan. `changed`:
    objects that were made under it and have been changed by somebody since; they are left as they are.
    `foreign`: steps that would be needed and aren't approved, with the reason."""

    plan: Plan
    failed: tuple[Address, ...] = ()
    changed: tuple[Address, ...] = ()
    foreign: Mapping[str, str] = {}


def options_left(options: Options, approved: Plan, state: State) -> Options:
    """The options to plan again with, for what the approved plan changes only. What --replace named is
    replaced once."""
    known = {*state.resources, *state.pending, *(address for address, _ in state.deposed)}
    known |= {target for source, target in approved.moves if source in known}  # if they aren't recorded yet
    changed = dict.fromkeys(change.address for change in approved.changes)
    old = {(change.address, change.remote_id) for change in approved.changes}
    still = tuple(
        address
        for address in changed
        if address in state.resources
        and (address, state.resources[address].remote_id) in old
        and _is_named(address, options.replaces)
    )
    declared = {change.address for change in approved.changes if change.action not in _ENDS}
    targets = tuple(address for address in changed if address in known or address in declared)
    return replace(options, targets=targets, excludes=(), replaces=still, allow_empty=True, rule_overrides={})


def residual(approved: Plan, again: Plan, state: State, *, retry: bool) -> Residual:
    """What of `again`, which was planned for the state, is left of the approved plan."""
    before = {c.address: c for c in approved.changes if c.action not in _ENDS}
    ends = {(c.address, c.remote_id): c.action for c in approved.changes if c.action in _ENDS}
    records = _made(approved, again, state)
    own = {record.address for record in records}
    ended = {record.address for record in records if not record.outputs.get(INTERRUPTED)}
    failed: list[Address] = []
    changed: list[Address] = []
    foreign: dict[str, str] = {}
    kept: dict[str, Change] = {}
    for change in again.approved_changes:
        address, one = change.address, before.get(change.address)
        if change.action in _ENDS:
            is_own = one is not None and one.action in CREATING and (change.deposed or address in own)
            end = ends.get((address, change.remote_id))
            if end is Action.FORGET:  # what kept it at the service then may be gone by now
                kept[change.step] = replace(change, action=end)
            elif end is not None or (is_own and change.action is Action.DELETE):
                kept[change.step] = change
        elif one is None:
            continue
        elif change.action in CREATING and (address in ended or one.action in _GOES_ON):
            failed.append(address)
            kept[change.step] = change
            if retry and (why := _difference(one, change)):
                foreign[change.step] = why
        elif change.action is Action.UPDATE and (address in own or one.action in _GOES_ON):
            changed.append(address)
        elif why := _difference(one, change):
            foreign[change.step] = why
        else:
            kept[change.step] = change
    if not retry:
        kept = _without(kept, failed)
    foreign = {**_missing(again, kept, {*failed, *changed}), **foreign}
    plan = _limited(again, kept, before.keys(), failed, retry)
    plan = replace(plan, warnings=(*plan.warnings, *_stay(changed)))
    return Residual(plan, tuple(failed), tuple(changed), foreign)


def supersedes(made: Plan, grant: Grant, *, is_whole: bool) -> bool:
    """Whether a run of this plan, which isn't under the grant, ends it."""
    if is_whole:
        return True
    changed = {change.address for change in made.approved_changes}
    return not changed.isdisjoint(grant.addresses) or touches(made.entries, grant)


def touches(entries: Iterable[Entry], grant: Grant) -> bool:
    """Whether entries move or forget what the grant is about."""
    named: set[Address] = set()
    for entry in entries:
        match entry:
            case Removed(address):
                named.add(address)
            case Moved(moves):
                named.update(address for pair in moves for address in pair)
            case Reassigned(objects):
                named.update(address for one in objects for address in (one.source, one.target))
            case ProviderReplaced():
                return True
    return not named.isdisjoint(grant.addresses)


def _made(approved: Plan, again: Plan, state: State) -> list[ResourceState]:
    """The objects that were made since the approval, whatever has become of them."""
    old = {(change.address, change.remote_id) for change in approved.changes}
    making = {change.address for change in approved.changes if change.action in CREATING}
    found = (entry.resource for entry in again.entries if isinstance(entry, Recorded))
    records = (*state.resources.values(), *found)
    return [r for r in records if r.address in making and (r.address, r.remote_id) not in old]


def _difference(approved: Change, change: Change) -> str:
    """Why a step isn't included in an approved one; empty if it is."""
    if change.action not in _INCLUDED.get(approved.action, frozenset()):
        return f"{change.action} isn't approved, but {approved.action}"
    if change.provider != approved.provider:
        return f"its provider is {change.provider}, not {approved.provider}"
    after, now = _sent(approved), _sent(change)
    names = sorted(name for name in {*after, *now} if after.get(name) != now.get(name))
    shared = approved.identities.keys() & change.identities.keys()
    names += sorted(n for n in shared if approved.identities[n] != change.identities[n] and n not in names)
    if names:
        return f"other values of {', '.join(names)}"
    return "" if change.gates == approved.gates and change.override == approved.override else "other gates"


def _sent(change: Change) -> dict[str, object]:
    """The inputs without the path of a derived file. Expressions stay as they are until they are sent, so
    they are equal whether or not their values are known by now."""
    return {name: value for name, value in change.after.items() if name != "file"}


def _missing(again: Plan, kept: Mapping[str, Change], known: Collection[Address]) -> Mapping[str, str]:
    """Steps that others wait for and that aren't approved."""
    steps = {change.step: change for change in again.changes}
    return {
        waited: f"{change.step} waits for it, and it isn't part of what was approved"
        for change in kept.values()
        for waited in change.waits_for
        if waited in steps and waited not in kept and steps[waited].address not in known
    }


def _without(kept: Mapping[str, Change], failed: Collection[Address]) -> dict[str, Change]:
    """Without what failed, and what waits for it."""
    users = reverse({step: set(change.waits_for) & kept.keys() for step, change in kept.items()})
    left_out = closure({step for step, change in kept.items() if change.address in failed}, users)
    return {step: change for step, change in kept.items() if step not in left_out}


def _limited(
    again: Plan,
    kept: Mapping[str, Change],
    addresses: Collection[Address],
    failed: Collection[Address],
    retry: bool,
) -> Plan:
    """Only these steps. That an object is gone isn't recorded before it is made again, or the next run
    wouldn't know that it was made."""
    steps = tuple(
        replace(change, waits_for=tuple(step for step in change.waits_for if step in kept))
        for change in kept.values()
    )
    entries = tuple(
        entry
        for entry in again.entries
        if retry or not (isinstance(entry, Removed) and entry.address in failed)
    )
    held = tuple(one for one in again.held if one.address in addresses)
    settings = tuple(setting for setting in again.settings if setting.address in addresses)
    return replace(again, changes=steps, entries=entries, settings=settings, outputs=(), held=held)


def _stay(changed: Collection[Address]) -> tuple[str, ...]:
    words = "was changed by somebody after it was made under the approval: it is left as it is"
    return tuple(f"{address} {words}" for address in changed)


def _is_named(address: Address, patterns: Collection[Address]) -> bool:
    return address in patterns or Address(address.kind, address.name) in patterns


def retraining(plan: Plan, failed: Collection[Address]) -> tuple[Address, ...]:
    """The jobs that a plan trains once more."""
    made = (change.address for change in plan.changes if change.action in CREATING)
    return tuple(address for address in made if address in failed and kind_of(address).trains)

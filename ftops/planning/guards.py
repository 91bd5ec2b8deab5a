"""Guards: checks that refuse a plan: an empty spec, drift, protected resources, shared objects. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from ftops.config.accounts import is_exclusive
from ftops.config.config import Config, Resource
from ftops.core.address import Address
from ftops.core.drift_classes import DRIFT_CLASSES, FAIL
from ftops.core.errors import Blocked, Diagnostic
from ftops.core.plurals import agree, plural
from ftops.core.snippets import command, in_spec, moved_block
from ftops.core.suggestions import did_you_mean
from ftops.planning.decision import Decision
from ftops.planning.gating import gates_of
from ftops.planning.plan import REMOVING, Action, Change, Drift, Mode
from ftops.state.state import ResourceState, Source, State, recorded_objects

_DESTROYING = (Action.DELETE, Action.REPLACE)


def check_overrides(overrides: Mapping[Address, str], declared: Mapping[Address, Resource]) -> None:
    """Raises Blocked for deployments without a gate, or with one that can't be overridden."""
    findings = []
    for address in overrides:
        gates = gates_of(declared[address]) if address in declared else ()
        if not gates:
            summary = f"{address} has no gate" if address in declared else f"there is no {address}"
            gated = [str(known) for known, resource in declared.items() if gates_of(resource)]
            hint = did_you_mean(str(address), gated, nothing="no deployment of the spec has a `gate`")
            findings.append(Diagnostic(summary, "", hint))
        elif not all(gate.allow_override for gate in gates):
            detail = "It has `allow_override: false`."
            findings.append(Diagnostic(f"the gate of {address} can't be overridden", detail, ""))
    if findings:
        raise Blocked(findings)


def check_empty(config: Config, state: State, mode: Mode, allowed: bool) -> None:
    """Raises Blocked if an empty spec would delete everything."""
    if mode is not Mode.NORMAL or config.resources or allowed or not state.resources:
        return
    gone = {removal.source for removal in config.refactorings.removals}
    if all(not gone.isdisjoint((address, address._replace(key=None))) for address in state.resources):
        return
    count = len(state.resources)
    empty = Diagnostic(
        f"the spec declares nothing, but {plural(count, 'resource')} {agree(count, 'exists', 'exist')}",
        "An empty spec is usually a mistake, such as a wrong folder or a missing file. "
        f"It was read from {config.folder}.",
        "to delete everything, run `ftops destroy`, or plan with --allow-empty",
    )
    raise Blocked([empty])


def check_drift(drift: Iterable[Drift], mode: Mode) -> None:
    """Raises Blocked if something was changed outside ftops, and the policy for it is `fail`."""
    found = [
        Diagnostic(
            f"{d.address} {DRIFT_CLASSES[d.kind].says}",
            f"The spec stops a plan in this case (`drift: {{{d.kind}: fail}}`).",
            "see `ftops drift`; to accept what exists, run `ftops apply --refresh-only`",
        )
        for d in drift
        if d.policy == FAIL and mode is Mode.NORMAL
    ]
    if found:
        raise Blocked(found)


def check_lifetime(config: Config, state: State, mode: Mode) -> None:
    """Raises Blocked if an environment would expire that was made to stay: then a spec, such as that of a
    pull request, could have everything of it deleted later."""
    if mode is not Mode.NORMAL or not config.ttl or state.expires_at or state.is_empty:
        return
    name = config.environment
    raise Blocked(
        [
            Diagnostic(
                f"`{name}` was made to stay, and would become a preview",
                f"Its pattern has `ttl: {config.ttl}`: `ftops gc` would delete all of it. Its state says "
                "that it doesn't expire, and no plan changes that.",
                f"declare `{name}` under `environments`, or choose another pattern or name; to have it as a "
                "preview, destroy it first",
            )
        ]
    )


def check_protection(
    decisions: Mapping[Address, Decision],
    declared: Mapping[Address, Resource],
    displaced: Collection[Address],
    inherited: Mapping[Address, Address],
) -> None:
    """Raises Blocked if a protected resource would be deleted or replaced. `displaced` are addresses whose
    object is deposed for one that exists already. `inherited` reuse the object of another address: it keeps
    the protection in the state unless the spec lifts it at that address."""
    found: list[Diagnostic] = []
    created = [address for address, decision in decisions.items() if decision.action is Action.CREATE]
    for address in dict.fromkeys([*decisions, *displaced]):
        decision = decisions.get(address)
        resource = decision.resource if decision else declared[address]
        recorded = decision.recorded if decision else None
        origin = declared.get(inherited[address]) if address in inherited else None
        lifted = origin is not None and not origin.lifecycle.prevent_destroy
        kept = address in inherited and not lifted and recorded is not None and recorded.prevent_destroy
        goes = decision is not None and recorded is not None and decision.action in _DESTROYING
        if address in displaced or goes:
            protected = resource.lifecycle.prevent_destroy or (goes and kept)
            action = decision.action if decision and goes else Action.REPLACE
            reason = decision.reason.text if decision else "another object replaces it"
            if protected:
                found.append(_protected(resource, action, reason, address in declared, created, moved=kept))
    if found:
        raise Blocked(found)


def check_used_elsewhere(deleted: Iterable[ResourceState], kept: Mapping[str, str]) -> None:
    """Raises Blocked if `destroy` would delete models that are used elsewhere, by whom `kept` says."""
    found = {r.address: kept[r.remote_id] for r in deleted if r.remote_id in kept and not r.shared}
    if found:
        raise Blocked([_used(address, user) for address, user in found.items()])


def _used(address: Address, user: str) -> Diagnostic:
    keep = f"`removed: [{{from: {in_spec(address)}, retain: true}}]`"
    return Diagnostic(
        f"{address} can't be destroyed: {user} uses its model",
        f"It was trained here and promoted or adopted there; {user} would lose the model.",
        "destroy that environment first, or let it use another model; to destroy the rest, add "
        f"{command('--exclude', address)}; to give up the model without deleting it, apply {keep}",
    )


def lifted_protection(decisions: Iterable[Decision]) -> Iterator[str]:
    """Warnings about objects that are protected in the state and no longer in the spec."""
    for decision in decisions:
        recorded = decision.recorded
        if recorded is None or not recorded.prevent_destroy or decision.resource.lifecycle.prevent_destroy:
            continue
        if decision.action in _DESTROYING:
            will_be = f"{decision.resource.address} will be {decision.action.done}"
            yield f"{will_be}: prevent_destroy is set in the state, but no longer in the spec"


def _protected(
    resource: Resource,
    action: Action,
    reason: str,
    is_declared: bool,
    created: Iterable[Address],
    *,
    moved: bool,
) -> Diagnostic:
    how, hint = "", "undo the change that causes it, or set prevent_destroy to false"
    if not is_declared:
        how = " and in the state, though it is no longer in the spec"
        hint = (
            "declare it again with prevent_destroy: false, and apply that first; or make ftops forget it and "
            f"keep the object: `removed: [{{from: {in_spec(resource.address)}, retain: true}}]`"
        )
        alike = next((one for one in created if one.kind == resource.address.kind), None)
        if alike is not None:
            hint += f"; or, if {alike} is this one under another name, {moved_block(resource.address, alike)}"
    if moved and not resource.lifecycle.prevent_destroy:
        how = " in the state, under its former address"
        hint = "apply the move by itself first, then the change"
    return Diagnostic(
        f"{resource.address} is protected, and the plan would {action.value} it",
        f"lifecycle.prevent_destroy is set{how}. The resource would be {action.done} because {reason}.",
        hint,
        resource.place,
    )


def check_owners(after: State, changes: Iterable[Change], accounts: Mapping[str, str]) -> None:
    """Raises Blocked if the finished plan breaks the rule that an object has one address (docs/identity.md):
    two records or two steps for one object, or a step that deletes the object of another address. `after` is
    the state with everything that the plan records before its first step."""
    owners: dict[_Object, Source] = {}
    for source, record in recorded_objects(after.resources, after.deposed):
        one = _object(record.provider, record.address.kind, record.remote_id, accounts)
        if not record.is_off and is_exclusive(*one[:2]) and owners.setdefault(one, source) != source:
            raise Blocked([_two_owners(owners[one], source, record.remote_id)])
    deposing = {(change.address, change.deposes) for change in changes if change.deposes}
    steps: dict[_Object, Source] = {}
    for change in changes:
        one = _object(change.provider, change.address.kind, change.remote_id, accounts)
        if not change.remote_id or change.action is Action.REPLACE or not is_exclusive(*one[:2]):
            continue  # a replaced object is deleted in a step of its own
        source = (change.address, "" if (change.address, change.deposed) in deposing else change.deposed)
        old = after.deposed.get(source) if source[1] else after.resources.get(change.address)
        if old is not None and old.is_off:
            continue  # it has no object
        other = steps.get(one) or owners.get(one, source)
        if one in steps or (change.action in REMOVING and other != source):
            raise Blocked([_two_owners(other, source, change.remote_id)])
        steps[one] = source


_Object = tuple[str, str, str]
"""Account, kind, and id in lower case."""


def _object(provider: str, kind: str, remote_id: str, accounts: Mapping[str, str]) -> _Object:
    return accounts.get(provider, provider), kind, remote_id.casefold()


FOR_ONE_OBJECT = "are recorded for the same object"
"""What the refusal of a plan says that would give one object to two addresses."""


def _two_owners(one: Source, other: Source, remote_id: str) -> Diagnostic:
    first, second = sorted(f"{address}#{key}" if key else str(address) for address, key in (one, other))
    return Diagnostic(
        f"{first} and {second} {FOR_ONE_OBJECT}: {remote_id}",
        "Deleting or replacing one of them would delete the object of the other.",
        "keep one of them, and make ftops forget the other: "
        f"{command('ftops', 'state', 'rm', second.partition('#')[0])}",
    )

"""Decider: what has to happen to each resource, and why, in dependency order. Pure.

`_action` has all rules, in order of precedence. `ordering` turns the decisions into steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.config.config import Config, Lifecycle, Removal, Resource
from ftops.config.graph import Graph
from ftops.config.outputs import evaluate, null_warnings
from ftops.config.sweeps import choice_of, is_best, maker_of, named_by
from ftops.core.address import SCALARS, Address, Json, Reference, Secret, Value, encode, references
from ftops.core.drift_classes import DRIFT_CLASSES
from ftops.core.errors import Blocked, Diagnostic, SpecError
from ftops.core.resource_types import RESOURCE_TYPES, kind_of
from ftops.planning.comparison import (
    attribute_changes,
    best_changed,
    describe,
    keeping_present,
    kept_notes,
    setting_changes,
    unchangeable_notes,
    will_be,
)
from ftops.planning.decision import Decision, deposed_key
from ftops.planning.desired import Desired, Resolver, missing_values
from ftops.planning.gating import reasons_to_hold
from ftops.planning.imports import arrived, check_imports
from ftops.planning.plan import (
    Action,
    AttributeChange,
    Change,
    Held,
    Mode,
    Options,
    OutputChange,
    Reason,
    SettingChange,
)
from ftops.planning.promotion import gate_refused, promoted, reason_of, unequal
from ftops.planning.reconcile import Reconciled
from ftops.planning.reuse import Records, Want
from ftops.planning.targeting import matching, selected
from ftops.state.entries import Entry, Recorded, Removed
from ftops.state.state import (
    Adoptable,
    Observed,
    Promotable,
    RemoteObject,
    ResourceState,
    Status,
    observed_as,
)


class Decider(Struct):
    """Decides once for every resource; a second round needs another decider."""

    config: Config
    graph: Graph
    reconciled: Reconciled
    observed: Observed
    options: Options
    secret_digests: Mapping[Secret, str]
    accounts: Mapping[str, str] = field(default_factory=dict)
    """The account of each provider."""
    decisions: dict[Address, Decision] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    unchanged: int = 0
    resources: dict[Address, ResourceState] = field(default_factory=dict)
    """What exists: the reconciled, and what has come under management since."""
    deposed: dict[tuple[Address, str], ResourceState] = field(default_factory=dict)
    left_out: dict[Address, Decision] = field(default_factory=dict)
    """Resources that --target, --exclude or a gate keep from being created. Objects that they would reuse
    aren't deleted."""
    removals: dict[Address, Removal] = field(default_factory=dict)
    selected: frozenset[Address] = frozenset()
    """The resources that the plan may change."""
    resolver: Resolver = field(default_factory=lambda: Resolver(lambda _: None, {}, {}))
    warnings: list[str] = field(default_factory=list)
    held: dict[Address, Held] = field(default_factory=dict)
    """Resources that stay as they are because of a gate."""
    refused: list[Diagnostic] = field(default_factory=list)
    """Why something can't be promoted."""
    _known_as: frozenset[str] | None = None

    def __post_init__(self) -> None:
        self.resources = dict(self.reconciled.resources)
        self.deposed = dict(self.reconciled.deposed)
        self.resolver = self._resolver()
        self.removals = {removal.source: removal for removal in self.config.refactorings.removals}
        self.selected = selected(
            self.options.targets,
            self.options.excludes,
            self.graph,
            self.resources,
            [address for address, _ in self.deposed],
            self.reconciled.intents,
            destroying=self.options.mode is Mode.DESTROY,
        )

    def decide(self) -> dict[Address, Decision]:
        missing: list[Diagnostic] = []
        check_imports(self.config.refactorings.imports, self.resources, self.deposed, self.observed)
        arriving = bool(self.observed.imported or self.observed.adoptable or self.observed.promotable)
        if self.options.mode is Mode.NORMAL:
            for address in self.graph.order:
                resource = self.graph.resources[address]
                desired = self.resolver.resolve(resource)
                if address in self.selected:
                    missing += resource.faults
                    missing += missing_values(resource, desired, self.complete, self.graph.sweeps)
                    if arriving:
                        self._arrive(resource, desired)
                    self._decide(resource, desired)
                elif address not in self.resources:
                    reason = self._creation_reason(address)
                    self.left_out[address] = Decision(resource, desired, Action.CREATE, reason)
                self._stay(address)
        if missing:
            raise SpecError(missing)
        if self.refused:
            raise Blocked(self.refused)
        for address in self.resources:
            if address in self.selected and address not in self._wanted:
                self.decisions[address] = self._deletion(address)
        if self.options.mode is Mode.DESTROY and self.options.targets:
            self._explain_users()
        return self.decisions

    def _explain_users(self) -> None:
        """Explains why resources are deleted that no --target names."""
        named = matching(self.options.targets, self.decisions)
        for address in self.decisions.keys() - named:
            needs = self.resources[address].dependencies
            used = next((self.decisions[need] for need in needs if need in self.decisions), None)
            if used is not None:
                text = f"it uses {used.resource.address}, which {will_be(used)}"
                self.decisions[address] = replace(self.decisions[address], reason=Reason("uses", text))

    def wants(self) -> Iterator[Want]:
        """The resources that would be created and may reuse a recorded object instead."""
        taken = self.reconciled.restored | self.reconciled.inherited.keys()
        for address, decision in (self.left_out | self.decisions).items():
            asked = RESOURCE_TYPES[address.kind].reusable and self._is_asked(address)
            if decision.action in _NEW and address not in taken and not asked:
                yield Want(decision, partial(self._fits, decision), address in self.left_out)

    def _fits(self, decision: Decision, recorded: ResourceState) -> bool:
        assert decision.desired is not None  # noqa: S101 - what is created is declared
        return not attribute_changes(decision.resource, decision.desired, recorded, {})

    def records(self) -> Records:
        """The recorded objects, and which of them are free to be reused."""
        recorded = self.reconciled.resources.keys()
        replaced = {a for a, decision in self.decisions.items() if decision.action is Action.REPLACE}
        free = ((recorded - self.graph.resources.keys()) | replaced | self.displaced) & recorded
        left_alone = matching(self.options.excludes, recorded)
        free -= self.reconciled.away | matching(self.options.replaces, recorded)
        free -= {address for address in left_alone if RESOURCE_TYPES[address.kind].named_by}
        return Records(self.reconciled.resources, self.reconciled.deposed, frozenset(free), self.accounts)

    def _is_asked(self, address: Address) -> bool:
        return bool(matching(self.options.replaces, (address,)))

    @property
    def displaced(self) -> set[Address]:
        """Where an object is deposed for one that exists already."""
        taken = self.observed.adoptable.keys() | self.observed.promotable.keys()
        adopted = taken & self.reconciled.resources.keys() & self.decisions.keys()
        return self.reconciled.displaced | adopted

    def _stay(self, address: Address) -> None:
        """Dependents of a resource that isn't created anew use its recorded attributes."""
        decision = self.decisions.get(address)
        recorded = self.resources.get(address)
        if recorded is not None and (decision is None or decision.action not in _NEW):
            needs_users = kind_of(address).is_data and "content" not in recorded.identities
            self.resolver.keep(recorded, self._users_know() if needs_users else ())

    def _users_know(self) -> frozenset[str]:
        """What recorded objects know the data and models by that they were made from. Few plans need it."""
        if self._known_as is None:
            records = (*self.reconciled.resources.values(), *self.reconciled.deposed.values())
            self._known_as = frozenset(known for one in records for known in one.identities.values())
        return self._known_as

    def _resolver(self) -> Resolver:
        facts = {address: resource.facts for address, resource in self.graph.resources.items()}
        return Resolver(self._known, facts, self.secret_digests, self.graph.sweeps)

    @property
    def _wanted(self) -> Mapping[Address, Resource]:
        return self.graph.resources if self.options.mode is Mode.NORMAL else {}

    def left_as_they_are(self) -> Iterator[ResourceState]:
        """The records of declared resources that don't change, although they may."""
        for address in self._wanted:
            if address in self.selected and address not in self.decisions and address in self.resources:
                yield self.resources[address]

    def hosted(self) -> dict[Address, Mapping[str, Value]]:
        """The inputs of the deployments with hosting hours that are recorded, or will be."""
        left = {recorded.address: recorded.inputs for recorded in self.left_as_they_are()}
        made = {a: d.resource.inputs for a, d in self.decisions.items() if d.action not in _REMOVING}
        both = {**left, **made}
        return {address: both[address] for address in self._wanted if "hosting" in both.get(address, ())}

    def selected_deposed(self) -> frozenset[tuple[Address, str]]:
        return frozenset(key for key in self.deposed if key[0] in self.selected)

    def deleted(self) -> Iterator[ResourceState]:
        """What the plan deletes, if nothing keeps it."""
        for decision in self.decisions.values():
            if decision.action is Action.DELETE and decision.recorded is not None:
                yield decision.recorded
        yield from (self.deposed[source] for source in self.selected_deposed())

    def outputs(self, recorded: Mapping[str, Json]) -> tuple[OutputChange, ...]:
        declared = self.config.outputs if self.options.mode is Mode.NORMAL else ()
        if self.options.targets or self.options.excludes:
            return ()
        now = evaluate(declared, self._resolver().look_up, self._is_ready)
        self.warnings += null_warnings(now)
        changes = []
        left = {output.name for output in declared if self._is_held_back(output.value)}
        for name in sorted({*recorded, *now} - left):
            value = now.get(name)
            after = value.value if value else None
            before = recorded.get(name)
            if not (value and value.sensitive) and after != before:
                changes.append(OutputChange(name, before, after))
        return tuple(changes)

    def _is_ready(self, reference: Reference) -> bool:
        return all(self.complete(a) is not None for a in named_by(reference, self.graph.sweeps))

    def _is_held_back(self, value: Value) -> bool:
        """Whether it needs what a gate keeps from being made: the recorded value stays."""
        return any(self._is_left_unmade(reference.address) for reference in references(value))

    def settings(self) -> tuple[SettingChange, ...]:
        """Lifecycle settings whose record changes, for all resources that stay recorded."""
        ending = {a for a, decision in self.decisions.items() if decision.action in _ENDING}
        recorded = self.reconciled.resources
        return tuple(
            change
            for address in self._wanted
            if address in self.selected and address in recorded and address not in ending
            for change in setting_changes(address, self._wanted[address].lifecycle, recorded[address])
        )

    def _known(self, address: Address) -> Mapping[str, Json] | None:
        decision = self.decisions.get(address)
        if decision is not None and decision.action in _NEW:
            return None
        recorded = self.resources.get(address)
        if recorded is None:
            return None
        changing = {a.path.partition(".")[0] for a in decision.attributes} if decision else ()
        outputs = recorded.outputs
        return {n: v for n, v in outputs.items() if n not in changing} if changing else outputs

    def known(self, changes: Iterable[Change]) -> Mapping[str, Json]:
        """The values of references in the inputs to send, if they are known before the apply."""
        resolver = self._resolver()
        values = (value for change in changes for value in change.after.values())
        named = {r for value in values if not isinstance(value, SCALARS) for r in references(value)}
        known = {str(reference): resolver.look_up(reference) for reference in sorted(named, key=str)}
        return {text: encode(value) for text, value in known.items() if not isinstance(value, Reference)}

    def complete(self, address: Address) -> Mapping[str, Json] | None:
        """The outputs of an object that is ready and doesn't change."""
        recorded = self.resources.get(address)
        if recorded is None or recorded.status is not Status.READY:
            return None
        if address in self.decisions and address not in self.observed.promotable:
            return None
        return recorded.outputs

    def _arrive(self, resource: Resource, desired: Desired) -> None:
        """Imported and adopted objects are recorded from here on, as if ftops had created them."""
        address = resource.address
        if address in self.observed.promotable:
            self._promote(resource, desired, self.observed.promotable[address])
        if address in self.observed.adoptable:
            self._adopt(resource, desired, self.observed.adoptable[address])
        remote = self.observed.imported.get(address)
        if remote is not None and address not in self.resources:
            recorded = self._arrived(resource, desired, remote)
            self.resources[address] = recorded
            self.entries.append(Recorded(recorded))

    def _adopt(self, resource: Resource, desired: Desired, found: Adoptable) -> None:
        adopted = replace(
            self._arrived(resource, desired, found.remote),
            identities=desired.identities,
            fingerprint=desired.fingerprint,
            token=found.token,
            shared=found.shared,
        )
        self._take(adopted)

    def _promote(self, resource: Resource, desired: Desired, found: Promotable) -> None:
        """Refused unless it is the same as declared here."""
        record = found.record
        is_same = bool(desired.fingerprint) and record.fingerprint == desired.fingerprint
        if kind_of(resource.address).is_record or not is_same:
            differing = attribute_changes(resource, desired, record, {})
            if differing or not is_same:
                environment = self.config.environment
                self.refused.append(unequal(resource, desired, found, differing, environment))
        current = observed_as(record, found.remote) if found.remote else record
        self._take(
            replace(
                current,
                dependencies=self.graph.dependencies[resource.address],
                prevent_destroy=resource.lifecycle.prevent_destroy,
                retain=resource.lifecycle.on_destroy == "retain",
                shared=True,
                account=self.accounts.get(resource.provider, ""),
            )
        )

    def _take(self, found: ResourceState) -> None:
        """The old object is kept until nothing uses it any more, as if a new one had been created."""
        old = self.resources.get(found.address)
        key = deposed_key(old) if old else ""
        if old:
            self.deposed[found.address, key] = old
        self.resources[found.address] = found
        self.entries.append(Recorded(found, key))

    def _arrived(self, resource: Resource, desired: Desired, remote: RemoteObject) -> ResourceState:
        account = self.accounts.get(resource.provider, "")
        return arrived(resource, desired, remote, self.graph.dependencies[resource.address], account)

    def _decide(self, resource: Resource, desired: Desired) -> None:
        address = resource.address
        recorded = self.resources.get(address)
        if address in self.observed.adoptable:
            reason = _adoption_reason(self.observed.adoptable[address], address)
            self.decisions[address] = Decision(resource, desired, Action.ADOPT, reason, recorded)
            return
        if address in self.observed.promotable:
            taken = promoted(self.observed.promotable[address])
            reason = reason_of(self.observed.promotable[address])
            self.decisions[address] = Decision(
                resource, desired, Action.ADOPT, reason, recorded, promoted=taken
            )
            return
        if recorded is None:
            reason = self._creation_reason(address)
            self._add(Decision(resource, desired, Action.CREATE, reason))
            return
        attributes = self._attributes(resource, desired, recorded)
        action, reason = self._action(resource, recorded, attributes)
        if action is None or action is Action.RESUME:
            self.warnings += unchangeable_notes(resource, desired, recorded)
        if action is None:
            self.unchanged += 1
            self._keep_records(resource, desired, recorded)
            return
        was_started = not (recorded.is_off and recorded.stopped)
        if address in self.reconciled.away or (not was_started and action is Action.REPLACE):
            self.entries.append(Removed(address))
            del self.resources[address]
            reason = self._creation_reason(address) if was_started else reason
            action, recorded, attributes = Action.CREATE, None, ()
        elif action in (Action.UPDATE, Action.REPLACE):
            seen = self.reconciled.seen.get(address, {})
            asked = resource
            resource = keeping_present(asked, recorded, seen, action, self.secret_digests.keys())
            self.warnings += kept_notes(asked, resource)
            desired = self.resolver.resolve(resource)
            attributes = self._attributes(resource, desired, recorded)
        now = self._account(resource.provider)
        elsewhere = recorded is not None and self._account(recorded.provider) != now
        self._add(Decision(resource, desired, action, reason, recorded, attributes, elsewhere))

    def _add(self, decision: Decision) -> None:
        address = decision.resource.address
        override = self.options.overrides.get(address, "") if decision.gates else ""
        decision = replace(decision, override=override) if override else decision
        if not self._hold(decision):
            self.decisions[address] = decision
        elif decision.action in _NEW:
            self.left_out[address] = decision

    def _hold(self, decision: Decision) -> bool:
        """Whether a gate is known not to pass, or what a new resource needs is held itself. Gates whose
        evaluation has yet to run are decided during the apply."""
        address, desired = decision.resource.address, decision.desired
        needs = (n for n in self.graph.dependencies[address] if n not in decision.goes_on_without)
        missing = next(filter(self._is_left_unmade, needs), None)
        reasons: tuple[str, ...] = ()
        if missing is not None:
            reasons = (f"it needs {missing}, which is held",)
        elif desired is not None and self._is_decided(decision):
            reasons = reasons_to_hold(decision.gates, desired.inputs["model"], self.complete)
            self._refuse_promoted(decision, reasons)
        if reasons:
            self.held[address] = Held(address, reasons)
        return bool(reasons)

    def _is_decided(self, decision: Decision) -> bool:
        """Whether there are gates, and none of their evaluations runs during the apply."""
        runs = any(
            gate.evaluation in self.decisions and gate.evaluation not in self.observed.promotable
            for gate in decision.gates
        )
        return bool(decision.gates) and not decision.override and not runs

    def _refuse_promoted(self, decision: Decision, reasons: tuple[str, ...]) -> None:
        """A model that is promoted together with its evaluation has to pass."""
        taken = (self.observed.promotable.get(gate.evaluation) for gate in decision.gates)
        source = next((one.environment for one in taken if one), None)
        if reasons and source:
            self.refused.append(gate_refused(decision.resource.address, reasons, source))

    def _is_left_unmade(self, address: Address) -> bool:
        return address in self.held and address not in self.resources

    def _creation_reason(self, address: Address) -> Reason:
        how = self.reconciled.vanished.get(address)
        if how is not None:
            return Reason(how, DRIFT_CLASSES[how].reason)
        return Reason("declared", "it is declared and doesn't exist yet")

    def _action(
        self, resource: Resource, recorded: ResourceState, attributes: tuple[AttributeChange, ...]
    ) -> tuple[Action | None, Reason]:
        """The rules in order of precedence; the first that applies decides."""
        address = resource.address
        if self._is_asked(address):
            return Action.REPLACE, Reason("asked", "it was requested with --replace")
        before, after = self._account(recorded.provider), self._account(resource.provider)
        if before != after:
            return Action.REPLACE, Reason("provider", f"the account changes from {before} to {after}")
        if recorded.status is Status.TAINTED:
            text = recorded.message or "the object exists, but can't be used"
            return Action.REPLACE, Reason("tainted", f"it is tainted: {text}")
        forcing = [a for a in attributes if a.forces_replacement]
        if recorded.is_off and recorded.stopped and self._has_other_budget(address, recorded):
            return Action.REPLACE, Reason("budget", "its sweep has another budget")
        if attributes:
            action = Action.REPLACE if forcing else Action.UPDATE
            chosen = self._chosen(resource, attributes) if self.graph.sweeps else {}
            text = describe(forcing or attributes, self.decisions, chosen)
            if address in self.observed.imported:
                return action, Reason("imported", f"it is imported, and differs from the spec: {text}")
            return action, Reason("inputs", text)
        if address in self.observed.imported:
            return Action.ADOPT, Reason("imported", "it is imported: ftops will manage the existing object")
        if address in self.reconciled.interrupted and not self.observed.refreshed:
            return Action.UPDATE, Reason("interrupted", "its last update was interrupted")
        if address in self.reconciled.found:
            return Action.RESUME, Reason("found", "an interrupted run created it")
        if address in self.reconciled.restored:
            return Action.RESTORE, Reason(
                "restored", "the change was reverted, and the old object still exists"
            )
        if recorded.status is Status.PENDING:
            return Action.RESUME, Reason("pending", self._progress(recorded))
        return None, Reason("", "")

    def _has_other_budget(self, address: Address, recorded: ResourceState) -> bool:
        """Than the one because of which a job wasn't started."""
        stop = self.graph.stops.get(address._replace(key=None))
        return recorded.stopped.get("budget") != (stop.budget if stop else {})

    def _chosen(self, resource: Resource, attributes: tuple[AttributeChange, ...]) -> dict[str, str]:
        """By input that changes, which job of a sweep is the best now, and which one was."""
        found = {}
        for change in attributes:
            value = resource.inputs.get(change.path)
            if not (isinstance(value, Reference) and is_best(value)):
                continue
            sweep = value.address._replace(key=None)
            choice = choice_of(sweep, self.graph.sweeps, self.complete)
            jobs = {a: one.outputs for a, one in self.resources.items() if a[:2] == sweep[:2]}
            before = maker_of(change.before, self.graph.sweeps[sweep], jobs)
            if choice:
                found[change.path] = best_changed(choice, before)
        return found

    def _progress(self, recorded: ResourceState) -> str:
        """Of an object that isn't ready: whether it is paused, and by whom it is resumed."""
        seen = (*self.observed.objects.values(), *self.observed.found.values())
        paused = next((o.paused for o in seen if o and o.remote_id == recorded.remote_id), "")
        return f"it is {paused}" if paused else "it is still in progress: apply waits for it"

    def _account(self, provider: str) -> str:
        return self.accounts.get(provider, provider)

    def _attributes(
        self, resource: Resource, desired: Desired, recorded: ResourceState
    ) -> tuple[AttributeChange, ...]:
        seen = self.reconciled.seen.get(resource.address, {})
        found = attribute_changes(resource, desired, recorded, seen)
        return tuple(
            one._replace(forces_replacement=True) if self._loses(resource, one.path) else one for one in found
        )

    def _loses(self, resource: Resource, path: str) -> bool:
        """Whether it stands on an object that is deleted before its replacement is created."""
        value = resource.inputs.get(path) if path in kind_of(resource.address).stands_on else None
        decision = self.decisions.get(value.address) if isinstance(value, Reference) else None
        return decision is not None and decision.deletes_first

    def _keep_records(self, resource: Resource, desired: Desired, recorded: ResourceState) -> None:
        """Updates the record of an unchanged object, such as its dependencies and lifecycle settings."""
        noted: dict[str, Any] = {
            "dependencies": self.graph.dependencies[resource.address],
            "prevent_destroy": resource.lifecycle.prevent_destroy,
            "retain": resource.lifecycle.on_destroy == "retain",
            "fingerprint": recorded.fingerprint or desired.fingerprint,
            "provider": resource.provider,
            "account": recorded.account or self.accounts.get(resource.provider, ""),
        }
        if not resource.facts.keys() <= recorded.outputs.keys():
            noted["outputs"] = {**resource.facts, **recorded.outputs}
        if any(getattr(recorded, name) != value for name, value in noted.items()):
            self.entries.append(Recorded(replace(recorded, **noted)))

    def _deletion(self, address: Address) -> Decision:
        recorded, declared = self.resources[address], self.graph.resources.get(address)
        removal = self.removals.get(address) or self.removals.get(address._replace(key=None))
        on_destroy = "retain" if recorded.retain else "delete"
        lifecycle = Lifecycle(prevent_destroy=recorded.prevent_destroy, on_destroy=on_destroy)
        resource = Resource(address, recorded.provider, recorded.inputs, lifecycle=lifecycle)
        if declared is not None:
            resource = replace(resource, lifecycle=declared.lifecycle, place=declared.place)
        reason = Reason("undeclared", "it is no longer declared")
        if removal is not None:
            reason = Reason("removed", "a `removed` block names it")
            fate = "retain" if removal.retain else resource.lifecycle.on_destroy
            lifecycle = replace(resource.lifecycle, on_destroy=fate)
            resource = replace(resource, lifecycle=lifecycle, place=removal.place)
        if self.options.mode is Mode.DESTROY:
            reason = Reason("destroy", "`ftops destroy` was requested")
        retain = resource.lifecycle.on_destroy == "retain" or recorded.shared
        action = Action.FORGET if retain else Action.DELETE
        return Decision(resource, None, action, reason, recorded)


_NEW = (Action.CREATE, Action.REPLACE)
_REMOVING = (Action.DELETE, Action.FORGET)
_ENDING = frozenset({Action.CREATE, Action.DELETE, Action.FORGET})
"""Actions after which nothing is left of the earlier record."""


def _adoption_reason(found: Adoptable, address: Address) -> Reason:
    kind = kind_of(address)
    if kind.is_data:
        text = "the account already has a file with this content"
    elif not kind.trains:
        text = f"the same {kind.kind} exists already"
    else:
        running = found.remote.status is Status.PENDING
        text = f"the same job {'runs' if running else 'was trained'} already: it isn't paid for again"
    return Reason("adopted", text + ("; it belongs to another state" if found.shared else ""))

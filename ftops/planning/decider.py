"""Decider: what has to happen to each resource, and why, in dependency order. Pure.

`_action` has all rules, in order of precedence. The result is `decisions`, which `ordering` turns into steps.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.config.config import Lifecycle, Removal, Resource
from ftops.config.sweeps import choice_of, is_best, maker_of
from ftops.core.address import Address, Reference
from ftops.core.drift_classes import DRIFT_CLASSES
from ftops.core.errors import Blocked, Diagnostic, SpecError
from ftops.core.resource_types import kind_of
from ftops.planning.comparison import (
    attribute_changes,
    best_changed,
    describe,
    keeping_present,
    kept_notes,
    unchangeable_notes,
    will_be,
)
from ftops.planning.decision import Decision, deposed_key
from ftops.planning.decisions import Decisions, PlanContext
from ftops.planning.desired import Desired, missing_values
from ftops.planning.gating import reasons_to_hold
from ftops.planning.imports import arrived, check_imports
from ftops.planning.plan import CREATING, Action, AttributeChange, Held, Mode, Reason
from ftops.planning.promotion import gate_refused, promoted, reason_of, record_here, unequal
from ftops.planning.targeting import matching
from ftops.state.entries import Recorded, Removed
from ftops.state.state import ResourceState, Status


class Decider(Struct):
    """Decides once for every resource; a second round needs another decider."""

    context: PlanContext
    decisions: Decisions
    removals: dict[Address, Removal] = field(default_factory=dict)
    missing: list[Diagnostic] = field(default_factory=list)
    """References that can never get a value."""
    refused: list[Diagnostic] = field(default_factory=list)
    """Why something can't be promoted."""
    _known_as: frozenset[str] | None = None

    @classmethod
    def of(cls, context: PlanContext) -> Decider:
        removals = {removal.source: removal for removal in context.config.refactorings.removals}
        return cls(context, Decisions(context), removals)

    def decide(self) -> Decisions:
        """Raises SpecError if an object can't be imported. `check` raises other errors: an object that is
        reused may be what is missing."""
        context, decisions = self.context, self.decisions
        graph, observed = context.graph, context.observed
        imports = context.config.refactorings.imports
        check_imports(imports, decisions.resources, decisions.deposed, observed)
        for address in graph.order if context.declared else ():
            resource = graph.resources[address]
            desired = decisions.resolver.resolve(resource)
            if address in decisions.selected:
                self.missing += resource.faults
                self.missing += missing_values(resource, desired, decisions.complete, graph.sweeps)
                self._decide(resource, desired)
            elif address not in decisions.resources:
                reason = self._creation_reason(address)
                decisions.left_out[address] = Decision(resource, desired, Action.CREATE, reason)
            self._stay(address)
        for address in decisions.resources:
            if address in decisions.selected and address not in context.declared:
                decisions.by_address[address] = self._deletion(address)
        if context.options.mode is Mode.DESTROY and context.options.targets:
            self._explain_users()
        return decisions

    def check(self) -> None:
        """Raises SpecError if a reference can never get a value, Blocked if something can't be promoted."""
        if self.missing:
            raise SpecError(self.missing)
        if self.refused:
            raise Blocked(self.refused)

    def _explain_users(self) -> None:
        """Explains why resources are deleted that no --target names."""
        found = self.decisions.by_address
        for address in found.keys() - matching(self.context.options.targets, found):
            needs = self.decisions.resources[address].dependencies
            used = next((found[need] for need in needs if need in found), None)
            if used is not None:
                text = f"it uses {used.resource.address}, which {will_be(used)}"
                found[address] = replace(found[address], reason=Reason("uses", text))

    def _stay(self, address: Address) -> None:
        """Dependents of a resource that isn't created anew use its recorded attributes."""
        decision = self.decisions.by_address.get(address)
        recorded = self.decisions.resources.get(address)
        if recorded is not None and (decision is None or decision.action not in CREATING):
            needs_users = kind_of(address).is_data and "content" not in recorded.identities
            self.decisions.resolver.keep(recorded, self._users_know() if needs_users else ())

    def _users_know(self) -> frozenset[str]:
        """What recorded objects know the data and models by that they were made from. Few plans need it."""
        if self._known_as is None:
            reconciled = self.context.reconciled
            records = (*reconciled.resources.values(), *reconciled.deposed.values())
            self._known_as = frozenset(known for one in records for known in one.identities.values())
        return self._known_as

    def _decide(self, resource: Resource, desired: Desired) -> None:
        if self._adopt(resource, desired):
            return
        address, decisions, reconciled = resource.address, self.decisions, self.context.reconciled
        recorded = decisions.resources.get(address) or self._import(resource, desired)
        if recorded is None:
            reason = self._creation_reason(address)
            self._add(Decision(resource, desired, Action.CREATE, reason))
            return
        attributes = self._attributes(resource, desired, recorded)
        action, reason = self._action(resource, recorded, attributes)
        if action is None or action is Action.RESUME:
            decisions.warnings += unchangeable_notes(resource, desired, recorded)
        if action is None:
            decisions.unchanged += 1
            self._keep_records(resource, desired, recorded)
            return
        was_started = not (recorded.is_off and recorded.stopped)
        if address in reconciled.away or (not was_started and action is Action.REPLACE):
            decisions.entries.append(Removed(address))
            del decisions.resources[address]
            reason = self._creation_reason(address) if was_started else reason
            action, recorded, attributes = Action.CREATE, None, ()
        elif action in (Action.UPDATE, Action.REPLACE):
            seen = reconciled.seen.get(address, {})
            asked = resource
            resource = keeping_present(asked, recorded, seen, action, self.context.secret_digests.keys())
            decisions.warnings += kept_notes(asked, resource)
            desired = decisions.resolver.resolve(resource)
            attributes = self._attributes(resource, desired, recorded)
        account = self.context.account
        elsewhere = recorded is not None and account(recorded.provider) != account(resource.provider)
        self._add(Decision(resource, desired, action, reason, recorded, attributes, elsewhere))

    # existing objects that come under management

    def _adopt(self, resource: Resource, desired: Desired) -> bool:
        """Whether there is an object to adopt: of another environment, or an equivalent one in the account.
        From here on it is recorded as if ftops had created it; the old object is deposed."""
        address, observed, decisions = resource.address, self.context.observed, self.decisions
        needs, account = self._home(resource)
        if address in observed.promotable:
            found = observed.promotable[address]
            if refusal := unequal(resource, desired, found, self.context.config.environment):
                self.refused.append(refusal)
            record = record_here(resource, found, needs, account)
            reason, taken = reason_of(found), promoted(found)
        elif address in observed.adoptable:
            from ftops.planning.adoption import adopted, adoption_reason  # few plans adopt anything

            existing = observed.adoptable[address]
            record = adopted(resource, desired, existing, needs, account)
            reason, taken = adoption_reason(existing, address), None
        else:
            return False
        old = decisions.resources.get(address)
        key = deposed_key(old) if old else ""
        if old:
            decisions.deposed[address, key] = old
        decisions.resources[address] = record
        decisions.entries.append(Recorded(record, key))
        decision = Decision(resource, desired, Action.ADOPT, reason, record, promoted=taken)
        decisions.by_address[address] = decision
        return True

    def _import(self, resource: Resource, desired: Desired) -> ResourceState | None:
        """The record of an object that an `import` block names."""
        remote = self.context.observed.imported.get(resource.address)
        if remote is None:
            return None
        record = arrived(resource, desired, remote, *self._home(resource))
        self.decisions.resources[resource.address] = record
        self.decisions.entries.append(Recorded(record))
        return record

    def _home(self, resource: Resource) -> tuple[tuple[Address, ...], str]:
        """Its declared dependencies, and its account."""
        needs = self.context.graph.dependencies[resource.address]
        return needs, self.context.accounts.get(resource.provider, "")

    # gates

    def _add(self, decision: Decision) -> None:
        address = decision.resource.address
        override = self.context.options.overrides.get(address, "") if decision.gates else ""
        decision = replace(decision, override=override) if override else decision
        if not self._hold(decision):
            self.decisions.by_address[address] = decision
        elif decision.action in CREATING:
            self.decisions.left_out[address] = decision

    def _hold(self, decision: Decision) -> bool:
        """Whether a gate is known not to pass, or what a new resource needs is held itself. Gates whose
        evaluation has yet to run are decided during the apply."""
        address, desired = decision.resource.address, decision.desired
        needs = (n for n in self.context.graph.dependencies[address] if n not in decision.goes_on_without)
        missing = next(filter(self.decisions.is_left_unmade, needs), None)
        reasons: tuple[str, ...] = ()
        if missing is not None:
            reasons = (f"it needs {missing}, which is held",)
        elif desired is not None and self._is_decided(decision):
            reasons = reasons_to_hold(decision.gates, desired.inputs["model"], self.decisions.complete)
            self._refuse_promoted(decision, reasons)
        if reasons:
            self.decisions.held[address] = Held(address, reasons)
        return bool(reasons)

    def _is_decided(self, decision: Decision) -> bool:
        """Whether there are gates, and none of their evaluations runs during the apply."""
        runs = any(
            gate.evaluation in self.decisions.by_address
            and gate.evaluation not in self.context.observed.promotable
            for gate in decision.gates
        )
        return bool(decision.gates) and not decision.override and not runs

    def _refuse_promoted(self, decision: Decision, reasons: tuple[str, ...]) -> None:
        """A model that is promoted together with its evaluation has to pass."""
        taken = (self.context.observed.promotable.get(gate.evaluation) for gate in decision.gates)
        source = next((one.environment for one in taken if one), None)
        if reasons and source:
            self.refused.append(gate_refused(decision.resource.address, reasons, source))

    def _creation_reason(self, address: Address) -> Reason:
        how = self.context.reconciled.vanished.get(address)
        if how is not None:
            return Reason(how, DRIFT_CLASSES[how].reason)
        return Reason("declared", "it is declared and doesn't exist yet")

    def _action(
        self, resource: Resource, recorded: ResourceState, attributes: tuple[AttributeChange, ...]
    ) -> tuple[Action | None, Reason]:
        """The rules in order of precedence; the first that applies decides."""
        address, context = resource.address, self.context
        if context.is_replacement_asked(address):
            return Action.REPLACE, Reason("asked", "it was requested with --replace")
        before, after = context.account(recorded.provider), context.account(resource.provider)
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
            chosen = self._chosen(resource, attributes) if context.graph.sweeps else {}
            text = describe(forcing or attributes, self.decisions.by_address, chosen)
            if address in context.observed.imported:
                return action, Reason("imported", f"it is imported, and differs from the spec: {text}")
            return action, Reason("inputs", text)
        if address in context.observed.imported:
            return Action.ADOPT, Reason("imported", "it is imported: ftops will manage the existing object")
        if address in context.reconciled.interrupted and not context.observed.refreshed:
            return Action.UPDATE, Reason("interrupted", "its last update was interrupted")
        if address in context.reconciled.found:
            return Action.RESUME, Reason("found", "an interrupted run created it")
        if address in context.reconciled.restored:
            return Action.RESTORE, Reason(
                "restored", "the change was reverted, and the old object still exists"
            )
        if recorded.status is Status.PENDING:
            return Action.RESUME, Reason("pending", self._progress(recorded))
        return None, Reason("", "")

    def _has_other_budget(self, address: Address, recorded: ResourceState) -> bool:
        """Than the one because of which a job wasn't started."""
        stop = self.context.graph.stops.get(address._replace(key=None))
        return recorded.stopped.get("budget") != (stop.budget if stop else {})

    def _chosen(self, resource: Resource, attributes: tuple[AttributeChange, ...]) -> dict[str, str]:
        """By input that changes, which job of a sweep is the best now, and which one was."""
        found = {}
        for change in attributes:
            value = resource.inputs.get(change.path)
            if not (isinstance(value, Reference) and is_best(value)):
                continue
            sweep = value.address._replace(key=None)
            choice = choice_of(sweep, self.context.graph.sweeps, self.decisions.complete)
            jobs = {a: one.outputs for a, one in self.decisions.resources.items() if a[:2] == sweep[:2]}
            before = maker_of(change.before, self.context.graph.sweeps[sweep], jobs)
            if choice:
                found[change.path] = best_changed(choice, before)
        return found

    def _progress(self, recorded: ResourceState) -> str:
        """Of an object that isn't ready: whether it is paused, and by whom it is resumed."""
        seen = (*self.context.observed.objects.values(), *self.context.observed.found.values())
        paused = next((o.paused for o in seen if o and o.remote_id == recorded.remote_id), "")
        return f"it is {paused}" if paused else "it is still in progress: apply waits for it"

    def _attributes(
        self, resource: Resource, desired: Desired, recorded: ResourceState
    ) -> tuple[AttributeChange, ...]:
        seen = self.context.reconciled.seen.get(resource.address, {})
        found = attribute_changes(resource, desired, recorded, seen)
        return tuple(
            one._replace(forces_replacement=True) if self._loses(resource, one.path) else one for one in found
        )

    def _loses(self, resource: Resource, path: str) -> bool:
        """Whether it stands on an object that is deleted before its replacement is created."""
        value = resource.inputs.get(path) if path in kind_of(resource.address).stands_on else None
        decision = self.decisions.by_address.get(value.address) if isinstance(value, Reference) else None
        return decision is not None and decision.deletes_first

    def _keep_records(self, resource: Resource, desired: Desired, recorded: ResourceState) -> None:
        """Updates the record of an unchanged object, such as its dependencies and lifecycle settings."""
        noted: dict[str, Any] = {
            "dependencies": self.context.graph.dependencies[resource.address],
            "prevent_destroy": resource.lifecycle.prevent_destroy,
            "retain": resource.lifecycle.on_destroy == "retain",
            "fingerprint": recorded.fingerprint or desired.fingerprint,
            "provider": resource.provider,
            "account": recorded.account or self.context.accounts.get(resource.provider, ""),
        }
        if not resource.facts.keys() <= recorded.outputs.keys():
            noted["outputs"] = {**resource.facts, **recorded.outputs}
        if any(getattr(recorded, name) != value for name, value in noted.items()):
            self.decisions.entries.append(Recorded(replace(recorded, **noted)))

    def _deletion(self, address: Address) -> Decision:
        recorded, declared = self.decisions.resources[address], self.context.graph.resources.get(address)
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
        if self.context.options.mode is Mode.DESTROY:
            reason = Reason("destroy", "`ftops destroy` was requested")
        retain = resource.lifecycle.on_destroy == "retain" or recorded.shared
        action = Action.FORGET if retain else Action.DELETE
        return Decision(resource, None, action, reason, recorded)

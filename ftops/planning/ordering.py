"""Ordering: decisions → ordered steps.

- A resource is created after all that it depends on, and deleted before all that it depends on.
- Create-before-destroy is two steps: the new object is created while the old one still exists, recorded as
  deposed; the old one is deleted when no resource uses it any more.
- Destroy-before-create deletes as late as possible: a deployment is deleted only after the new model is
  trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.core.address import Address, Json
from ftops.core.dag import closure, reverse, sort
from ftops.core.errors import Blocked, Diagnostic
from ftops.core.plurals import agree
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.planning.decision import Decision, deposed_key
from ftops.planning.decisions import Decisions
from ftops.planning.plan import CREATING, OLD, REMOVING, Action, Change, Reason
from ftops.state.state import ResourceState, Status

Deposed = Mapping[tuple[Address, str], ResourceState]


def ordered(decisions: Decisions) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """The steps in order, and warnings about objects that are kept. Raises Blocked if an object that must be
    deleted first is in use."""
    observed = decisions.context.observed
    objects = (*observed.objects.values(), *observed.deposed.values(), *observed.found.values())
    order = StepOrder(
        decisions.by_address,
        decisions.resources,
        decisions.deposed,
        decisions.context.graph.dependencies,
        seen={one.remote_id: one.inputs for one in objects if one is not None},
        kept=observed.kept,
    )
    return order.changes(decisions.selected_deposed)


class StepOrder(Struct):
    """Turns decisions into steps. `needs` are the declared dependencies.

    Old objects are ordered by their recorded dependencies, new ones by the declared ones. Each of the two
    relations is acyclic, but together they may not be: edges that mix them are added only if they close no
    cycle.
    """

    decisions: Mapping[Address, Decision]
    resources: Mapping[Address, ResourceState]
    deposed: Deposed
    needs: Mapping[Address, tuple[Address, ...]]
    seen: Mapping[str, Mapping[str, Json]] = {}
    """Inputs as the service shows them, by the object's id: somebody may have changed what an object uses."""
    kept: Mapping[str, str] = {}
    """Remote ids of what isn't deleted, and what needs it; empty if that isn't told."""
    _steps: dict[str, Change] = field(default_factory=dict)
    """Without `waits_for`; see `_waits`."""
    _waits: dict[str, set[str]] = field(default_factory=dict)
    _soft_edges: list[tuple[str, str]] = field(default_factory=list)
    """Edges that mix the two relations, the most important first: (step, step to wait for)."""
    _users: Mapping[Address, list[Address]] = field(default_factory=dict)
    _named: dict[str, list[Address]] = field(default_factory=dict)
    """Ids and models among recorded inputs → the resources that have them. With `ignore_changes`, they keep
    them, whatever the spec says."""
    _kept: tuple[ResourceState, ...] = ()
    """Deposed objects that aren't selected."""
    _released: tuple[ResourceState, ...] = ()
    """Deposed objects that the plan forgets."""
    _warnings: list[str] = field(default_factory=list)

    def changes(
        self, selected_deposed: frozenset[tuple[Address, str]]
    ) -> tuple[tuple[Change, ...], tuple[str, ...]]:
        """The steps in order, and warnings about objects that are kept."""
        for user, recorded in self.resources.items():
            for name in self._named_by(recorded):
                self._named.setdefault(name, []).append(user)
        self._kept = tuple(old for source, old in self.deposed.items() if source not in selected_deposed)
        self._released = tuple(
            old
            for source, old in self.deposed.items()
            if source in selected_deposed and (old.retain or old.shared)
        )
        self._users = self._using()
        self.decisions = _with_needs_first(self.decisions, self.needs)
        self._spare_what_is_in_use()
        self.decisions = {address: self._in_time(decision) for address, decision in self.decisions.items()}
        for decision in self.decisions.values():
            self._lower(decision)
        for address, key in sorted(selected_deposed, key=lambda k: (k[0].sort_key, k[1])):
            self._remove_deposed(address, key, self.deposed[address, key])
        self._create_after_names()
        self._replace_after_users()
        self._remove_after_successors()
        self._remove_after_users()
        self._replace_in_turn()
        rank = {a: i for i, a in enumerate(self.decisions)}
        order = self._order(lambda step: (rank.get(self._steps[step].address, len(rank)), step))
        changes = tuple(
            replace(
                self._steps[step],
                waits_for=tuple(sorted(w for w in self._waits[step] if w in self._steps)),
                dependencies=self.needs.get(self._steps[step].address, ()),
            )
            for step in order
        )
        return changes, tuple(self._warnings)

    def _order(self, key: Callable[[str], Any]) -> list[str]:
        """Every step once. If the soft edges close cycles, those that don't are kept."""
        firm = {step: set(waits) for step, waits in self._waits.items()}
        for step, other in self._soft_edges:
            self._waits[step].add(other)
        order = sort(self._waits, key)
        if len(order) == len(self._steps):
            return order
        stuck = self._steps.keys() - set(order)
        self._waits = firm
        for step, other in sorted(self._soft_edges, key=lambda edge: edge[0] in stuck):
            if step not in stuck or step not in closure([other], self._waits):
                self._waits[step].add(other)
        order = sort(self._waits, key)
        assert len(order) == len(self._steps)  # noqa: S101 - a step that is left out would be lost
        return order

    def _in_time(self, decision: Decision) -> Decision:
        """A deployment of the best of a sweep, whose jobs may be deleted before their replacements exist."""
        if not decision.unless:
            return decision
        needs = (self.decisions.get(need) for need in self.needs.get(decision.resource.address, ()))
        return replace(decision, goes_first=any(need and need.deletes_first for need in needs))

    def _spare_what_is_in_use(self) -> None:
        """An object that an unchanged one uses isn't deleted before its replacement is created. Raises
        Blocked if only one of them can exist."""
        conflicts: list[Diagnostic] = []
        for address, decision in self.decisions.items():
            old = decision.recorded if decision.deletes_first else None
            holders = self._holders(old, lambda other: other is None, self._kept) if old else []
            holders += (
                [self.kept[old.remote_id] or "a rollback"] if old and old.remote_id in self.kept else []
            )
            if holders and (first := _created_first(decision)).creates_first:
                self.decisions = {**self.decisions, address: first}
            elif holders:
                conflicts.append(_in_use(address, holders))
        if conflicts:
            raise Blocked(conflicts)

    # steps

    def _lower(self, decision: Decision) -> None:
        address = decision.resource.address
        if decision.action in REMOVING:
            removal = self._removal(decision, str(address))
            goes = removal.action is Action.DELETE and decision.recorded
            if not (goes and self._is_held(str(address), goes)):
                self._add(removal)
            return
        waits = {str(n) for n in self.needs.get(address, ()) if self._is_made(n)}
        if decision.cannot_create_first:
            self._warnings.append(
                f"create_before_destroy has no effect on {address}: its name can be used only once; with "
                "`replace: blue_green` the new object gets a name of its own"
            )
        if decision.deletes_first:
            step = f"{address}{OLD}"
            self._add(replace(self._removal(decision, step), **_gating(decision)))
            waits.add(step)
        self._add(_making(decision), waits)
        if decision.creates_first and decision.recorded is not None:
            key = deposed_key(decision.recorded)
            self._remove_deposed(address, key, decision.recorded, decision.unless)

    def _remove_deposed(
        self, address: Address, key: str, old: ResourceState, unless: Mapping[str, Json] = {}
    ) -> None:
        if self._is_held(f"the old object of {address}", old):
            return
        decision = self.decisions.get(address)
        retain = decision.resource.lifecycle.on_destroy == "retain" if decision else old.retain
        retain = retain or old.shared or self._is_left(f"the old object of {address}", old)
        change = self._removing(
            f"{address}#{key}", old, Reason("replaced", "it has been replaced"), retain, key
        )
        self._add(replace(change, unless=unless))

    def _using(self) -> Mapping[Address, list[Address]]:
        """The users of each resource: by recorded dependencies, and by ids among recorded inputs."""
        users = reverse({a: r.dependencies for a, r in self.resources.items()})
        for record in (*self.resources.values(), *self.deposed.values()):
            owner = record.address
            for user in self._naming_of(record):
                if user != owner and owner not in self.resources[user].dependencies:
                    users.setdefault(owner, []).append(user)
        return users

    def _naming_of(self, used: ResourceState) -> Iterator[Address]:
        return (user for id in _ids(used) for user in self._named.get(id, ()))

    def _is_held(self, what: str, old: ResourceState) -> bool:
        """Whether an unchanged resource uses an object, which is kept then, with a warning."""
        keeper = self.kept.get(old.remote_id)
        if keeper == "":  # a pin, which every plan shows, or a model kept for a rollback
            return True
        holders = self._holders(old, lambda decision: decision is None, self._kept)
        holders += [keeper] if keeper else []
        if holders:
            self._warnings.append(
                f"{what} is kept: {' and '.join(holders)} still {agree(len(holders), 'uses', 'use')} it"
            )
        return bool(holders)

    def _is_left(self, what: str, old: ResourceState) -> bool:
        """Whether a resource that the plan only forgets still uses an object: the service wouldn't delete it,
        so it is forgotten, too."""
        holders = self._holders(old, lambda d: d is not None and d.action is Action.FORGET, self._released)
        if holders:
            self._warnings.append(
                f"{what} is forgotten instead of deleted: {holders[0]}, which is kept, still uses it"
            )
        return bool(holders)

    def _holders(
        self,
        old: ResourceState,
        stays: Callable[[Decision | None], bool],
        deposed: Iterable[ResourceState],
    ) -> list[str]:
        """The objects that still use an old one: the current ones whose decision lets them stay, and these
        deposed ones."""
        users = (self.resources[u] for u in self._naming_of(old) if stays(self.decisions.get(u)))
        left = (one for one in deposed if self._names(one, old))
        return sorted({str(user.address) for user in (*users, *left) if _needs(user)})

    def _removal(self, decision: Decision, step: str) -> Change:
        recorded = decision.recorded
        assert recorded is not None  # noqa: S101 - only what is recorded is removed
        retain = decision.resource.lifecycle.on_destroy == "retain" or recorded.shared
        retain = retain or self._is_left(step, recorded)
        if decision.deletes_first and RESOURCE_TYPES[recorded.address.kind].named_by:
            retain = recorded.shared  # its successor needs the name
        return self._removing(step, recorded, decision.reason, retain)

    def _removing(self, step: str, old: ResourceState, reason: Reason, retain: bool, key: str = "") -> Change:
        """A running job is cancelled before it is deleted, and the service bills its training."""
        runs = RESOURCE_TYPES[old.address.kind].long_running and old.status is Status.PENDING
        if runs and not retain:
            self._warnings.append(
                f"{old.address} is still in progress ({old.remote_id}): it is cancelled, then deleted; "
                "the training so far is billed and lost"
            )
        return Change(
            step=step,
            address=old.address,
            action=Action.FORGET if retain else Action.DELETE,
            reason=reason,
            provider=old.provider,
            before=old.inputs,
            remote_id=old.remote_id,
            deposed=key,
        )

    def _add(self, change: Change, waits: Iterable[str] = ()) -> None:
        self._steps[change.step] = change
        self._waits[change.step] = set(waits)

    def _is_made(self, address: Address) -> bool:
        decision = self.decisions.get(address)
        return decision is not None and decision.action not in REMOVING

    # order

    def _remove_after_users(self) -> None:
        """An object is deleted after every step of its users."""
        leftovers: dict[Address, list[str]] = {}
        for (address, key), old in self.deposed.items():
            for need in old.dependencies:
                leftovers.setdefault(need, []).append(f"{address}#{key}")
        for step, change in self._steps.items():
            if change.action in REMOVING and not step.endswith(OLD):
                users = self._users.get(change.address, ())
                before = [s for user in users for s in self._steps_of(user)]
                before += [s for s in leftovers.get(change.address, ()) if s in self._steps]
                before += self._leftovers_on(change)
                self._soft_edges += [(step, s) for s in before if not self._goes_anyway(change, s)]

    def _leftovers_on(self, removal: Change) -> list[str]:
        """The steps that delete replaced objects which name this one: it may have got another address since
        than they depend on."""
        used = self._record_of(removal)
        named = (s for s, old in self.deposed.items() if used and old is not used and self._names(old, used))
        return [step for address, key in named if (step := f"{address}#{key}") in self._steps]

    def _record_of(self, removal: Change) -> ResourceState | None:
        source = removal.address, removal.deposed
        return self.deposed.get(source, self.resources.get(removal.address))

    def _goes_anyway(self, removal: Change, other: str) -> bool:
        """Whether an object is deleted even if a gate keeps that step of a user, which doesn't need it any
        more, from being done."""
        step = self._steps[other]
        if RESOURCE_TYPES[removal.address.kind].is_record:
            return any(self._steps[s].gates for s in (other, *self._steps_of(step.address)))
        user = self._record_of(step)
        if not step.deposed or user is None or _needs(user):
            return False
        return any(self._steps[s].gates for a in self._naming_of(user) for s in self._steps_of(a))

    def _create_after_names(self) -> None:
        """An object is created after one with the same name is deleted at another address."""
        freed: dict[tuple[str, str, object], str] = {}
        creating: list[tuple[tuple[str, str, object], Change]] = []
        for step, change in self._steps.items():
            named = RESOURCE_TYPES[change.address.kind].named_by
            if named:
                inputs = change.before if change.action is Action.DELETE else change.after
                own = inputs.get(named)
                folded: object = own.casefold() if isinstance(own, str) else own
                name = (change.provider, change.address.kind, folded)
                if change.action is Action.DELETE:
                    freed[name] = step
                elif change.action in CREATING:
                    creating.append((name, change))
        for name, change in creating:
            if name in freed and self._steps[freed[name]].address != change.address:
                self._soft_edges.append((change.step, freed[name]))

    def _remove_after_successors(self) -> None:
        """A replaced object is deleted after its successor is made, unless that needs it to be gone."""
        self._soft_edges += [
            (step, str(change.address))
            for step, change in self._steps.items()
            if change.deposed and str(change.address) in self._steps
        ]

    def _steps_of(self, address: Address) -> Iterable[str]:
        decision = self.decisions.get(address)
        if decision is None:
            return ()
        steps = [str(address), f"{address}{OLD}"]
        if decision.creates_first and decision.recorded is not None:
            steps.append(f"{address}#{deposed_key(decision.recorded)}")
        return [step for step in steps if step in self._steps]

    def _replace_after_users(self) -> None:
        """An object that is deleted before its replacement is created is deleted after its users: the service
        refuses it otherwise. Such steps are ordered by recorded dependencies, which are acyclic."""
        for address, old in self._replaced_first():
            current = self.decisions[address].recorded
            users = (u for u in self._users.get(address, ()) if not self._uses_older(u, current))
            steps = [self._steps[step] for user in users for step in self._steps_of(user)]
            gone = [s.step for s in steps if self._leaves(s, address)]
            for (other, key), used in self.deposed.items():
                if f"{other}#{key}" in self._steps and current is not None and self._names(used, current):
                    gone.append(f"{other}#{key}")
            self._soft_edges += [(old, other) for other in gone]

    def _leaves(self, step: Change, used: Address) -> bool:
        """Whether a user no longer uses the current object of that address after this step."""
        if step.action is Action.UPDATE or step.deposed:
            return used not in self.needs.get(step.address, ())
        return step.action in REMOVING

    def _replace_in_turn(self) -> None:
        """It is deleted as late as possible: when everything that its replacement needs exists."""
        for address, old in self._replaced_first():
            self._soft_edges += [(old, str(n)) for n in self.needs.get(address, ()) if self._is_made(n)]

    def _replaced_first(self) -> Iterator[tuple[Address, str]]:
        """Resources whose old object is deleted first, and the step that deletes it."""
        return ((a, f"{a}{OLD}") for a, decision in self.decisions.items() if decision.deletes_first)

    def _uses_older(self, user: Address, current: ResourceState | None) -> bool:
        """Whether it uses an object that was replaced earlier, not the recorded one: a job that failed or
        isn't finished was never deployed."""
        recorded = self.resources.get(user)
        if recorded is None or current is None or self._names(recorded, current):
            return False
        if current.status is not Status.READY:
            return True
        return any(self._names(recorded, old) for (a, _), old in self.deposed.items() if a == current.address)

    def _names(self, user: ResourceState, used: ResourceState) -> bool:
        """Whether an input of `user` is the id of `used`, or a model that it made."""
        return not set(_ids(used)).isdisjoint(self._named_by(user))

    def _named_by(self, user: ResourceState) -> set[str]:
        """Inputs that may be ids or models: as they were seen, else as they are recorded, since an update may
        have been made whose result isn't. A checkpoint counts as its model."""
        values = {**user.inputs, **self.seen.get(user.remote_id, {})}.values()
        return {value.partition(":ckpt")[0] for value in values if isinstance(value, str)}


def _with_needs_first(
    decisions: Mapping[Address, Decision], needs: Mapping[Address, tuple[Address, ...]]
) -> Mapping[Address, Decision]:
    """If a resource is created before its old object is deleted, so are its dependencies: the old objects are
    in use until then."""
    found = dict(decisions)
    todo = [d for d in decisions.values() if d.creates_first]
    while todo:
        for need in needs.get(todo.pop().resource.address, ()):
            decision = found.get(need)
            if decision is not None and decision.deletes_first:
                first = _created_first(decision)
                if first.creates_first:  # else nothing is in use
                    found[need] = first
                    todo.append(first)
    return found


def _created_first(decision: Decision) -> Decision:
    """The same, with create_before_destroy."""
    lifecycle = replace(decision.resource.lifecycle, create_before_destroy=True)
    return replace(decision, resource=replace(decision.resource, lifecycle=lifecycle))


def _in_use(address: Address, holders: list[str]) -> Diagnostic:
    names = ", ".join(holders)
    return Diagnostic(
        f"{address} can't be replaced: {names}, which the plan doesn't change, uses it",
        "The old object has to be deleted first, because its name can be used only once; the service refuses "
        "that while it is in use.",
        f"plan both together (without --target or --exclude for {names}; --override-gate if a gate holds "
        "it), or set `replace: blue_green`, with which the new object gets a name of its own",
    )


def _needs(user: ResourceState) -> bool:
    """Whether it still needs the objects that it names. A job needs its files only until it is trained."""
    return user.status is Status.PENDING or not RESOURCE_TYPES[user.address.kind].compared_by_content


def _ids(used: ResourceState) -> tuple[str, ...]:
    """What others may call an object: its id, or the model that it made."""
    ids = (used.remote_id, used.outputs.get("id"), used.outputs.get("fine_tuned_model"))
    return tuple(dict.fromkeys(i for i in ids if isinstance(i, str) and i))


def _making(decision: Decision) -> Change:
    resource, desired, recorded = decision.resource, decision.desired, decision.recorded
    return Change(
        step=str(resource.address),
        address=resource.address,
        action=decision.action,
        reason=decision.reason,
        provider=resource.provider,
        before=recorded.inputs if recorded else {},
        after=resource.inputs,
        attributes=decision.attributes,
        identities=desired.identities if desired else {},
        facts=resource.facts,
        fingerprint=desired.fingerprint if desired else "",
        remote_id=recorded.remote_id if recorded else "",
        deposes=deposed_key(recorded) if recorded and decision.creates_first else "",
        prevent_destroy=resource.lifecycle.prevent_destroy,
        retain=resource.lifecycle.on_destroy == "retain",
        promoted=decision.promoted,
        **_gating(decision),
    )


def _gating(decision: Decision) -> dict[str, Any]:
    """What all steps of a gated resource know of its gates."""
    spared = tuple(map(str, decision.goes_on_without))
    return {
        "gates": decision.gates,
        "override": decision.override,
        "goes_on_without": spared,
        "unless": decision.unless,
    }

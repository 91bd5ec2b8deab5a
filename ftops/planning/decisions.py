"""Decisions: what has been decided for the resources of a plan, and what follows from it. Pure.

`decider` adds the decisions one by one. What it asks meanwhile (which attributes are known, what is left out)
and what the planner asks in the end (outputs, settings, hosting hours) is answered by the same records.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from msgspec import Struct, field

from ftops.config.config import Config, Resource
from ftops.config.graph import Graph
from ftops.config.outputs import evaluate, null_warnings
from ftops.config.sweeps import named_by
from ftops.core.address import Address, Json, Reference, Secret, Value, references
from ftops.core.plurals import agree, plural
from ftops.planning.comparison import setting_changes
from ftops.planning.decision import Decision
from ftops.planning.desired import Resolver
from ftops.planning.plan import (
    CREATING,
    REMOVING,
    Action,
    Held,
    Mode,
    Options,
    OutputChange,
    SettingChange,
)
from ftops.planning.reconcile import Reconciled
from ftops.planning.targeting import matching, selected
from ftops.state.entries import Entry
from ftops.state.state import Observed, ResourceState, Source, Status


class PlanContext(Struct, frozen=True):
    """What a plan is made from. `accounts` are those of the providers."""

    config: Config
    graph: Graph
    reconciled: Reconciled
    observed: Observed
    options: Options
    secret_digests: Mapping[Secret, str]
    accounts: Mapping[str, str]

    @property
    def declared(self) -> Mapping[Address, Resource]:
        """The resources that are to exist: none of those that are destroyed."""
        return self.graph.resources if self.options.mode is Mode.NORMAL else {}

    def account(self, provider: str) -> str:
        return self.accounts.get(provider, provider)

    def is_replacement_asked(self, address: Address) -> bool:
        return bool(matching(self.options.replaces, (address,)))


class Decisions(Struct):
    """A resource that stays as it is has no decision."""

    context: PlanContext
    by_address: dict[Address, Decision] = field(default_factory=dict)
    left_out: dict[Address, Decision] = field(default_factory=dict)
    """Resources that --target, --exclude or a gate keep from being created. Objects that they would reuse
    aren't deleted."""
    held: dict[Address, Held] = field(default_factory=dict)
    """Resources that stay as they are because of a gate."""
    resources: dict[Address, ResourceState] = field(default_factory=dict)
    """What exists: the reconciled, and what has come under management since."""
    deposed: dict[Source, ResourceState] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    """How the records follow."""
    unchanged: int = 0
    warnings: list[str] = field(default_factory=list)
    selected: frozenset[Address] = frozenset()
    """The resources that the plan may change."""
    resolver: Resolver = field(default_factory=lambda: Resolver(lambda _: None, {}, {}))

    def __post_init__(self) -> None:
        graph, reconciled, options = self.context.graph, self.context.reconciled, self.context.options
        self.resources = dict(reconciled.resources)
        self.deposed = dict(reconciled.deposed)
        self.selected = selected(
            options.targets,
            options.excludes,
            graph,
            self.resources,
            [address for address, _ in self.deposed],
            reconciled.intents,
            destroying=options.mode is Mode.DESTROY,
        )
        self.resolver = Resolver(self.known, graph.facts, self.context.secret_digests, graph.sweeps)

    def stopped_by_less(self) -> Iterator[str]:
        """A warning about each sweep whose budget is larger than the one that stopped jobs of it."""
        jobs: dict[Address, list[Address]] = {}
        for address, recorded in self.resources.items():
            before: Any = {} if recorded.is_off else recorded.stopped.get("budget")
            if not before or address not in self.selected or address in self.by_address:
                continue
            sweep = address._replace(key=None)
            stop = self.context.graph.stops.get(sweep)
            budget = stop.budget if stop else {}
            is_declared = address in self.context.declared
            if is_declared and all(budget.get(unit, inf) > limit for unit, limit in before.items()):
                jobs.setdefault(sweep, []).append(address)
        for sweep, found in sorted(jobs.items(), key=lambda item: item[0].sort_key):
            was = f"{plural(len(found), 'job')} of {sweep} {agree(len(found), 'was', 'were')}"
            flags = shlex.join(word for job in sorted(map(str, found)) for word in ("--replace", job))
            what = agree(len(found), "it", "them")
            yield f"{was} stopped by a smaller budget, which no longer applies; to train {what}: {flags}"

    # what is known of an object before the apply

    def known(self, address: Address) -> Mapping[str, Json] | None:
        """The outputs that it keeps; None if a new one is created."""
        decision = self.by_address.get(address)
        recorded = self.resources.get(address)
        if recorded is None or (decision is not None and decision.action in CREATING):
            return None
        changing = {a.path.partition(".")[0] for a in decision.attributes} if decision else ()
        outputs = recorded.outputs
        return {n: v for n, v in outputs.items() if n not in changing} if changing else outputs

    def complete(self, address: Address) -> Mapping[str, Json] | None:
        """The outputs of an object that is ready and doesn't change."""
        recorded = self.resources.get(address)
        if recorded is None or recorded.status is not Status.READY:
            return None
        if address in self.by_address and address not in self.context.observed.promotable:
            return None
        return recorded.outputs

    def is_left_unmade(self, address: Address) -> bool:
        """Whether a gate keeps it from being made."""
        return address in self.held and address not in self.resources

    # what follows for the plan

    @property
    def displaced(self) -> set[Address]:
        """Where an object is deposed for one that exists already."""
        observed, reconciled = self.context.observed, self.context.reconciled
        taken = observed.adoptable.keys() | observed.promotable.keys()
        adopted = taken & reconciled.resources.keys() & self.by_address.keys()
        return reconciled.displaced | adopted

    @property
    def selected_deposed(self) -> frozenset[Source]:
        return frozenset(key for key in self.deposed if key[0] in self.selected)

    def deleted(self) -> Iterator[ResourceState]:
        """What the plan deletes, if nothing keeps it."""
        for decision in self.by_address.values():
            if decision.action is Action.DELETE and decision.recorded is not None:
                yield decision.recorded
        yield from (self.deposed[source] for source in self.selected_deposed)

    def left_as_they_are(self) -> Iterator[ResourceState]:
        """The records of declared resources that don't change, although they may."""
        for address in self.context.declared:
            if address in self.selected and address not in self.by_address and address in self.resources:
                yield self.resources[address]

    def hosted(self) -> dict[Address, Mapping[str, Value]]:
        """The inputs of the deployments with hosting hours that are recorded, or will be."""
        kept = {one.address: one.inputs for one in self.left_as_they_are() if "hosting" in one.inputs}
        made = {
            address: decision.resource.inputs
            for address, decision in self.by_address.items()
            if decision.action not in REMOVING and "hosting" in decision.resource.inputs
        }
        both = kept | made
        return {address: both[address] for address in self.context.declared if address in both}

    def settings(self) -> tuple[SettingChange, ...]:
        """Lifecycle settings whose record changes, for all resources that stay recorded."""
        declared, recorded = self.context.declared, self.context.reconciled.resources
        return tuple(
            change
            for address in declared
            if address in self.selected and address in recorded and not self._ends(address)
            for change in setting_changes(address, declared[address].lifecycle, recorded[address])
        )

    def _ends(self, address: Address) -> bool:
        """Whether nothing is left of the earlier record."""
        decision = self.by_address.get(address)
        return decision is not None and (decision.action is Action.CREATE or decision.action in REMOVING)

    def outputs(self, recorded: Mapping[str, Json]) -> tuple[tuple[OutputChange, ...], tuple[str, ...]]:
        """The outputs that change, and warnings about those without a value. An output that needs what a gate
        keeps from being made stays as it is recorded."""
        config, options = self.context.config, self.context.options
        declared = config.outputs if options.mode is Mode.NORMAL else ()
        if options.targets or options.excludes:
            return (), ()
        now = evaluate(declared, self.resolver.look_up, self._is_complete)
        held = {
            output.name
            for output in declared
            if any(self.is_left_unmade(reference.address) for reference in references(output.value))
        }
        changes = []
        for name in sorted({*recorded, *now} - held):
            value = now.get(name)
            before, after = recorded.get(name), value.value if value else None
            if not (value and value.sensitive) and after != before:
                changes.append(OutputChange(name, before, after))
        return tuple(changes), tuple(null_warnings(now))

    def _is_complete(self, reference: Reference) -> bool:
        return all(self.complete(a) is not None for a in named_by(reference, self.context.graph.sweeps))

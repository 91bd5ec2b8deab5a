"""Planner: (Config, Graph, State, Observed) → Plan. Pure: the same inputs give the same plan.

`decider` decides for every resource what has to happen to it, and why. As long as a recorded object can be
reused instead of creating another one (`reuse`), it decides again. Then `ordering` turns the decisions into
ordered steps, and `guards` checks the finished plan.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from ftops.config.accounts import accounts_of
from ftops.config.config import Config
from ftops.config.graph import Graph
from ftops.config.sweeps import choices_of, used_sweeps
from ftops.core.address import Secret
from ftops.planning.decider import Decider
from ftops.planning.guards import (
    check_drift,
    check_empty,
    check_lifetime,
    check_overrides,
    check_owners,
    check_protection,
    check_used_elsewhere,
    lifted_protection,
)
from ftops.planning.hosting import off_at, switches
from ftops.planning.moves import apply_moves, located
from ftops.planning.ordering import StepOrder
from ftops.planning.plan import NORMAL, Mode, Options, Plan
from ftops.planning.reconcile import Reconciled, reassigned, reconcile
from ftops.planning.reuse import reassignments
from ftops.state.live_state import fold
from ftops.state.state import Observed, State


def plan(
    config: Config,
    graph: Graph,
    state: State,
    observed: Observed,
    options: Options = NORMAL,
    secret_digests: Mapping[Secret, str] | None = None,
) -> Plan:
    """Raises Blocked if a guard refuses the plan; SpecError if a reference can never get a value, or a move
    can't be made. `observed` has objects under the addresses that they have after the spec's moves."""
    state, rehomed = located(state, config)
    state, moved = apply_moves(state, config.refactorings.moves)
    accept = options.mode is Mode.REFRESH_ONLY
    reconciled = reconcile(state, observed, config.drift, accept=accept, declared=graph.resources)
    reconciled.entries[:0] = [*rehomed, *moved]
    result = Plan(
        spec=config.name,
        environment=config.environment,
        lineage=state.lineage,
        serial=state.serial,
        entries=tuple(reconciled.entries),
        drift=tuple(reconciled.drift),
        mode=options.mode,
        ttl=config.ttl,
        expires_at=state.expires_at,
    )
    if options.mode is Mode.REFRESH_ONLY:
        return result
    check_overrides(options.overrides, graph.resources)
    check_lifetime(config, state, options.mode)
    check_empty(config, state, options.mode, options.allow_empty)
    check_drift(reconciled.drift, options.mode)
    decider = _decided(config, graph, reconciled, observed, options, secret_digests or {})
    decisions = decider.decisions
    if options.mode is Mode.DESTROY:
        check_used_elsewhere(decider.deleted(), observed.kept)
    check_protection(decisions, graph.resources, decider.displaced, decider.reconciled.inherited)
    objects = (*observed.objects.values(), *observed.deposed.values(), *observed.found.values())
    seen = {one.remote_id: one.inputs for one in objects if one is not None}
    needs, kept = graph.dependencies, observed.kept
    order = StepOrder(decisions, decider.resources, decider.deposed, needs, seen, kept)
    changes, warnings = order.changes(decider.selected_deposed())
    changes += tuple(switches(decider.left_as_they_are(), observed.moment))
    outputs = decider.outputs(state.outputs)
    trained = {change.address for change in changes} if graph.stops else set()
    entries = (*decider.reconciled.entries, *decider.entries)
    check_owners(fold(state, entries), changes, decider.accounts)
    return replace(
        result,
        changes=changes,
        entries=entries,
        outputs=outputs,
        settings=decider.settings(),
        unchanged=decider.unchanged,
        held=tuple(decider.held.values()),
        off=tuple(off_at(decider.hosted(), observed.moment)),
        warnings=(*warnings, *decider.warnings, *lifted_protection(decisions.values())),
        known=decider.known(changes),
        sweeps=used_sweeps((value for change in changes for value in change.after.values()), graph.sweeps),
        stops={sweep: stop for sweep, stop in graph.stops.items() if not trained.isdisjoint(stop.jobs)},
        choices=choices_of(config, graph.sweeps, decider.complete) if graph.sweeps else (),
    )


def _decided(
    config: Config,
    graph: Graph,
    reconciled: Reconciled,
    observed: Observed,
    options: Options,
    secret_digests: Mapping[Secret, str],
) -> Decider:
    """Decides until no recorded object is left to reuse."""
    accounts = accounts_of(config)
    while True:
        decider = Decider(config, graph, reconciled, observed, options, secret_digests, accounts)
        decider.decide()
        wants = list(decider.wants())
        objects = reassignments(wants, decider.records()) if wants else ()
        if not objects:
            return decider
        reconciled = reassigned(reconciled, observed, objects)

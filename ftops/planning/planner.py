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
from ftops.planning.decisions import Decisions, PlanContext
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
from ftops.planning.ordering import ordered
from ftops.planning.plan import NORMAL, Mode, Options, Plan
from ftops.planning.reconcile import reassigned, reconcile
from ftops.planning.reuse import Records, reassignments, wants
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
    accounts = accounts_of(config)
    context = PlanContext(config, graph, reconciled, observed, options, secret_digests or {}, accounts)
    return _planned(result, state, _decided(context))


def _decided(context: PlanContext) -> Decisions:
    """Decides until no recorded object is left to reuse."""
    while True:
        decider = Decider.of(context)
        decisions = decider.decide()
        wanted = list(wants(decisions))
        objects = reassignments(wanted, Records.after(decisions)) if wanted else ()
        if not objects:
            decider.check()
            return decisions
        context = replace(context, reconciled=reassigned(context.reconciled, context.observed, objects))


def _planned(empty: Plan, state: State, decisions: Decisions) -> Plan:
    """The plan with the steps that decisions need, and all that is shown of them."""
    context, graph = decisions.context, decisions.context.graph
    observed, reconciled = context.observed, context.reconciled
    found = decisions.by_address
    if context.options.mode is Mode.DESTROY:
        check_used_elsewhere(decisions.deleted(), observed.kept)
    check_protection(found, graph.resources, decisions.displaced, reconciled.inherited)
    changes, kept = ordered(decisions)
    changes += tuple(switches(decisions.left_as_they_are(), observed.moment))
    outputs, unset = decisions.outputs(state.outputs)
    entries = (*reconciled.entries, *decisions.entries)
    check_owners(fold(state, entries), changes, context.accounts)
    warnings = (*kept, *decisions.warnings, *decisions.stopped_by_less(), *unset)
    trained = {change.address for change in changes} if graph.stops else set()
    return replace(
        empty,
        changes=changes,
        entries=entries,
        outputs=outputs,
        settings=decisions.settings(),
        unchanged=decisions.unchanged,
        held=tuple(decisions.held.values()),
        off=tuple(off_at(decisions.hosted(), observed.moment)),
        warnings=(*warnings, *lifted_protection(found.values())),
        known=decisions.resolver.known(changes),
        sweeps=used_sweeps((value for change in changes for value in change.after.values()), graph.sweeps),
        stops={sweep: stop for sweep, stop in graph.stops.items() if not trained.isdisjoint(stop.jobs)},
        choices=choices_of(context.config, graph.sweeps, decisions.complete) if graph.sweeps else (),
    )

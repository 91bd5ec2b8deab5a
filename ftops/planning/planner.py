"""(Config, Graph, State, Observed) → Plan. Pure: the same inputs give the same plan.

`decider` gives every resource a decision: what has to happen to it, and why. As long as something on record
can be taken instead of creating another object (`reuse`), it decides again. Then `ordering` lowers the
decisions into steps in their true order, and the finished plan is held to the rules of docs/identity.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from ftops.config.accounts import accounts_of
from ftops.config.config import Config
from ftops.config.graph import Graph
from ftops.core.address import Secret
from ftops.planning.decider import Decider
from ftops.planning.guards import check_drift, check_empty, check_owners, check_protection, lifted_protection
from ftops.planning.moves import apply_moves
from ftops.planning.ordering import StepOrder
from ftops.planning.plan import NORMAL, Change, Mode, Options, OutputChange, Plan
from ftops.planning.provider_matching import located
from ftops.planning.reconcile import Reconciled, reassigned, settle
from ftops.planning.reuse import reassignments
from ftops.state.state import Observed, State, fold


def plan(
    config: Config,
    graph: Graph,
    state: State,
    observed: Observed,
    options: Options = NORMAL,
    secret_digests: Mapping[Secret, str] | None = None,
) -> Plan:
    """Raises Blocked where protection stands in the way, or an empty spec would delete everything;
    SpecError where a reference leads to nothing and never will, or a refactoring can't be made.

    `observed` has objects under the addresses that they have after the spec's moves."""
    state, rehomed = located(state, config)
    state, moved = apply_moves(state, config.refactorings.moves)
    accept = options.mode is Mode.REFRESH_ONLY
    past = settle(state, observed, config.drift, accept=accept, declared=graph.resources)
    past = replace(past, entries=(*rehomed, *moved, *past.entries), intents=state.pending)
    if options.mode is Mode.REFRESH_ONLY:
        return _plan(config, state, past, (), (), Mode.REFRESH_ONLY, 0, ())
    check_empty(config, state, options.mode, options.allow_empty)
    check_drift(past.drift, options.mode)
    planner = _decided(config, graph, past, observed, options, secret_digests or {})
    past, decisions = planner.past, planner.decisions
    check_protection(decisions, graph.resources, planner.displaced, past.inherited)
    schedule = StepOrder(decisions, planner.resources, planner.deposed, graph.dependencies)
    changes, warnings = schedule.changes(planner.selected_deposed())
    outputs = planner.outputs(decisions, state.outputs)
    past = replace(past, entries=(*past.entries, *planner.entries))
    warnings = (*warnings, *planner.warnings, *lifted_protection(decisions.values()))
    check_owners(fold(state, past.entries), changes, planner.accounts)
    made = _plan(config, state, past, changes, outputs, options.mode, planner.unchanged, warnings)
    return replace(made, settings=planner.settings(), known=planner.known(changes))


def _plan(
    config: Config,
    state: State,
    past: Reconciled,
    changes: tuple[Change, ...],
    outputs: tuple[OutputChange, ...],
    mode: Mode,
    unchanged: int,
    warnings: tuple[str, ...],
) -> Plan:
    return Plan(
        spec=config.name,
        environment=config.environment,
        lineage=state.lineage,
        serial=state.serial,
        changes=changes,
        entries=past.entries,
        drift=past.drift,
        outputs=outputs,
        unchanged=unchanged,
        mode=mode,
        warnings=warnings,
    )


def _decided(
    config: Config,
    graph: Graph,
    past: Reconciled,
    observed: Observed,
    options: Options,
    secret_digests: Mapping[Secret, str],
) -> Decider:
    """Decides, and again for as long as something on record can be taken instead of creating another one."""
    accounts = accounts_of(config)
    while True:
        planner = Decider(config, graph, past, observed, options, secret_digests, accounts)
        planner.decide()
        wants = list(planner.wants())
        objects = reassignments(wants, planner.records()) if wants else ()
        if not objects:
            return planner
        past = reassigned(past, observed, objects)

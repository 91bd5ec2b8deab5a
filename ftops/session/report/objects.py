"""Objects of a report: what is declared and recorded, deployments and their costs, evaluations and gates."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from ftops.catalog import Catalog
from ftops.config.config import ProviderConfig
from ftops.core.address import Address
from ftops.core.hosting_hours import HoursError, hours_of
from ftops.core.nested import object_at
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of
from ftops.core.timestamps import iso_timestamp
from ftops.evaluation.gates import described
from ftops.planning.cost.hosting import hosting_cost
from ftops.planning.cost.recorded import hosted_dollars
from ftops.planning.gating import gates_of, reasons_to_hold
from ftops.session.report.history import Runs
from ftops.session.report.values import (
    INTERRUPTED,
    NOT_CREATED,
    NOT_STARTED,
    OFF,
    STOPPED,
    ReportedDeployment,
    ReportedEvaluation,
    ReportedObject,
    Required,
)
from ftops.session.session import Session
from ftops.state.deployments import model_of
from ftops.state.state import ResourceState, State


def reported_objects(session: Session, wanted: Collection[Address], runs: Runs) -> Iterator[ReportedObject]:
    """Everything that is declared, recorded or was interrupted, by address."""
    state, graph = session.state, session.graph
    for address in sorted(wanted, key=lambda one: one.sort_key):
        record = state.resources.get(address)
        status = OFF if record and record.is_off else record.status.value if record else NOT_CREATED
        is_declared = address in graph.resources
        recorded = record or state.pending.get(address)
        needs = graph.dependencies[address] if is_declared else recorded.dependencies if recorded else ()
        if address in state.pending:
            status = INTERRUPTED
        elif record and record.stopped:
            status = NOT_STARTED if record.is_off else STOPPED
        run = runs.of(record) if record else None
        yield ReportedObject(address, status, is_declared, needs, record, run)


def reported_deployments(
    session: Session,
    records: Collection[ResourceState],
    names: Mapping[str, str],
    runs: Runs,
    known: Catalog,
    now: datetime,
) -> Iterator[ReportedDeployment]:
    """Recorded deployments, with what they cost."""
    for record in records:
        cost = hosting_cost(record.address, record.inputs, {}, known)
        try:
            hours = hours_of(record.inputs)
        except HoursError:
            hours = None
        yield ReportedDeployment(
            record,
            names.get(model_of(record)[0], ""),
            cost,
            hosted_dollars(record, cost, now) if cost else None,
            str(object_at(record.inputs, "hosting").get("hours") or ""),
            hours.is_on(now) if hours else True,
            iso_timestamp(hours.until(now)) if hours else "",
            session.state.pins.get(record.address),
            runs.of(record),
            _is_started(session.config.providers.get(record.provider)),
        )


def _is_started(provider: ProviderConfig | None) -> bool:
    """Whether it runs on this machine, and the spec names no address of it."""
    row = PROVIDER_TYPES[provider.type] if provider else None
    return bool(provider and row and row.data_folder and not provider.settings.get(row.address))


def reported_evaluations(
    session: Session, records: Collection[ResourceState], names: Mapping[str, str], runs: Runs
) -> Iterator[ReportedEvaluation]:
    """Recorded evaluations, with the gates that wait for them."""
    gates: dict[Address, list[Required]] = {}
    overridden = runs.overrides()
    for gate in _gates(session, overridden):
        for evaluation, required in gate.items():
            gates.setdefault(evaluation, []).append(required)
    for record in records:
        mine = tuple(gates.get(record.address, ()))
        yield ReportedEvaluation(record, names, _interval(record), mine, runs.of(record))


def _gates(session: Session, overridden: Mapping[str, str]) -> Iterator[dict[Address, Required]]:
    """By evaluation, the gates of each deployment: as they are declared, about what is recorded."""
    results = {a: one.outputs for a, one in session.state.resources.items() if kind_of(a).is_record}
    for address, resource in session.graph.resources.items():
        if not resource.inputs.get("gate"):
            continue
        record = session.state.resources.get(address)
        for gate in gates_of(resource):
            result = results.get(gate.evaluation)
            model = result.get("best") if result else None
            reasons = reasons_to_hold((gate,), model, results.get)
            override = overridden.get(str(address), "") if record else ""
            yield {gate.evaluation: Required(address, described(gate.require), reasons, override)}


def _interval(record: ResourceState) -> tuple[float, float] | None:
    """Of the score: Wilson's, if each prompt was answered once and is independent of the others."""
    outputs = record.outputs
    score, prompts = outputs.get("score"), outputs.get("prompts")
    is_plain = record.inputs.get("samples", 1) == 1 and outputs.get("clusters") in (None, prompts)
    if not (is_plain and isinstance(score, int | float) and isinstance(prompts, int) and prompts):
        return None
    from ftops.evaluation.statistics import wilson  # brings numpy along

    return tuple(wilson(round(score * prompts), prompts))  # type: ignore[return-value]


def recorded(state: State, wanted: Collection[Address]) -> list[ResourceState]:
    """The records among these addresses, by address."""
    found = [one for address, one in state.resources.items() if address in wanted]
    return sorted(found, key=lambda one: one.address.sort_key)

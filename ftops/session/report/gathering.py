"""Gathering of a report: from the spec, its state, its audit log, the catalogue and, unless it is offline,
the services. It records nothing and takes no lock."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress

from msgspec.structs import replace

from ftops import __version__, catalog
from ftops.core.address import Address
from ftops.core.dag import closure
from ftops.core.errors import FtopsError, UsageError
from ftops.core.git import git, tracked_changes
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of
from ftops.core.suggestions import did_you_mean
from ftops.planning.deadlines import Deadline
from ftops.planning.moves import located
from ftops.planning.targeting import matching
from ftops.session.radar import radar
from ftops.session.report.datasets import reported_data
from ftops.session.report.history import Runs
from ftops.session.report.objects import (
    recorded,
    reported_deployments,
    reported_evaluations,
    reported_objects,
)
from ftops.session.report.trainings import ask, model_names, reported_jobs, reported_sweeps
from ftops.session.report.values import Checkout, Report, ReportedCosts, ReportedDeployment, ReportedJob
from ftops.session.session import Session
from ftops.session.sweep import choices
from ftops.session.unasked import Unasked, warnings_of

LAST_RUNS = 20


def gather(session: Session, addresses: Sequence[Address] = (), *, offline: bool = False) -> Report:
    """The report of a spec; with `addresses`, only of these and all that they need. An address without a key
    means all instances. Raises FtopsError if the state can't be read, or there is no such address."""
    session = _located(session)
    config, state, now = session.config, session.state, session.wall_clock()
    wanted = _wanted(session, addresses)
    records = recorded(state, wanted)
    runs, names = Runs(session.runs()), model_names(state)
    known = catalog.load(config.project, os.environ)
    rows = [(kind_of(one.address), one) for one in records]
    jobs = [one for row, one in rows if row.trains]
    serving = [one for row, one in rows if row.serves]
    asked = ask(session, jobs, offline=offline)
    trained = tuple(reported_jobs(session, jobs, asked, runs, known))
    deployments = tuple(reported_deployments(session, serving, names, runs, known, now))
    deadlines, unasked = _deadlines(session, wanted, offline=offline)
    types = {provider.type for provider in config.providers.values()}
    return Report(
        spec=config.name,
        environment=config.environment,
        at=now,
        version=__version__,
        serial=state.serial,
        lineage=state.lineage,
        checkout=_checkout(session),
        expires_at=state.expires_at,
        is_offline=offline,
        is_rehearsal=bool(types) and all(PROVIDER_TYPES[type_].is_rehearsal for type_ in types),
        restricted=tuple(addresses),
        objects=tuple(reported_objects(session, wanted, runs)),
        old=tuple(one for one in state.deposed.values() if one.address in wanted),
        deployments=deployments,
        jobs=trained,
        sweeps=tuple(reported_sweeps(session, jobs, asked)),
        choices=choices(session),
        evaluations=tuple(
            reported_evaluations(session, [one for row, one in rows if row.is_record], names, runs)
        ),
        data=tuple(reported_data(session, [one for row, one in rows if row.is_data], runs, known)),
        deadlines=deadlines,
        costs=_costs(trained, deployments),
        outputs={} if addresses else session.outputs(),
        runs=tuple(runs.all[-LAST_RUNS:]),
        older_runs=max(0, len(runs.all) - LAST_RUNS),
        warnings=warnings_of((*asked.unasked, *unasked)),
    )


def _located(session: Session) -> Session:
    """With each record at a provider of the spec that reaches its account, if there is one."""
    with suppress(FtopsError):
        return replace(session, _state=located(session.state, session.config)[0])
    return session


def _wanted(session: Session, addresses: Sequence[Address]) -> set[Address]:
    """Everything that is declared or recorded, or these addresses with what they need."""
    state, graph = session.state, session.graph
    everything = {*graph.resources, *state.resources, *state.pending}
    if not addresses:
        return everything
    for address in addresses:
        if not matching([address], everything):
            hint = did_you_mean(str(address), map(str, everything))
            raise UsageError(f"there is no {address}", "neither the spec nor its state has it.", hint)

    def recorded_needs(address: Address) -> Sequence[Address]:
        record = state.resources.get(address) or state.pending.get(address)
        return record.dependencies if record else ()

    needs = {
        address: {*graph.dependencies.get(address, ()), *recorded_needs(address)} for address in everything
    }
    return closure(matching(addresses, everything), needs) & everything


def _deadlines(
    session: Session, wanted: Collection[Address], *, offline: bool
) -> tuple[tuple[Deadline, ...], list[Unasked]]:
    today = session.wall_clock().date()
    found, unasked = radar(session, today, offline=offline)
    return tuple(one for one in found if one.address is None or one.address in wanted), unasked


def _checkout(session: Session) -> Checkout | None:
    """Of the spec, if it is in a Git repository."""
    folder = session.config.folder
    commit = git(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return Checkout(commit.decode().strip(), tracked_changes(folder)) if commit else None


def _costs(jobs: Sequence[ReportedJob], deployments: Sequence[ReportedDeployment]) -> ReportedCosts:
    costs = [one.cost for one in deployments if one.cost is not None]
    return ReportedCosts(
        sum(job.dollars or 0.0 for job in jobs),
        tuple(job.address for job in jobs if job.dollars is None),
        sum(one.hosted or 0.0 for one in deployments),
        sum(cost.per_hour or 0.0 for cost in costs),
        sum(cost.per_month or 0.0 for cost in costs),
        tuple(cost.address for cost in costs if cost.per_hour is None),
    )

"""Apply: the use case of carrying out a plan, as one run of the audit log and under at most one approval."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from ftops import catalog
from ftops.applying.events import Event
from ftops.applying.provider_calls import Context, new_token
from ftops.applying.run import Apply, Report, Settings
from ftops.config.accounts import accounts_of
from ftops.config.outputs import OutputValue
from ftops.config.sweeps import BEST, is_best
from ftops.core.address import Reference, Value, references
from ftops.core.durations import seconds_of
from ftops.core.errors import Blocked
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.timestamps import iso_timestamp
from ftops.planning.desired import at
from ftops.planning.grants import supersedes
from ftops.planning.plan import MAKING, Mode, Plan
from ftops.planning.saved.plan_digest import plan_digest
from ftops.providers.base import Queues
from ftops.session.answers import Keeper
from ftops.session.hosting import mark_hours, noting_hours
from ftops.session.session import Session
from ftops.state.entries import Entry, ExpirySet, Granted, GrantEnded
from ftops.state.live_state import fold
from ftops.state.state import Grant, ResourceState, State, Status, recorded_objects


def apply_plan(
    session: Session,
    made: Plan,
    settings: Settings,
    emit: Callable[[Event], None],
    on_start: Callable[[Apply], None] = lambda run: None,
    planned_at: str = "",
    grant: Grant | None = None,
    is_whole: bool = False,
    completes: bool = True,
) -> Report:
    """Applies a plan. Only within `locked`. The journal is folded into the state at the end, however the run
    ends; if that fails too, the next run reads the journal. Raises Blocked if preflight found errors,
    StateError if the lock was lost: nothing more was started then. `planned_at`: when a saved plan was made.

    `grant`: the approval that it is applied under, which is recorded first, and ends if all of it is done
    and the plan `completes` it. Other grants end if the plan touches what they are about, or is of the
    whole spec (`is_whole`)."""
    session.confirm_lock()
    if made.is_blocked:
        raise Blocked(made.findings)
    digest = plan_digest(made) if made.approved_changes or made.settings else ""
    with session.audited(
        plan=digest,
        counts={action: count for action, count in made.summary.items() if count},
        planned_at=planned_at,
        overrides={str(change.address): change.override for change in made.changes if change.override},
        rule_overrides={lifted.rule: lifted.reason for lifted in made.policy.overridden},
        pins={str(one.address): one.model or "released" for one in made.pinning},
        grant=grant.digest if grant and grant.digest != digest else "",
    ) as ending:
        first = _first_entries(session, made, grant, is_whole)
        ended = [GrantEnded(grant.digest, "done")] if grant and completes else []
        report = _run(session, made, settings, emit, on_start, first, ended)
        ending.result, ending.serial = report.result, report.state.serial
        ending.steps = Counter(fate.value for fate in report.fates.values())
    return report


def superseded_grants(session: Session, made: Plan, own: str = "", *, is_whole: bool) -> list[Grant]:
    """The grants that end with a run of this plan, other than its own."""
    others = [grant for digest, grant in session.state.grants.items() if digest != own]
    whole = is_whole and bool(made.approved_changes)
    return [grant for grant in others if supersedes(made, grant, is_whole=whole)]


def sets_expiry(session: Session) -> bool:
    """Whether each apply records when the environment expires, or that it doesn't any more."""
    return bool(session.config.ttl or session.state.expires_at)


def _first_entries(session: Session, made: Plan, grant: Grant | None, is_whole: bool) -> list[Entry]:
    """The grants that end with a run, its own, and when the environment expires after it."""
    own = grant.digest if grant else ""
    ended = superseded_grants(session, made, own, is_whole=is_whole)
    entries: list[Entry] = [GrantEnded(one.digest, "superseded") for one in ended]
    if grant is not None and grant != session.state.grants.get(own):
        entries.append(Granted(grant))
    if made.mode is Mode.NORMAL and not session.is_continuing and sets_expiry(session):
        lasts = seconds_of(session.config.ttl)
        until = iso_timestamp(datetime.now(UTC) + timedelta(seconds=lasts)) if lasts else ""
        entries.append(ExpirySet(until))
    return entries


def _run(
    session: Session,
    made: Plan,
    settings: Settings,
    emit: Callable[[Event], None],
    on_start: Callable[[Apply], None],
    first: Sequence[Entry],
    if_done: Sequence[Entry],
) -> Report:
    """`first` is recorded before anything is started, `if_done` when all of the plan is done."""
    state, journal = session.begin(first)
    changed = {change.address for change in made.changes}
    if made.has_hours:
        journal = noting_hours(session, journal, changed)
    hold, keeper = session.hold, Keeper(session.config)
    context = _context(session, made, emit, keeper, state.lineage)

    def outputs(now: State) -> Mapping[str, OutputValue]:
        if made.mode is Mode.DESTROY and now.is_empty:
            return {}
        recorded, found = session.recorded_outputs(), session.outputs(now)
        served = {
            name: value
            for name, value in recorded.items()
            if name in found and _is_served(value.value, found[name].value, now)
        }
        return {**(recorded if session.is_continuing else {}), **found, **served}

    run = Apply(made, state, journal, context, settings)
    on_start(run)
    if hold is not None:
        hold.when_lost(run.stop)
    try:
        with keeper:
            report = run.run(outputs)
        if if_done and report.result == "done":
            journal.append(if_done)
            report = replace(report, state=fold(report.state, if_done))
    except BaseException:
        journal.close()
        session.reread()
        raise
    session.end(journal, report.state)
    if made.has_hours:
        mark_hours(session, changed)
    context.check()
    return report


def _is_served(recorded: Value, unknown: Value, now: State) -> bool:
    """Whether an output still names objects that exist, although those that it will name aren't ready: their
    replacement is under way, or was interrupted."""
    text, named = str(recorded), references(unknown)
    there = [r for _, r in recorded_objects(now.resources, now.deposed) if r.status is Status.READY]

    def has(reference: Reference) -> bool:
        of_sweep, attribute = is_best(reference), reference.attribute.removeprefix(BEST)
        own = reference.address[: 2 if of_sweep else None]
        values = (
            record.address.key if of_sweep and attribute == "key" else at(record.outputs, attribute)
            for record in there
            if record.address[: len(own)] == own
        )
        return any(value is not None and str(value) in text for value in values)

    return bool(named) and all(map(has, named))


def _context(
    session: Session, made: Plan, emit: Callable[[Event], None], keeper: Keeper, lineage: str
) -> Context:
    return Context(
        session.config.folder,
        session.providers,
        session.config.secrets,
        emit,
        clock=session.clock,
        new_token=lambda: new_token(lineage),
        accounts=accounts_of(session.config),
        kept_answers=keeper,
        limit=_limits(session, made),
        price=_prices(session) if made.stops else lambda job: None,
        check=session.hold.check if session.hold is not None else lambda: None,
        wall_clock=session.wall_clock,
    )


def _limits(session: Session, made: Plan) -> Callable[[str, str], int | None]:
    """The limits of accounts in the catalogue, which is read if the plan is about a service that has queues.
    Raises SpecError if it can't be read."""
    queues = [name for name in made.providers_of(MAKING) if isinstance(session.providers(name), Queues)]
    if not queues:
        return lambda provider, name: None
    known = catalog.load(session.config.project, os.environ)
    services = {name: PROVIDER_TYPES[session.config.providers[name].type] for name in queues}
    return lambda provider, name: known.of(services[provider]).limits.get(name)


def _prices(session: Session) -> Callable[[ResourceState], float | None]:
    """Of training, by the catalogue. Raises SpecError if it can't be read."""
    from ftops.planning.cost.recorded import training_price  # only if a sweep has a budget

    known = catalog.load(session.config.project, os.environ)
    return lambda job: training_price(job, known)

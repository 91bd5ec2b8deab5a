"""What must hold of jobs: none is paid for twice, and each begins in its turn, as declared."""

from __future__ import annotations

from collections.abc import Iterator

from ftops.core.address import Address
from ftops.core.dag_executor import NodeResult
from ftops.core.errors import NoRoom
from ftops.planning.plan import CREATING, Change
from ftops.state.state import State, owner_mark
from tests.explore.cloud import Event, Thing
from tests.explore.invariants.records import records_of
from tests.explore.world import Run, World


def paid_once(world: World, run: Run) -> Iterator[str]:
    """No job is started while there are as many usable ones of what it is made of as the spec wants."""
    for event in _jobs_started(run):
        address = Address.parse(event.thing.address)
        if (run.clone.folder, address) in world.anew or _is_imported(run, address):
            continue
        there = [t for t in event.there.values() if _would_do(world, run, event, t)]
        wanted = _wanting(run, event) | {address}
        if len(there) >= len(wanted):
            names = ", ".join(t.remote_id for t in there)
            yield f"{event.thing.remote_id} is trained for {address}, and there is {names}"


def made_as_declared(world: World, run: Run) -> Iterator[str]:
    """A job is made of what the spec says."""
    for event in _jobs_started(run):
        address = Address.parse(event.thing.address)
        if address not in run.spec.items:
            yield f"{event} isn't declared"
        elif not run.spec.ignores(address) and run.spec.essence(address) != event.thing.essence:
            yield f"{event} is made of {event.thing.essence}"


def jobs_begin_where_there_is_room(world: World, run: Run) -> Iterator[str]:
    """No job is submitted to a queue that is full."""
    yield from (f"{address} is submitted, and the queue is full" for address in run.refused)


def none_fails_for_lack_of_room(world: World, run: Run) -> Iterator[str]:
    """A job waits for its place; a run that doesn't wait says what has none."""
    if run.report is None:
        return
    for failure in run.report.failures:
        if isinstance(failure.error, NoRoom):
            yield f"{failure.step} fails: {failure.error.summary}"
    for step, result in run.report.fates.items():
        if result is NodeResult.WAITING and run.wait:
            yield f"{step} isn't waited for"


def jobs_begin_in_order(world: World, run: Run) -> Iterator[str]:
    """Of the jobs that could begin, the first of the plan begins first, if accounts have few places. Those on
    files are meant: nobody knows when a run learns that a job has ended."""
    if world.cloud.places is None or run.plan is None or run.fault.hit:
        return
    made = {e.thing.address: e for e in run.events if e.verb == "create"}
    files = {at: e.now for at, e in made.items() if e.thing.kind == "dataset"}
    free: list[tuple[Change, float]] = []
    for change in run.plan.changes:
        if change.address.kind != "job" or change.action not in CREATING:
            continue
        event = made.get(str(change.address))
        for earlier, since in free:
            first = made.get(str(earlier.address))
            was_free = event is not None and earlier.provider == change.provider and since < event.now
            if event and was_free and (first is None or first.now > event.now):
                yield f"{event} before {earlier.step}, which could begin at {since}"
        if files.keys() >= set(change.waits_for):
            free.append((change, max((files[w] for w in change.waits_for), default=-1.0)))


def _jobs_started(run: Run) -> Iterator[Event]:
    return (e for e in run.events if e.verb == "create" and e.thing.kind == "job")


def _is_imported(run: Run, address: Address) -> bool:
    """Whether the plan says that what is imported there has to be replaced."""
    steps = run.plan.changes if run.plan else ()
    return any(c.address == address and c.reason.code == "imported" for c in steps)


def _would_do(world: World, run: Run, event: Event, thing: Thing) -> bool:
    """Whether an object could have been taken instead of the job that is started."""
    made = event.thing
    if (thing.kind, thing.account, thing.essence) != ("job", made.account, made.essence):
        return False
    own = thing.token.startswith(owner_mark(run.after.lineage)) if run.after.lineage else False
    if thing.remote_id in _unwanted(world, run):
        return False
    in_this_run = thing.uid not in run.there
    seen = thing.uid <= run.seen or (in_this_run and own)
    if not (seen and thing.is_usable(event.now)):
        return False
    if run.options.adopt and world.cloud.keeps_notes and thing.token:
        return True
    return in_this_run or _is_recorded(run.before, thing)


def _unwanted(world: World, run: Run) -> set[str]:
    """What somebody asked to have replaced, or imported to replace it: it isn't wanted elsewhere either."""
    asked = {r.remote_id for a, r in run.before.resources.items() if (run.clone.folder, a) in world.anew}
    steps = run.plan.changes if run.plan else ()
    return asked | {c.remote_id for c in steps if c.reason.code == "imported"}


def _is_recorded(state: State, thing: Thing) -> bool:
    ids = {r.remote_id for r in records_of(state)}
    return thing.remote_id in ids or thing.token in {o.token for o in state.pending.values()}


def _wanting(run: Run, event: Event) -> set[Address]:
    """The addresses that want, or are to keep, an object like the one that is made."""
    made, spec = event.thing, run.spec
    wanting = {
        a for a in spec.of("job") if spec.account(a) == made.account and spec.essence(a) == made.essence
    }
    wanting |= {a for a in spec.of("job") if spec.ignores(a)}  # what these keep may be anything
    same = {t.remote_id for t in event.there.values() if t.essence == made.essence}
    for address, record in run.before.resources.items():
        ignoring = address in spec.items and spec.ignores(address)
        if record.remote_id in same and (run.is_partial or ignoring):
            wanting.add(address)
    return wanting

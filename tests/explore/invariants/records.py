"""What must hold of records: each object has one, and none is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ftops.core.address import Address
from ftops.planning.plan import CREATING, Action, Change, Plan
from ftops.state.live_state import fold
from ftops.state.state import ResourceState, State
from tests.explore.cloud import Thing
from tests.explore.hosting import goes
from tests.explore.world import Run, World


def one_owner(world: World, run: Run) -> Iterator[str]:
    """No two records of a state name one object."""
    seen: dict[tuple[str, str], Address] = {}
    for record in records_of(run.after):
        if record.is_off:
            continue
        key = object_key(record.address, record.remote_id)
        if key in seen:
            yield f"{record.remote_id} is recorded as {seen[key]} and as {record.address}"
        seen[key] = record.address


def nothing_kept_is_deleted(world: World, run: Run) -> Iterator[str]:
    """A plan deletes no object that it keeps, and names no object in two steps."""
    if run.plan is None:
        return
    steps = [c for c in run.plan.changes if c.action not in CREATING and c.remote_id]
    named = Counter(object_key(c.address, c.remote_id) for c in steps)
    for (_, remote_id), count in named.items():
        if count > 1:
            yield f"{remote_id} is in {count} steps of the plan"
    going = {object_key(c.address, c.remote_id): c for c in steps if c.action is Action.DELETE}
    for where, record in record_places(fold(run.before, run.plan.entries)):
        step = going.get(object_key(record.address, record.remote_id))
        if step is not None and not _is_about(step, where, run.plan):
            yield f"{step.step} deletes {record.remote_id}, which is kept as {'#'.join(map(str, where))}"


def protected_stays(world: World, run: Run) -> Iterator[str]:
    """What is protected, on record and in the spec, isn't deleted."""
    protected = {object_key(a, r.remote_id) for a, r in run.before.resources.items() if r.prevent_destroy}
    entries = run.plan.entries if run.plan else ()
    where = {object_key(r.address, r.remote_id): at for at, r in record_places(fold(run.before, entries))}
    for event in run.events:
        key = object_key(Address.parse(event.thing.address), event.thing.remote_id)
        if event.verb == "delete" and key in protected and key in where:
            address, _ = where[key]
            item = run.spec.items.get(address)
            if any(
                c.address == address and c.action is not Action.DELETE and goes(c, run) for c in run.changes
            ):
                continue  # its hours have ended
            if item is None or item.life.prevent_destroy:
                yield f"{event.thing.remote_id} is deleted, and {address} is protected"


def nothing_lost(world: World, run: Run) -> Iterator[str]:
    """Every object that a state began is known to a state, unless it was forgotten on purpose."""
    yield from lost(world)


def lost(world: World) -> Iterator[str]:
    """What no state knows any more."""
    ids: set[tuple[str, str]] = set()
    tokens: set[str] = set()
    for clone in world.clones:
        ids |= {(r.address.kind, r.remote_id) for r in records_of(clone.state)}
        tokens |= {operation.token for operation in clone.state.pending.values()}
        tokens |= {r.token for r in records_of(clone.state) if r.outputs.get("temporary")}
    for thing in world.cloud.things.values():
        known = (thing.kind, thing.remote_id) in ids or thing.token in tokens
        if not known and is_missed(world, thing):
            yield f"{thing.remote_id} ({thing.address}) of {thing.account} is in no state"


def is_missed(world: World, thing: Thing) -> bool:
    """Whether a state began it and nobody asked to forget it. A job without notes says nowhere whose it is: a
    failed one is worth nothing, and of equal ones a state may take that of another state."""
    says_whose = thing.kind != "job" or world.cloud.keeps_notes
    says_whose = says_whose or (thing.is_usable(world.clock.now()) and not _is_one_of_equals(world, thing))
    return world.is_ours(thing) and thing.uid not in world.released and says_whose


def _is_one_of_equals(world: World, job: Thing) -> bool:
    others = (other for other in world.cloud.of(job.account, "job") if other.uid != job.uid)
    return len(world.clones) > 1 and any(other.essence == job.essence for other in others)


def records_of(state: State) -> list[ResourceState]:
    return [*state.resources.values(), *state.deposed.values()]


def record_places(state: State) -> Iterator[tuple[tuple[Address, str], ResourceState]]:
    for address, record in state.resources.items():
        yield (address, ""), record
    yield from state.deposed.items()


def object_key(address: Address, remote_id: str) -> tuple[str, str]:
    return address.kind, remote_id.casefold()


def _is_about(step: Change, where: tuple[Address, str], plan: Plan) -> bool:
    """Whether a deletion is that of the record there."""
    address, key = where
    if step.address != address:
        return False
    if step.deposed == key:
        return True
    making = next((c for c in plan.changes if c.step == str(address)), None)
    return not key and making is not None and making.deposes == step.deposed

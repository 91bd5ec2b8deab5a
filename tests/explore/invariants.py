"""What must hold after every command, one function each: what is wrong, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from ftops.core.address import Address
from ftops.core.dag import closure
from ftops.core.dag_executor import NodeResult
from ftops.core.errors import NoRoom, ProviderError
from ftops.core.serving import MANAGED_SKU
from ftops.planning.guards import FOR_ONE_OBJECT
from ftops.planning.plan import CREATING, Action, Change, Mode, Plan
from ftops.providers.azure import managed_wire
from ftops.state.live_state import fold
from ftops.state.state import ResourceState, State, owner_mark
from tests.explore.cloud import Event, Thing
from tests.explore.exams import is_temporary
from tests.explore.gating import (
    asked_as_declared,
    decided_as_in_full,
    gates_hold,
    held_stays,
    nothing_temporary_is_left,
)
from tests.explore.hosting import comes, goes, is_off
from tests.explore.policies import rules_hold
from tests.explore.serving import Managed
from tests.explore.spec import Spec
from tests.explore.sweeping import (
    stopped_by_its_rule,
    stopped_for_good,
    the_best_is_examined,
    the_best_is_served,
)
from tests.explore.world import Run, World

Complaints = Iterator[str]
TAKES = (Action.ADOPT, Action.RESUME, Action.RESTORE)


def nothing_unforeseen(world: World, run: Run) -> Complaints:
    """No exception but an FtopsError ever leaves the engine."""
    if run.unexpected is not None:
        import traceback

        where = "".join(traceback.format_exception(run.unexpected)[-4:])
        yield f"{type(run.unexpected).__name__}: {run.unexpected}\n{where}"


_OF_THE_ORDER = frozenset(
    {
        "InUse",
        "ModelDeployed",
        "FileNotFound",
        "AlreadyExists",
        "CannotDeleteResource",
        "TargetDeploymentNotFound",
        "TargetNotReady",
        "Target",
        "Unchangeable",
    }
)
"""Refusals of a service that a plan in the right order never meets, as long as nobody else does anything."""


def nothing_fails_unprovoked(world: World, run: Run) -> Complaints:
    """If nothing goes wrong and nobody else is at work, no step is refused because of another object. What
    was forgotten on purpose is somebody else's."""
    if run.report is None or run.fault.hit or run.is_saved or len(world.clones) > 1 or world.released:
        return
    for failure in run.report.failures:
        if isinstance(failure.error, ProviderError) and failure.error.code in _OF_THE_ORDER:
            yield f"{failure.step} fails: {failure.error.summary}"


def the_last_check_is_not_needed(world: World, run: Run) -> Complaints:
    """No plan has to be refused because it would hold one object under two addresses."""
    if run.error is not None and FOR_ONE_OBJECT in run.error.diagnostics[0].summary:
        yield run.error.diagnostics[0].summary


def planning_only_looks(world: World, run: Run) -> Complaints:
    """Nothing happens before an apply begins."""
    if not run.begun and (run.events or run.before != run.after):
        yield f"nothing was applied, and yet: {', '.join(map(str, run.events)) or 'the state is another'}"


def paid_once(world: World, run: Run) -> Complaints:
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


def jobs_begin_where_there_is_room(world: World, run: Run) -> Complaints:
    """No job is submitted to a queue that is full."""
    yield from (f"{address} is submitted, and the queue is full" for address in run.refused)


def none_fails_for_lack_of_room(world: World, run: Run) -> Complaints:
    """A job waits for its place; a run that doesn't wait says what has none."""
    if run.report is None:
        return
    for failure in run.report.failures:
        if isinstance(failure.error, NoRoom):
            yield f"{failure.step} fails: {failure.error.summary}"
    for step, result in run.report.fates.items():
        if result is NodeResult.WAITING and run.wait:
            yield f"{step} isn't waited for"


def jobs_begin_in_order(world: World, run: Run) -> Complaints:
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


def made_as_declared(world: World, run: Run) -> Complaints:
    """A job is made of what the spec says."""
    for event in _jobs_started(run):
        address = Address.parse(event.thing.address)
        if address not in run.spec.items:
            yield f"{event} isn't declared"
        elif not run.spec.ignores(address) and run.spec.essence(address) != event.thing.essence:
            yield f"{event} is made of {event.thing.essence}"


def nothing_lost(world: World, run: Run) -> Complaints:
    """Every object that a state began is known to a state, unless it was forgotten on purpose."""
    yield from lost(world)


def lost(world: World) -> Complaints:
    """What no state knows any more."""
    ids: set[tuple[str, str]] = set()
    tokens: set[str] = set()
    for clone in world.clones:
        ids |= {(r.address.kind, r.remote_id) for r in _records(clone.state)}
        tokens |= {operation.token for operation in clone.state.pending.values()}
        tokens |= {r.token for r in _records(clone.state) if r.outputs.get("temporary")}
    for thing in world.cloud.things.values():
        known = (thing.kind, thing.remote_id) in ids or thing.token in tokens
        if not known and is_missed(world, thing):
            yield f"{thing.remote_id} ({thing.address}) of {thing.account} is in no state"


def only_what_was_shown(world: World, run: Run) -> Complaints:
    """What is made, changed and deleted is what the plan says."""
    if run.plan is None:
        return
    changes = run.plan.changes
    named = {
        "create": {str(c.address) for c in changes if comes(c, run)},
        "delete": {c.remote_id.casefold() for c in changes if goes(c, run)},
        "update": {c.remote_id.casefold() for c in changes if c.action is Action.UPDATE},
    }
    for event in run.events:
        thing = event.thing
        if event.verb == "stop":
            continue  # see `sweeping`
        name = thing.address if event.verb == "create" else thing.remote_id.casefold()
        if is_temporary(thing.name) and any(c.address.kind == "evaluation" for c in changes):
            continue
        if name not in named[event.verb]:
            yield f"{event} is no step of the plan"


def all_that_was_shown(world: World, run: Run) -> Complaints:
    """After an apply that is done, what happened is what the plan says."""
    if run.plan is None or not run.is_done:
        return
    made_of = {e.thing.address for e in run.events if e.verb == "create"}
    # The best of a sweep may be the same as before: then nothing is done to its deployment.
    changes = [c for c in run.plan.changes if not c.unless or str(c.address) in made_of]
    planned = Counter(str(c.address) for c in changes if comes(c, run) and c.address.kind != "evaluation")
    events = [e for e in run.events if not is_temporary(e.thing.name)]
    made = Counter(e.thing.address for e in events if e.verb == "create")
    if planned != made:
        yield f"planned to make {sorted(planned.elements())}, made {sorted(made.elements())}"
    live = {t.remote_id.casefold() for t in run.there.values()}
    to_go = {c.remote_id.casefold() for c in changes if goes(c, run)} & live
    gone = {e.thing.remote_id.casefold() for e in events if e.verb == "delete"}
    if to_go != gone:
        yield f"planned to delete {sorted(to_go)}, deleted {sorted(gone)}"


def nothing_kept_is_deleted(world: World, run: Run) -> Complaints:
    """A plan deletes no object that it keeps, and names no object in two steps."""
    if run.plan is None:
        return
    steps = [c for c in run.plan.changes if c.action not in CREATING and c.remote_id]
    named = Counter(_object(c.address, c.remote_id) for c in steps)
    for (_, remote_id), count in named.items():
        if count > 1:
            yield f"{remote_id} is in {count} steps of the plan"
    going = {_object(c.address, c.remote_id): c for c in steps if c.action is Action.DELETE}
    for where, record in _record_places(fold(run.before, run.plan.entries)):
        step = going.get(_object(record.address, record.remote_id))
        if step is not None and not _is_about(step, where, run.plan):
            yield f"{step.step} deletes {record.remote_id}, which is kept as {'#'.join(map(str, where))}"


def one_owner(world: World, run: Run) -> Complaints:
    """No two records of a state name one object."""
    seen: dict[tuple[str, str], Address] = {}
    for record in _records(run.after):
        if record.is_off:
            continue
        key = _object(record.address, record.remote_id)
        if key in seen:
            yield f"{record.remote_id} is recorded as {seen[key]} and as {record.address}"
        seen[key] = record.address


def endpoints_stay(world: World, run: Run) -> Complaints:
    """A name that is served and stays wanted goes only where the plan shows its successor after it, and
    when that has all that it needs."""
    if run.plan is None or not run.is_normal:
        return
    wanted = {
        (run.spec.account(a), run.spec.serving(a).name.casefold()): a for a in run.spec.of("deployment")
    }
    for change in run.plan.changes:
        if change.address.kind != "deployment" or change.action is not Action.DELETE:
            continue
        old = _live(run.there, change.remote_id)
        name = str(change.before.get("name", "")).casefold()
        heir = wanted.get((old.account, name)) if old else None
        if old is None or heir is None:
            continue
        deletion = next((e for e in run.events if e.verb == "delete" and e.thing.uid == old.uid), None)
        if is_off(run.spec.serving(heir).hours, run):
            continue  # nothing is to answer at that time
        if run.is_partial and not any(c.address == heir for c in run.plan.changes):
            continue  # who names what goes by its address means just that
        if change.deposed and any(c.address == heir and c.action in TAKES for c in run.plan.changes):
            continue  # its successor was made, under a name of its own, when it was to stay until then
        if deletion and _is_served(deletion, heir, run.spec):
            continue
        if run.spec.serving(heir).blue_green or old.name.casefold() != name:
            if deletion and not _follows(change, heir, run.plan):
                yield f"{old.remote_id} is deleted before its successor {heir} answers"
        elif not _follows(change, heir, run.plan):
            yield f"{change.step} deletes {old.remote_id}, whose name {heir} wants, and isn't waited for"
        elif deletion and not _has_model(deletion, heir, run):
            yield f"{old.remote_id} is deleted before the model of its successor {heir} is trained"
        elif deletion and not _has_base(deletion, heir, run):
            yield f"{old.remote_id} is deleted before there is what its successor {heir} is to be on"


def protected_stays(world: World, run: Run) -> Complaints:
    """What is protected, on record and in the spec, isn't deleted."""
    protected = {_object(a, r.remote_id) for a, r in run.before.resources.items() if r.prevent_destroy}
    entries = run.plan.entries if run.plan else ()
    where = {_object(r.address, r.remote_id): at for at, r in _record_places(fold(run.before, entries))}
    for event in run.events:
        key = _object(Address.parse(event.thing.address), event.thing.remote_id)
        if event.verb == "delete" and key in protected and key in where:
            address, _ = where[key]
            item = run.spec.items.get(address)
            if any(
                c.address == address and c.action is not Action.DELETE and goes(c, run) for c in run.changes
            ):
                continue  # its hours have ended
            if item is None or item.life.prevent_destroy:
                yield f"{event.thing.remote_id} is deleted, and {address} is protected"


def as_declared_in_the_end(world: World, run: Run) -> Complaints:
    """After an apply that is done, what is on record is there, and made of what the spec says."""
    if not (run.is_done and run.begun and run.is_normal and run.wait) or run.is_partial or run.is_saved:
        return
    now = world.clock.now()
    for address in run.spec.items:
        record = run.after.resources.get(address)
        if record is None:
            yield f"{address} isn't on record after the apply"
            continue
        if address.kind == "evaluation":
            yield from _as_examined(address, run)
            continue
        account = run.spec.account(address)
        if address.kind == "deployment" and record.is_off != is_off(run.spec.serving(address).hours, run):
            yield f"{address} is {'off in' if record.is_off else 'on outside'} its hours"
        if record.is_off or record.stopped:
            continue
        thing = world.cloud.get(account, address.kind, record.remote_id)
        if thing is None:
            yield f"{address} is recorded as {record.remote_id}, which isn't in {account}"
        elif not run.spec.ignores(address) and address not in run.after.pins:
            if thing.essence != run.spec.essence(address):
                yield f"{address} is {thing.remote_id}, which is made of {thing.essence}"
            elif thing.status(now) not in ("processed", "succeeded", "Succeeded"):
                yield f"{address} is {thing.remote_id}, which is {thing.status(now)}"
            elif thing.kind == "deployment":
                yield from _as_asked(thing, address, run)


def destroyed_in_the_end(world: World, run: Run) -> Complaints:
    """After a destroy that is done, nothing is on record."""
    if run.is_done and run.options.mode is Mode.DESTROY and not run.is_partial and not run.after.is_empty:
        yield f"still on record: {', '.join(str(r.address) for r in _records(run.after))}"


def is_missed(world: World, thing: Thing) -> bool:
    """Whether a state began it and nobody asked to forget it. A job without notes says nowhere whose it is: a
    failed one is worth nothing, and of equal ones a state may take that of another state."""
    says_whose = thing.kind != "job" or world.cloud.keeps_notes
    says_whose = says_whose or (thing.is_usable(world.clock.now()) and not _is_one_of_equals(world, thing))
    return world.is_ours(thing) and thing.uid not in world.released and says_whose


def _is_one_of_equals(world: World, job: Thing) -> bool:
    others = (other for other in world.cloud.of(job.account, "job") if other.uid != job.uid)
    return len(world.clones) > 1 and any(other.essence == job.essence for other in others)


def outputs_name_what_is_there(world: World, run: Run) -> Complaints:
    """After an apply, each output is an attribute of an object on record under its address."""
    if run.report is None or run.crashed:
        return
    for name, value in run.after.outputs.items():
        address = Address.parse(name)
        attribute = "name" if address.kind == "deployment" else "fine_tuned_model"
        there = {record.outputs.get(attribute) for record in _records(run.after) if record.address == address}
        if value not in there:
            yield f"the output {name} is {value}, and there is {', '.join(map(str, there)) or 'nothing'}"


INVARIANTS: Mapping[str, Callable[[World, Run], Complaints]] = {
    function.__name__: function
    for function in (
        nothing_unforeseen,
        nothing_fails_unprovoked,
        the_last_check_is_not_needed,
        planning_only_looks,
        one_owner,
        nothing_kept_is_deleted,
        paid_once,
        jobs_begin_where_there_is_room,
        none_fails_for_lack_of_room,
        jobs_begin_in_order,
        made_as_declared,
        nothing_lost,
        only_what_was_shown,
        endpoints_stay,
        protected_stays,
        gates_hold,
        asked_as_declared,
        decided_as_in_full,
        held_stays,
        rules_hold,
        nothing_temporary_is_left,
        all_that_was_shown,
        as_declared_in_the_end,
        destroyed_in_the_end,
        stopped_by_its_rule,
        stopped_for_good,
        the_best_is_served,
        the_best_is_examined,
        outputs_name_what_is_there,
    )
}


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
    ids = {r.remote_id for r in _records(state)}
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


def _records(state: State) -> list[ResourceState]:
    return [*state.resources.values(), *state.deposed.values()]


def _record_places(state: State) -> Iterator[tuple[tuple[Address, str], ResourceState]]:
    for address, record in state.resources.items():
        yield (address, ""), record
    yield from state.deposed.items()


def _object(address: Address, remote_id: str) -> tuple[str, str]:
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


def _live(there: Mapping[int, Thing], remote_id: str) -> Thing | None:
    return next((t for t in there.values() if t.remote_id.casefold() == remote_id.casefold()), None)


def _follows(change: Change, heir: Address, plan: Plan) -> bool:
    """Whether the plan makes the heir, and that waits for the change."""
    waits: dict[str, Iterable[str]] = {c.step: c.waits_for for c in plan.changes}
    makes = [c.step for c in plan.changes if c.address == heir and c.action in CREATING]
    return any(change.step in closure([step], waits) for step in makes)


def _is_served(deletion: Event, heir: Address, spec: Spec) -> bool:
    """Whether another deployment answers for it, or the old one never did."""
    name = spec.serving(heir).name.casefold()
    others = (t for t in deletion.there.values() if t.kind == "deployment" and t.uid != deletion.thing.uid)
    ready = [t for t in others if t.status(deletion.now) == "Succeeded" and t.account == spec.account(heir)]
    return any(t.name.casefold().startswith(name) for t in ready) or (
        deletion.thing.status(deletion.now) != "Succeeded"
    )


def _has_model(deletion: Event, heir: Address, run: Run) -> bool:
    """Whether there is the model that the heir is to serve: the pinned one, if it is rolled back. That
    somebody has deleted that is for preflight to find."""
    spec, model = run.spec, run.spec.serving(heir).model
    pin = fold(run.before, run.plan.entries if run.plan else ()).pins.get(heir)
    if pin is None and (model is None or spec.ignores(heir) or spec.deletes_first(model)):
        return True
    account, now = spec.account(heir), deletion.now
    trained = [t for t in deletion.there.values() if t.account == account and t.status(now) == "succeeded"]
    if pin is not None:
        is_gone = all(t.kind != "job" or t.model != pin.model for t in run.there.values())
        return is_gone or any(t.model == pin.model for t in trained)
    return model is not None and any(t.essence == spec.essence(model) for t in trained)


def _has_base(deletion: Event, heir: Address, run: Run) -> bool:
    """Whether there is the base of an adapter, or its name has to be given up first."""
    on = run.spec.serving(heir).on
    if on is None or run.plan is None:
        return True
    name, account = run.spec.serving(on).name.casefold(), run.spec.account(heir)
    given_up = (c.before.get("name") for c in run.plan.changes if c.action is Action.DELETE)
    there = (t for t in deletion.there.values() if t.status(deletion.now) == "Succeeded")
    return name in {str(one).casefold() for one in given_up} or any(
        (t.account, t.segment) == (account, Managed.segment) and t.name.casefold().startswith(name)
        for t in there
    )


def _as_examined(address: Address, run: Run) -> Complaints:
    exam, record = run.spec.exam(address), run.after.resources[address]
    if exam.best:
        return  # `the_best_is_examined` says of which model
    model = run.after.resources[exam.model].outputs.get("fine_tuned_model")
    if record.outputs.get("best") != model:
        yield f"{address} is of {record.outputs.get('best')}, and {exam.model} has made {model}"


def _as_asked(thing: Thing, address: Address, run: Run) -> Complaints:
    serving = run.spec.serving(address)
    if serving.on:
        base, on = run.after.resources[serving.on], managed_wire.target_of(thing.body)
        if str(base.outputs.get("name")).casefold() != on.casefold():
            yield f"{address} is on {on}, not on {base.remote_id}"
    else:
        asked = {"name": MANAGED_SKU if serving.managed else serving.sku, "capacity": serving.capacity}
        if thing.body["sku"] != asked:
            yield f"{address} has {thing.body['sku']}, not {asked}"
    if not thing.name.casefold().startswith(serving.name.casefold()):
        yield f"{address} is called {thing.name}"

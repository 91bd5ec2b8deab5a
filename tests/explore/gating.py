"""What must hold of evaluations and of the gates that they decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ftops.core.address import Address
from ftops.core.hosting_hours import is_off_at
from ftops.planning.plan import CREATING, Action, Change, Mode
from ftops.state.live_state import fold
from ftops.state.state import Status, owner_mark
from tests.explore.cloud import Asked
from tests.explore.exams import COUNT, PROMPTS, fewest, is_temporary, share
from tests.explore.spec import Spec

if TYPE_CHECKING:
    from tests.explore.world import Run, World


def gates_hold(world: World, run: Run) -> Iterator[str]:
    """No deployment begins to serve a model that its gate doesn't let pass, unless somebody overrode it."""
    for event in run.events:
        thing = event.thing
        before = event.there.get(thing.uid)
        is_new = event.verb == "create" or (before is not None and before.essence != thing.essence)
        if thing.kind != "deployment" or not is_new or is_temporary(thing.name) or not thing.address:
            continue
        address = Address.parse(thing.address)
        if address not in run.spec.items or address in (*run.options.overrides, *run.after.pins):
            continue
        if any(c.address == address and c.action is Action.SWITCH for c in run.changes):
            continue  # it passed when it was applied
        serving = run.spec.serving(address)
        if serving.gate is not None and share(thing.essence[1]) < serving.least:
            yield f"{event} serves a model that its gate doesn't let pass"


def asked_as_declared(world: World, run: Run) -> Iterator[str]:
    """What is kept isn't asked again, except for an evaluation that wants new answers, which asks all. Each
    asks once in a run, and nothing once its gates are decided if it stops then."""
    for one, times in Counter(run.asked).items():
        exams = [run.spec.exam(address) for address in run.spec.of("evaluation") if _asks(address, one, run)]
        is_missing = one not in run.answered and any(not exam.anew for exam in exams)
        if times > sum(exam.anew for exam in exams) + is_missing:
            yield f"{one.model} was asked `{one.prompt}` {times} times"
    if run.plan is None or not run.is_done or run.is_saved:
        return
    made = {c.address for c in run.plan.changes if c.action in CREATING and (not c.unless or _is_new(c, run))}
    for address in made.intersection(run.spec.of("evaluation")):
        exam = run.spec.exam(address)
        if exam.anew and PROMPTS[exam.prompts][0] not in {one.prompt for one in run.asked}:
            yield f"{address} was made of answers that are too old"


def _is_new(change: Change, run: Run) -> bool:
    record = run.after.resources.get(change.address)
    return record is not None and record.remote_id != change.remote_id


def _asks(address: Address, one: Asked, run: Run) -> bool:
    """Whether an evaluation may ask this."""
    bounds = run.spec.stops_at(address)
    count = fewest(one.made_of, bounds) if bounds else COUNT
    return one.prompt in PROMPTS[run.spec.exam(address).prompts][:count]


def decided_as_in_full(world: World, run: Run) -> Iterator[str]:
    """What is recorded of an evaluation that asks all is the share of right answers; one that stops may ask
    less, and what it records decides its gates as that share would."""
    for address in run.spec.of("evaluation"):
        before, record = run.before.resources.get(address), run.after.resources.get(address)
        is_new = record is not None and (before is None or before.remote_id != record.remote_id)
        if record is None or not is_new or record.status is not Status.READY or run.spec.ignores(address):
            continue
        made = any(change.address == address and change.action in CREATING for change in run.changes)
        if made:
            yield from _as_decided(address, record.outputs, run.spec)


def _as_decided(address: Address, result: Mapping[str, Any], spec: Spec) -> Iterator[str]:
    model, bounds = spec.essence(address)[1], spec.stops_at(address)
    right, answers = share(model), result["metrics"]["answers"]
    if not result["is_partial"]:
        if (result["score"], answers) != (right, COUNT):
            yield f"{address} has the score {result['score']} of {answers} answers, not {right}"
        return
    low, high = result["ranges"]["accuracy"]
    if not fewest(model, bounds) <= answers < COUNT:
        yield f"{address} was stopped after {answers} answers"
    if not low <= right <= high or any(low < bound <= high for bound in bounds):
        yield f"{address} was stopped at {low} to {high}, is {right}, and {bounds} decide"
    if result["verdict"] or "difference" in result:
        yield f"{address} was stopped, and compares"


def held_stays(world: World, run: Run) -> Iterator[str]:
    """What a gate holds is on record as before, and there."""
    known = fold(run.before, run.plan.entries if run.plan else ()).resources
    for held in run.report.held if run.report else ():
        before, after = known.get(held.address), run.after.resources.get(held.address)
        if after is None or before is None:
            continue
        id = before.remote_id.casefold()
        was_there = any(thing.remote_id.casefold() == id for thing in run.there.values())
        gone = any(e.verb == "delete" and e.thing.remote_id == before.remote_id for e in run.events)
        if is_off_at(before.inputs, run.wall):
            continue
        if before.remote_id != after.remote_id or (was_there and gone):
            yield f"{held.address} is held, and {before.remote_id} became {after.remote_id}"


def nothing_temporary_is_left(world: World, run: Run) -> Iterator[str]:
    """After an apply that ended well, nothing is left of its evaluations but their records. One with
    --refresh-only deletes nothing."""
    changes = run.options.mode is not Mode.REFRESH_ONLY
    if (run.is_done or run.is_held) and run.begun and changes and not run.is_partial:
        mark = owner_mark(run.after.lineage)
        for thing in world.cloud.things.values():
            if is_temporary(thing.name) and thing.token.startswith(mark) and len(world.clones) == 1:
                yield f"{thing.name} is left"

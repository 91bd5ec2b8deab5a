"""What must hold of endpoints: a name that stays wanted is served as long as that can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ftops.core.address import Address
from ftops.core.dag import closure
from ftops.planning.plan import CREATING, Action, Change, Plan
from ftops.state.live_state import fold
from tests.explore.cloud import Event, Thing
from tests.explore.hosting import is_off
from tests.explore.serving import Managed
from tests.explore.spec import Spec
from tests.explore.world import Run, World

TAKES = (Action.ADOPT, Action.RESUME, Action.RESTORE)


def endpoints_stay(world: World, run: Run) -> Iterator[str]:
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

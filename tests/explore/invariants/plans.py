"""What must hold of plans: they are right, and what happens is what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ftops.core.errors import ProviderError
from ftops.planning.guards import FOR_ONE_OBJECT
from ftops.planning.plan import Action
from tests.explore.exams import is_temporary
from tests.explore.hosting import comes, goes
from tests.explore.world import Run, World


def nothing_unforeseen(world: World, run: Run) -> Iterator[str]:
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


def nothing_fails_unprovoked(world: World, run: Run) -> Iterator[str]:
    """If nothing goes wrong and nobody else is at work, no step is refused because of another object. What
    was forgotten on purpose is somebody else's."""
    if run.report is None or run.fault.hit or run.is_saved or len(world.clones) > 1 or world.released:
        return
    for failure in run.report.failures:
        if isinstance(failure.error, ProviderError) and failure.error.code in _OF_THE_ORDER:
            yield f"{failure.step} fails: {failure.error.summary}"


def the_last_check_is_not_needed(world: World, run: Run) -> Iterator[str]:
    """No plan has to be refused because it would hold one object under two addresses."""
    if run.error is not None and FOR_ONE_OBJECT in run.error.diagnostics[0].summary:
        yield run.error.diagnostics[0].summary


def planning_only_looks(world: World, run: Run) -> Iterator[str]:
    """Nothing happens before an apply begins."""
    if not run.begun and (run.events or run.before != run.after):
        yield f"nothing was applied, and yet: {', '.join(map(str, run.events)) or 'the state is another'}"


def only_what_was_shown(world: World, run: Run) -> Iterator[str]:
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


def all_that_was_shown(world: World, run: Run) -> Iterator[str]:
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

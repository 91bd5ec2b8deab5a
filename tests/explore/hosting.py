"""Hosting hours in histories: what a step does by day and by night; and reconcile, which only switches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import rule
from msgspec.structs import replace

from ftops.applying.run import Report, Settings
from ftops.core.address import Address
from ftops.core.hosting_hours import hours_of, is_off_at
from ftops.planning.plan import CREATING, NORMAL, Action, Change, Plan
from ftops.session.apply import apply_plan
from ftops.session.hosting import Switching, due, plan_switching
from ftops.session.session import Session
from ftops.state.live_state import fold
from ftops.state.state import ResourceState
from tests.explore.faults import Fault, FaultKind

if TYPE_CHECKING:
    from tests.explore.story import Story
    from tests.explore.world import Clone, Run, World

DAY, NIGHT = "Mon-Sun 08:00-18:00 UTC", "Mon-Sun 18:00-08:00 UTC"
_KILLS = [FaultKind.KILL_BEFORE_APPEND, FaultKind.KILL_AFTER_APPEND, FaultKind.KILL_AFTER_CALL]
_FAULTS = st.builds(Fault, st.sampled_from([FaultKind.NONE, *_KILLS, *FaultKind]), st.integers(1, 6))


class HostingRules:
    """Rules of a machine whose `story` is one history."""

    story: Story

    @rule(which=st.integers(0, 5), turns=st.booleans(), fault=_FAULTS, again=st.booleans())
    def keep_hours(self, which: int, turns: bool, fault: Fault, again: bool) -> None:
        """The time of day changes, and somebody reconciles, twice if the first is killed."""
        from tests.explore.outside import turn

        clones = self.story.world.clones
        clone = clones[which % len(clones)]
        if turns:
            self.story.tell(turn(self.story.world, 0))
        if not _hosted(clone):
            return
        for one in (fault.anew(), *([Fault()] if again else [])):
            run = switch(self.story.world, clone, one)
            self.story.check("reconcile", run)
            self.story.complain("hours_are_kept", list(as_recorded(self.story.world, run)))


def switch(world: World, clone: Clone, fault: Fault) -> Run:
    """`ftops reconcile`, of hosting hours alone."""
    found: list[Switching] = []

    def planned(session: Session, run: Run) -> Plan:
        found.append(plan_switching(session, due(session), 10))
        return found[0].plan

    def carry_out(session: Session, run: Run) -> None:
        run.begun = True
        run.is_refused = bool(found[0].refused)
        plan = found[0].plan
        if not (plan.changes or plan.entries):
            run.report = Report("done", session.state, {})
            return
        run.report = apply_plan(found[0].session, plan, Settings(), lambda event: None)

    options = replace(NORMAL, targets=_hosted(clone))
    return world.command(clone, options, fault, carry_out, planned=planned)


def _hosted(clone: Clone) -> tuple[Address, ...]:
    return tuple(a for a, record in clone.state.resources.items() if "hosting" in record.inputs)


def as_recorded(world: World, run: Run) -> Iterator[str]:
    """After a reconcile that is done, what has hours is recorded as they say; nothing else has changed. Only
    hours that were applied in another folder are refused."""
    if run.is_refused and not run.clone.is_copy:
        yield "hours aren't trusted that were applied here"
    for address, record in run.before.resources.items():
        if address in run.before.pending:
            continue  # its object may have been found
        after = run.after.resources.get(address)
        if after is None or ("hosting" not in record.inputs and after != record):
            yield f"{address} has changed, and has no hours"
        elif after.inputs != record.inputs:
            yield f"{address} has other inputs"
        elif run.is_done and not run.is_refused and not record.shared and "hosting" in record.inputs:
            hours = hours_of(record.inputs)
            if hours is not None and after.is_off == hours.is_on(run.wall):
                yield f"{address} is {'off in' if after.is_off else 'on outside'} its hours"


def is_off(hours: str, run: Run) -> bool:
    return is_off_at({"hosting": {"hours": hours}} if hours else {}, run.wall)


def comes(change: Change, run: Run) -> bool:
    """Whether a step makes an object."""
    if change.action in (Action.DELETE, Action.FORGET) or is_off_at(change.after, run.wall):
        return False
    record = _record(change, run)
    return change.action in CREATING or (record is not None and record.is_off)


def goes(change: Change, run: Run) -> bool:
    """Whether a step deletes an object."""
    record = _record(change, run)
    if change.action in CREATING or record is None or record.is_off:
        return False
    return change.action is Action.DELETE or (
        change.action is not Action.FORGET and is_off_at(change.after, run.wall)
    )


def _record(change: Change, run: Run) -> ResourceState | None:
    """What is recorded where a step begins."""
    known = fold(run.before, run.plan.entries if run.plan else ())
    return known.deposed.get((change.address, change.deposed), known.resources.get(change.address))

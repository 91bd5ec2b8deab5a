"""Approvals in histories: plans that are applied under a grant, killed, continued from other specs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from msgspec.structs import replace

from ftops.applying.run import Report, Settings
from ftops.core.address import Address
from ftops.planning.plan import NORMAL, Mode, Options, Plan
from ftops.session.apply import apply_plan
from ftops.session.grants import Rest, grant_of, plan_rest
from ftops.session.saved_plans import save
from ftops.session.session import Session
from ftops.state.state import Grant
from tests.explore.edits import EDITS, pick
from tests.explore.exams import is_temporary
from tests.explore.faults import Fault, FaultKind
from tests.explore.spec import Sweeping
from tests.explore.sweeping import EPOCHS, LEAST, SWEEPINGS, with_sweep
from tests.explore.world import Clone, Run, Saved, World

if TYPE_CHECKING:
    from tests.explore.story import Story

_KILLS = [FaultKind.KILL_BEFORE_APPEND, FaultKind.KILL_AFTER_APPEND, FaultKind.KILL_AFTER_CALL]
_FAULTS = st.builds(
    Fault, st.sampled_from([FaultKind.NONE, FaultKind.JOB_FAILS, *_KILLS, *FaultKind]), st.integers(1, 6)
)
_NUMBER = st.integers(0, 5)
_EDITS = st.lists(st.tuples(st.sampled_from(sorted(EDITS)), _NUMBER, _NUMBER), max_size=2)


class GrantRules:
    """Rules of a machine whose `story` is one history."""

    story: Story

    @rule(
        which=_NUMBER,
        how=st.sampled_from(["", "", "", "targets", "replaces", "destroy"]),
        edits=_EDITS,
        then=_EDITS,
        fault=_FAULTS,
        wait=st.booleans(),
        retry=st.booleans(),
    )
    def approve(
        self,
        which: int,
        how: str,
        edits: list[tuple[str, int, int]],
        then: list[tuple[str, int, int]],
        fault: Fault,
        wait: bool,
        retry: bool,
    ) -> None:
        """A plan is approved and begun; the spec moves on; somebody continues."""
        clones = self.story.world.clones
        clone = clones[which % len(clones)]
        self._edit(clone, edits)
        chosen = pick(sorted(clone.state.resources, key=lambda a: a.sort_key), which)
        options = Options(Mode.DESTROY) if how == "destroy" else NORMAL
        if how in ("targets", "replaces") and chosen is not None:
            options = replace(NORMAL, **{how: (chosen,)})
        run = approve(self.story.world, clone, options, fault.anew(), wait=wait)
        self._check(f"apply DIGEST {how} {chosen if how else ''}".rstrip(), run)
        self._edit(clone, then)
        if clone.state.grants:
            self._continue(clone, 0, Fault(), retry=retry, wait=wait)

    @rule(
        which=_NUMBER,
        sweeping=SWEEPINGS,
        epochs=EPOCHS,
        least=LEAST,
        fault=_FAULTS,
        retry=st.booleans(),
        wait=st.booleans(),
    )
    def approve_a_sweep(
        self,
        which: int,
        sweeping: Sweeping,
        epochs: list[int],
        least: float,
        fault: Fault,
        retry: bool,
        wait: bool,
    ) -> None:
        """A sweep is approved, whose jobs may be stopped early; somebody continues it while they train."""
        clones = self.story.world.clones
        clone = clones[which % len(clones)]
        self.story.respec(clone, "sweep", with_sweep(clone.spec, sweeping, epochs, least))
        self._check("apply DIGEST", approve(self.story.world, clone, NORMAL, fault.anew(), wait=wait))
        for is_last in (False, True):
            if clone.state.grants:
                self._continue(clone, 0, Fault(), retry=retry, wait=wait or is_last)

    @precondition(lambda self: any(clone.state.grants for clone in self.story.world.clones))
    @rule(which=_NUMBER, number=_NUMBER, fault=_FAULTS, retry=st.booleans(), wait=st.booleans())
    def reconcile(self, which: int, number: int, fault: Fault, retry: bool, wait: bool) -> None:
        open_ones = [clone for clone in self.story.world.clones if clone.state.grants]
        self._continue(open_ones[which % len(open_ones)], number, fault.anew(), retry=retry, wait=wait)

    def _continue(self, clone: Clone, number: int, fault: Fault, *, retry: bool, wait: bool) -> None:
        digest = pick(sorted(clone.state.grants), number)
        assert digest is not None
        if (clone.folder, digest) not in self.story.world.granted:  # of the folder that it is a clone of
            return
        run = continue_grant(self.story.world, clone, digest, fault, retry=retry, wait=wait)
        self._check(f"reconcile{' --retry' * retry}", run)
        world = self.story.world
        complaints = [*never_widens(world, run, digest), *(() if retry else made_again(world, run, digest))]
        self.story.complain("a_grant_never_widens", complaints)

    def _edit(self, clone: Clone, edits: list[tuple[str, int, int]]) -> None:
        for name, a, b in edits:
            self.story.edit(clone, name, a, b)

    def _check(self, what: str, run: Run) -> None:
        self.story.check(what, run)


def approve(world: World, clone: Clone, options: Options, fault: Fault, *, wait: bool) -> Run:
    """`ftops apply DIGEST`, of what is planned now."""

    def grant(session: Session, run: Run) -> Grant | None:
        assert run.plan is not None
        saved = save(session, run.plan.to_approve, Path("ftops.yaml"), (), run.options, True)
        made = grant_of(session, saved)
        if made is not None:
            world.granted[clone.folder, made.digest] = Saved(saved, clone.spec, run.seen)
        return made

    return world.apply(clone, options, wait=wait, fault=fault, grant=grant)


def continue_grant(world: World, clone: Clone, digest: str, fault: Fault, *, retry: bool, wait: bool) -> Run:
    """`ftops reconcile`, of this grant."""
    rests: list[Rest] = []

    def planned(session: Session, run: Run) -> Plan:
        grant = session.state.grants[digest]
        rests.append(plan_rest(session, grant, lambda: session.config, retry=retry))
        return rests[0].plan

    def carry_out(session: Session, run: Run) -> None:
        rest = rests[0]
        failed = rest.residual.failed if not retry else ()
        run.begun = True
        if not rest.plan.changes and (failed or rest.plan.held):
            run.report = Report("failed" if failed else "held", session.state, {}, held=rest.plan.held)
            return
        settings = Settings(wait=wait)
        run.report = apply_plan(
            rest.session, rest.plan, settings, lambda event: None, grant=rest.grant, completes=not failed
        )
        if failed and run.report.result != "interrupted":
            run.report = replace(run.report, result="failed")

    granted = world.granted[clone.folder, digest]
    return world.command(clone, granted.saved.options, fault, carry_out, wait, granted, planned)


def never_widens(world: World, run: Run, digest: str) -> Iterator[str]:
    """Only what was approved is made, changed or deleted."""
    approved = world.granted[run.clone.folder, digest].saved.plan
    addresses = {str(change.address) for change in approved.changes}
    known = {change.remote_id for change in approved.changes}  # an object that was moved has an older address
    for event in run.events:
        if event.verb == "outside" or is_temporary(event.thing.name):
            continue
        is_known = event.verb != "create" and event.thing.remote_id in known
        if not (event.thing.address in addresses or is_known):
            yield f"{event} isn't part of what was approved"


def made_again(world: World, run: Run, digest: str) -> Iterator[str]:
    """Without a retry, no job is started where one was started under the grant, and none twice."""
    approved = world.granted[run.clone.folder, digest].saved.plan
    old = {(change.address, change.remote_id) for change in approved.changes}
    started = Counter(e.thing.address for e in run.events if e.verb == "create" and e.thing.kind == "job")
    for name, count in started.items():
        address = Address.parse(name)
        record = run.before.resources.get(address)
        if count > 1 or (record is not None and (address, record.remote_id) not in old):
            yield f"{name} is trained again, and nobody asked for it"

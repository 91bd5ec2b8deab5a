"""Two environments of one spec in one account: prod deploys what staging has trained, and both go back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec.structs import replace

from ftops.core.errors import FtopsError
from ftops.planning.plan import NORMAL, Mode, Options
from ftops.session.rollback import candidates_of, choose
from tests.explore.contents import CONTENTS
from tests.explore.edits import ADDRESSES, pick
from tests.explore.faults import Fault, FaultKind
from tests.explore.granted import approve, continue_grant, never_widens
from tests.explore.hosting import DAY, NIGHT, as_recorded, switch
from tests.explore.machine import Tally
from tests.explore.outside import turn
from tests.explore.spec import Data, Exam, Job, Serving, Spec
from tests.explore.story import Story
from tests.explore.world import Clone, Run, World

A, J, V, D = (ADDRESSES[kind][0] for kind in ("dataset", "job", "evaluation", "deployment"))
STAGING, PROD = "staging", "prod"
WATCHED = (
    "nothing_unforeseen",
    "planning_only_looks",
    "one_owner",
    "nothing_kept_is_deleted",
    "only_what_was_shown",
    "prod_trains_nothing",
    "what_is_pinned_is_served",
    "nothing_fails",
    "prod_follows",
    "destroy_leaves_nothing",
    "nothing_is_deleted_that_is_used_elsewhere",
    "a_grant_never_widens",
    "hours_are_kept",
)
_KILLS = [FaultKind.KILL_BEFORE_APPEND, FaultKind.KILL_AFTER_APPEND, FaultKind.KILL_AFTER_CALL]
_FAULTS = st.builds(
    Fault, st.sampled_from([FaultKind.NONE, *([FaultKind.NONE] * 3), *_KILLS]), st.integers(1, 6)
)
_NUMBER = st.integers(0, 3)
_WHICH = st.integers(0, 1)


class Environments(RuleBasedStateMachine):
    """One history. Staging and prod always have the same spec, but for names; each may be behind."""

    tally: ClassVar[Tally] = Tally()

    def __init__(self) -> None:
        super().__init__()
        shm = Path("/dev/shm")
        self.folder = Path(mkdtemp(prefix="environments-", dir=shm if shm.is_dir() else None))

    @initialize(gated=st.booleans(), blue_green=st.booleans(), keep=st.integers(0, 2))
    def begin(self, gated: bool, blue_green: bool, keep: int) -> None:
        serving = Serving("chat", J, blue_green=blue_green, gate=V if gated else None, keep=keep)
        spec = Spec({A: Data(), J: Job(A), V: Exam(J), D: serving})
        world = World(self.folder, spec)
        self.story = Story(world, WATCHED)
        world.clones[0].environment = STAGING
        folder = world.clones[0].folder
        world.clones.append(Clone(folder, "one", spec, environment=PROD, promotes=STAGING))
        self._set(spec)
        self.apply(0, Fault())

    @rule(content=_NUMBER, epochs=_NUMBER, then=st.booleans())
    def change(self, content: int, epochs: int, then: bool) -> None:
        """The job is another one, and staging may be first to know."""
        spec = self.clone(0).spec
        items = {**spec.items, A: Data(CONTENTS[content % len(CONTENTS)]), J: Job(A, epochs=1 + epochs)}
        self._set(replace(spec, items=items))
        if then:
            self.apply(0, Fault())

    @rule(which=_WHICH, capacity=st.integers(1, 3), blue_green=st.booleans(), keep=st.integers(0, 2))
    def change_deployment(self, which: int, capacity: int, blue_green: bool, keep: int) -> None:
        spec = self.clone(0).spec
        serving = replace(spec.serving(D), capacity=capacity, blue_green=blue_green, keep=keep)
        self._set(spec.with_item(D, serving))
        self.apply(which, Fault())

    @rule(which=_WHICH, fault=_FAULTS, wait=st.booleans())
    def run(self, which: int, fault: Fault, wait: bool) -> None:
        self.apply(which, fault.anew(), wait=wait)

    @rule(fault=_FAULTS)
    def promote(self, fault: Fault) -> None:
        self.apply(0, Fault())
        self.apply(1, fault.anew())

    @rule(which=_WHICH)
    def train_again(self, which: int) -> None:
        self._check(which, "apply --replace", replace(NORMAL, replaces=(J,)), Fault())

    @rule(which=_WHICH, fault=_FAULTS)
    def destroy(self, which: int, fault: Fault) -> None:
        self._check(which, "destroy", Options(mode=Mode.DESTROY), fault.anew())

    @rule(which=_WHICH, number=st.integers(1, 3), fault=_FAULTS)
    def roll_back(self, which: int, number: int, fault: Fault) -> None:
        clone = self.clone(which)
        try:
            with self.story.world.open(clone) as session:
                there = [one for one in candidates_of(session, D) if one.is_there]
                one = pick(there, number)
                if one is None:
                    return
                pin = choose(there, D, str(one.number), "", pinned=True)
        except FtopsError as error:
            self.story.complain("nothing_unforeseen", [f"rollback: {error.summary}"])
            return
        self._check(
            which, f"rollback --to {number}", replace(NORMAL, targets=(D,), pins={D: pin}), fault.anew()
        )

    @rule(which=_WHICH, fault=_FAULTS)
    def release(self, which: int, fault: Fault) -> None:
        options = replace(NORMAL, targets=(D,), releases=(D,))
        self._check(which, "rollback --release", options, fault.anew())

    @rule(which=_WHICH, saved=st.booleans())
    def save(self, which: int, saved: bool) -> None:
        """A plan of one environment is applied after the other one has gone on."""
        world, clone = self.story.world, self.clone(which)
        run = world.save(clone, NORMAL)
        self._told(which, "plan --out", run)
        if run.error is None:
            self.apply(1 - which, Fault())
            self._told(which, "apply plan", world.apply(clone, saved=world.saved[-1]))

    @rule(which=_WHICH, hours=st.sampled_from(["", DAY, NIGHT]), fault=_FAULTS, then=_FAULTS)
    def keep_hours(self, which: int, hours: str, fault: Fault, then: Fault) -> None:
        """They are applied, the time of day changes, and somebody reconciles."""
        spec, clone = self.clone(0).spec, self.clone(which)
        self._set(spec.with_item(D, replace(spec.serving(D), hours=hours)))
        self.apply(which, fault.anew())
        self.story.tell(turn(self.story.world, 0))
        run = switch(self.story.world, clone, then.anew())
        self._told(which, "reconcile", run)
        self.story.complain("hours_are_kept", [*as_recorded(self.story.world, run)])

    @rule(
        which=_WHICH, fault=_FAULTS, wait=st.booleans(), retry=st.booleans(), between=st.sampled_from("ac-")
    )
    def approve(self, which: int, fault: Fault, wait: bool, retry: bool, between: str) -> None:
        """A plan is approved and begun; the other environment goes on, or the job is another one; somebody
        continues."""
        world, clone = self.story.world, self.clone(which)
        self._told(which, "apply DIGEST", approve(world, clone, NORMAL, fault.anew(), wait=wait))
        if between == "a":
            self.apply(1 - which, Fault())
        elif between == "c":
            self.change(self.story.told, self.story.told + 1, which == 1)
        for digest in sorted(clone.state.grants):
            run = continue_grant(world, clone, digest, Fault(), retry=retry, wait=True)
            self._told(which, "reconcile", run)
            self.story.complain("a_grant_never_widens", [*never_widens(world, run, digest)])

    # what is checked

    def apply(self, which: int, fault: Fault, *, wait: bool = True) -> None:
        self._check(which, "apply", NORMAL, fault, wait=wait)

    def _check(self, which: int, what: str, options: Options, fault: Fault, *, wait: bool = True) -> None:
        run = self.story.world.apply(self.clone(which), options, wait=wait, fault=fault)
        self._told(which, what, run)

    def _told(self, which: int, what: str, run: Run) -> None:
        clone, other = self.clone(which), self.clone(1 - which)
        self.story.check(f"{what} --env {clone.environment}", run)
        self.story.complain("prod_trains_nothing", [*prod_trains_nothing(run)])
        self.story.complain("what_is_pinned_is_served", [*what_is_pinned_is_served(run)])
        self.story.complain("nothing_fails", [*nothing_fails(run)])
        found = [*nothing_is_deleted_that_is_used_elsewhere(run, other)]
        self.story.complain("nothing_is_deleted_that_is_used_elsewhere", found)

    def _set(self, spec: Spec) -> None:
        """Deployments of two environments have different names in one account."""
        self.clone(0).spec = spec
        self.clone(1).spec = spec.with_item(D, replace(spec.serving(D), name="chat-prod"))
        self.story.tell("the spec is", *spec.lines())

    def clone(self, which: int) -> Clone:
        return self.story.world.clones[which]

    def teardown(self) -> None:
        try:
            if hasattr(self, "story"):
                self.tally.histories += 1
                if not self.story.is_broken:
                    self.end()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def end(self) -> None:
        """Left in peace, both serve what they should; prod can always follow staging; then all is gone."""
        self.story.world.clock.seconds += 100.0
        for which in (0, 1, 0, 1):
            self._check(which, "apply", replace(NORMAL, releases=(D,)), Fault())
        states = [clone.state for clone in self.story.world.clones]
        made = [state.resources[J].fingerprint for state in states if J in state.resources]
        if self._passes() and len(set(made)) != 1:
            self.story.complain("prod_follows", [f"their jobs are {made}"])
        for which in (1, 0):
            self._check(which, "destroy", Options(mode=Mode.DESTROY), Fault())
        left = [thing.remote_id for thing in self.story.world.cloud.things.values()]
        self.story.complain("destroy_leaves_nothing", [f"{left} are left"] if left else [])

    def _passes(self) -> bool:
        return all(clone.spec.may_serve(D) for clone in self.story.world.clones)


def prod_trains_nothing(run: Run) -> Iterator[str]:
    """Neither a job nor a question: it takes what staging has."""
    if run.clone.environment == PROD:
        made = [str(e) for e in run.events if e.verb == "create" and e.thing.kind == "job"]
        yield from (f"prod trains: {one}" for one in made)
        if run.asked:
            yield f"prod asks {run.asked[0].prompt}"


def nothing_fails(run: Run) -> Iterator[str]:
    """If nothing goes wrong, no step is refused: the other environment is respected."""
    if run.report is not None and not run.fault.hit and run.report.failures:
        failure = run.report.failures[0]
        yield f"{failure.step}: {failure.error.summary}"


def what_is_pinned_is_served(run: Run) -> Iterator[str]:
    """After an apply of everything that is done."""
    if not (run.is_done and run.is_normal and not run.is_partial and run.wait) or run.is_saved:
        return
    for address, pin in run.after.pins.items():
        record = run.after.resources.get(address)
        if record is not None and record.inputs.get("model") != pin.model:
            yield f"{address} serves {record.inputs.get('model')}, and is pinned to {pin.model}"


def nothing_is_deleted_that_is_used_elsewhere(run: Run, other: Clone) -> Iterator[str]:
    records = (*other.state.resources.values(), *other.state.deposed.values())
    used = {r.remote_id: r.address for r in records if r.address.kind == "job"}
    for event in run.events:
        if event.verb == "delete" and event.thing.remote_id in used:
            yield f"{event}, which {other.environment} has as {used[event.thing.remote_id]}"

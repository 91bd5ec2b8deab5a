"""The machine that makes histories: edits, runs, faults and strangers, and a check after each of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from msgspec.structs import replace

from ftops.address import Address
from ftops.plan import NORMAL, Action, Mode, Options
from tests.explore import outside
from tests.explore.cloud import Fault, FaultKind, Thing
from tests.explore.edits import ADDRESSES, EDITS, apply_edit, pick
from tests.explore.invariants import INVARIANTS, is_missed
from tests.explore.spec import Data, Job, Serving, Spec
from tests.explore.world import Clone, Run, World

A, B = ADDRESSES["dataset"][:2]
J, K, X = ADDRESSES["job"][:3]
D, E, FX = ADDRESSES["deployment"][:3]

STARTS: tuple[Spec, ...] = (
    Spec({A: Data(), J: Job(A)}),
    Spec({A: Data(), J: Job(A), D: Serving("chat", J)}),
    Spec({A: Data(), B: Data(), J: Job(A), D: Serving("chat", J, blue_green=True)}),
    Spec({A: Data(), J: Job(A), K: Job(A, J, epochs=2), D: Serving("chat", K), E: Serving("eval")}),
    Spec({A: Data(), X: Job(A), FX: Serving("chat", X)}),
    Spec({D: Serving("chat"), E: Serving("eval")}),
)
"""Specs that a history may begin with."""

PATIENCE = 6
"""Applies within which everything has to be as declared."""
FAULTS = st.builds(Fault, st.sampled_from(list(FaultKind)), st.integers(1, 9))
THEN = st.none() | FAULTS
"""Whether an apply follows at once, and what goes wrong in it."""
NUMBER = st.integers(0, 5)
EVERYWHERE = [address for addresses in ADDRESSES.values() for address in addresses]
SOME_EDITS = st.lists(st.tuples(st.sampled_from(sorted(EDITS)), NUMBER, NUMBER), min_size=1, max_size=2)


class Broken(AssertionError):
    """An invariant doesn't hold."""


@cache
def broken(invariant: str) -> type[Broken]:
    """A type for each, so that different faults are told apart."""
    return type(invariant, (Broken,), {})


@dataclass
class Tally:
    """How much was explored."""

    histories: int = 0
    steps: int = 0


class Explore(RuleBasedStateMachine):
    """One history."""

    tally: ClassVar[Tally] = Tally()
    edits: ClassVar[Collection[str]] = EDITS
    """Names of those that are made."""
    watched: ClassVar[Collection[str]] = ()
    """Names of the invariants that count; all, if none is named."""

    def __init__(self) -> None:
        super().__init__()
        shm = Path("/dev/shm")
        self.folder = Path(mkdtemp(prefix="explore-", dir=shm if shm.is_dir() else None))
        self.history: list[str] = []
        self.world: World
        self.ok = True

    @initialize(
        start=st.sampled_from(STARTS),
        adopt=st.sampled_from([True, True, True, False]),
        keeps_notes=st.sampled_from([True, True, True, False]),
        applied=st.sampled_from([True, True, True, False]),
    )
    def begin(self, start: Spec, adopt: bool, keeps_notes: bool, applied: bool) -> None:
        self.world = World(self.folder, start, adopt=adopt, keeps_notes=keeps_notes)
        self.note(f"begin: adopt={adopt} keeps_notes={keeps_notes}", *start.lines())
        if applied:
            self.check("apply", self.world.apply(self.main))

    @property
    def main(self) -> Clone:
        return self.world.clones[0]

    # edits

    @rule(which=NUMBER, edits=SOME_EDITS, then=THEN)
    def edit(self, which: int, edits: list[tuple[str, int, int]], then: Fault | None) -> None:
        clone = self.clone(which)
        for name, a, b in edits:
            if name in self.edits:
                self.change_spec(clone, name, apply_edit(clone.spec, name, a, b))
        self.perhaps_apply(clone, then)

    @rule(which=NUMBER, address=st.sampled_from(EVERYWHERE), number=NUMBER)
    def import_something(self, which: int, address: Address, number: int) -> None:
        clone = self.clone(which)
        if address not in clone.spec.items:
            return
        things = self.world.cloud.of(clone.spec.account(address), address.kind)
        thing = pick([t for t in things if fits(t, address, clone.spec)], number)
        if thing is not None:
            others = tuple(i for i in clone.spec.imports if i[0] != address)
            spec = replace(clone.spec, imports=(*others, (address, thing.remote_id)))
            self.change_spec(clone, "import", spec)

    @rule(which=NUMBER, back=NUMBER, then=THEN)
    def undo(self, which: int, back: int, then: Fault | None) -> None:
        clone = self.clone(which)
        spec = pick(clone.past[::-1], back)
        if spec is not None:
            self.change_spec(clone, "undo", spec)
            self.perhaps_apply(clone, then)

    def perhaps_apply(self, clone: Clone, fault: Fault | None) -> None:
        if fault is not None:
            self.check("apply", self.world.apply(clone, fault=_fresh(fault)))

    def change_spec(self, clone: Clone, name: str, spec: Spec) -> None:
        if spec == clone.spec:
            return
        old, new = list(clone.spec.lines()), list(spec.lines())
        self.note(
            f"{clone.folder.name}: {name}",
            *(f"- {line}" for line in old if line not in new),
            *(f"+ {line}" for line in new if line not in old),
        )
        clone.past.append(clone.spec)
        clone.spec = spec

    # commands

    @rule(which=NUMBER)
    def plan(self, which: int) -> None:
        clone = self.clone(which)
        self.check("plan", self.world.plan(clone))

    @rule(which=NUMBER, fault=FAULTS, parallelism=st.sampled_from([1, 10]))
    def apply(self, which: int, fault: Fault, parallelism: int) -> None:
        clone = self.clone(which)
        self.check("apply", self.world.apply(clone, parallelism=parallelism, fault=_fresh(fault)))

    @rule(which=NUMBER)
    def apply_all_goes_well(self, which: int) -> None:
        clone = self.clone(which)
        self.check("apply", self.world.apply(clone))

    @rule(which=NUMBER, fault=FAULTS)
    def apply_no_wait(self, which: int, fault: Fault) -> None:
        clone = self.clone(which)
        self.check("apply --no-wait", self.world.apply(clone, wait=False, fault=_fresh(fault)))

    @rule(which=NUMBER, how=st.sampled_from(["targets", "excludes", "replaces"]), number=NUMBER, fault=FAULTS)
    def apply_some(self, which: int, how: str, number: int, fault: Fault) -> None:
        clone = self.clone(which)
        known = sorted({*clone.spec.items, *clone.state.resources}, key=lambda a: a.sort_key)
        address = pick(known, number)
        if address is not None:
            options = replace(NORMAL, **{how: (address,)})
            self.check(f"apply --{how} {address}", self.world.apply(clone, options, fault=_fresh(fault)))

    @rule(which=NUMBER)
    def refresh_only(self, which: int) -> None:
        clone = self.clone(which)
        options = Options(mode=Mode.REFRESH_ONLY)
        self.check("apply --refresh-only", self.world.apply(clone, options))

    @rule(which=NUMBER, fault=FAULTS)
    def destroy(self, which: int, fault: Fault) -> None:
        clone = self.clone(which)
        options = Options(mode=Mode.DESTROY)
        self.check("destroy", self.world.apply(clone, options, fault=_fresh(fault)))

    @rule(which=NUMBER, then=THEN)
    def save_plan(self, which: int, then: Fault | None) -> None:
        clone = self.clone(which)
        run = self.world.save(clone, NORMAL)
        self.check("plan --out", run)
        if then is not None and run.error is None:
            self.apply_file(clone, len(self.world.saved) - 1, then)

    @precondition(lambda self: bool(self.world.saved))
    @rule(which=NUMBER, number=NUMBER, fault=FAULTS)
    def apply_saved(self, which: int, number: int, fault: Fault) -> None:
        self.apply_file(self.clone(which), number % len(self.world.saved), fault)

    def apply_file(self, clone: Clone, number: int, fault: Fault) -> None:
        saved = self.world.saved[number]
        was_begun = clone.folder in saved.begun
        run = self.world.apply(clone, fault=_fresh(fault), saved=saved)
        if run.events or (run.is_done and saved.saved.plan.changes):
            saved.begun.add(clone.folder)
        self.check(f"apply plan {number}", run)
        if was_begun and run.begun:
            self.fail("applied_twice", ["a saved plan that was applied is applied again"])

    # what else happens

    @rule(number=NUMBER, what=st.sampled_from([outside.delete, outside.cancel, outside.resize]))
    def somebody(self, number: int, what: Callable[..., str]) -> None:
        said = what(self.world.cloud, number)
        if said:
            self.note(said)

    @rule()
    def next_job_fails(self) -> None:
        self.world.cloud.fail_next_job = True
        self.note("the next job will fail")

    @rule()
    def time_passes(self) -> None:
        self.world.clock.seconds += 100.0
        self.note("time passes")

    @precondition(lambda self: len(self.world.clones) == 1)
    @rule(back=NUMBER)
    def another_clone(self, back: int) -> None:
        version = pick(self.main.versions[::-1], back)
        if version is None or not version[0].lineage:
            return
        clone = self.world.new_clone("one", self.main.spec)
        clone.store.write(version[0])
        clone.store.append_audit("", version[1])
        clone.read()
        self.world.clones.append(clone)
        self.note(f"{clone.folder.name} is a clone with the state of serial {version[0].serial}")

    @precondition(lambda self: len(self.world.clones) == 1)
    @rule()
    def another_state(self) -> None:
        clone = self.world.new_clone("other", self.main.spec)
        self.world.clones.append(clone)
        self.note(f"{clone.folder.name} is a spec of its own")

    # checks

    def check(self, what: str, run: Run) -> None:
        """Notes the run, and holds everything that must hold against it."""
        fault = f" {run.fault}" if run.fault.hit else ""
        self.note(f"{run.clone.folder.name}: {what}{fault}: {run}")
        self.tally.steps += 1
        self.release(run)
        self.world.anew |= {(run.clone.folder, address) for address in run.options.replaces}
        for name, invariant in INVARIANTS.items():
            complaints = list(invariant(self.world, run))
            if complaints:
                self.fail(name, complaints)
        if run.is_done and run.is_normal and not run.is_partial:
            self.world.anew = {asked for asked in self.world.anew if asked[0] != run.clone.folder}
        if run.is_done and run.begun and run.wait and not (run.is_partial or run.options.replaces):
            self.settled(run)

    def settled(self, run: Run) -> None:
        """After an apply that is done, the next plan is empty."""
        if not run.is_normal or run.is_saved:
            return
        again = self.world.plan(run.clone)
        if again.plan is None or not again.plan.is_empty:
            self.note(f"{run.clone.folder.name}: plan: {again}")
            self.fail("the_second_plan_is_empty", ["something is left to do after an apply that is done"])

    def release(self, run: Run) -> None:
        """Remembers what was forgotten on purpose."""
        if run.plan is None or not run.begun:
            return
        ids = {c.remote_id for c in run.plan.changes if c.action is Action.FORGET}
        things = self.world.cloud.things.values()
        self.world.released |= {thing.uid for thing in things if thing.remote_id in ids}

    def note(self, line: str, *more: str) -> None:
        number = sum(1 for known in self.history if not known.startswith("     ")) + 1
        self.history += [f"{number:3}. {line}", *(f"     {text}" for text in more)]

    def fail(self, invariant: str, complaints: list[str]) -> None:
        if self.watched and invariant not in self.watched:
            return
        self.ok = False
        said = "\n".join([f"{invariant}: {'; '.join(complaints)}", *self.history])
        raise broken(invariant)(f"\n{said}")

    def clone(self, which: int) -> Clone:
        """Mostly the first one."""
        clones = self.world.clones
        return clones[1] if len(clones) > 1 and which % 2 else clones[0]

    # the end

    def teardown(self) -> None:
        try:
            if self.ok and getattr(self, "world", None):
                self.converge_and_destroy()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.tally.histories += 1

    def converge_and_destroy(self) -> None:
        """Left in peace, every state becomes what its spec says; then all of it can be destroyed."""
        self.note("the end: no more faults")
        self.world.cloud.fail_next_job = False
        self.world.clock.seconds += 100.0
        self.forgotten_go()
        for clone in self.world.clones:
            self.converge(clone)
        left = list(self.world.clones)
        for _ in range(2):
            left = [clone for clone in left if not self.destroyed(clone)]
        if left:
            self.fail("destroy_ends", [f"{clone.folder.name} can't be destroyed" for clone in left])
        things = self.world.cloud.things.values()
        lost = [t for t in things if is_missed(self.world, t)]
        if lost:
            self.fail("destroy_leaves_nothing", [f"{t.remote_id} ({t.address}) is left" for t in lost])

    def forgotten_go(self) -> None:
        """Somebody deletes what was forgotten on purpose: it may use what is to be destroyed."""
        known = {r.remote_id for clone in self.world.clones for r in clone.state.resources.values()}
        for thing in list(self.world.cloud.things.values()):
            forgotten = thing.uid in self.world.released and thing.remote_id not in known
            if forgotten and thing.kind == "deployment":
                self.world.cloud.take_away("delete", thing)

    def converge(self, clone: Clone) -> None:
        """First with the spec as it is, which may be refused for a reason; then without what stands in the
        way."""
        if self.settles(clone):
            return
        if not self.stands_in_the_way(clone):
            self.fail("converges", [f"{clone.folder.name} doesn't become what its spec says"])
        self.change_spec(clone, "nothing stands in the way", self.unprotected(clone))
        if not self.settles(clone) and not self.has_rivals(clone):
            self.fail("converges", [f"{clone.folder.name} doesn't become what its spec says"])

    def stands_in_the_way(self, clone: Clone) -> bool:
        """Whether there is a reason for a plan to be refused, or to fail."""
        spec, state = clone.spec, clone.state
        records = [*state.resources.values(), *state.deposed.values()]
        protected = any(i.life.prevent_destroy for i in spec.items.values())
        protected = protected or any(record.prevent_destroy for record in records)
        accounts = {t.account for t in self.world.cloud.things.values() if self.world.is_ours(t)}
        unreachable = not accounts.issubset(spec.accounts.values())
        blocks = spec.moved or spec.imports
        return bool(protected or unreachable or blocks or self.has_rivals(clone))

    def settles(self, clone: Clone) -> bool:
        for _ in range(PATIENCE):
            run = self.world.apply(clone)
            self.check("apply", run)
            if run.is_done:
                return True
            if run.error is not None:
                return False
        return False

    def unprotected(self, clone: Clone) -> Spec:
        """The spec without protections and blocks; all accounts can be reached."""
        spec = clone.spec
        items = {a: replace(i, life=replace(i.life, prevent_destroy=False)) for a, i in spec.items.items()}
        kept = {a for a, r in clone.state.resources.items() if r.prevent_destroy and a not in items}
        accounts = {**spec.accounts, "east": "east", "west": "west"}
        removed = tuple((a, True) for a in sorted(kept, key=lambda a: a.sort_key))
        return Spec(items, accounts, removed=removed)

    def has_rivals(self, clone: Clone) -> bool:
        """Whether another state may hold what this one wants: a name is taken once."""
        return len(self.world.clones) > 1

    def destroyed(self, clone: Clone) -> bool:
        """Whether all is gone."""
        self.change_spec(clone, "nothing stands in the way", self.unprotected(clone))
        for _ in range(PATIENCE):
            run = self.world.apply(clone, Options(mode=Mode.DESTROY))
            self.check("destroy", run)
            self.forgotten_go()
            if run.is_done:
                return True
        return False


def fits(thing: Thing, address: Address, spec: Spec) -> bool:
    """Whether somebody would import the object there."""
    item = spec.items[address]
    is_named = not isinstance(item, Serving) or thing.name.casefold() == item.name.casefold()
    return is_named and thing.essence == spec.essence(address)


def _fresh(fault: Fault) -> Fault:
    return Fault(fault.kind, fault.at)

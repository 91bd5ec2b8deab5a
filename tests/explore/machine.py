"""The machine that makes histories: edits, runs, faults and strangers, in any order."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from msgspec.structs import replace

from ftops.core.address import Address
from ftops.planning.moves import recorded_addresses
from ftops.planning.plan import NORMAL, Mode, Options
from tests.explore import outside
from tests.explore.cloud import Places
from tests.explore.edits import ADDRESSES, EDITS, pick, sweep
from tests.explore.faults import Fault, FaultKind
from tests.explore.granted import GrantRules
from tests.explore.hosting import DAY, NIGHT, HostingRules
from tests.explore.policies import PolicyRules
from tests.explore.previews import PreviewRules
from tests.explore.serving import OPEN
from tests.explore.spec import Data, Exam, Job, Serving, Spec
from tests.explore.story import DESTROY, Story, fits
from tests.explore.sweeping import SweepRules
from tests.explore.world import Clone, World

A, B = ADDRESSES["dataset"][:2]
J, K, X = ADDRESSES["job"][:3]
V = ADDRESSES["evaluation"][0]
D, E, FX, FY = ADDRESSES["deployment"]

STARTS: tuple[Spec, ...] = (
    Spec({A: Data(), J: Job(A)}),
    Spec({A: Data(), J: Job(A), D: Serving("chat", J)}),
    Spec({A: Data(), B: Data(), J: Job(A), D: Serving("chat", J, blue_green=True)}),
    Spec({A: Data(), J: Job(A), K: Job(A, J, epochs=2), D: Serving("chat", K), E: Serving("eval")}),
    Spec({A: Data(), B: Data(), J: Job(A), K: Job(B)}),
    Spec({A: Data(), J: Job(A, reports=True), D: Serving("chat", J)}, key=1),
    Spec({A: Data(), X: Job(A), FX: Serving("chat", X)}),
    Spec({D: Serving("chat"), E: Serving("eval")}),
    Spec({A: Data(), J: Job(A), D: Serving("chat", J, hours=DAY), E: Serving("eval", hours=NIGHT)}),
    Spec({A: Data(), J: Job(A), D: Serving("chat", J, blue_green=True, hours=DAY)}),
)
GATED: tuple[Spec, ...] = (
    Spec({A: Data(), J: Job(A), V: Exam(J), D: Serving("chat", J, gate=V)}),
    Spec({A: Data(), J: Job(A), V: Exam(J), D: Serving("chat", J, blue_green=True, gate=V)}),
    Spec({A: Data(), J: Job(A, epochs=2), V: Exam(J, anew=True), D: Serving("chat", J, gate=V)}),
    Spec(
        {
            A: Data(),
            J: Job(A),
            V: Exam(J, stops=True),
            D: Serving("chat", J, gate=V),
            E: Serving("eval", J, gate=V, least=0.5),
        }
    ),
)
MANAGED: tuple[Spec, ...] = (
    Spec(
        {
            A: Data(),
            J: Job(A, base=OPEN),
            D: Serving("base", managed=True),
            E: Serving("chat", J, on=D),
        }
    ),
    Spec(
        {
            A: Data(),
            J: Job(A, base=OPEN),
            K: Job(A, J, epochs=2),
            D: Serving("base", managed=True, blue_green=True),
            E: Serving("chat", J, on=D),
            FX: Serving("eval", K, on=D, blue_green=True),
        }
    ),
    Spec(
        {
            A: Data(),
            J: Job(A, base=OPEN),
            K: Job(A),
            D: Serving("base", managed=True),
            E: Serving("other", managed=True),
            FX: Serving("chat", J, on=D),
            FY: Serving("eval", K),
        }
    ),
    Spec(
        {
            A: Data(),
            J: Job(A, base=OPEN),
            V: Exam(J, via=E),
            D: Serving("base", managed=True),
            E: Serving("other", J, on=D),
            FX: Serving("chat", J, on=D, gate=V),
        }
    ),
)

OFTEN = [True, True, True, False]
KINDS = [FaultKind.NONE, FaultKind.JOB_FAILS, FaultKind.KILL_AFTER_CALL, FaultKind.KILL_BEFORE_APPEND]
FAULTS = st.builds(
    Fault, st.sampled_from([*KINDS, *FaultKind]), st.sampled_from([1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8])
)
THEN = st.none() | FAULTS
"""Whether an apply follows at once, and what goes wrong in it."""
NUMBER = st.integers(0, 5)
BACK = st.sampled_from([0, 0, 0, 1, 2, 3])
"""How many steps one goes back."""
EVERYWHERE = [address for addresses in ADDRESSES.values() for address in addresses]
ALL_EDITS = sorted(EDITS)
REFRESH = Options(mode=Mode.REFRESH_ONLY)


def edits_of(names: Collection[str]) -> st.SearchStrategy[list[tuple[str, int, int]]]:
    """One or two of these edits."""
    return st.lists(st.tuples(st.sampled_from(sorted(names)), NUMBER, NUMBER), min_size=1, max_size=2)


@dataclass
class Tally:
    """How much was explored."""

    histories: int = 0
    commands: int = 0


class Explore(GrantRules, PolicyRules, PreviewRules, HostingRules, SweepRules, RuleBasedStateMachine):
    """One history."""

    tally: ClassVar[Tally] = Tally()
    edits: ClassVar[Collection[str]] = EDITS
    """Names of those that are made."""
    watched: ClassVar[Collection[str]] = ()
    """Names of the invariants that count; all, if none is named."""

    starts: ClassVar[Sequence[Spec]] = (*STARTS, *GATED, *MANAGED)
    """What a history may begin with."""
    world_of: ClassVar[Callable[..., World]] = World

    story: Story

    def __init__(self) -> None:
        super().__init__()
        shm = Path("/dev/shm")
        self.folder = Path(mkdtemp(prefix="explore-", dir=shm if shm.is_dir() else None))

    @initialize(
        number=st.integers(0, 59),
        adopt=st.sampled_from(OFTEN),
        keeps_notes=st.sampled_from(OFTEN),
        applied=st.sampled_from(OFTEN),
    )
    def begin(self, number: int, adopt: bool, keeps_notes: bool, applied: bool) -> None:
        start = self.starts[number % len(self.starts)]
        world = self.world_of(self.folder, start, adopt=adopt, keeps_notes=keeps_notes)
        self.story = Story(world, self.watched)
        if applied:
            self.story.apply(world.clones[0])

    # edits

    @rule(
        which=NUMBER, edits=edits_of([name for name in EDITS if "job" in name or "data" in name]), then=THEN
    )
    def edit_training(self, which: int, edits: list[tuple[str, int, int]], then: Fault | None) -> None:
        self.edit(which, edits, then)

    @rule(
        which=NUMBER, edits=edits_of(["epochs", "content", "capacity", "serve", "name", "hours"]), then=THEN
    )
    def edit_values(self, which: int, edits: list[tuple[str, int, int]], then: Fault | None) -> None:
        self.edit(which, edits, then)

    @rule(which=NUMBER, edits=edits_of(EDITS), then=THEN)
    def edit_anything(self, which: int, edits: list[tuple[str, int, int]], then: Fault | None) -> None:
        self.edit(which, edits, then)

    @rule(which=NUMBER, back=BACK, then=THEN)
    def undo(self, which: int, back: int, then: Fault | None) -> None:
        clone = self.clone(which)
        spec = pick(clone.past[::-1], back)
        if spec is not None:
            self.story.respec(clone, "undo", spec)
            self.perhaps_apply(clone, then)

    @rule(which=NUMBER, back=BACK)
    def there_and_back(self, which: int, back: int) -> None:
        """An earlier spec is applied, and then the present one is back."""
        clone = self.clone(which)
        now, spec = clone.spec, pick(clone.past[::-1], back)
        if spec is not None:
            self.story.respec(clone, "undo", spec)
            self.story.apply(clone)
            self.story.respec(clone, "undo", now)

    @rule(which=NUMBER, address=st.sampled_from(EVERYWHERE), number=NUMBER)
    def import_something(self, which: int, address: Address, number: int) -> None:
        clone = self.clone(which)
        if address not in clone.spec.items:
            return
        things = self.world.cloud.of(clone.spec.account(address), address.kind)
        thing = pick([t for t in things if fits(t, address, clone)], number)
        if thing is not None:
            others = tuple(i for i in clone.spec.imports if i[0] != address)
            spec = replace(clone.spec, imports=(*others, (address, thing.remote_id)))
            self.story.respec(clone, "import", spec)

    def edit(self, which: int, edits: list[tuple[str, int, int]], then: Fault | None) -> None:
        clone = self.clone(which)
        for name, a, b in edits:
            allowed = name if name in self.edits else pick(sorted(self.edits), ALL_EDITS.index(name))
            self.story.edit(clone, str(allowed), a, b)
        self.perhaps_apply(clone, then)

    def perhaps_apply(self, clone: Clone, fault: Fault | None) -> None:
        if fault is not None:
            self.story.apply(clone, fault=fault.anew())

    # commands

    @rule(which=NUMBER, fault=FAULTS, wait=st.sampled_from(OFTEN), parallelism=st.sampled_from([1, 10]))
    def apply(self, which: int, fault: Fault, wait: bool, parallelism: int) -> None:
        self.story.apply(self.clone(which), fault=fault.anew(), wait=wait, parallelism=parallelism)

    @rule(which=NUMBER, how=st.sampled_from(["targets", "excludes", "replaces"]), number=NUMBER, fault=FAULTS)
    def apply_some(self, which: int, how: str, number: int, fault: Fault) -> None:
        clone = self.clone(which)
        known = sorted({*clone.spec.items, *clone.state.resources}, key=lambda a: a.sort_key)
        address = pick(known, number)
        if address is not None:
            self.story.apply(clone, replace(NORMAL, **{how: (address,)}), fault.anew())

    @rule(which=NUMBER, edit=edits_of(["epochs", "content"]), then=edits_of(EDITS), number=NUMBER)
    def apply_some_while_training(
        self, which: int, edit: list[tuple[str, int, int]], then: list[tuple[str, int, int]], number: int
    ) -> None:
        self.edit(which, edit, None)
        self.apply(which, Fault(), False, 10)
        self.edit(which, then, None)
        self.apply_some(which, "targets", number, Fault())

    @rule(
        which=NUMBER,
        edits=edits_of(["gate", "bound", "epochs", "prompts", "max_age", "stop", "evaluate", "serve"]),
        then=THEN,
    )
    def edit_gates(self, which: int, edits: list[tuple[str, int, int]], then: Fault | None) -> None:
        self.edit(which, edits, then)

    @rule(
        which=NUMBER,
        edits=edits_of(["open", "managed", "adapter", "add base", "blue_green", "name", "serve", "remove"]),
        then=THEN,
    )
    def edit_managed(self, which: int, edits: list[tuple[str, int, int]], then: Fault | None) -> None:
        self.edit(which, edits, then)

    @rule(which=NUMBER, number=NUMBER, edits=edits_of(["max_age", "stop"]), fault=FAULTS)
    def examine_again(self, which: int, number: int, edits: list[tuple[str, int, int]], fault: Fault) -> None:
        clone = self.clone(which)
        address = pick(clone.spec.of("evaluation"), number)
        if address is not None:
            self.edit(which, edits, None)
            self.story.apply(clone, replace(NORMAL, replaces=(address,)), fault.anew())

    @rule(which=NUMBER, number=NUMBER, fault=FAULTS)
    def override(self, which: int, number: int, fault: Fault) -> None:
        clone = self.clone(which)
        gated = [a for a in clone.spec.of("deployment") if clone.spec.serving(a).gate]
        address = pick(gated, number)
        if address is not None:
            options = replace(NORMAL, overrides={address: "somebody wants it"})
            self.story.apply(clone, options, fault.anew())

    @rule(which=NUMBER, fault=FAULTS)
    def destroy(self, which: int, fault: Fault) -> None:
        self.story.apply(self.clone(which), DESTROY, fault.anew())

    @rule(which=NUMBER, number=NUMBER, edits=edits_of(["epochs", "prompts"]), before=THEN)
    def forget(
        self, which: int, number: int, edits: list[tuple[str, int, int]], before: Fault | None
    ) -> None:
        clone = self.clone(which)
        self.edit(which, edits, before)
        known = {a for a in recorded_addresses(clone.state) if a.kind == "evaluation"}
        address = pick(sorted(known, key=lambda a: a.sort_key), number)
        if address is not None:
            self.story.forget(clone, address)

    @rule(which=NUMBER, refresh=st.booleans())
    def look(self, which: int, refresh: bool) -> None:
        clone = self.clone(which)
        if refresh:
            self.story.apply(clone, REFRESH)
        else:
            self.story.plan(clone)

    @rule(which=NUMBER, applied=st.booleans())
    def save_plan(self, which: int, applied: bool) -> None:
        clone = self.clone(which)
        if self.story.save(clone).error is None and applied:
            self.story.apply_saved(clone, len(self.world.saved) - 1)

    @precondition(lambda self: bool(self.world.saved))
    @rule(which=NUMBER, number=NUMBER, fault=FAULTS)
    def apply_saved(self, which: int, number: int, fault: Fault) -> None:
        self.story.apply_saved(self.clone(which), number % len(self.world.saved), fault.anew())

    @rule(
        which=NUMBER,
        places=st.sampled_from([Places(1, 1), Places(1, 2), Places(2, 1)]),
        number=NUMBER,
        fault=FAULTS,
        wait=st.sampled_from(OFTEN),
    )
    def more_jobs_than_places(
        self, which: int, places: Places, number: int, fault: Fault, wait: bool
    ) -> None:
        clone = self.clone(which)
        self.story.limit(places)
        self.story.respec(clone, "sweep", sweep(clone.spec, number))
        self.story.apply(clone, fault=fault.anew(), wait=wait)

    # what else happens

    @rule(number=NUMBER, what=st.sampled_from(outside.WAYS))
    def somebody(self, number: int, what: Callable[..., str]) -> None:
        said = what(self.world, number)
        if said:
            self.story.tell(said)

    @precondition(lambda self: len(self.world.clones) == 1)
    @rule(back=BACK, is_clone=st.booleans())
    def another(self, back: int, is_clone: bool) -> None:
        versions = self.world.clones[0].versions
        begun = [n for n, (state, _) in enumerate(versions) if state.lineage]
        version = pick(begun[::-1], back)
        if not is_clone:
            self.story.another_state()
        elif version is not None:
            self.story.another_clone(version)

    @property
    def world(self) -> World:
        return self.story.world

    def clone(self, which: int) -> Clone:
        """One of those there are."""
        clones = self.world.clones
        return clones[which % len(clones)]

    def teardown(self) -> None:
        """Whatever has happened, all ends well."""
        try:
            if hasattr(self, "story"):
                self.tally.histories += 1
                if not self.story.is_broken:
                    self.story.end()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            if hasattr(self, "story"):
                self.tally.commands += self.story.commands

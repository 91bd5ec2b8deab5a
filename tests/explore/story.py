"""A history as it goes on: what is done to a world, told line by line, and held against every invariant."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cache

from msgspec.structs import replace

from ftops.core.address import Address
from ftops.core.dag_executor import NodeResult
from ftops.planning.plan import CREATING, NORMAL, Action, Change, Mode, Options
from tests.explore.cloud import Places, Thing
from tests.explore.edits import apply_edit
from tests.explore.faults import Fault
from tests.explore.invariants import INVARIANTS
from tests.explore.invariants.records import is_missed, lost
from tests.explore.spec import SWEEP, Job, Serving, Spec
from tests.explore.world import Clone, Run, World

DESTROY = Options(mode=Mode.DESTROY)
PATIENCE = 6
"""Applies within which everything has to be as declared."""


class Broken(AssertionError):
    """An invariant doesn't hold."""


@cache
def broken(invariant: str) -> type[Broken]:
    """A type for each, so that different faults are told apart."""
    return type(invariant, (Broken,), {})


@dataclass
class Story:
    """One history. `watched` are the names of the invariants that count; all, if none is named."""

    world: World
    watched: Collection[str] = ()
    lines: list[str] = field(default_factory=list)
    told: int = 0
    commands: int = 0
    is_broken: bool = False

    def __post_init__(self) -> None:
        world = self.world
        said = f"begin: adopt={world.adopt} keeps_notes={world.cloud.keeps_notes}"
        self.tell(said, *world.clones[0].spec.lines())

    # what is done

    def edit(self, clone: Clone, name: str, a: int, b: int) -> None:
        """An edit of `edits`."""
        self.respec(clone, name, apply_edit(clone.spec, name, a, b))

    def limit(self, places: Places) -> None:
        """Accounts have few places for jobs from now on."""
        self.world.limit(places)
        self.tell(f"accounts run {places.running} and queue {places.queued} jobs")

    def respec(self, clone: Clone, why: str, spec: Spec) -> None:
        """The clone's spec becomes another one."""
        if spec == clone.spec:
            return
        old, new = list(clone.spec.lines()), list(spec.lines())
        self.tell(
            f"{clone.folder.name}: {why}",
            *(f"- {line}" for line in old if line not in new),
            *(f"+ {line}" for line in new if line not in old),
        )
        clone.past.append(clone.spec)
        clone.spec = spec

    def plan(self, clone: Clone) -> Run:
        """`ftops plan`."""
        return self.check("plan", self.world.plan(clone))

    def apply(
        self,
        clone: Clone,
        options: Options = NORMAL,
        fault: Fault | None = None,
        *,
        wait: bool = True,
        parallelism: int = 10,
    ) -> Run:
        """`ftops apply`, or what the mode of the options says."""
        run = self.world.apply(clone, options, wait=wait, parallelism=parallelism, fault=fault)
        return self.check(_command(options, wait), run)

    def save(self, clone: Clone) -> Run:
        """`ftops plan --out`."""
        return self.check("plan --out", self.world.save(clone, NORMAL))

    def apply_saved(self, clone: Clone, number: int, fault: Fault | None = None) -> Run:
        """`ftops apply`, of the saved plan of that number."""
        saved = self.world.saved[number]
        was_begun = clone.folder in saved.begun
        run = self.world.apply(clone, fault=fault, saved=saved)
        if run.events or (run.is_done and saved.saved.plan.changes):
            saved.begun.add(clone.folder)
        self.check(f"apply plan {number}", run)
        if was_begun and run.begun:
            self.complain("applied_twice", ["a saved plan that was applied is applied again"])
        return run

    def forget(self, clone: Clone, address: Address) -> None:
        """`ftops state rm`, of an evaluation."""
        error = self.world.forget(clone, address)
        self.tell(f"{clone.folder.name}: state rm {address}: {error.summary if error else 'forgotten'}")
        self.complain("nothing_lost", list(lost(self.world)))

    def another_clone(self, version: int) -> Clone:
        """A clone of the first folder, with the state that it had after one of its runs."""
        first = self.world.clones[0]
        state, audit = first.versions[version]
        clone = self.world.new_clone("one", first.spec)
        clone.is_copy = True
        clone.store.write(state)
        clone.store.append_audit("", audit)
        clone.read()
        self.tell(f"{clone.folder.name} is a clone with the state of serial {state.serial}")
        return clone

    def another_state(self) -> Clone:
        """A spec of its own, which wants the same."""
        clone = self.world.new_clone("other", replace(self.world.clones[0].spec, owner="other"))
        self.tell(f"{clone.folder.name} is a spec of its own")
        return clone

    # how it ends

    def end(self) -> None:
        """Left in peace, every state becomes what its spec says; then all of it can be destroyed."""
        self.tell("the end: no more faults")
        self.world.clock.seconds += 100.0
        self._forgotten_go()
        for clone in self.world.clones:
            self.converge(clone)
        self._spent_plans_stay_spent()
        left = list(self.world.clones)
        for _ in range(2):
            left = [clone for clone in left if not self._is_destroyed(clone)]
        if left:
            self.complain("destroy_ends", [f"{clone.folder.name} can't be destroyed" for clone in left])
        things = self.world.cloud.things.values()
        missed = [f"{t.remote_id} ({t.address}) is left" for t in things if is_missed(self.world, t)]
        if missed:
            self.complain("destroy_leaves_nothing", missed)
        self._spent_plans_stay_spent()

    def _spent_plans_stay_spent(self) -> None:
        for number, saved in enumerate(self.world.saved):
            for clone in self.world.clones:
                if clone.folder in saved.begun:
                    self.apply_saved(clone, number)

    def converge(self, clone: Clone) -> None:
        """First with the spec as it is, which may be refused for a reason; then without what stands in the
        way."""
        if self._settles(clone):
            return
        if self._stands_in_the_way(clone):
            self.respec(clone, "nothing stands in the way", _unprotected(clone))
            self.apply(clone, self._asking(clone))
            if self._settles(clone) or len(self.world.clones) > 1 or _names_what_stays(clone):
                return
        self.complain("converges", [f"{clone.folder.name} doesn't become what its spec says"])

    def _asking(self, clone: Clone) -> Options:
        """What errors of plans ask for: to train again what was stopped, and to release a pin whose model is
        gone."""
        things, state = self.world.cloud.things.values(), clone.state
        models = {thing.model for thing in things if thing.kind == "job"}
        stopped = tuple(
            a for a, record in state.resources.items() if record.stopped and a in clone.spec.items
        )
        lost = tuple(a for a, pin in state.pins.items() if pin.model not in models and a in clone.spec.items)
        return replace(NORMAL, replaces=stopped, releases=lost)

    def _settles(self, clone: Clone) -> bool:
        for _ in range(PATIENCE):
            run = self.apply(clone)
            self._forgotten_go()
            if run.is_done or run.is_held or run.error is not None:
                return run.is_done or (run.is_held and self._is_rightly_held(run))
        return False

    def _is_rightly_held(self, run: Run) -> bool:
        """Whether the gates of all that is held don't pass, or an evaluation is of another model."""
        held = run.report.held if run.report else ()
        return all(not run.spec.may_serve(one.address) or run.spec.ignores(one.address) for one in held)

    def _stands_in_the_way(self, clone: Clone) -> bool:
        """Whether there is a reason for a plan to be refused, or to fail: something is protected, ignored or
        held by a gate, an account can't be reached, a block contradicts what exists, another state holds what
        this one wants, a job whose model is wanted was stopped, a pinned model may be gone, or an adapter
        can't be asked before its gate lets another one go."""
        spec, state = clone.spec, clone.state
        records = [*state.resources.values(), *state.deposed.values()]
        lives = [one.life for one in spec.items.values()]
        protected = any(life.prevent_destroy or life.ignore_changes for life in lives)
        protected = protected or any(record.prevent_destroy for record in records)
        homes = [one.account for one in records] + [one.account for one in state.pending.values()]
        accounts = {home.partition(":")[2] for home in homes}
        unreachable = not accounts.issubset(spec.accounts.values())
        held = any(not spec.may_serve(address) for address in spec.of("deployment"))
        held = held or any(spec.exam(address).via for address in spec.of("evaluation"))
        stopped = any(record.stopped for record in state.resources.values()) or bool(state.pins)
        blocks = bool(spec.moved or spec.imports or spec.rules)
        return protected or held or stopped or unreachable or blocks or len(self.world.clones) > 1

    def _is_destroyed(self, clone: Clone) -> bool:
        self.respec(clone, "nothing stands in the way", _unprotected(clone))
        for _ in range(PATIENCE):
            run = self.apply(clone, DESTROY)
            self._forgotten_go()
            if run.is_done:
                return True
        return False

    def _forgotten_go(self) -> None:
        """Somebody deletes what was forgotten on purpose: it may use what is to be destroyed."""
        known = {r.remote_id for clone in self.world.clones for r in clone.state.resources.values()}
        for thing in list(self.world.cloud.things.values()):
            forgotten = thing.uid in self.world.released and thing.remote_id not in known
            if forgotten and thing.kind == "deployment":
                self.world.cloud.vanish(thing)

    # how it is told

    def check(self, what: str, run: Run) -> Run:
        """Tells of the run, and holds everything that must hold against it."""
        fault = f" {run.fault}" if run.fault.hit else ""
        self.tell(f"{run.clone.folder.name}: {what}{fault}: {run}")
        self.commands += 1
        self._remember(run)
        for name, invariant in INVARIANTS.items():
            self.complain(name, list(invariant(self.world, run)))
        if run.is_done and run.is_normal and not run.is_partial:
            self.world.anew = {asked for asked in self.world.anew if asked[0] != run.clone.folder}
            if run.begun and run.wait and not (run.is_saved or run.options.replaces):
                self._check_that_nothing_is_left(run.clone)
        if run.is_held and run.begun and run.is_normal and run.wait and not run.is_partial:
            self._check_that_it_stays_held(run)
        return run

    def _check_that_it_stays_held(self, run: Run) -> None:
        if run.is_saved or run.options.replaces or run.options.overrides or _waits_for_itself(run):
            return
        again = self.world.plan(run.clone)
        left = again.plan and [c for c in again.plan.changes if not _may_be_left(c)]
        if again.plan is None or left or not again.plan.held:
            self.tell(f"{run.clone.folder.name}: plan: {again}")
            self.complain("held_asks_nothing_again", ["something else is left to do than what is held"])

    def _check_that_nothing_is_left(self, clone: Clone) -> None:
        again = self.world.plan(clone)
        if again.plan is None or not again.plan.is_empty:
            self.tell(f"{clone.folder.name}: plan: {again}")
            self.complain("the_second_plan_is_empty", ["something is left to do after an apply that is done"])

    def _remember(self, run: Run) -> None:
        """What was asked to be made anew, and what was forgotten on purpose."""
        self.world.anew |= {(run.clone.folder, address) for address in run.options.replaces}
        if run.plan is not None and run.begun:
            ids = {c.remote_id for c in run.plan.changes if c.action is Action.FORGET}
            things = self.world.cloud.things.values()
            self.world.released |= {thing.uid for thing in things if thing.remote_id in ids}

    def tell(self, line: str, *more: str) -> None:
        """A line of the history."""
        self.told += 1
        self.lines += [f"{self.told:3}. {line}", *(f"     {text}" for text in more)]

    def complain(self, invariant: str, complaints: list[str]) -> None:
        """Raises Broken where there is anything to complain of."""
        if complaints and (not self.watched or invariant in self.watched):
            self.is_broken = True
            raise broken(invariant)("\n".join(["", f"{invariant}: {'; '.join(complaints)}", *self.lines]))


def _may_be_left(change: Change) -> bool:
    """Whether a step may follow although the run before was only held. It deletes what has been replaced, or
    a job of the sweep that isn't declared: a deployment of the best that was held has kept it, as it could
    have been the best. Or hosting hours switch what was held."""
    if change.deposed or change.action is Action.SWITCH:
        return True
    return change.address[:2] == SWEEP[:2] and change.action is Action.DELETE


def _waits_for_itself(run: Run) -> bool:
    """Whether an evaluation wasn't made: the adapter that it asks needs the name or the base of one whose
    gate waits for it."""
    assert run.plan is not None and run.report is not None
    exams = [c for c in run.plan.changes if c.address.kind == "evaluation" and c.action in CREATING]
    return any(run.report.fates.get(exam.step) is not NodeResult.DONE for exam in exams)


def fits(thing: Thing, address: Address, clone: Clone) -> bool:
    """Whether somebody would import the object there. Of a job that is imported it isn't known what the file
    says that it was trained on, unless that is on record."""
    item = clone.spec.items[address]
    if thing.essence != clone.spec.essence(address):
        return False
    if isinstance(item, Serving):
        return thing.name.casefold() == item.name.casefold()
    if isinstance(item, Job):
        file = clone.state.resources.get(item.training)
        return file is not None and file.remote_id == thing.body["training_file"]
    return True


def _command(options: Options, wait: bool) -> str:
    words = {Mode.NORMAL: "apply", Mode.DESTROY: "destroy", Mode.REFRESH_ONLY: "apply --refresh-only"}
    chosen = {"--target": options.targets, "--exclude": options.excludes, "--replace": options.replaces}
    chosen["--override-gate"] = tuple(options.overrides)
    lifted = [f"--override {name}" for name in options.rule_overrides]
    chosen |= {"rollback": tuple(options.pins), "rollback --release": options.releases}
    flags = [f"{flag} {address}" for flag, addresses in chosen.items() for address in addresses]
    return " ".join([words[options.mode], *flags, *lifted, *([] if wait else ["--no-wait"])])


def _names_what_stays(clone: Clone) -> bool:
    """Whether the spec gives a deployment the name of one that is protected, undeclared and to stay: a name
    stands for one object, so that only a person can say what is meant."""
    spec = clone.spec
    kept = {address for address, retain in spec.removed if retain}
    names = {spec.serving(address).name.casefold() for address in spec.of("deployment")}
    records = [record for address, record in clone.state.resources.items() if address in kept]
    return any(str(r.inputs.get("name")).casefold() in names for r in records if r.prevent_destroy)


def _unprotected(clone: Clone) -> Spec:
    """The spec without protections, blocks and what is ignored; all accounts can be reached. What is
    protected and undeclared is forgotten."""
    spec = clone.spec
    items = {
        address: replace(item, life=replace(item.life, prevent_destroy=False, ignore_changes=()))
        for address, item in spec.without_gates.items.items()
    }
    kept = [a for a, r in clone.state.resources.items() if r.prevent_destroy and a not in items]
    accounts = spec.with_all_accounts.accounts
    removed = tuple((a, True) for a in sorted(kept, key=lambda a: a.sort_key))
    return Spec(items, accounts, removed=removed, owner=clone.spec.owner, key=clone.spec.key)

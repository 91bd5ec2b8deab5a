"""Sweeps in histories: the best job is deployed, jobs are stopped early, and deployments are rolled back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import rule
from msgspec.structs import replace

from ftops.core.address import Address
from ftops.planning.plan import NORMAL, PinTo
from ftops.state.state import ResourceState, Status
from tests.explore.edits import ADDRESSES, is_valid, pick, tidied
from tests.explore.exams import BOUNDS
from tests.explore.faults import Fault, FaultKind
from tests.explore.serving import OPEN
from tests.explore.spec import SWEEP, Data, Exam, Job, Serving, Spec, Sweeping

if TYPE_CHECKING:
    from tests.explore.story import Story
    from tests.explore.world import Run, World

_KILLS = [FaultKind.KILL_BEFORE_APPEND, FaultKind.KILL_AFTER_APPEND, FaultKind.KILL_AFTER_CALL]
_FAULTS = st.builds(Fault, st.sampled_from([FaultKind.NONE, *_KILLS, *FaultKind]), st.integers(1, 9))
SWEEPINGS = st.builds(
    Sweeping,
    st.sampled_from(["min", "min", "max"]),
    st.sampled_from(["", "", "", "x"]),
    st.sampled_from(["", "median", "halving"]),
    st.integers(1, 3),
    st.integers(1, 2),
)


EPOCHS = st.lists(st.integers(0, 3), min_size=2, max_size=2)
LEAST = st.sampled_from([0.0, 0.0, *BOUNDS])
"""What share of right answers the best model must have; 0: it isn't evaluated."""


class SweepRules:
    """Rules of a machine whose `story` is one history."""

    story: Story

    @rule(
        which=st.integers(0, 5),
        sweeping=SWEEPINGS,
        epochs=EPOCHS,
        least=LEAST,
        fault=_FAULTS,
        wait=st.sampled_from([True, True, False]),
    )
    def sweep_and_serve_the_best(
        self, which: int, sweeping: Sweeping, epochs: list[int], least: float, fault: Fault, wait: bool
    ) -> None:
        """Jobs of the sweep come, go and change, and a deployment serves the best of them, if it passes."""
        clones = self.story.world.clones
        clone = clones[which % len(clones)]
        self.story.respec(clone, "sweep", with_sweep(clone.spec, sweeping, epochs, least))
        run = self.story.apply(clone, fault=fault.anew(), wait=wait)
        if not run.is_done:
            self.story.apply(clone, wait=wait)

    @rule(which=st.integers(0, 5), number=st.integers(0, 5), release=st.booleans(), fault=_FAULTS)
    def roll_back(self, which: int, number: int, release: bool, fault: Fault) -> None:
        """A deployment goes back to a model that it served before, or gets that of the spec again."""
        clones = self.story.world.clones
        clone = clones[which % len(clones)]
        pinned = [a for a in clone.state.pins if a in clone.spec.items]
        if release and (address := pick(pinned, number)):
            self.story.apply(clone, replace(NORMAL, releases=(address,)), fault.anew())
            return
        things = self.story.world.cloud.things.values()
        there = {(thing.account, thing.model) for thing in things if thing.kind == "job"}
        served = [
            (address, row)
            for address, rows in clone.state.served.items()
            for row in rows
            if address in clone.spec.items
            and (clone.spec.account(address), row.model) in there
            and _may_serve(clone.spec, address, row.model)
        ]
        if found := pick(served, number):
            address, row = found
            options = replace(NORMAL, pins={address: PinTo(row.model, row.trained_by, "it was better")})
            self.story.apply(clone, options, fault.anew())


def _may_serve(spec: Spec, address: Address, model: str) -> bool:
    """Whether a deployment serves models like this one now: on managed compute, only adapters do, of the open
    model."""
    serving = spec.serving(address)
    return not serving.managed and model.startswith(OPEN) == bool(serving.on)


def with_sweep(spec: Spec, sweeping: Sweeping, epochs: list[int], least: float = 0.0) -> Spec:
    """The spec with jobs of the sweep of so many epochs (0: without it), and a deployment of the best one,
    with a gate where `least` isn't 0; as it was where that is no valid spec."""
    data = next(iter(spec.of("dataset")), ADDRESSES["dataset"][0])
    items = {data: Data(), **spec.items}
    provider = items[data].provider
    for address, count in zip((a for a in ADDRESSES["job"] if a.key is not None), epochs, strict=True):
        if count:
            items[address] = Job(data, epochs=count, provider=provider)
        else:
            items.pop(address, None)
    deployment = next((a for a in spec.of("deployment") if spec.serving(a).best), ADDRESSES["deployment"][0])
    there = items.get(deployment)
    name = there.name if isinstance(there, Serving) else "best"
    life = there.life if isinstance(there, Serving) else Serving("best").life
    items[deployment] = Serving(name, best=True, provider=provider, life=life)
    swept = [a for a, item in items.items() if a[:2] == SWEEP[:2] and sweeping.among in ("", a.key)]
    if least and swept:
        exam = ADDRESSES["evaluation"][-1]
        items[exam] = Exam(min(swept), best=True, provider=provider)
        items[deployment] = Serving(name, best=True, gate=exam, least=least, provider=provider, life=life)
    more = tidied(replace(spec, items=items, sweeping=sweeping))
    return more if is_valid(more) else spec


def stopped_by_its_rule(world: World, run: Run) -> Iterator[str]:
    """A run cancels a job only by a rule of the plan, and never the best one so far of those that go on."""
    for event in run.events:
        if event.verb != "stop":
            continue
        address = Address.parse(event.thing.address)
        stops = run.plan.stops.values() if run.plan else ()
        if not any(address in stop.jobs for stop in stops):
            yield f"{event} is stopped by no rule"
        before = run.before.resources.get(address)
        if before is not None and before.stopped:
            continue  # an earlier run has decided it
        sign = 1 if run.spec.sweeping.mode == "min" else -1
        records = (run.after.resources.get(job) for job in run.spec.items if job[:2] == SWEEP[:2])
        ids = {record.remote_id for record in records if record}
        bests = {
            thing.uid: min(sign * loss for loss in losses)
            for thing in event.there.values()
            if thing.remote_id in ids and thing.is_usable(event.now) and (losses := thing.losses(event.now))
        }
        mine = bests.pop(event.thing.uid, None)
        if mine is None and not bests:
            continue  # an emulator decides what losses are
        if mine is None or not bests or mine < min(bests.values()):
            yield f"{event} was stopped at {mine}, and is the best so far: {bests}"


def stopped_for_good(world: World, run: Run) -> Iterator[str]:
    """What was stopped isn't trained again, unless the spec or somebody asks for another one."""
    for event in run.events:
        if event.verb != "create" or event.thing.kind != "job":
            continue
        address = Address.parse(event.thing.address)
        before = run.before.resources.get(address)
        is_asked = address in run.options.replaces or (run.clone.folder, address) in world.anew
        if before is None or not before.stopped or is_asked or before.status is Status.PENDING:
            continue
        old = next((t for t in run.there.values() if t.remote_id == before.remote_id), None)
        if old is not None and old.account == event.thing.account and old.essence == event.thing.essence:
            yield f"{event} is trained again, and {before.remote_id} was stopped"


def the_best_is_served(world: World, run: Run) -> Iterator[str]:
    """After an apply that is done, a deployment of the best serves the model of the best job on record."""
    if not (run.is_done and run.begun and run.is_normal and run.wait) or run.is_partial or run.is_saved:
        return
    for address in run.spec.of("deployment"):
        record = run.after.resources.get(address)
        if not run.spec.serving(address).follows or record is None or address in run.after.pins:
            continue
        if "model" in run.spec.items[address].life.ignore_changes:
            continue
        jobs = [run.after.resources[job] for job in run.spec.swept]
        best = _best(jobs, run.spec)
        thing = world.cloud.get(run.spec.account(address), "deployment", record.remote_id)
        if best is None or (thing and thing.served != best.outputs.get("fine_tuned_model")):
            yield f"{address} serves {thing and thing.served}, and the best is {best and best.address}"


def the_best_is_examined(world: World, run: Run) -> Iterator[str]:
    """After an apply that is done, an evaluation of the best is of the model of the best job on record."""
    if not (run.is_done and run.begun and run.is_normal and run.wait) or run.is_partial or run.is_saved:
        return
    for address in run.spec.of("evaluation"):
        record = run.after.resources.get(address)
        if not run.spec.exam(address).best or record is None:
            continue
        best = _best([run.after.resources[job] for job in run.spec.swept], run.spec)
        model = best and best.outputs.get("fine_tuned_model")
        if record.outputs.get("best") != model:
            yield f"{address} is of {record.outputs.get('best')}, and the best is {model}"


def _best(jobs: Iterable[ResourceState], spec: Spec) -> ResourceState | None:
    left = (job for job in jobs if not job.stopped)
    return min(left, key=lambda job: _rank(job, spec), default=None)


def _rank(job: ResourceState, spec: Spec) -> tuple[float, tuple[str, ...]]:
    metrics = job.outputs["metrics"]
    assert isinstance(metrics, dict)
    return metrics["train_loss"] * (1 if spec.sweeping.mode == "min" else -1), job.address.sort_key

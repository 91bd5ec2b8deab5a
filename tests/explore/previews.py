"""Previews in histories: one comes, is applied or killed, expires, and is deleted by runs that are killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import rule
from msgspec.structs import replace

from ftops.applying.run import Report, Settings
from ftops.planning.plan import Mode, Options, Plan
from ftops.session.previews import Show, remove_preview
from ftops.session.session import Session
from tests.explore.edits import EDITS
from tests.explore.faults import Fault, FaultKind
from tests.explore.spec import PLAIN, Job, Serving, Spec
from tests.explore.world import NOTHING, Clone, Run, World

if TYPE_CHECKING:
    from tests.explore.story import Story

_KINDS = [
    FaultKind.NONE,
    FaultKind.KILL_BEFORE_APPEND,
    FaultKind.KILL_AFTER_APPEND,
    FaultKind.KILL_AFTER_CALL,
    FaultKind.LOSE_REPLY,
    FaultKind.REFUSE,
]
_FAULTS = st.builds(Fault, st.sampled_from(_KINDS), st.integers(1, 9))
_NUMBER = st.integers(0, 5)
_EDITS = st.lists(st.tuples(st.sampled_from(sorted(EDITS)), _NUMBER, _NUMBER), max_size=2)
_PATIENCE = 6
"""Runs of gc within which nothing may be left."""


class PreviewRules:
    """Rules of a machine whose `story` is one history."""

    story: Story

    @rule(
        which=_NUMBER,
        fault=_FAULTS,
        wait=st.booleans(),
        edits=_EDITS,
        again=st.booleans(),
        faults=st.lists(_FAULTS, max_size=3),
    )
    def preview(
        self,
        which: int,
        fault: Fault,
        wait: bool,
        edits: list[tuple[str, int, int]],
        again: bool,
        faults: list[Fault],
    ) -> None:
        story, world = self.story, self.story.world
        before, whose = set(world.cloud.things), world.clones[which % len(world.clones)]
        clone = world.new_clone(f"pr{story.told}-", as_preview(whose.spec))
        clone.ttl = "0.01s"
        story.tell(f"{clone.folder.name} is a preview of {whose.folder.name}")
        story.check("apply", world.apply(clone, wait=wait, fault=fault.anew()))
        if again:
            for name, a, b in edits:
                story.edit(clone, name, a, b)
            story.respec(clone, "still a preview", as_preview(clone.spec))
            story.check("apply", world.apply(clone, wait=wait))
        for one in [*faults, *[Fault()] * _PATIENCE]:
            if not is_recorded(clone):
                break
            run = collect(world, clone, one.anew())
            story.tell(f"{clone.folder.name}: gc, {one}: {run}")
            if run.error is not None and not run.events:
                story.respec(clone, "all accounts are declared", clone.spec.with_all_accounts)
        world.clones.remove(clone)
        story.complain("previews_leave_nothing", list(left(world, clone, before)))


def as_preview(spec: Spec) -> Spec:
    """The same, with names of its own and without protection."""

    def own(name: str) -> str:
        return name if name.startswith("pr-") else "-".join(filter(None, ("pr", name)))

    items = {}
    for address, item in spec.items.items():
        named = replace(item, life=PLAIN)
        if isinstance(named, Serving):
            named = replace(named, name=own(named.name))
        elif isinstance(named, Job):
            named = replace(named, suffix=own(named.suffix))
        items[address] = named
    return replace(spec, items=items, imports=(), moved=(), removed=(), rules=())


def collect(world: World, clone: Clone, fault: Fault) -> Run:
    """`ftops gc`, of a preview that has expired."""

    def planned(session: Session, run: Run) -> Plan:
        return Plan("", "", "", 0)  # it makes its own

    def carry_out(session: Session, run: Run) -> None:
        run.begun = True
        run.report = remove_preview(session, Settings(), _unseen) or Report("done", NOTHING, {})

    return world.command(clone, Options(Mode.DESTROY), fault, carry_out, planned=planned)


@contextmanager
def _unseen() -> Iterator[Show]:
    yield lambda event: None


def left(world: World, clone: Clone, before: set[int]) -> Iterator[str]:
    """What is left of a preview, and what is missing of others."""
    things = world.cloud.things
    yield from (f"{things[uid].remote_id} is left" for uid in sorted(things.keys() - before))
    yield from (f"the object {uid} of others is gone" for uid in sorted(before - things.keys()))
    if is_recorded(clone):
        yield "the state is left"


def is_recorded(clone: Clone) -> bool:
    """Whether there is a state with anything in it: a run that was killed before its first entry leaves an
    empty one."""
    state = clone.store.read()
    return bool(state.expires_at) or not state.is_empty

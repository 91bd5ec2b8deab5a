"""Properties that define the tool, on random specs, changes, faults and crashes."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftops.config.config import Config, Lifecycle, Resource
from ftops.core.address import Address, Reference, Value
from ftops.core.errors import Temporary
from ftops.planning.plan import NORMAL, Action, Mode, Options, Plan
from ftops.planning.plan_document import plan_from_json, plan_to_json
from ftops.state.file_format import entry_from_json, parse_line, parse_snapshot, snapshot_text
from ftops.state.live_state import fold
from tests.support.cloud import Cloud
from tests.support.specs import Crash, World, config, dataset, deployment, job, tuned

DESTROY = Options(mode=Mode.DESTROY)
FAULTS = st.lists(st.sampled_from(["", "", "busy", "down", "lost"]), max_size=30)
fast = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def jobs(draw: st.DrawFn, count: int) -> list[Resource]:
    """Jobs on two datasets; each may go on from the model of an earlier one."""
    made: list[Resource] = []
    for index in range(count):
        models: list[Value] = ["base", *(tuned(f"j{i}") for i in range(index))]
        model = draw(st.sampled_from(models))
        lifecycle = Lifecycle(create_before_destroy=draw(st.sampled_from([None, True, False])))
        epochs = draw(st.integers(1, 2))
        made.append(
            job(
                f"j{index}",
                draw(st.sampled_from(["a", "b"])),
                model,
                lifecycle,
                hyperparameters={"n_epochs": epochs},
            )
        )
    return made


@st.composite
def specs(draw: st.DrawFn) -> Config:
    data = [dataset(name, draw(st.sampled_from("12"))) for name in "ab"]
    trained = draw(st.integers(0, 3).flatmap(jobs))
    models: list[Value] = ["base", *(tuned(j.address.name) for j in trained)]
    served = [
        deployment(f"d{i}", draw(st.sampled_from(models)), draw(st.integers(1, 2)))
        for i in range(draw(st.integers(0, 3)))
    ]
    return config(*data, *trained, *served)


def converge(world: World, wanted: Config, options: Options = NORMAL, tries: int = 60) -> None:
    """Applies until nothing is left to do."""
    for _ in range(tries):
        try:
            world.apply(wanted, options)
        except Temporary:
            continue  # the service was away for longer than a refresh has patience
        if not world.plan(wanted, options).changes:
            return
    raise AssertionError(
        [f"{c.action} {c.step}: {c.reason.text}" for c in world.plan(wanted, options).changes]
    )


def check_matches(world: World, wanted: Config) -> None:
    """The cloud holds just what the spec declares, and what the state says."""
    for kind in ("dataset", "job", "deployment"):
        declared = [r for r in wanted.resources if r.address.kind == kind]
        assert len(world.cloud.of_kind(kind)) == len(declared)
    assert {r.remote_id for r in world.state.resources.values()} == set(world.cloud.things)
    assert not world.state.pending
    assert not world.state.deposed
    for resource in wanted.resources:
        model = resource.inputs.get("model")
        if isinstance(model, Reference) and resource.address.kind == "deployment":
            thing = world.cloud.things[world.state.resources[resource.address].remote_id]
            trained = world.state.resources[model.address].outputs["fine_tuned_model"]
            assert thing.inputs["model"] == trained


def check_order(made: Plan) -> None:
    seen: set[str] = set()
    for change in made.changes:
        assert set(change.waits_for) <= seen
        seen.add(change.step)


@fast
@given(specs())
def test_after_a_clean_apply_the_next_plan_is_empty_and_destroy_leaves_nothing(wanted: Config) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        assert world.apply(wanted).result == "done"
        check_matches(world, wanted)
        assert world.plan(wanted).is_empty
        assert world.apply(wanted, DESTROY).result == "done"
        assert not world.cloud.things
        assert world.state.is_empty


@fast
@given(specs(), specs())
def test_any_spec_can_become_any_other(before: Config, after: Config) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.apply(before)
        made = world.plan(after)
        check_order(made)
        report = world.apply(after)
        assert report.result == "done", report.failures
        check_matches(world, after)
        assert world.plan(after).is_empty


@fast
@given(specs(), specs(), st.integers(1, 40), st.booleans(), FAULTS)
def test_killed_at_any_journal_append_the_next_run_converges_with_nothing_twice(
    before: Config, after: Config, at: int, late: bool, faults: list[str]
) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        converge(world, before)
        world.cloud.faults = iter(faults)
        with suppress(Crash, Temporary):
            world.apply(after, crash=(at, late))
        converge(world, after)
        check_matches(world, after)
        converge(world, after, DESTROY)
        assert not world.cloud.things


@fast
@given(specs(), FAULTS)
def test_lost_replies_never_lead_to_a_second_object(wanted: Config, faults: list[str]) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder), Cloud(faults=iter(faults), patience=2))
        converge(world, wanted)
        check_matches(world, wanted)
        assert world.cloud.created == len(wanted.resources)


@fast
@given(specs(), specs())
def test_planning_is_a_pure_function(before: Config, after: Config) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.apply(before)
        one = json.dumps(plan_to_json(world.plan(after)))
        assert one == json.dumps(plan_to_json(world.plan(after)))
        assert one == json.dumps(plan_to_json(plan_from_json(json.loads(one))))


@fast
@given(specs(), specs())
def test_the_fold_of_the_journal_equals_the_live_state_at_every_prefix(before: Config, after: Config) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.apply(before)
        start = world.state
        lines: list[str] = []
        world.apply_keeping_journal(after, lines)
        rows = [row for line in lines if (row := parse_line(line.rstrip("\n").encode())) and "entry" in row]
        entries = [entry_from_json(row) for row in rows]
        assert [row["serial"] for row in rows] == list(range(start.serial + 1, start.serial + 1 + len(rows)))
        assert fold(start, entries) == world.state
        for cut in range(len(entries)):
            assert fold(fold(start, entries[:cut]), entries[cut:]) == world.state


@fast
@given(specs())
def test_a_snapshot_round_trips(wanted: Config) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.apply(wanted)
        text = snapshot_text(world.state, "test", "default")
        assert parse_snapshot(text, "x") == world.state
        assert snapshot_text(parse_snapshot(text, "x"), "test", "default") == text


@fast
@given(specs(), st.data())
def test_a_target_brings_what_it_needs_and_nothing_else(wanted: Config, data: st.DataObject) -> None:
    address = data.draw(st.sampled_from([r.address for r in wanted.resources]))
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        made = world.plan(wanted, Options(targets=(address,)))
        needed = _needed(wanted, address)
        assert {c.address for c in made.changes} == needed
        assert all(c.action is Action.CREATE for c in made.changes)
        left_out = world.plan(wanted, Options(excludes=(address,)))
        assert address not in {c.address for c in left_out.changes}


def _needed(wanted: Config, address: Address) -> set[Address]:
    by_address = {r.address: r for r in wanted.resources}
    found = {address}
    todo = [address]
    while todo:
        for value in by_address[todo.pop()].inputs.values():
            if isinstance(value, Reference) and value.address not in found:
                found.add(value.address)
                todo.append(value.address)
    return found

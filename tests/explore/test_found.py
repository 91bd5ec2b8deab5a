"""Histories that the exploration once found to go wrong, shortened, by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from ftops.config.config import Lifecycle
from ftops.planning.plan import NORMAL, PinTo
from ftops.session.grants import Denied
from tests.explore.contents import CONTENTS
from tests.explore.edits import ADDRESSES
from tests.explore.faults import Fault, FaultKind
from tests.explore.granted import approve, continue_grant
from tests.explore.hosting import DAY, NIGHT, switch
from tests.explore.machine import A, B, D, E, J, K, V, X
from tests.explore.outside import turn
from tests.explore.previews import as_preview, collect, left
from tests.explore.spec import Data, Exam, Job, Serving, Spec, Sweeping
from tests.explore.story import DESTROY, Story
from tests.explore.sweeping import with_sweep
from tests.explore.world import World

W = ADDRESSES["evaluation"][1]
Y = ADDRESSES["job"][3]
PLAIN = Spec({A: Data(), J: Job(A), D: Serving("chat", J)})


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(World(tmp_path, PLAIN))


def test_a_blue_green_change_that_is_killed_and_taken_back_restores_the_endpoint(story: Story) -> None:
    """The new deployment has a name of its own then, and the old one has the name that is wanted again."""
    clone = story.world.clones[0]
    story.apply(clone)
    succeeded = replace(PLAIN, items={**PLAIN.items, K: Job(A, epochs=2), D: Serving("chat", K)})
    story.respec(clone, "another job", succeeded)
    story.apply(clone, wait=False)
    story.respec(clone, "blue_green", succeeded.with_item(D, Serving("chat", K, blue_green=True)))
    story.apply(clone, fault=Fault(FaultKind.KILL_AFTER_CALL))
    story.respec(clone, "undo", PLAIN)
    run = story.apply(clone)
    assert run.is_done
    assert "/accounts/east/deployments/chat" not in [e.thing.remote_id for e in run.events]
    story.end()


def test_a_file_is_kept_while_a_replaced_job_is_trained_on_it(story: Story) -> None:
    clone = story.world.clones[0]
    first = Spec({A: Data(), J: Job(A)})
    story.respec(clone, "no deployment", first)
    story.apply(clone, wait=False)
    for content in CONTENTS[1:3]:
        story.respec(clone, "content", first.with_item(A, Data(content)))
        assert story.apply(clone, replace(NORMAL, targets=(A,))).is_done
    story.end()


def test_an_undone_rename_of_a_blue_green_deployment_takes_the_old_one_back(story: Story) -> None:
    """It is renamed and gets another model, the run is killed once the new one is made, and all is undone."""
    clone = story.world.clones[0]
    before = PLAIN.with_item(D, Serving("chat", J, blue_green=True))
    story.respec(clone, "blue_green", before)
    story.apply(clone)
    served = [t.remote_id for t in story.world.cloud.of("east", "deployment")]
    after = Spec({A: Data(), J: Job(A, epochs=2), E: Serving("chat", J, blue_green=True)})
    story.respec(clone, "renamed, and changed", after)
    story.apply(clone, fault=Fault(FaultKind.KILL_AFTER_CALL, 2))
    story.respec(clone, "undo", before)
    run = story.apply(clone)
    assert run.is_done
    assert [t.remote_id for t in story.world.cloud.of("east", "deployment")] == served
    assert not [e for e in run.events if e.verb == "create"]
    story.end()


def test_what_a_forgotten_object_still_uses_is_forgotten_with_it(story: Story) -> None:
    clone = story.world.clones[0]
    retained = Job(A, life=Lifecycle(on_destroy="retain"))
    story.respec(clone, "retained", Spec({A: Data(), J: retained}))
    story.apply(clone, wait=False)
    run = story.apply(clone, DESTROY)
    assert run.is_done
    assert [t.kind for t in story.world.cloud.things.values()] == ["dataset", "job"]
    assert run.plan is not None
    assert (
        "dataset.a is forgotten instead of deleted: job.j, which is kept, still uses it" in run.plan.warnings
    )
    story.end()


def test_a_model_that_a_forgotten_deployment_serves_is_forgotten_with_it(story: Story) -> None:
    clone = story.world.clones[0]
    story.apply(clone)
    changed = Spec({A: Data(), J: Job(A, suffix="s")}, removed=((D, True),))
    story.respec(clone, "retained, and changed", changed)
    assert story.apply(clone).is_done
    assert len(story.world.cloud.of("east", "job")) == 2
    story.end()


def test_a_file_goes_after_the_replaced_job_that_is_trained_on_it(story: Story) -> None:
    """The change is taken back while its job runs, and the file is to be deleted before it is made anew."""
    clone = story.world.clones[0]
    first = Spec({A: Data(), J: Job(A)})
    story.respec(clone, "no deployment", first)
    story.apply(clone)
    story.respec(clone, "content", first.with_item(A, Data(CONTENTS[1])))
    story.apply(clone, wait=False)
    old_first = Lifecycle(create_before_destroy=False)
    story.respec(clone, "undo, the old one first", first.with_item(A, Data(life=old_first)))
    assert story.apply(clone, wait=False).is_done
    story.end()


def test_an_object_that_is_taken_back_is_compared_by_what_is_seen_of_it(story: Story) -> None:
    """It was resized outside before the run that was to replace it was killed."""
    clone = story.world.clones[0]
    story.apply(clone)
    (served,) = story.world.cloud.of("east", "deployment")
    story.world.cloud.resize(served, 9)
    story.respec(clone, "another name", PLAIN.with_item(D, Serving("eval", J)))
    story.apply(clone, fault=Fault(FaultKind.KILL_AFTER_CALL))
    story.respec(clone, "undo", PLAIN)
    assert story.apply(clone).is_done
    (served,) = story.world.cloud.of("east", "deployment")
    assert served.body["sku"]["capacity"] == 1
    story.end()


def test_a_job_on_an_imported_file_is_adopted_after_a_change_was_killed_and_taken_back(story: Story) -> None:
    """Of the imported file the bytes alone are on record, and the job that another state trained on it says
    what the examples are."""
    clone = story.world.clones[0]
    first = Spec({A: Data(), J: Job(A)})
    story.respec(clone, "no deployment", first)
    story.apply(clone)
    importing = replace(first, imports=((A, "file-1"),))
    story.respec(clone, "import", importing)
    other = story.another_state()
    story.respec(other, "content", importing.with_item(A, Data(CONTENTS[1])))
    story.apply(other, fault=Fault(FaultKind.KILL_AFTER_CALL))
    story.respec(other, "undo", importing)
    run = story.apply(other)
    assert run.is_done
    assert not [event for event in run.events if event.verb == "create"]
    story.end()


@pytest.mark.parametrize("blue_green", [False, True])
def test_a_renamed_deployment_stays_while_its_gate_holds_its_new_model(
    story: Story, blue_green: bool
) -> None:
    clone = story.world.clones[0]
    old = Serving("chat", J, blue_green=blue_green, gate=V)
    gated = replace(PLAIN, items={**PLAIN.items, V: Exam(J), D: old})
    story.respec(clone, "gated", gated)
    story.apply(clone)
    other = Spec({A: Data(), J: Job(A), K: Job(A, epochs=2), V: Exam(J), E: replace(old, model=K)})
    story.respec(clone, "renamed, with another model", other)
    run = story.apply(clone)
    assert run.is_held
    assert [event.thing.kind for event in run.events] == ["job"]
    assert run.after.resources[E].remote_id == run.before.resources[D].remote_id
    story.end()


@pytest.mark.parametrize("blue_green", [False, True])
def test_an_evaluation_that_is_renamed_is_forgotten_though_the_new_one_holds_its_deployment(
    story: Story, blue_green: bool
) -> None:
    clone = story.world.clones[0]
    serving = Serving("chat", J, blue_green=blue_green, gate=V)
    gated = replace(PLAIN, items={**PLAIN.items, V: Exam(J), D: serving})
    story.respec(clone, "gated", gated)
    story.apply(clone)
    worse = Spec({A: Data(), J: Job(A, epochs=2), W: Exam(J), D: replace(serving, gate=W)})
    story.respec(clone, "another model, and another evaluation", worse)
    run = story.apply(clone)
    assert run.is_held
    assert V not in run.after.resources and W in run.after.resources
    story.end()


def test_a_file_goes_though_a_gate_keeps_the_old_job_that_was_trained_on_it(story: Story) -> None:
    clone = story.world.clones[0]
    gated = replace(PLAIN, items={**PLAIN.items, V: Exam(J), D: Serving("chat", J, gate=V)})
    story.respec(clone, "gated", gated)
    story.apply(clone)
    data, job = Data(CONTENTS[1]), Job(B, epochs=2)
    items = {address: item for address, item in gated.items.items() if address != A}
    story.respec(clone, "another file, and a worse model", Spec({**items, B: data, J: job}))
    run = story.apply(clone)
    assert run.is_held
    assert [t.remote_id for t in story.world.cloud.of("east", "job")] == ["job-2", "job-6"]
    assert A not in run.after.resources
    story.end()


def test_a_preview_whose_deployment_is_off_leaves_no_job(story: Story) -> None:
    world = story.world
    hosted = PLAIN.with_item(D, Serving("chat", J, hours=NIGHT))
    clone = world.new_clone("pr", as_preview(hosted))
    clone.ttl = "0.01s"
    before = set(world.cloud.things)
    assert story.apply(clone).is_done
    assert not world.cloud.of("east", "deployment")
    collect(world, clone, Fault())
    assert list(left(world, clone, before)) == []


def test_a_rolled_back_deployment_that_gets_another_address_is_released_by_the_plan_that_says_so(
    story: Story,
) -> None:
    """The object keeps its name, so that it is found again under the new address."""
    clone = story.world.clones[0]
    assert story.apply(clone).is_done
    record = clone.state.resources[D]
    pins = {D: PinTo(str(record.inputs["model"]), J, "it was better")}
    assert story.apply(clone, replace(NORMAL, pins=pins)).is_done
    assert D in clone.state.pins
    story.respec(clone, "another address", Spec({A: Data(), J: Job(A), E: Serving("chat")}))
    assert story.apply(clone).is_done
    assert not clone.state.pins
    story.end()


def test_a_rolled_back_deployment_is_released_if_it_gets_another_account(story: Story) -> None:
    clone = story.world.clones[0]
    story.apply(clone)
    story.apply(clone, replace(NORMAL, pins={D: PinTo(str(clone.state.resources[D].inputs["model"]), J, "")}))
    story.respec(clone, "epochs", PLAIN.with_item(J, Job(A, epochs=2)))
    story.apply(clone)
    story.respec(clone, "another account", replace(clone.spec, accounts={"p": "west", "q": "east"}))
    run = story.apply(clone)
    assert run.is_done and not clone.state.pins
    story.end()


@pytest.mark.parametrize(
    ("hours", "is_on", "kind", "number"),
    [
        (DAY, False, FaultKind.KILL_AFTER_CALL, 4),
        (DAY, False, FaultKind.KILL_AFTER_APPEND, 8),
        (NIGHT, True, FaultKind.KILL_AFTER_APPEND, 3),
    ],
    ids=["created", "recorded", "off"],
)
def test_hours_count_although_the_run_that_recorded_them_was_killed(
    story: Story, hours: str, is_on: bool, kind: FaultKind, number: int
) -> None:
    clone = story.world.clones[0]
    items = {**PLAIN.items, D: Serving("chat", J, hours=hours), E: Serving("eval", hours=hours)}
    story.respec(clone, "hours", Spec(items))
    story.apply(clone, fault=Fault(kind, number), parallelism=1)
    assert story.apply(clone).is_done
    turn(story.world, 0)
    run = switch(story.world, clone, Fault())
    assert not run.is_refused
    assert len(story.world.cloud.of("east", "deployment")) == 2 * is_on
    story.end()


def test_an_endpoint_stays_if_the_job_of_its_next_model_is_stopped(story: Story) -> None:
    clone = story.world.clones[0]
    story.respec(clone, "a base model", Spec({A: Data(), D: Serving("chat")}))
    story.apply(clone)
    sweep = Spec({A: Data(), X: Job(A, epochs=3), Y: Job(A, epochs=1)}, sweeping=Sweeping(rule="halving"))
    story.respec(clone, "a sweep", sweep.with_item(D, Serving("chat", Y)))
    run = story.apply(clone)
    assert run.after.resources[Y].stopped
    assert story.world.cloud.of("east", "deployment")
    error = story.plan(clone).error
    assert error is not None
    assert error.diagnostics[0].detail == 'job.m["y"] was stopped early, so it has no fine_tuned_model.'
    story.end()


def test_the_only_job_that_is_left_of_a_sweep_is_not_stopped(story: Story) -> None:
    """The other one was stopped, and has no model, although it was better."""
    clone = story.world.clones[0]
    for epochs in ([2, 1], [3, 1]):
        sweeping = Sweeping("max", rule="halving", after=2)
        story.respec(clone, "a sweep", with_sweep(Spec({A: Data()}), sweeping, epochs))
        assert story.apply(clone).is_done
        assert clone.state.resources[Y].stopped
    story.end()


def test_rules_that_come_after_an_approval_hold_what_is_left_as_long_as_they_are_there(story: Story) -> None:
    world, clone = story.world, story.world.clones[0]
    story.apply(clone)
    story.respec(clone, "without the deployment", Spec({A: Data(), J: Job(A)}))
    story.check("apply DIGEST", approve(world, clone, NORMAL, Fault(FaultKind.REFUSE), wait=True))
    (digest,) = clone.state.grants
    for names in (("nothing-goes",), ()):
        story.respec(clone, "policy", replace(clone.spec, rules=names))
        run = continue_grant(world, clone, digest, Fault(), retry=True, wait=True)
        story.check("reconcile", run)
        assert isinstance(run.error, Denied) is bool(names)
        assert bool(world.cloud.of("east", "deployment")) is bool(names)
    story.end()

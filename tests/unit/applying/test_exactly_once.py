"""What goes wrong in between must not lose an object, make one twice, or take away what still serves."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ftops.config.config import Config, Lifecycle, Output, Resource
from ftops.core.address import Address, Reference, Secret, Template
from ftops.core.errors import Blocked, Permanent
from ftops.planning.plan import Action, Mode, Options
from ftops.state.entries import Recorded
from ftops.state.state import PendingOperation, RemoteObject, ResourceState
from tests.support.cloud import Cloud, CloudProvider, Thing
from tests.support.specs import PROVIDER, Crash, World, config, dataset, deployment, job, steps, tuned

DATA, JOB = Address("dataset", "a"), Address("job", "j")
SAS = Secret("env", "SAS")
CANARY = "sig=4f1d0c"


def killed_in_between(folder: Path, wanted: Config, kind: str, begun: Config | None = None) -> World:
    """A world in which a run has made an object of a kind, and ended before it could record it."""
    for at in count(1):
        world = World(folder / str(at))
        if begun:
            world.apply(begun)
        before = world.names()[kind]
        with suppress(Crash):
            world.apply(wanted, crash=(at, False))
            raise AssertionError("the run went through")
        if world.state.pending and world.names()[kind] > before:
            return world
    raise AssertionError


class Balky(CloudProvider):
    """Refuses, or doesn't see, what it is told to."""

    refused_finds = 0
    unseen_finds = 0
    refused_deletes = False

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        if self.refused_finds:
            self.refused_finds -= 1
            raise Permanent("not allowed for a moment")
        if self.unseen_finds:
            self.unseen_finds -= 1
            return None
        return super().find_by_token(operation, known)

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        if self.refused_deletes:
            raise Permanent("it can't be deleted now")
        return super().delete(resource)


@pytest.fixture
def balky(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.provider = Balky(world.cloud)
    return world


# lost replies


def test_a_search_that_is_refused_after_a_lost_reply_leaves_the_intent(balky: World) -> None:
    balky.provider.refused_finds = 1  # type: ignore[attr-defined]
    balky.cloud.faults = iter(["", "", "lost"])
    wanted = config(dataset("a", "1"), job("j", "a"))
    assert balky.apply(wanted).result == "failed"
    assert set(balky.state.pending) == {JOB}
    assert balky.apply(wanted).result == "done"
    assert balky.names()["job"] == 1


def test_what_shows_late_is_looked_for_before_it_is_made_again(balky: World) -> None:
    balky.provider.visible_after = 30.0  # type: ignore[attr-defined]
    balky.provider.unseen_finds = 3  # type: ignore[attr-defined]
    balky.cloud.faults = iter(["", "", "lost"])
    assert balky.apply(config(dataset("a", "1"), job("j", "a"))).result == "done"
    assert balky.names()["job"] == 1


def test_what_never_shows_is_made_in_the_end(balky: World) -> None:
    balky.provider.visible_after = 30.0  # type: ignore[attr-defined]
    balky.cloud.faults = iter(["", "", "down"])
    assert balky.apply(config(dataset("a", "1"), job("j", "a"))).result == "done"
    assert balky.names()["job"] == 1


def test_what_a_killed_run_made_may_show_late_too(tmp_path: Path) -> None:
    wanted = config(dataset("a", "1"), job("j", "a"))
    world = killed_in_between(tmp_path, wanted, "job")
    world.provider = late = Balky(world.cloud)
    late.visible_after = 30.0  # type: ignore[attr-defined]
    late.unseen_finds = 3
    assert world.apply(wanted).result == "done"
    assert world.names()["job"] == 1


def test_found_or_gone_one_entry_says_both(tmp_path: Path) -> None:
    """Two entries could be torn apart: the first alone would end the intent."""
    first = config(dataset("a", "1"), job("j", "a", hyperparameters={"n_epochs": 1}))
    second = config(dataset("a", "1"), job("j", "a", hyperparameters={"n_epochs": 2}))
    world = killed_in_between(tmp_path, second, "job", begun=first)
    del world.cloud.things[world.state.resources[JOB].remote_id]
    entries = [e for e in world.plan(second).entries if getattr(e, "address", JOB) == JOB]
    assert [type(e) for e in entries] == [Recorded]


# what a plan leaves out


def without_job(address: Address = JOB) -> Options:
    return Options(excludes=(address,))


def test_what_an_interrupted_run_created_is_recorded_also_if_it_is_left_out(tmp_path: Path) -> None:
    """Else another address could create the same again."""
    wanted = config(dataset("a", "1"), job("j", "a"), dataset("b", "2"))
    world = killed_in_between(tmp_path, wanted, "job")
    assert set(world.state.pending) == {JOB}
    made = world.plan(wanted, without_job())
    assert "job.j" not in {change.step for change in made.changes}
    assert world.apply(wanted, without_job()).result == "done"
    assert (JOB in world.state.resources, dict(world.state.pending)) == (True, {})
    assert world.apply(wanted).result == "done"
    assert world.names()["job"] == 1


def test_a_job_that_is_renamed_and_targeted_is_what_the_interrupted_run_created(tmp_path: Path) -> None:
    world = killed_in_between(tmp_path, config(dataset("a", "1"), job("j", "a")), "job")
    renamed = config(dataset("a", "1"), job("k", "a"))
    assert world.apply(renamed, Options(targets=(Address("job", "k"),))).result == "done"
    assert world.names()["job"] == 1
    assert world.plan(renamed).is_empty


def test_an_intent_of_what_is_no_longer_declared_can_be_targeted(tmp_path: Path) -> None:
    world = killed_in_between(tmp_path, config(dataset("a", "1"), job("j", "a")), "job")
    rest = config(dataset("a", "1"))
    assert steps(world.plan(rest, without_job())) == []
    assert steps(world.plan(rest, Options(targets=(JOB,)))) == ["delete job.j"]


def test_an_intent_is_left_out_with_what_it_needs(tmp_path: Path) -> None:
    world = killed_in_between(tmp_path, config(dataset("a", "1"), job("j", "a")), "job")
    assert steps(world.plan(config(dataset("b", "2")), without_job(DATA))) == ["create dataset.b"]
    made = world.plan(config(), Options(mode=Mode.DESTROY, excludes=(JOB,)))
    assert steps(made) == [], "its data is still needed"


# what is recorded of what was found


@pytest.mark.parametrize(
    "lifecycle", [Lifecycle(prevent_destroy=True), Lifecycle(on_destroy="retain")], ids=["protect", "retain"]
)
def test_protection_holds_from_the_intent_on(tmp_path: Path, lifecycle: Lifecycle) -> None:
    wanted = config(dataset("a", "1"), job("j", "a", lifecycle=lifecycle))
    world = killed_in_between(tmp_path, wanted, "job")
    without = config(dataset("a", "1"))
    if lifecycle.prevent_destroy:
        with pytest.raises(Blocked, match="protected"):
            world.plan(without)
    else:
        assert steps(world.plan(without)) == ["forget job.j"]


def test_a_found_object_has_the_facts_that_its_maker_knew(tmp_path: Path) -> None:
    examples = Output("n", Reference(DATA, "examples"))
    wanted = config(dataset("a", "1"), job("j", "a", suffix=Reference(DATA, "digest")), outputs=[examples])
    world = killed_in_between(tmp_path, wanted, "dataset")
    report = world.apply(wanted)
    assert report.result == "done", report.failures
    assert report.state.outputs == {"n": 10}


# what still serves


def test_a_retraining_that_failed_leaves_the_old_model_serving_until_there_is_a_better_one(
    tmp_path: Path,
) -> None:
    def diverges(thing: Thing) -> str:
        chosen: Any = thing.inputs["hyperparameters"]
        return "diverged" if chosen["n_epochs"] == 2 else ""

    def spec(epochs: int) -> Config:
        tuned_job = job("j", "a", hyperparameters={"n_epochs": epochs})
        return config(dataset("a", "1"), tuned_job, deployment("d", tuned("j")))

    world = World(tmp_path, Cloud(fail_job=diverges))
    assert world.apply(spec(1)).result == "done"
    for _ in range(2):
        assert world.apply(spec(2)).result == "failed"
        assert world.names()["deployment"] == 1, "the old model goes on serving"
    assert world.apply(spec(3)).result == "done"
    assert world.names() == {"dataset": 1, "job": 1, "deployment": 1}


def test_a_leftover_and_a_dependency_turned_round_can_be_destroyed(balky: World) -> None:
    other = Address("dataset", "b")
    balky.apply(config(dataset("a", "1", depends_on=(other,)), dataset("b", "1")))
    balky.provider.refused_deletes = True  # type: ignore[attr-defined]
    turned = config(dataset("a", "2"), dataset("b", "1", depends_on=(DATA,)))
    assert balky.apply(turned).result == "failed"
    assert balky.state.deposed
    balky.provider.refused_deletes = False  # type: ignore[attr-defined]
    destroy = Options(mode=Mode.DESTROY)
    assert len(balky.plan(turned, destroy).changes) == 3
    assert balky.apply(turned, destroy).result == "done"
    assert not balky.cloud.things


def test_an_update_leaves_alone_what_is_ignored(tmp_path: Path) -> None:
    def spec(tag: str) -> Config:
        ignoring = Lifecycle(ignore_changes=("sku.capacity",))
        return config(deployment("d", "base", 1, ignoring, tags={"a": tag}))

    world = World(tmp_path)
    world.apply(spec("1"))
    (thing,) = world.cloud.things.values()
    thing.inputs["sku"] = {"name": "Standard", "capacity": 50}
    assert [a.path for c in world.plan(spec("2")).changes for a in c.attributes] == ["tags.a"]
    world.apply(spec("2"))
    assert thing.inputs["sku"] == {"name": "Standard", "capacity": 50}
    assert thing.inputs["tags"] == {"a": "2"}


# secrets


@pytest.mark.parametrize("digests", [("d1", "d1"), ("d1", "d2")], ids=["same-secret", "other-secret"])
def test_the_text_around_a_secret_counts(tmp_path: Path, digests: tuple[str, str]) -> None:
    def spec(version: str) -> Config:
        tags = {"owner": Template((f"{version}-", SAS))}
        return config(deployment("d", "base", tags=tags), secrets={SAS: CANARY})

    world = World(tmp_path)
    world.apply(spec("v1"), secret_digests={SAS: digests[0]})
    made = world.plan(spec("v2"), secret_digests={SAS: digests[1]})
    (change,) = made.changes
    assert change.action is Action.UPDATE
    assert [(a.path, str(a.before), str(a.after)) for a in change.attributes] == [
        ("tags.owner", "v1-${env.SAS}", "v2-${env.SAS}")
    ]
    assert not world.plan(spec("v1"), secret_digests={SAS: digests[0]}).changes


def test_a_rotated_token_in_an_address_is_no_change_and_another_file_is_one(tmp_path: Path) -> None:
    def spec(file: str) -> Config:
        url = Template((f"https://acme.blob.core.windows.net/data/{file}?", SAS))
        data = Resource(DATA, PROVIDER, {"url": url, "purpose": "fine-tune"})
        return config(data, job("j", "a"), secrets={SAS: CANARY})

    world = World(tmp_path)
    world.apply(spec("v1.jsonl"), secret_digests={SAS: "d1"})
    assert world.plan(spec("v1.jsonl"), secret_digests={SAS: "d2"}).is_empty
    assert steps(world.plan(spec("v2.jsonl"), secret_digests={SAS: "d1"})) != []


def test_a_secret_that_the_service_repeats_is_nowhere_on_record(tmp_path: Path) -> None:
    """In what it says of a job that failed, and of a call that it refuses."""
    world = World(tmp_path, Cloud(fail_job=lambda thing: f"can't read {thing.inputs['suffix']}"))
    wanted = config(dataset("a", "1"), job("j", "a", suffix=SAS), secrets={SAS: CANARY})
    report = world.apply(wanted, secret_digests={SAS: "d1"})
    said = [failure.error.detail for failure in report.failures]
    assert said == ["can't read ${env.SAS}"]
    assert report.state.resources[JOB].message == "can't read ${env.SAS}"
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    planned = world.plan(wanted, secret_digests={SAS: "d1"})
    assert CANARY not in written + repr(world.events) + repr(planned)


class Forgetful(CloudProvider):
    """Keeps no notes, so that one object can't be told from another of its kind."""

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        alike = (t for t in self.cloud.of_kind(operation.address.kind) if t.remote_id not in known)
        return next((self._show(thing) for thing in alike), None)


def test_two_interrupted_creations_never_find_one_object(tmp_path: Path) -> None:
    """Both may have been made, or one: what was found goes to one of them, and the other looks on."""
    wanted = config(dataset("a", "1"), dataset("b", "1"))
    world = killed_in_between(tmp_path, wanted, "dataset")
    assert len(world.state.pending) == 2
    world.provider = Forgetful(world.cloud)
    there = world.names()["dataset"]
    assert world.apply(wanted).result == "done"
    assert len({r.remote_id for r in world.state.resources.values()}) == 2
    assert world.names()["dataset"] == 2 >= there
    assert world.plan(wanted).is_empty

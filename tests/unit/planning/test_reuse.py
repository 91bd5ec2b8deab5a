"""Objects on record that are taken instead of creating others: docs/identity.md."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from ftops.config.config import Config, Lifecycle, ProviderConfig, Resource
from ftops.core.address import Address, Value
from ftops.core.errors import Blocked
from ftops.planning.plan import Options
from ftops.state.entries import Reassigned, Reassignment
from ftops.state.live_state import fold
from ftops.state.state import ResourceState, State, Status
from tests.support.cloud import Cloud
from tests.support.specs import Crash, World, config, dataset, deployment, job, steps, tuned

PROTECTED = Lifecycle(prevent_destroy=True)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def chain(digest: str = "1", name: str = "copilot", **settings: int) -> Config:
    return config(
        dataset("train", digest),
        job(name, "train", hyperparameters=dict(settings)),
        deployment("prod", tuned(name)),
    )


class Counting(World):
    """A world that remembers every job that was started."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Cloud(fail_job=self._start))
        self.started: list[str] = []
        self.fails = False

    def _start(self, thing: object) -> str:
        self.started.append(thing.remote_id)  # type: ignore[attr-defined]
        return "out of memory" if self.fails else ""


@pytest.fixture
def counting(tmp_path: Path) -> Counting:
    return Counting(tmp_path)


def test_a_change_that_is_taken_back_after_its_job_failed_trains_nothing(counting: Counting) -> None:
    counting.apply(chain())
    counting.fails = True
    counting.apply(chain("2"))
    made = counting.plan(chain())
    assert "restore job.copilot" in steps(made)
    assert not any("deployment" in step for step in steps(made))
    counting.apply(chain())
    assert len(counting.started) == 2
    assert counting.plan(chain()).is_empty
    assert counting.names() == {"dataset": 1, "job": 1, "deployment": 1}


@pytest.mark.parametrize("at", range(2, 9))
@pytest.mark.parametrize("late", [True, False])
def test_a_change_that_is_taken_back_after_a_kill_trains_nothing(
    counting: Counting, at: int, late: bool
) -> None:
    """Unless the old job was deleted, as the plan had shown, before the kill."""
    counting.apply(chain(n_epochs=1))
    with suppress(Crash):
        counting.apply(chain(n_epochs=2), crash=(at, late))
    had_to_train = "job-2" not in counting.cloud.things
    counting.apply(chain(n_epochs=1))
    assert len(counting.started) <= 2 + had_to_train
    assert counting.plan(chain(n_epochs=1)).is_empty
    assert counting.names() == {"dataset": 1, "job": 1, "deployment": 1}


def test_a_renamed_chain_is_a_move(world: World) -> None:
    world.apply(chain(name="old"))
    made = world.plan(chain(name="new"))
    assert not made.changes
    assert made.moves == ((Address("job", "old"), Address("job", "new")),)
    world.apply(chain(name="new"))
    assert world.state.resources[Address("deployment", "prod")].dependencies == (Address("job", "new"),)
    assert world.plan(chain(name="new")).is_empty


def two(first: int, second: int) -> Config:
    return config(
        dataset("train", "1"),
        job("a", "train", hyperparameters={"n_epochs": first}),
        job("b", "train", hyperparameters={"n_epochs": second}),
    )


def test_two_jobs_may_exchange_what_they_are(counting: Counting) -> None:
    counting.apply(two(1, 2))
    made = counting.plan(two(2, 1))
    assert not made.changes
    counting.apply(two(2, 1))
    assert len(counting.started) == 2
    assert counting.plan(two(2, 1)).is_empty


def test_a_job_that_becomes_what_another_one_was_takes_that_one(counting: Counting) -> None:
    counting.apply(two(1, 2))
    wanted = config(dataset("train", "1"), job("b", "train", hyperparameters={"n_epochs": 1}))
    counting.apply(wanted)
    assert len(counting.started) == 2
    assert counting.names() == {"dataset": 1, "job": 1, "deployment": 0}
    assert counting.plan(wanted).is_empty


def test_replace_takes_nothing(counting: Counting) -> None:
    counting.apply(chain(name="old"))
    asked = Options(replaces=(Address("job", "new"),))
    counting.apply(chain(name="new"), asked)
    assert len(counting.started) == 2


NAMES: dict[str, tuple[Config, Config, list[str]]] = {
    "another address": (
        config(deployment("old", "base", name="chat")),
        config(deployment("new", "base", name="chat")),
        [],
    ),
    "another address and capacity": (
        config(deployment("old", "base", name="chat")),
        config(deployment("new", "base", 3, name="Chat")),
        ["update deployment.new"],
    ),
    "another job's deployment takes the name": (
        config(dataset("t", "1"), job("a", "t"), deployment("v1", tuned("a"), name="chat")),
        config(
            dataset("t", "1"),
            job("a", "t"),
            job("b", "t", hyperparameters={"n_epochs": 2}),
            deployment("v2", tuned("b"), name="chat"),
        ),
        ["create job.b", "delete deployment.v2#old", "replace deployment.v2"],
    ),
    "two exchange their names": (
        config(deployment("a", "base", name="x"), deployment("b", "other", name="y")),
        config(deployment("a", "base", name="y"), deployment("b", "other", name="x")),
        ["update deployment.a", "update deployment.b"],
    ),
    "one is renamed, a new one takes its name": (
        config(deployment("a", "base", name="x")),
        config(deployment("a", "base", name="y"), deployment("b", "base", name="x")),
        ["create deployment.a"],
    ),
    "one takes the name of another, which goes": (
        config(deployment("a", "base", name="x"), deployment("b", "base", name="y")),
        config(deployment("b", "base", name="x")),
        ["delete deployment.b#"],
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_changes_hands_stays_one_deployment(world: World, name: str) -> None:
    before, after, wanted = NAMES[name]
    world.apply(before)
    made = world.plan(after)
    assert [s if "#" not in s or s.endswith("#old") else s[: s.index("#") + 1] for s in steps(made)] == wanted
    assert world.apply(after).result == "done"
    assert world.plan(after).is_empty
    declared = {str(r.inputs["name"]).casefold() for r in after.resources if r.address.kind == "deployment"}
    assert {str(d.inputs["name"]).casefold() for d in world.cloud.of_kind("deployment")} == declared


def test_the_old_endpoint_stays_until_the_new_model_is_trained(world: World) -> None:
    before, after, _ = NAMES["another job's deployment takes the name"]
    world.apply(before)
    gone = next(c for c in world.plan(after).changes if c.step == "deployment.v2#old")
    assert "job.b" in gone.waits_for


def test_a_name_that_stays_where_it_is_can_not_be_taken(world: World) -> None:
    world.apply(config(deployment("a", "base", name="x")))
    after = config(deployment("a", "base", name="y"), deployment("b", "base", name="x"))
    with pytest.raises(Blocked) as caught:
        world.plan(after, Options(targets=(Address("deployment", "b"),)))
    assert "the name `x` of deployment.b is taken by deployment.a" in caught.value.diagnostics[0].summary


def with_providers(wanted: Config, **accounts: str) -> Config:
    providers = {name: ProviderConfig(name, "memory", {"account": a}) for name, a in accounts.items()}
    return replace(wanted, providers=providers)


def at(provider: str, *resources: Resource) -> Config:
    return config(*(replace(resource, provider=provider) for resource in resources))


def test_another_account_is_a_replacement_that_creates_first(world: World) -> None:
    chained = dataset("train", "1"), job("copilot", "train"), deployment("prod", tuned("copilot"))
    world.apply(with_providers(at("p", *chained), p="east"))
    made = world.plan(with_providers(at("p", *chained), p="west", old="east"))
    assert [(c.action.value, c.provider) for c in made.changes] == [
        ("replace", "p"),
        ("replace", "p"),
        ("replace", "p"),
        ("delete", "old"),
        ("delete", "old"),
        ("delete", "old"),
    ]
    assert [c.address.kind for c in made.changes] == [
        *("dataset", "job", "deployment"),
        *("deployment", "job", "dataset"),
    ]


def test_an_account_that_nothing_reaches_is_refused(world: World) -> None:
    world.apply(with_providers(at("p", dataset("train", "1")), p="east"))
    with pytest.raises(Blocked) as caught:
        world.plan(with_providers(at("p", dataset("train", "1")), p="west"))
    assert "no provider of the spec reaches memory:east" in caught.value.diagnostics[0].summary


def test_a_provider_of_another_name_changes_nothing(world: World) -> None:
    world.apply(with_providers(at("p", dataset("train", "1")), p="east"))
    made = world.plan(with_providers(at("q", dataset("train", "1")), q="east"))
    assert made.is_empty


def spoilt(world: World, change: Callable[[State], State]) -> None:
    world.store.write(change(world.state))


def test_two_records_of_one_object_are_refused(world: World) -> None:
    wanted = config(dataset("a", "1"), dataset("b", "1"))
    world.apply(wanted)

    def twice(state: State) -> State:
        records = dict(state.resources)
        a, b = Address("dataset", "a"), Address("dataset", "b")
        records[b] = replace(records[b], remote_id=records[a].remote_id)
        return replace(state, resources=records)

    spoilt(world, twice)
    with pytest.raises(Blocked) as caught:
        world.plan(config(dataset("a", "1")))
    found = caught.value.diagnostics[0]
    assert found.summary == "dataset.a and dataset.b are recorded for the same object: dataset-1"
    assert "ftops state rm dataset.b" in found.hint


def test_protection_stays_with_an_object_that_moves(world: World) -> None:
    world.apply(config(deployment("old", "base.ft-1", name="chat", lifecycle=PROTECTED)))
    world.plan(config(deployment("new", "base.ft-1", name="chat")))
    with pytest.raises(Blocked) as caught:
        world.plan(config(deployment("new", "base.ft-2", name="chat")))
    assert "deployment.new is protected" in caught.value.diagnostics[0].summary


def test_a_protected_object_does_not_give_way_to_another_on_record(world: World) -> None:
    def spec(first: int, second: int | None) -> Config:
        jobs = [job("a", "t", lifecycle=PROTECTED, hyperparameters={"n_epochs": first})]
        if second:
            jobs.append(job("b", "t", hyperparameters={"n_epochs": second}))
        return config(dataset("t", "1"), *jobs)

    world.apply(spec(1, 2))
    with pytest.raises(Blocked) as caught:
        world.plan(spec(2, None))
    assert "job.a is protected" in caught.value.diagnostics[0].summary


def test_a_chain_of_reassignments_folds_at_once() -> None:
    """a takes what b had, b what c had; what a had is kept."""
    names = [Address("job", name) for name in "abc"]
    records = {a: ResourceState(a, "p", f"id-{a.name}", Status.READY) for a in names}
    state = State("x", resources=records)
    a, b, c = names
    after = fold(state, [Reassigned((Reassignment(b, "", a, "k"), Reassignment(c, "", b)))])
    assert {x.name: r.remote_id for x, r in after.resources.items()} == {"a": "id-b", "b": "id-c"}
    assert {(x.name, key): r.remote_id for (x, key), r in after.deposed.items()} == {("a", "k"): "id-a"}


def test_a_deployment_is_never_created_beside_the_one_that_has_its_name(world: World) -> None:
    first = Lifecycle(create_before_destroy=True)
    world.apply(config(deployment("d", "base.ft-1", name="chat", lifecycle=first)))
    after = config(deployment("d", "base.ft-2", name="chat", lifecycle=first))
    assert steps(world.plan(after)) == ["delete deployment.d#old", "replace deployment.d"]
    assert world.apply(after).result == "done"


def test_a_deployment_that_is_retained_still_makes_room_for_its_successor(world: World) -> None:
    kept = Lifecycle(on_destroy="retain")
    world.apply(config(deployment("d", "base.ft-1", name="chat", lifecycle=kept)))
    after = config(deployment("d", "base.ft-2", name="chat", lifecycle=kept))
    assert steps(world.plan(after)) == ["delete deployment.d#old", "replace deployment.d"]
    assert world.apply(after).result == "done"
    assert steps(world.plan(config(), Options(allow_empty=True))) == ["forget deployment.d"]


def test_many_deployments_may_name_one_model_where_a_deployment_is_the_model_itself(world: World) -> None:
    platform = {"p": ProviderConfig("p", "openai", {"base_url": "https://api.openai.com/v1"})}
    wanted = replace(at("p", deployment("a", "base"), deployment("b", "base")), providers=platform)
    world.apply(wanted)

    def one_model(state: State) -> State:
        return replace(state, resources={a: replace(r, remote_id="base") for a, r in state.resources.items()})

    spoilt(world, one_model)
    world.cloud.things = {"base": next(iter(world.cloud.things.values()))}
    assert not world.plan(wanted).changes


def test_a_name_is_not_taken_from_what_is_excluded(world: World) -> None:
    world.apply(config(deployment("d", "base", name="chat")))
    with pytest.raises(Blocked) as caught:
        world.plan(
            config(deployment("e", "other", name="chat")), Options(excludes=(Address("deployment", "d"),))
        )
    assert "the name `chat` of deployment.e is taken by deployment.d" in caught.value.diagnostics[0].summary


def test_a_blue_green_change_that_is_taken_back_restores_the_old_deployment(world: World) -> None:
    def spec(model: str) -> Config:
        return config(deployment("d", model, name="chat", replace="blue_green"))

    for at in range(1, 9):
        world.apply(spec("base.ft-1"))
        with suppress(Crash):
            world.apply(spec("base.ft-2"), crash=(at, False))
        for _ in range(2):
            assert world.apply(spec("base.ft-1")).result == "done"
        assert world.plan(spec("base.ft-1")).is_empty


def test_a_failed_object_never_stands_in_the_way_of_a_good_one(counting: Counting) -> None:
    """The failed one can't be deleted, and its settings are trained elsewhere, and well."""

    def spec(**jobs: int) -> Config:
        return config(
            dataset("t", "1"), *(job(n, "t", hyperparameters={"n_epochs": e}) for n, e in jobs.items())
        )

    counting.apply(spec(j=1))
    counting.fails = True
    counting.apply(spec(j=2))
    counting.fails = False
    with suppress(Crash):
        counting.apply(spec(j=1, k=2), crash=(3, True))
    counting.apply(spec(j=1, k=2))
    started = len(counting.started)
    counting.apply(spec(j=2))
    assert len(counting.started) == started
    assert counting.plan(spec(j=2)).is_empty


SELECTIONS = {
    "the new address is excluded": Options(excludes=(Address("job", "new"),)),
    "the old address is targeted": Options(targets=(Address("job", "old"),)),
    "the new address is targeted": Options(targets=(Address("job", "new"),)),
    "the old address is excluded": Options(excludes=(Address("job", "old"),)),
}


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_renamed_job_is_a_move_whatever_is_selected(counting: Counting, selection: str) -> None:
    def spec(name: str) -> Config:
        return config(dataset("t", "1"), job(name, "t"))

    counting.apply(spec("old"))
    made = counting.plan(spec("new"), SELECTIONS[selection])
    assert not made.changes
    assert made.moves == ((Address("job", "old"), Address("job", "new")),)
    counting.apply(spec("new"), SELECTIONS[selection])
    assert counting.apply(spec("new")).result == "done"
    assert len(counting.started) == 1


def test_a_renamed_deployment_is_not_deleted_while_its_new_address_is_left_out(world: World) -> None:
    world.apply(config(deployment("old", "base", name="chat")))
    after = config(deployment("new", "base", name="chat"))
    assert not world.plan(after, Options(excludes=(Address("deployment", "new"),))).changes


def test_protection_is_lifted_where_the_object_was_declared(world: World) -> None:
    """Two exchange their names, and neither is protected any more."""

    def spec(first: str, second: str, lifecycle: Lifecycle, sku: str) -> Config:
        size: Value = {"name": sku, "capacity": 1}
        d = deployment("d", "base", name=first, sku=size, lifecycle=Lifecycle())
        return config(d, deployment("e", "base", name=second, lifecycle=lifecycle))

    world.apply(spec("chat", "eval", PROTECTED, "Standard"))
    after = spec("eval", "chat", Lifecycle(), "GlobalStandard")
    assert world.apply(after).result == "done"
    assert world.plan(after).is_empty

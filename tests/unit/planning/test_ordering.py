"""Decisions in their true order: what is in use stays, and what is created first has all that it needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from ftops.applying.run import Settings
from ftops.config.config import Config, Lifecycle
from ftops.core.address import Address, Value
from ftops.planning.plan import NORMAL
from tests.support.specs import World, config, dataset, deployment, job, steps, tuned

IGNORING = Lifecycle(ignore_changes=("model",))
ONLY_T = replace(NORMAL, targets=(Address("dataset", "t"),))
OLD_FIRST = Lifecycle(create_before_destroy=False)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def served(epochs: int, model: Value = None) -> Config:
    return config(
        dataset("t", "1"),
        job("j", "t", hyperparameters={"n_epochs": epochs}),
        deployment("d", tuned("j") if model is None else model, lifecycle=IGNORING),
    )


def test_a_model_that_something_serves_is_kept_in_every_plan(world: World) -> None:
    """The deployment ignores changes of its model, so that it goes on with the old one."""
    world.apply(served(1))
    after = served(2, "base")
    world.apply(after)
    for _ in range(2):
        made = world.plan(after)
        assert not made.changes
        assert made.warnings == ("the old object of job.j is kept: deployment.d still uses it",)
        world.apply(after)
    assert world.names() == {"dataset": 1, "job": 2, "deployment": 1}


def test_a_job_that_is_no_longer_declared_is_kept_while_something_serves_its_model(world: World) -> None:
    world.apply(served(1))
    after = config(dataset("t", "1"), deployment("d", "base", lifecycle=IGNORING))
    made = world.plan(after)
    assert not made.changes
    assert made.warnings == ("job.j is kept: deployment.d still uses it",)
    world.apply(config(dataset("t", "1")))
    assert world.names() == {"dataset": 1, "job": 0, "deployment": 0}


def test_what_is_created_first_has_its_needs_created_first(world: World) -> None:
    def spec(epochs: int) -> Config:
        trained = job("j", "t", lifecycle=OLD_FIRST, hyperparameters={"n_epochs": epochs})
        return config(dataset("t", "1"), trained, deployment("d", tuned("j"), replace="blue_green"))

    world.apply(spec(1))
    found = steps(world.plan(spec(2)))
    assert found[:2] == ["replace job.j", "replace deployment.d"]
    assert [step.partition("#")[0] for step in found[2:]] == ["delete deployment.d", "delete job.j"]


def test_an_endpoint_waits_for_the_model_also_if_what_it_serves_is_not_on_record(world: World) -> None:
    """The job failed, and the model that is served came from elsewhere."""
    world.apply(served(1, tuned("j")))
    world.cloud.fail_job = lambda thing: "out of memory"
    world.apply(served(2, tuned("j")))
    world.cloud.fail_job = lambda thing: ""
    world.cloud.things = {n: t for n, t in world.cloud.things.items() if n != "job-2"}
    plain = config(
        dataset("t", "1"), job("j", "t", hyperparameters={"n_epochs": 2}), deployment("d", tuned("j"))
    )
    gone = next(c for c in world.plan(plain).changes if c.step == "deployment.d#old")
    assert "job.j" in gone.waits_for


def test_a_file_is_kept_while_a_job_that_the_plan_leaves_alone_is_trained_on_it(world: World) -> None:
    world.cloud.patience = 1_000
    world.apply(config(dataset("t", "1"), job("j", "t")), settings=Settings(wait=False))
    after = config(dataset("t", "2"), job("j", "t"))
    world.apply(after, ONLY_T)
    made = world.plan(after, ONLY_T)
    assert not made.changes
    assert made.warnings == ("the old object of dataset.t is kept: job.j still uses it",)
    assert world.names()["dataset"] == 2

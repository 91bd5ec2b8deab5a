"""An object that a look doesn't show is gone only if looks a moment apart say so, and if it isn't new."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ftops.core.address import Address
from ftops.core.dag_executor import attempt
from ftops.core.timestamps import iso_timestamp
from ftops.planning.refresh import patient
from ftops.providers.base import Unfinished
from ftops.providers.openai.provider import OpenAIProvider
from ftops.providers.visibility import invisible_for, look_again_after
from ftops.state.state import RemoteObject, ResourceState, Status
from tests.support.cloud import Cloud, CloudProvider, VirtualTime
from tests.support.specs import World, config, dataset, job, steps

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
JOB = Address("job", "j")
SPEC = config(dataset("a", "1"), job("j", "a"))
THERE = RemoteObject("job-1", Status.READY)
REMOTE = OpenAIProvider({"api_key": "k"}, name="platform")
"""A provider whose calls leave the process; none is made here."""


@pytest.mark.parametrize(
    ("age", "lag", "left"),
    [
        (None, 30.0, 0.0),
        (0, 30.0, 30.0),
        (10, 30.0, 20.0),
        (30, 30.0, 0.0),
        (3600, 30.0, 0.0),
        (-300, 30.0, 30.0),  # the clock of the machine that created it is ahead
        (0, 0.0, 0.0),
    ],
)
def test_how_long_an_object_may_stay_unseen(age: int | None, lag: float, left: float) -> None:
    created_at = "" if age is None else iso_timestamp(NOW - timedelta(seconds=age))
    assert invisible_for(created_at, lag, NOW) == left


@pytest.mark.parametrize(
    ("left", "pause", "missed_before", "wait"),
    [
        (0.0, 1.0, False, 1.0),
        (0.0, 1.0, True, None),
        (30.0, 1.0, True, 2.0),
        (1.5, 1.0, True, 1.5),
        (0.1, 1.0, True, 1.0),
        (-5.0, 0.001, False, 0.001),
    ],
)
def test_when_to_look_again(left: float, pause: float, missed_before: bool, wait: float | None) -> None:
    assert look_again_after(left, pause, missed_before=missed_before) == wait


@pytest.mark.parametrize(
    ("shown", "until", "looks", "there"),
    [
        ([True], 0.0, 1, True),
        ([False, True], 0.0, 2, True),
        ([False, False, True], 0.0, 2, False),
        ([False] * 5 + [True], 30.0, 6, True),
        ([False] * 100, 30.0, 16, False),
    ],
    ids=["there", "one stray miss", "gone", "new, shown late", "new, never shown"],
)
def test_a_read_says_that_an_object_is_gone_only_if_it_is(
    shown: list[bool], until: float, looks: int, there: bool
) -> None:
    clock, answers = VirtualTime(), _answers(shown)
    look = patient(REMOTE, lambda: next(answers), clock, 1.0, until)
    count = 1
    while isinstance(found := attempt(look), Unfinished):
        clock.seconds += found.seconds
        count += 1
    assert (count, found is not None) == (looks, there)


def test_what_exists_in_the_state_alone_is_looked_at_once() -> None:
    answers = _answers([False, True])
    assert patient(CloudProvider(Cloud()), lambda: next(answers), VirtualTime(), 1.0)() is None


def _answers(shown: list[bool]) -> Iterator[RemoteObject | None]:
    return iter([THERE if one else None for one in shown])


class Forgetful(CloudProvider):
    """Doesn't know an object at its first looks."""

    misses = 0

    def read(self, resource: ResourceState) -> RemoteObject | None:
        if self.misses and resource.address == JOB:
            self.misses -= 1
            return None
        return super().read(resource)


@pytest.mark.parametrize(("visible_after", "misses"), [(0.0, 1), (30.0, 1), (30.0, 12)])
def test_a_new_object_that_a_replica_does_not_know_yet_keeps_its_record(
    tmp_path: Path, visible_after: float, misses: int
) -> None:
    world = World(tmp_path)
    world.provider = forgetful = Forgetful(world.cloud)
    forgetful.visible_after = visible_after  # type: ignore[attr-defined]
    forgetful.misses = misses
    assert world.apply(SPEC).result == "done"
    assert world.state.resources[JOB].status is Status.READY
    assert steps(world.plan(SPEC)) == []
    assert world.names()["job"] == 1


def test_an_object_that_vanishes_while_it_is_being_created_fails_its_step(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.provider = forgetful = Forgetful(world.cloud)
    forgetful.misses = 100
    report = world.apply(SPEC)
    assert report.result == "failed"
    assert "job.j disappeared" in report.failures[0].error.summary
    assert JOB not in world.state.resources
    assert forgetful.misses == 98, "it was looked for twice"


def test_when_it_was_created_is_on_record(tmp_path: Path) -> None:
    world = World(tmp_path)
    before = datetime.now(UTC)
    world.apply(SPEC)
    moments = {datetime.fromisoformat(r.created_at) for r in world.state.resources.values()}
    assert all(before - timedelta(seconds=1) <= moment <= datetime.now(UTC) for moment in moments)

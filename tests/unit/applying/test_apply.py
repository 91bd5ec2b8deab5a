"""How a plan is walked: failures, retries, stops, what is left at the service."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from ftops.applying import events
from ftops.applying.events import to_json
from ftops.applying.provider_calls import Context
from ftops.applying.run import Apply, Settings
from ftops.config.config import Config
from ftops.core.address import Address
from ftops.planning.plan import Mode, Options
from ftops.providers.base import Progress
from ftops.state.state import ResourceState, Status
from tests.support.cloud import Cloud, CloudProvider, VirtualTime
from tests.support.specs import World, config, dataset, deployment, job, steps, tuned


def two_chains() -> Config:
    return config(
        dataset("a", "1"),
        dataset("b", "2"),
        job("a", "a"),
        job("b", "b"),
        deployment("a", tuned("a")),
        deployment("b", tuned("b")),
    )


def of_type(world: World, kind: type[events.Event]) -> list[events.Event]:
    return [e for e in world.events if isinstance(e, kind)]


def test_a_failure_stops_what_depends_on_it_and_nothing_else(tmp_path: Path) -> None:
    cloud = Cloud(fail_job=lambda thing: "no" if thing.inputs["training"] == "dataset-1" else "")
    world = World(tmp_path, cloud)
    report = world.apply(two_chains())
    assert report.result == "failed"
    assert {s: f.value for s, f in report.fates.items()} == {
        "dataset.a": "done",
        "dataset.b": "done",
        "job.a": "failed",
        "job.b": "done",
        "deployment.a": "skipped",
        "deployment.b": "done",
    }
    skipped = of_type(world, events.ChangeSkipped)
    assert [(e.step, e.because) for e in skipped] == [("deployment.a", "job.a")]  # type: ignore[attr-defined]
    assert world.state.resources[Address("job", "a")].status is Status.TAINTED


def test_retry_after_is_honoured_and_shown(tmp_path: Path) -> None:
    world = World(tmp_path, Cloud(faults=iter(["busy", "busy"])))
    assert world.apply(config(dataset("a", "1"))).result == "done"
    retried = of_type(world, events.ChangeRetried)
    assert [(e.attempt, e.wait) for e in retried] == [(2, 3.0), (3, 3.0)]  # type: ignore[attr-defined]
    assert world.names()["dataset"] == 1


def test_waits_double_where_the_service_names_no_time(tmp_path: Path) -> None:
    world = World(tmp_path, Cloud(faults=iter(["down", "", "down", "", "down"])))
    world.apply(config(dataset("a", "1")))
    waits = [e.wait for e in of_type(world, events.ChangeRetried)]  # type: ignore[attr-defined]
    assert waits[0] == 1.0
    assert all(later >= earlier for earlier, later in itertools.pairwise(waits))


def test_a_service_that_stays_away_ends_in_a_failure_that_can_be_taken_up(tmp_path: Path) -> None:
    world = World(tmp_path, Cloud(faults=itertools.repeat("down")))
    report = world.apply(config(dataset("a", "1")))
    assert report.result == "failed"
    assert "no reply" in report.failures[0].error.summary
    assert list(world.state.pending) == [Address("dataset", "a")]
    world.cloud.faults = iter(())
    assert world.apply(config(dataset("a", "1"))).result == "done"
    assert world.names()["dataset"] == 1


def test_no_wait_leaves_the_job_and_the_next_apply_goes_on_with_it(tmp_path: Path) -> None:
    world = World(tmp_path, Cloud(patience=2))
    wanted = config(dataset("a", "1"), job("a", "a"), deployment("a", tuned("a")))
    report = world.apply(wanted, settings=Settings(wait=False))
    assert report.result == "in-progress"
    assert world.names() == {"dataset": 1, "job": 1, "deployment": 0}
    assert [e.remote_id for e in of_type(world, events.ChangeLeft)] == ["job-2"]  # type: ignore[attr-defined]
    made = world.plan(wanted)
    assert steps(made) == ["resume job.a", "create deployment.a"]
    assert made.changes[0].reason.code == "pending"
    assert world.apply(wanted).result == "done"
    assert world.cloud.created == 3


class Telling(CloudProvider):
    """Two more events at each look at a job."""

    def progress(self, resource: ResourceState, seen: str) -> tuple[list[Progress], str]:
        if resource.address.kind != "job":
            return [], seen
        there = 2 * self.cloud.things[resource.remote_id].looks
        return [Progress(f"event {number}") for number in range(int(seen or 0), there)], str(there)


def test_a_job_that_is_resumed_tells_what_is_new_and_is_counted_as_such(tmp_path: Path) -> None:
    world = World(tmp_path, Cloud(patience=3))
    world.provider = Telling(world.cloud)
    wanted = config(dataset("a", "1"), job("a", "a"))
    world.apply(wanted, settings=Settings(wait=False))
    world.events.clear()
    world.apply(wanted)
    told = [to_json(e)["message"] for e in of_type(world, events.ChangeProgress)]
    assert told == ["event 3", "event 4", "event 5"]
    (finished,) = map(to_json, of_type(world, events.RunFinished))
    assert (finished["resumed"], finished["adopted"]) == (1, 0)


def test_a_stuck_object_is_waited_for_up_to_a_limit_and_again_by_the_next_apply(tmp_path: Path) -> None:
    world = World(tmp_path, Cloud(patience=10**9))
    world.provider.timeouts = {"dataset": 60.0, "deployment": 3600.0}  # type: ignore[attr-defined]
    wanted = config(dataset("a", "1"), deployment("d", "gpt-4o-mini-2024-07-18"))
    for attempt in range(2):
        report = world.apply(wanted)
        assert report.result == "failed"
        said = {str(f.address): f.error for f in report.failures}
        assert said["dataset.a"].summary == "dataset.a isn't ready after 60 s"
        assert said["deployment.d"].summary == "deployment.d isn't ready after 60 min"
        assert "still exists" in said["deployment.d"].detail
        assert "`timeouts: {deployment: …}`" in said["deployment.d"].hint
        assert {r.status for r in world.state.resources.values()} == {Status.PENDING}, attempt
        assert steps(world.plan(wanted)) == ["resume dataset.a", "resume deployment.d"]
    world.cloud.patience = 1
    assert world.apply(wanted).result == "done"
    assert world.cloud.created == 2


def test_a_job_is_waited_for_without_a_limit_unless_one_is_set(tmp_path: Path) -> None:
    world = World(tmp_path)
    wanted = config(dataset("a", "1"), job("a", "a"))
    world.cloud.patience = 1
    world.apply(config(dataset("a", "1")))
    world.cloud.patience = 9000
    world.provider.timeouts = {"job": 7200.0}  # type: ignore[attr-defined]
    assert world.apply(wanted).failures[0].error.summary == "job.a isn't ready after 120 min"
    world.provider.timeouts = {}  # type: ignore[attr-defined]
    assert world.apply(wanted).result == "done"
    assert world.cloud.created == 2


def test_a_stop_starts_nothing_new_and_leaves_what_waits(tmp_path: Path) -> None:
    world = World(tmp_path, Cloud(patience=5))
    wanted = config(dataset("a", "1"), job("a", "a"), deployment("a", tuned("a")))
    report = _apply_stopping_at(world, wanted, "job.a")
    assert report.result == "interrupted"
    assert report.fates["job.a"].value == "left"
    assert report.fates["deployment.a"].value == "not started"
    assert len(of_type(world, events.StopRequested)) == 1
    assert world.apply(wanted).result == "done"
    assert world.cloud.created == 3


def _apply_stopping_at(world: World, wanted: Config, step: str):  # type: ignore[no-untyped-def]
    """Asks for a stop as soon as the step has started, as a signal would."""
    made = world.plan(wanted)
    state = world.state
    journal = world.store.open_journal(state)
    runs: list[Apply] = []

    def emit(event: events.Event) -> None:
        world.events.append(event)
        if isinstance(event, events.ChangeStarted) and event.step == step:
            runs[0].stop()

    context = Context(wanted.folder, lambda name: world.provider, {}, emit, clock=VirtualTime())
    runs.append(Apply(made, state, journal, context, Settings()))
    report = runs[0].run(lambda now: {})
    journal.fold(report.state)
    return report


def test_changes_to_one_account_are_made_one_at_a_time(tmp_path: Path) -> None:
    world = World(tmp_path, Cloud(patience=2))
    world.apply(config(*(deployment(f"d{i}", "gpt") for i in range(4))))
    busy: set[str] = set()
    for event in world.events:
        if isinstance(event, events.ChangeStarted):
            assert not busy, f"{event.step} started while {busy} was under way"
            busy.add(event.step)
        elif isinstance(event, events.ChangeFinished):
            busy.remove(event.step)


def test_the_last_event_counts_what_was_done(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.apply(two_chains())
    last = to_json(world.events[-1])  # type: ignore[arg-type]
    assert (last["event"], last["result"], last["created"], last["failed"]) == ("run_finished", "done", 6, 0)
    world.apply(two_chains(), Options(mode=Mode.DESTROY))
    assert to_json(world.events[-1])["deleted"] == 6  # type: ignore[arg-type]


@pytest.mark.parametrize("parallelism", [1, 2, 10])
def test_any_parallelism_gives_the_same_cloud(tmp_path: Path, parallelism: int) -> None:
    world = World(tmp_path)
    world.apply(two_chains(), settings=Settings(parallelism=parallelism))
    assert world.names() == {"dataset": 2, "job": 2, "deployment": 2}
    assert world.plan(two_chains()).is_empty

"""The recorded state brought up to date with what was observed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from ftops.core.address import Json
from ftops.planning.decision import deposed_key
from ftops.planning.reconcile import reassigned, reconcile
from ftops.state.entries import Failed, Reassignment, Recorded, Removed
from ftops.state.live_state import fold
from ftops.state.state import Observed, Operation, RemoteObject, Status
from tests.support.records import DATA, JOB, SERVING, intent, record, state_of

SKU: Mapping[str, Json] = {"sku": {"name": "Standard", "capacity": 10}}

ONE: Mapping[str, Json] = {"purpose": "one"}
TWO: Mapping[str, Json] = {"purpose": "two"}


def shown(remote_id: str, inputs: Mapping[str, Json] | None = None) -> RemoteObject:
    return RemoteObject(remote_id, Status.READY, {"id": remote_id}, inputs or {})


def test_what_is_as_recorded_needs_no_entry() -> None:
    state = state_of([record(SERVING, inputs=SKU, outputs={"id": "deployment-prod"})])
    found = reconcile(state, Observed(True, {SERVING: shown("deployment-prod", SKU)}))
    assert (found.entries, found.drift) == ([], [])
    assert found.resources == state.resources


@pytest.mark.parametrize(
    ("policies", "left", "entries"),
    [
        ({}, [], [Removed(JOB)]),
        ({"vanished": "ignore"}, [JOB], []),
        ({"vanished": "fail"}, [], [Removed(JOB)]),
    ],
)
def test_what_is_gone(policies: Mapping[str, str], left: list[object], entries: list[object]) -> None:
    found = reconcile(state_of([record(JOB)]), Observed(True, {JOB: None}), policies)
    assert list(found.resources) == left
    assert found.entries == entries
    assert [d.kind for d in found.drift] == ["vanished"]
    assert found.away == frozenset(left)


def test_a_change_outside_is_drift_and_is_recorded_only_if_it_is_accepted() -> None:
    state = state_of([record(SERVING, inputs=SKU, outputs={"id": "deployment-prod"})])
    outside: Mapping[str, Json] = {"sku": {"name": "Standard", "capacity": 99}}
    observed = Observed(True, {SERVING: shown("deployment-prod", outside)})
    found = reconcile(state, observed)
    assert [(a.path, a.before, a.after) for d in found.drift for a in d.attributes] == [
        ("sku.capacity", 10, 99)
    ]
    assert found.resources[SERVING].inputs == SKU
    accepted = reconcile(state, observed, accept=True)
    assert accepted.resources[SERVING].inputs == outside
    assert fold(state, accepted.entries).resources == accepted.resources


def test_the_object_of_an_interrupted_create_is_recorded_and_the_one_before_is_deposed() -> None:
    old = record(JOB, "ftjob-old")
    state = state_of([old], pending=[intent(JOB)])
    observed = Observed(True, {JOB: shown("ftjob-old")}, found={JOB: shown("ftjob-new")})
    found = reconcile(state, observed)
    assert found.resources[JOB].remote_id == "ftjob-new"
    assert found.deposed[JOB, deposed_key(old)].remote_id == "ftjob-old"
    assert found.found == {JOB}
    after = fold(state, found.entries)
    assert (after.resources, after.pending) == (found.resources, {})
    assert {key: one.remote_id for key, one in after.deposed.items()} == {
        (JOB, deposed_key(old)): "ftjob-old"
    }


def test_an_intent_that_came_to_nothing_ends() -> None:
    found = reconcile(state_of(pending=[intent(JOB)]), Observed())
    assert [type(e) for e in found.entries] == [Failed]
    assert not found.resources


def test_an_interrupted_update_is_looked_at_again() -> None:
    state = state_of([record(SERVING)], pending=[intent(SERVING, Operation.UPDATE)])
    found = reconcile(state, Observed(True, {SERVING: shown("deployment-prod")}))
    assert found.interrupted == {SERVING}
    assert found.resources[SERVING].remote_id == "deployment-prod"


def test_a_deposed_object_that_is_gone_is_forgotten() -> None:
    state = state_of(deposed=[(record(JOB), "0a")])
    found = reconcile(state, Observed(True, deposed={(JOB, "0a"): None}))
    assert (found.deposed, found.entries) == ({}, [Removed(JOB, "0a")])


def test_a_status_that_went_on_is_recorded() -> None:
    state = state_of([record(JOB, status=Status.PENDING)])
    remote = replace(shown("job-copilot"), message="done")
    found = reconcile(state, Observed(True, {JOB: remote}))
    assert found.entries == [Recorded(found.resources[JOB])]
    assert found.resources[JOB].status is Status.READY


def test_what_was_seen_goes_with_an_object_to_its_new_address() -> None:
    other = DATA._replace(name="other")
    state = state_of([record(DATA, "file-1", inputs=ONE), record(other, "file-2", inputs=TWO)])
    observed = Observed(True, {DATA: shown("file-1", ONE), other: shown("file-2", TWO)})
    swapped = reassigned(
        reconcile(state, observed), observed, (Reassignment(DATA, "", other), Reassignment(other, "", DATA))
    )
    assert {a: r.remote_id for a, r in swapped.resources.items()} == {DATA: "file-2", other: "file-1"}
    assert swapped.seen == {DATA: TWO, other: ONE}
    assert swapped.inherited == {DATA: other, other: DATA}

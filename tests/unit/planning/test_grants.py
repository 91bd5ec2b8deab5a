"""What a new plan may do under an approved one."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ftops.core.address import Address
from ftops.planning.grants import Residual, options_left, residual, supersedes
from ftops.planning.plan import NORMAL, Action, Change, Gate, Plan, Reason
from ftops.state.entries import Entry, Granted, GrantEnded, Moved, Recorded, Removed
from ftops.state.file_format import StateCodec, entry_from_json, entry_to_json
from ftops.state.live_state import fold
from ftops.state.state import Grant, State
from tests.support.records import DATA, JOB, SERVING, record, state_of

OTHER = Address("deployment", "other")
INPUTS: dict[Address, dict[str, Any]] = {
    DATA: {"content": "sha256:1", "file": "/a/derived.jsonl"},
    JOB: {"n_epochs": 2},
    SERVING: {"model": "${job.copilot.fine_tuned_model}"},
    OTHER: {},
}


def change(address: Address, action: Action = Action.CREATE, key: str = "", **more: Any) -> Change:
    step = f"{address}#{key}" if key else str(address)
    given = {"after": INPUTS[address] if action not in (Action.DELETE, Action.FORGET) else {}, **more}
    return Change(step, address, action, Reason("tainted", "words"), "p", deposed=key, **given)


def plan_of(*changes: Change, entries: tuple[Entry, ...] = ()) -> Plan:
    return Plan("s", "e", "lineage", 1, changes, entries)


APPROVED = plan_of(change(DATA), change(JOB, waits_for=(str(DATA),)), change(SERVING, waits_for=(str(JOB),)))


NOTHING = State("a")


def left(again: Plan, approved: Plan = APPROVED, state: State = NOTHING, retry: bool = False) -> Residual:
    return residual(approved, again, state, retry=retry)


def steps(found: Residual) -> list[str]:
    return [one.step for one in found.plan.changes]


def test_what_is_left_is_part_of_what_was_approved() -> None:
    moved_file = change(DATA, after={"content": "sha256:1", "file": "/b/derived.jsonl"})
    found = left(plan_of(moved_file, change(JOB, Action.ADOPT), change(SERVING), change(OTHER)))
    assert (steps(found), found.foreign) == ([str(DATA), str(JOB), str(SERVING)], {})


GATE = Gate(Address("evaluation", "v"), {"verdict": "better"}, "m")
WIDER = {
    "inputs": change(JOB, after={"n_epochs": 3}),
    "one more input": change(JOB, after={"n_epochs": 2, "seed": 1}),
    "provider": replace(change(JOB), provider="q"),
    "update": change(JOB, Action.UPDATE),
    "gates": change(JOB, gates=(GATE,)),
    "override": change(JOB, override="somebody wants it"),
    "needs another": change(JOB, waits_for=(str(OTHER),)),
}


@pytest.mark.parametrize("step", WIDER.values(), ids=WIDER.keys())
def test_a_grant_never_widens(step: Change) -> None:
    assert left(plan_of(change(OTHER), step)).foreign


def test_identities_of_secrets_and_data_are_inputs() -> None:
    approved = plan_of(change(JOB, identities={"training": "1"}))
    assert left(plan_of(change(JOB, identities={"training": "2"})), approved).foreign
    assert not left(plan_of(change(JOB, identities={"training": "1", "model": "x"})), approved).foreign


NOT_INCLUDED = {
    Action.ADOPT: Action.CREATE,
    Action.RESUME: Action.REPLACE,
    Action.UPDATE: Action.REPLACE,
}


@pytest.mark.parametrize(("approved", "now"), NOT_INCLUDED.items())
def test_what_cost_nothing_is_not_created_instead(approved: Action, now: Action) -> None:
    found = left(plan_of(change(JOB, now)), plan_of(change(JOB, approved)), retry=True)
    assert found.foreign


def test_only_the_approved_object_is_deleted() -> None:
    approved = plan_of(change(OTHER, Action.DELETE, remote_id="one"))
    assert steps(left(plan_of(change(OTHER, Action.DELETE, remote_id="one")), approved)) == [str(OTHER)]
    assert steps(left(plan_of(change(OTHER, Action.DELETE, remote_id="two")), approved)) == []
    forgotten = plan_of(change(OTHER, Action.FORGET, remote_id="one"))
    assert steps(left(forgotten, approved)) == [str(OTHER)]
    found = left(plan_of(change(OTHER, Action.DELETE, remote_id="one")), forgotten)
    assert [one.action for one in found.plan.changes] == [Action.FORGET]


@pytest.mark.parametrize("gone", [False, True])
def test_what_was_made_is_made_again_only_in_a_retry(gone: bool) -> None:
    state = state_of([record(JOB, "failed")])
    entries = (Removed(JOB),) if gone else ()
    again = plan_of(
        change(JOB, Action.CREATE if gone else Action.REPLACE, remote_id="" if gone else "failed"),
        change(JOB, Action.DELETE, "key", remote_id="failed", waits_for=(str(JOB),)),
        change(SERVING, waits_for=(str(JOB),)),
        entries=entries,
    )
    found = left(again, state=state)
    assert (found.failed, steps(found), found.foreign) == ((JOB,), [], {})
    assert found.plan.entries == ()
    found = left(again, state=state, retry=True)
    assert steps(found) == [str(JOB), f"{JOB}#key", str(SERVING)]
    assert (found.foreign, found.plan.entries) == ({}, entries)


def test_one_that_a_killed_run_started_and_that_failed_counts_as_made() -> None:
    again = plan_of(change(JOB, Action.REPLACE), entries=(Recorded(record(JOB, "found")),))
    assert left(again).failed == (JOB,)


def test_the_object_that_is_replaced_was_there_before() -> None:
    approved = plan_of(change(JOB, Action.REPLACE, remote_id="old"))
    again = plan_of(change(JOB, Action.REPLACE, remote_id="old"))
    assert left(again, approved, state_of([record(JOB, "old")])).failed == ()
    assert left(again, approved, state_of([record(JOB, "new")])).failed == (JOB,)


def test_what_somebody_changed_stays() -> None:
    found = left(plan_of(change(SERVING, Action.UPDATE)), state=state_of([record(SERVING, "made")]))
    assert (found.changed, steps(found), found.foreign) == ((SERVING,), [], {})


def test_what_was_asked_to_be_replaced_is_replaced_once() -> None:
    options = replace(NORMAL, replaces=(JOB,), excludes=(OTHER,))
    approved = plan_of(change(JOB, Action.REPLACE, remote_id="old"))
    before = options_left(options, approved, state_of([record(JOB, "old")]))
    after = options_left(options, approved, state_of([record(JOB, "new")]))
    assert (before.replaces, after.replaces) == ((JOB,), ())
    assert (before.targets, before.excludes) == ((JOB,), ())


ENDS = {
    "same": (plan_of(change(JOB)), False, True),
    "other": (plan_of(change(OTHER)), False, False),
    "whole": (plan_of(change(OTHER)), True, True),
    "seen": (plan_of(change(OTHER), entries=(Recorded(record(JOB)),)), False, False),
    "gone": (plan_of(change(OTHER), entries=(Removed(JOB),)), False, True),
    "moved": (plan_of(entries=(Moved(((JOB, OTHER),)),)), False, True),
}


@pytest.mark.parametrize(("made", "is_whole", "ends"), ENDS.values(), ids=ENDS.keys())
def test_a_newer_run_ends_it(made: Plan, is_whole: bool, ends: bool) -> None:
    grant = Grant("v2:sha256:1", "", "", (DATA, JOB, SERVING), "")
    assert supersedes(made, grant, is_whole=is_whole) is ends


def test_entries_are_recorded_and_read() -> None:
    grant = Grant(
        "v2:sha256:1", "at", "until", (DATA, JOB), '{"${x}": "${env.Y}"}', "ann", budget=2.5, spent=1
    )
    entries: list[Entry] = [Granted(grant), GrantEnded(grant.digest, "superseded")]
    assert [entry_from_json(entry_to_json(entry)) for entry in entries] == entries
    begun = fold(State("a", 3), entries[:1])
    text = StateCodec().snapshot(begun, "s", "e")
    assert StateCodec().parse(text, "file", "s", "e") == begun
    assert fold(begun, entries[1:]).grants == {}

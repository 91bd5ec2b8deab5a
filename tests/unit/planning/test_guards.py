"""What stands in the way of a plan."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ftops.config.config import Refactorings, Removal
from ftops.core.errors import Blocked
from ftops.planning.guards import check_drift, check_empty, check_owners
from ftops.planning.plan import Drift, Mode
from tests.support.records import DATA, JOB, SERVING, record, state_of
from tests.support.specs import config, dataset

NOTHING = config()
FULL = state_of([record(DATA), record(JOB)])
ACCOUNTS = {"p": "azure:acme", "q": "azure:acme", "elsewhere": "azure:other", "platform": "openai:api"}


def test_an_empty_spec_deletes_nothing_by_mistake() -> None:
    with pytest.raises(Blocked, match="2 resources exist"):
        check_empty(NOTHING, FULL, Mode.NORMAL, False)


@pytest.mark.parametrize(
    ("spec", "state", "mode", "allowed"),
    [
        (NOTHING, FULL, Mode.NORMAL, True),
        (NOTHING, FULL, Mode.DESTROY, False),
        (NOTHING, state_of(), Mode.NORMAL, False),
        (config(dataset("train", "1")), FULL, Mode.NORMAL, False),
        (
            replace(NOTHING, refactorings=Refactorings(removals=(Removal(DATA, True), Removal(JOB, True)))),
            FULL,
            Mode.NORMAL,
            False,
        ),
    ],
)
def test_an_empty_spec_that_is_meant(spec: object, state: object, mode: Mode, allowed: bool) -> None:
    check_empty(spec, state, mode, allowed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("policy", "mode", "stops"),
    [("fail", Mode.NORMAL, True), ("fail", Mode.DESTROY, False), ("correct", Mode.NORMAL, False)],
)
def test_drift_stops_a_plan_if_the_spec_says_so(policy: str, mode: Mode, stops: bool) -> None:
    drift = [Drift(JOB, "changed", policy=policy)]
    if stops:
        with pytest.raises(Blocked):
            check_drift(drift, mode)
    else:
        check_drift(drift, mode)


OTHER = DATA._replace(name="other")


@pytest.mark.parametrize(
    ("first", "second", "stops"),
    [
        (record(DATA, "file-1"), record(OTHER, "file-1"), True),
        (record(DATA, "file-1"), record(OTHER, "FILE-1"), True),
        (record(DATA, "file-1"), record(OTHER, "file-1", provider="q"), True),
        (record(DATA, "file-1"), record(OTHER, "file-1", provider="elsewhere"), False),
        (record(DATA, "file-1"), record(OTHER, "file-2"), False),
        (record(DATA, "1"), record(JOB, "1"), False),
        (
            record(SERVING, "m", provider="platform"),
            record(SERVING._replace(name="b"), "m", provider="platform"),
            False,
        ),
    ],
)
def test_one_object_has_one_address(first: object, second: object, stops: bool) -> None:
    after = state_of([first, second])  # type: ignore[list-item]
    if stops:
        with pytest.raises(Blocked, match="for the same object"):
            check_owners(after, (), ACCOUNTS)
    else:
        check_owners(after, (), ACCOUNTS)


def test_a_deposed_object_counts() -> None:
    after = state_of([record(DATA, "file-1")], deposed=[(record(DATA, "file-1"), "0a")])
    with pytest.raises(Blocked):
        check_owners(after, (), ACCOUNTS)

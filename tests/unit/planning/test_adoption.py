"""What of an account is adopted instead of created again, and as whose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from ftops.core.address import Address, Json, Reference
from ftops.core.errors import Permanent
from ftops.planning.adoption import find_adoptable
from ftops.planning.plan import Action, Change, Reason
from ftops.planning.refresh import Reader
from ftops.providers.base import Existing
from ftops.providers.dataplane.job_wire import seed_for
from ftops.providers.memory import MemoryProvider
from ftops.state.state import RemoteObject, ResourceState, State, Status, owner_mark
from tests.support.records import DATA, JOB, SERVING, record, state_of

FINGERPRINT = "abcd" * 16
OWN = owner_mark("line") + "0123456789abcdef"[: 16 - len(owner_mark("line"))]
FOREIGN = "f" * 16
OTHER_JOB = Address("job", "other")


class Account(MemoryProvider):
    """An account that holds these objects; the models of some jobs are deleted."""

    def __init__(self, *objects: Existing, without_model: tuple[str, ...] = ()) -> None:
        self.objects = objects
        self.without_model = without_model
        self.listed: list[str] = []

    def existing(self, kind: str) -> list[Existing]:
        self.listed.append(kind)
        return [one for one in self.objects if one.kind == kind]

    def content(self, remote_id: str, take: object) -> bool:
        return False

    def model_exists(self, found: Existing) -> bool:
        return found.remote.remote_id not in self.without_model

    def read(self, resource: ResourceState) -> RemoteObject | None:
        return next((o.remote for o in self.objects if o.remote.remote_id == resource.remote_id), None)


class Refusing(Account):
    def existing(self, kind: str) -> list[Existing]:
        raise Permanent("not signed in")


def file(id: str = "file-1", digest: str = "d1", purpose: str = "fine-tune", **more: Any) -> Existing:
    attributes: dict[str, Json] = {"bytes": more.pop("bytes", 10)}
    status = more.pop("status", Status.READY)
    return Existing(
        "dataset", RemoteObject(id, status, attributes, {"purpose": purpose}), id, digest=digest, **more
    )


def job(id: str = "ftjob-1", status: Status = Status.READY, **more: Any) -> Existing:
    inputs: Mapping[str, Json] = more.pop("inputs", {})
    model = more.pop("model", "")
    remote = RemoteObject(id, status, {"fine_tuned_model": model} if model else {}, inputs)
    return Existing("job", remote, id, **more)


def change(address: Address = JOB, action: Action = Action.CREATE, **more: Any) -> Change:
    after: Mapping[str, Any] = more.pop("after", {"model": "base"})
    return Change(str(address), address, action, Reason("", ""), "p", after=after, **more)


UPLOAD = change(DATA, after={"content": "sha256:d1", "purpose": "fine-tune"}, facts={"bytes": 10})
TRAIN = change(fingerprint=FINGERPRINT)


def adopted(
    account: Account, *changes: Change, state: State | None = None, left_alone: tuple[Address, ...] = ()
) -> dict[Address, tuple[str, bool]]:
    """The ids of the objects to adopt, and whether they belong to another state."""
    found, warning = find_adoptable(changes, Reader(lambda _: account), state or state_of(), left_alone)
    assert warning == ""
    return {address: (one.remote.remote_id, one.shared) for address, one in found.items()}


@pytest.mark.parametrize(
    ("existing", "is_adopted"),
    [
        (file(), True),
        (file(digest="d2"), False),
        (file(purpose="batch"), False),
        (file(bytes=11), False),
        (file(bytes=None), True),
        (file(status=Status.TAINTED), False),
    ],
)
def test_a_file_is_the_same_if_digest_purpose_and_size_are(existing: Existing, is_adopted: bool) -> None:
    assert bool(adopted(Account(existing), UPLOAD)) == is_adopted


@pytest.mark.parametrize(
    ("existing", "planned", "is_adopted"),
    [
        (FINGERPRINT, FINGERPRINT, True),
        ("ef" * 32, FINGERPRINT, False),
        (FINGERPRINT, "", False),  # what it would train on isn't known yet
        ("", "", False),
    ],
)
def test_a_job_is_the_same_if_its_fingerprint_is(existing: str, planned: str, is_adopted: bool) -> None:
    account = Account(job(fingerprint=existing))
    assert bool(adopted(account, change(fingerprint=planned))) == is_adopted


REPORTED: dict[str, Json] = {
    "model": "base-2024",
    "method": "supervised",
    "training": "file-1",
    "hyperparameters": {"n_epochs": 3},
    "seed": 7,
    "suffix": "bot",
}
WANTED: dict[str, Any] = {
    "model": "base",
    "method": "supervised",
    "training": Reference(DATA, "id"),
    "hyperparameters": {"n_epochs": 3},
    "seed": 7,
    "suffix": "bot",
    "training_type": "standard",
}
MARKED = seed_for({}, OWN, FINGERPRINT)


def without(inputs: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if name not in names}


@pytest.mark.parametrize(
    ("reported", "wanted", "model", "is_adopted"),
    [
        (REPORTED, WANTED, "", True),
        (REPORTED | {"model": "other"}, WANTED, "", False),
        (REPORTED, {**WANTED, "model": Reference(OTHER_JOB, "fine_tuned_model")}, "", False),
        (REPORTED | {"training": "file-2"}, WANTED, "", False),
        (REPORTED | {"validation": "file-1"}, WANTED, "", False),
        (REPORTED | {"method": "dpo"}, WANTED, "", False),
        (REPORTED | {"beta": 0.1}, WANTED, "", False),
        (REPORTED | {"training_type": "developer"}, WANTED, "", False),
        (REPORTED | {"suffix": "cat"}, WANTED, "", False),
        (without(REPORTED, "suffix"), WANTED, "base.ft-1-bot", True),
        (without(REPORTED, "suffix"), WANTED, "base.ft-1-cat", False),
        (REPORTED | {"seed": 8}, WANTED, "", False),
        (REPORTED | {"hyperparameters": {"n_epochs": 4}}, WANTED, "", False),
        (without(REPORTED, "hyperparameters"), without(WANTED, "hyperparameters"), "", False),
        (REPORTED, without(WANTED, "seed"), "", False),
        (REPORTED | {"seed": MARKED}, without(WANTED, "seed"), "", True),
    ],
)
def test_a_job_without_a_fingerprint_is_the_same_if_all_that_is_reported_leaves_no_choice(
    reported: Mapping[str, Json], wanted: Mapping[str, Any], model: str, is_adopted: bool
) -> None:
    account = Account(file("file-1", "d1"), file("file-2", "d2"), job(inputs=reported, model=model))
    training = change(after=wanted, fingerprint=FINGERPRINT, identities={"training": "sha256:d1"})
    recorded = [record(DATA, inputs={"content": "sha256:d1"})]
    found = adopted(account, training, state=state_of(recorded))
    assert bool(found) == is_adopted


@pytest.mark.parametrize(
    ("change", "state", "left_alone"),
    [
        (change(action=Action.UPDATE, fingerprint=FINGERPRINT), state_of(), ()),
        (change(SERVING, fingerprint=FINGERPRINT), state_of(), ()),
        (TRAIN, state_of(), (JOB,)),
        (TRAIN, state_of([record(OTHER_JOB, "ftjob-1")]), ()),
        (TRAIN, state_of(deposed=[(record(OTHER_JOB, "ftjob-1"), "key")]), ()),
    ],
    ids=["updated", "deployment", "left alone", "recorded", "deposed"],
)
def test_nothing_is_adopted(change: Change, state: State, left_alone: tuple[Address, ...]) -> None:
    assert adopted(Account(job(fingerprint=FINGERPRINT)), change, state=state, left_alone=left_alone) == {}


def test_a_replaced_job_is_adopted_too() -> None:
    found = adopted(Account(job(fingerprint=FINGERPRINT)), replace(TRAIN, action=Action.REPLACE))
    assert found == {JOB: ("ftjob-1", True)}


@pytest.mark.parametrize(
    ("jobs", "chosen"),
    [
        ([("a", Status.PENDING), ("b", Status.READY)], "b"),
        ([("a", Status.PENDING), ("b", Status.TAINTED)], "a"),
        ([("newest", Status.READY), ("older", Status.READY)], "newest"),
        ([("gone", Status.READY), ("older", Status.READY)], "older"),
    ],
)
def test_a_finished_job_is_preferred_to_a_running_one(jobs: list[tuple[str, Status]], chosen: str) -> None:
    listed = (job(id, status, fingerprint=FINGERPRINT) for id, status in jobs)
    assert adopted(Account(*listed, without_model=("gone",)), TRAIN)[JOB][0] == chosen


def test_no_object_is_adopted_twice() -> None:
    account = Account(job("a", fingerprint=FINGERPRINT), job("b", fingerprint=FINGERPRINT))
    found = adopted(account, TRAIN, change(OTHER_JOB, fingerprint=FINGERPRINT))
    assert {one for one, _ in found.values()} == {"a", "b"}
    assert list(adopted(Account(account.objects[0]), TRAIN, change(OTHER_JOB, fingerprint=FINGERPRINT))) == [
        JOB
    ]


@pytest.mark.parametrize(
    ("existing", "planned", "is_shared"),
    [
        (file(token=OWN), UPLOAD, False),
        (file(token=FOREIGN), UPLOAD, True),
        (file(), UPLOAD, True),
        (job(fingerprint=FINGERPRINT, token=OWN), TRAIN, False),
        (job(fingerprint=FINGERPRINT, inputs={"seed": MARKED}), TRAIN, False),
        (job(fingerprint=FINGERPRINT, inputs={"seed": seed_for({}, FOREIGN, FINGERPRINT)}), TRAIN, True),
        (
            job(fingerprint=FINGERPRINT, inputs={"seed": MARKED}),
            replace(TRAIN, after={"model": "base", "seed": MARKED}),
            True,
        ),
    ],
)
def test_an_object_of_another_state_is_shared(existing: Existing, planned: Change, is_shared: bool) -> None:
    found = adopted(Account(existing), planned)
    assert [shared for _, shared in found.values()] == [is_shared]


def test_an_account_that_can_not_be_listed_gives_a_warning() -> None:
    found, warning = find_adoptable([TRAIN], Reader(lambda _: Refusing()), state_of())
    assert found == {}
    assert warning == "can't look for existing files and jobs to adopt: not signed in"


def test_nobody_is_asked_if_there_is_nothing_to_create() -> None:
    account = Account()
    assert adopted(account, replace(TRAIN, action=Action.DELETE)) == {}
    assert account.listed == []
    assert find_adoptable([TRAIN], Reader(lambda _: MemoryProvider()), state_of()) == ({}, "")

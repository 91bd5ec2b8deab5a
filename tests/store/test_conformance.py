"""What every store of states has to do, asked of each: a local folder, a bucket in memory, and buckets at
real servers, in the clear and encrypted.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from ftops.core.address import Address
from ftops.core.backend_types import BACKEND_TYPES
from ftops.core.errors import StateError, StateLocked
from ftops.state.backends.base import LockInfo, Store, Waiting, lock_info
from ftops.state.backends.bucket import BucketStore
from ftops.state.backends.bucket_interface import Bucket
from ftops.state.backends.bucket_lock import Pace
from ftops.state.backends.bucket_services import ObjectBucket, open_bucket
from ftops.state.backends.local import LocalStore
from ftops.state.encryption import Keys, key_of
from ftops.state.entries import Begun, Entry, ExpirySet, OutputsRecorded, Recorded, Removed
from ftops.state.file_format import PLAIN, StateCodec
from ftops.state.live_state import fold
from ftops.state.state import Operation, PendingOperation, ResourceState, State, Status
from tests.store.conftest import Running
from tests.support.buckets import MemoryBucket

JOB = Address("job", "copilot")
ENTRIES: tuple[Entry, ...] = (
    Begun(PendingOperation(JOB, Operation.CREATE, "azure", "t-1", {"model": "m"})),
    Recorded(ResourceState(JOB, "azure", "ftjob-1", Status.READY, outputs={"id": "ftjob-1"})),
    OutputsRecorded({"model": "m.ft-1 – ⚙", "line ends": "\r\n \x0b \x1e \x85 \u2028 \u2029"}),
)
EMPTY = State("lineage")
FULL = fold(EMPTY, ENTRIES)
FORMS: dict[str, StateCodec] = {
    "plain": PLAIN,
    "sealed": StateCodec(Keys(key_of("11" * 32, "the key"))),
}
_numbers = itertools.count()


@dataclass
class Place:
    """Where states can be: stores of the same state are made of it as often as one likes."""

    make: Callable[[], Store]
    everything: Callable[[], list[bytes]]
    """All that is written there."""


def info(operation: str = "apply", id: str = "") -> LockInfo:
    return lock_info(id or f"id-{next(_numbers)}", operation, "2026-01-01T00:00:00Z")


def _local(folder: Path, form: StateCodec) -> Place:
    root = folder / "state"
    return Place(
        lambda: LocalStore(root, "spec", "env", form, 3),
        lambda: [path.read_bytes() for path in root.rglob("*") if path.is_file()],
    )


def _bucket(bucket: Bucket, form: StateCodec) -> Place:
    def everything() -> list[bytes]:
        names = [n for prefix in ("journal/", "versions/") for n in bucket.names(prefix)]
        things = [bucket.get(name) for name in ("head.json", *names)]
        return [thing.content for thing in things if thing]

    return Place(lambda: BucketStore(bucket, "spec", "env", form, 3, Pace(tick=0)), everything)


PLACES = ("local", "memory", "obstore-memory", "azure_blob", "s3", "gcs")


@pytest.fixture(params=[f"{place}-{form}" for place in PLACES for form in FORMS])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, running: Running, clean_environ: pytest.MonkeyPatch
) -> Place:
    name, _, form_name = request.param.rpartition("-")
    form = FORMS[form_name]
    match name:
        case "local":
            return _local(tmp_path, form)
        case "memory":
            return _bucket(MemoryBucket(), form)
        case "obstore-memory":
            return _bucket(
                ObjectBucket(MemoryStore(), "memory://bucket", "prefix", BACKEND_TYPES["s3"]), form
            )
    service = running(name)
    for variable, value in service.environ.items():
        clean_environ.setenv(variable, value)
    return _bucket(open_bucket(name, service.settings, f"ft/{next(_numbers)}"), form)


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    """Locked."""
    made = place.make()
    with made.lock(info()):
        yield made


def test_what_is_synced_is_read_by_another(place: Place, store: Store) -> None:
    assert place.make().read() == State("")
    journal = store.open_journal(EMPTY)
    journal.append(ENTRIES[:1])
    journal.append(ENTRIES[1:])
    journal.sync()
    assert place.make().read() == FULL
    journal.sync()
    journal.close()
    assert place.make().read() == FULL


def test_the_audit_log_keeps_every_line_in_order(place: Place, store: Store) -> None:
    assert list(place.make().audit_lines()) == []
    lines = [f'{{"row": {number}}}' for number in range(12)]
    for number, line in enumerate(lines):
        writer = store if number % 2 else place.make()  # it needs no lock
        writer.append_audit(f"2026-01-01T00000{number:02}-begun", line + "\n")
    assert [line.strip() for line in place.make().audit_lines()] == lines
    assert [line.strip() for line in place.make().audit_lines(3)] == lines[-3:]


def test_what_is_left_by_a_run_is_taken_up_by_the_next(place: Place) -> None:
    first = place.make()
    with first.lock(info()):
        journal = first.open_journal(EMPTY)
        journal.append(ENTRIES[:1])
        journal.sync()
        journal.append(ENTRIES[1:2])
        journal.close()
    second = place.make()
    with second.lock(info()):
        state = second.read()
        assert state == fold(EMPTY, ENTRIES[:2])
        again = second.open_journal(state)
        again.append(ENTRIES[2:])
        again.sync()
        assert place.make().read() == FULL
        again.fold(FULL)
    assert place.make().read() == FULL


def test_folding_ends_the_journal_and_keeps_the_version(place: Place, store: Store) -> None:
    journal = store.open_journal(EMPTY)
    journal.append(ENTRIES)
    journal.sync()
    journal.fold(FULL)
    assert place.make().read() == FULL
    (version,) = place.make().versions()
    assert (version.id, version.serial, version.operation) == ("3", 3, "apply")
    assert version.who == info().by
    assert store.read_version("3") == FULL


def test_the_last_versions_are_kept(place: Place, store: Store) -> None:
    states = [State("lineage", serial, outputs={"n": serial}) for serial in range(1, 6)]
    for state in states:
        store.write(state)
    assert [v.id for v in place.make().versions()] == ["5", "4", "3"]
    assert [place.make().read_version(id) for id in ("5", "4", "3")] == states[:1:-1]
    with pytest.raises(StateError, match="there is no version 2") as caught:
        store.read_version("2")
    assert "5, 4, 3" in caught.value.detail


def test_writing_replaces_the_journal_too(place: Place, store: Store) -> None:
    journal = store.open_journal(EMPTY)
    journal.append(ENTRIES)
    journal.close()
    after = fold(FULL, [Removed(JOB)])
    store.write(after)
    assert place.make().read() == after


def test_the_lock_is_held_by_one(place: Place) -> None:
    first, second = place.make(), place.make()
    with first.lock(info("apply")):
        with pytest.raises(StateLocked) as caught, second.lock(info("destroy")):
            raise AssertionError("two hold the lock")
        assert "runs `ftops apply` since 2026-01-01T00:00:00Z" in caught.value.detail
        assert "--lock-timeout" in caught.value.hint
    with second.lock(info()):
        pass


def test_a_lock_is_waited_for(place: Place) -> None:
    first, second = place.make(), place.make()
    held = first.lock(info("apply"))
    held.__enter__()
    said: list[str] = []

    def tell(refusal: StateLocked) -> None:
        said.append(refusal.detail)
        held.__exit__(None, None, None)

    with second.lock(info(), Waiting(60, tell, every=0.01)):
        assert "`ftops apply`" in said[0]
    assert len(said) == 1


def test_waiting_ends(place: Place) -> None:
    said: list[StateLocked] = []
    with place.make().lock(info()):
        with pytest.raises(StateLocked), place.make().lock(info(), Waiting(0.05, said.append, every=0.01)):
            pass
        assert len(said) == 1


def test_nobody_writes_without_the_lock(place: Place) -> None:
    store = place.make()
    if isinstance(store, LocalStore):
        return  # the lock of a local state is advisory: ftops itself always takes it
    with pytest.raises(StateError, match="isn't locked"):
        store.write(FULL)
    with pytest.raises(StateError, match="isn't locked"):
        store.open_journal(EMPTY)
    with store.lock(info()):
        store.write(FULL)
    with pytest.raises(StateError, match="already released"):
        store.write(FULL)


def test_nothing_is_readable_without_the_key(place: Place, store: Store) -> None:
    journal = store.open_journal(EMPTY)
    journal.append(ENTRIES)
    journal.sync()
    there = place.everything()
    journal.fold(FULL)
    written = b"".join([*there, *place.everything()])
    is_plain = store.codec == PLAIN
    assert (b"ftjob-1" in written) == is_plain
    assert (b"m.ft-1" in written) == is_plain
    assert (json.dumps(str(JOB)).encode() in written) == is_plain


def test_a_state_that_is_removed_is_gone_with_its_versions(place: Place, store: Store) -> None:
    for serial in (1, 2, 3):
        store.write(State("lineage", serial, outputs={"secret": "shibboleth"}))
    journal = store.open_journal(State("lineage", 3))
    journal.append([ExpirySet("2026-01-01T00:00:00Z")])
    journal.fold(State("lineage", 4))
    store.append_audit("one", '{"row": 1}\n')
    store.remove()
    assert place.make().read() == State("")
    assert not place.make().versions()
    assert not any(b"shibboleth" in content for content in place.everything())
    assert len(place.make().audit_lines()) == 1
    store.remove()
    again = store.open_journal(EMPTY)
    again.append(ENTRIES)
    again.fold(FULL)
    assert place.make().read() == FULL

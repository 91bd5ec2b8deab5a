"""A bucket that refuses, fails, hangs or lies: a clear refusal, and nothing is changed."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from ftops.core.errors import StateError
from ftops.state.backends.base import LockInfo
from ftops.state.backends.bucket import BucketStore
from ftops.state.backends.bucket_interface import BucketError
from ftops.state.backends.bucket_lock import LeaseLost, Pace
from ftops.state.backends.bucket_services import CLIENT, RETRIES, open_bucket
from ftops.state.entries import OutputsRecorded
from ftops.state.live_state import fold
from ftops.state.state import State
from tests.support.buckets import MemoryBucket, Wire
from tests.support.proxy import Proxy, proxy
from tests.support.servers import Service

ENTRIES = (OutputsRecorded({"n": 1}), OutputsRecorded({"n": 2}))
FULL = fold(State("lineage"), ENTRIES)
QUICK = Pace(seconds=30, tick=0, pause=lambda seconds: None)
_numbers = itertools.count()


def info() -> LockInfo:
    return LockInfo(f"id-{next(_numbers)}", "ann", "host", 1, "apply", "2026-01-01T00:00:00Z")


@pytest.fixture
def away(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A real server, by way of a proxy; the library tries nothing again."""
    monkeypatch.setitem(RETRIES, "max_retries", 0)
    monkeypatch.setitem(RETRIES, "backoff", {})
    monkeypatch.setitem(CLIENT, "timeout", "3s")
    with proxy(service.url) as server:
        yield server


@pytest.fixture
def store(service: Service, away: Proxy) -> BucketStore:
    """With two versions recorded."""
    bucket = open_bucket(service.backend, service.at(away.url).settings, f"bad/{next(_numbers)}")
    made = BucketStore(bucket, "spec", "env", pace=QUICK)
    with made.lock(info()):
        made.write(State("lineage", 1))
        made.write(FULL)
    return made


FAULTS: dict[str, tuple[int | str, str]] = {
    "403": (403, "read, write, list and delete objects"),
    "404": (404, "create the bucket or container first"),
    "429": (429, "try again"),
    "500": (500, "try again"),
    "dropped": ("drop", "try again"),
    "hanging": ("hang", "try again"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_reading_says_what_is_wrong(store: BucketStore, away: Proxy, fault: str) -> None:
    what, advice = FAULTS[fault]
    away.rule = lambda method, path: what
    with pytest.raises(BucketError, match="can't use the state at") as caught:
        store.read()
    assert advice in caught.value.hint
    assert store.place in caught.value.summary
    assert "Debug" not in caught.value.detail
    away.rule = lambda method, path: None
    assert store.read() == FULL


@pytest.mark.parametrize("fault", FAULTS)
def test_what_can_not_be_written_is_not_acknowledged(store: BucketStore, away: Proxy, fault: str) -> None:
    what, _ = FAULTS[fault]
    with suppress(BucketError), store.lock(info()):
        journal = store.open_journal(store.read())
        journal.append([OutputsRecorded({"n": 3})])
        away.rule = lambda method, path: what if method == "PUT" else None
        journal._held._pace = Pace(seconds=0.1, tick=0, pause=lambda seconds: None)
        with pytest.raises(BucketError):
            journal.sync()
        assert store.read() == FULL
        away.rule = lambda method, path: None
        journal.sync()
        assert store.read().outputs == {"n": 3}


def test_a_lost_reply_is_no_failure(store: BucketStore, away: Proxy) -> None:
    """The write took effect; the next try finds what it did itself."""
    with store.lock(info()):
        journal = store.open_journal(store.read())
        for number in range(3, 8):
            once = itertools.chain(["lose"], itertools.repeat(None))
            away.rule = lambda method, path, once=once: next(once) if method == "PUT" else None  # type: ignore[misc]
            journal.append([OutputsRecorded({"n": number})])
            journal.sync()
            assert store.read().outputs == {"n": number}


def test_a_bucket_that_ignores_conditions_gets_no_further_than_the_lock(
    store: BucketStore, away: Proxy
) -> None:
    """412 to everything: as it is when somebody else writes all the time."""
    away.rule = lambda method, path: 412 if method == "PUT" else None
    with pytest.raises(StateError), store.lock(info()):
        raise AssertionError("the lock was taken")
    away.rule = lambda method, path: None
    assert store.read() == FULL


def test_a_bucket_that_does_not_exist(service: Service) -> None:
    settings = {k: "nowhere" if k in ("bucket", "container") else v for k, v in service.settings.items()}
    bucket = open_bucket(service.backend, settings, "state")
    store = BucketStore(bucket, "spec", "env", pace=QUICK)
    with pytest.raises(BucketError) as caught:
        store.read()
    assert "create the bucket or container first" in caught.value.hint
    with pytest.raises(BucketError), store.lock(info()):
        raise AssertionError("the lock was taken")


def test_conditions_that_are_always_refused_end_the_run(store: BucketStore, away: Proxy) -> None:
    with store.lock(info()):
        journal = store.open_journal(store.read())
        journal.append([OutputsRecorded({"n": 3})])
        away.rule = lambda method, path: 412 if method == "PUT" and "head.json" in path else None
        with pytest.raises(BucketError, match="can't write to the state"):
            journal.sync()
        away.rule = lambda method, path: None


# what somebody else has written


@pytest.fixture
def kept() -> BucketStore:
    made = BucketStore(MemoryBucket(), "spec", "env", pace=QUICK)
    with made.lock(info()):
        made.write(State("lineage", 1))
        journal = made.open_journal(made.read())
        journal.append(ENTRIES)
        journal.close()
    return made


def _edit(store: BucketStore, name: str, change: Callable[[bytes], bytes]) -> None:
    assert isinstance(store.bucket, MemoryBucket)
    found = store.bucket.things[name]
    store.bucket._write(name, change(found.content))


def _edit_head(store: BucketStore, **changes: object) -> None:
    def change(content: bytes) -> bytes:
        return json.dumps({**json.loads(content), **changes}).encode()

    _edit(store, "head.json", change)


def _name(store: BucketStore, folder: str) -> str:
    return next(iter(store.bucket.names(folder)))


BAD: dict[str, tuple[Callable[[BucketStore], object], str]] = {
    "head-no-json": (lambda s: _edit(s, "head.json", lambda c: c[:-5]), "is damaged.*head.json"),
    "head-no-object": (lambda s: _edit(s, "head.json", lambda c: b"[]"), "is damaged"),
    "head-of-terraform": (lambda s: _edit_head(s, terraform_version="1.11.4"), "a Terraform state"),
    "head-of-the-future": (lambda s: _edit_head(s, version=99), "has version 99"),
    "head-without-version": (lambda s: _edit_head(s, version=None), "not a state file of ftops"),
    "head-of-another-environment": (
        lambda s: _edit_head(s, environment="prod"),
        "another spec or environment",
    ),
    "head-of-another-spec": (lambda s: _edit_head(s, spec="other"), "another spec or environment"),
    "head-with-odd-segments": (lambda s: _edit_head(s, segments=[["x"]]), "is damaged"),
    "head-with-odd-lease": (lambda s: _edit_head(s, lease={"holder": 1}), "is damaged"),
    "head-of-another-lineage": (lambda s: _edit_head(s, lineage="other"), "lineage differs"),
    "serial-set-forward": (lambda s: _edit_head(s, serial=9), "ends at serial 3"),
    "marked-without-key": (lambda s: _edit_head(s, mark="00:AA=="), "encrypted, but the spec has no key"),
    "snapshot-edited": (
        lambda s: _edit(s, _name(s, "versions/"), lambda c: c.replace(b'"serial": 1', b'"serial": 2')),
        "its content was changed after it was written|is damaged",
    ),
    "snapshot-truncated": (lambda s: _edit(s, _name(s, "versions/"), lambda c: c[:40]), "is damaged"),
    "snapshot-gone": (lambda s: s.bucket.delete([_name(s, "versions/")]), "is damaged"),
    "segment-gone": (lambda s: s.bucket.delete([_name(s, "journal/")]), "is damaged"),
    "segment-edited": (
        lambda s: _edit(s, _name(s, "journal/"), lambda c: c.replace(b"1", b"2", 1)),
        "is damaged",
    ),
    "segment-truncated": (lambda s: _edit(s, _name(s, "journal/"), lambda c: c[:-9]), "is damaged"),
    "segment-without-first-line": (
        lambda s: _edit(s, _name(s, "journal/"), lambda c: c.split(b"\n", 1)[1]),
        "is damaged",
    ),
    "segment-no-text": (lambda s: _edit(s, _name(s, "journal/"), lambda c: b"\xff\xfe"), "is damaged"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_somebody_changed_is_refused_and_left_as_it_is(kept: BucketStore, name: str) -> None:
    damage, expected = BAD[name]
    damage(kept)
    assert isinstance(kept.bucket, MemoryBucket)
    before = dict(kept.bucket.things)
    with pytest.raises(StateError) as caught:
        kept.read()
    assert re.search(expected, f"{caught.value.summary} {caught.value.detail}"), caught.value
    assert caught.value.hint
    assert kept.bucket.things == before


def test_a_lease_that_is_stolen_is_noticed_with_the_next_write(kept: BucketStore) -> None:
    with kept.lock(info()) as held:
        lost: list[bool] = []
        held.when_lost(lambda: lost.append(True))
        journal = kept.open_journal(kept.read())
        other = BucketStore(kept.bucket, "spec", "env", pace=QUICK)
        other.force_unlock(held.info.id)
        with other.lock(info()):
            journal.append(ENTRIES[:1])
            with pytest.raises(LeaseLost, match="was lost") as caught:
                journal.sync()
            assert "another run holds it: ann@host" in caught.value.detail
            assert lost == [True]
            with pytest.raises(LeaseLost):
                held.check()
            before = other.read()
        journal.close()
        assert other.read() == before


def test_force_unlock_takes_only_the_lock_that_was_looked_at(kept: BucketStore) -> None:
    with pytest.raises(StateError, match="isn't locked"):
        kept.force_unlock("id")
    with kept.lock(info()) as held:
        with pytest.raises(StateError, match=f"has another id: {held.info.id}"):
            kept.force_unlock("another")
        assert kept.force_unlock(held.info.id) == held.info


def test_a_suspended_process_asks_again_before_it_gives_up(kept: BucketStore) -> None:
    """The reply that it waited for is gone, but the bucket is there, and tells of another holder."""
    assert isinstance(kept.bucket, MemoryBucket)
    clock, asleep = [0.0], [""]

    def wake() -> str:
        fault, asleep[0] = asleep[0], ""
        if fault:
            clock[0] += 300
            other.force_unlock(held.info.id)
            taken.__enter__()
        return fault

    wire = Wire(kept.bucket, wake)
    pace = Pace(seconds=30, tick=0, now=lambda: clock[0], pause=lambda seconds: None)
    store = BucketStore(wire, "spec", "env", pace=pace)
    other = BucketStore(kept.bucket, "spec", "env", pace=QUICK)
    taken = other.lock(info())
    held = store.lock(info())
    with held:
        journal = store.open_journal(store.read())
        journal.append(ENTRIES[:1])
        asleep[0] = "lost"
        with pytest.raises(LeaseLost, match="was lost") as caught:
            journal.sync()
        assert "another run holds it: ann@host" in caught.value.detail
    taken.__exit__()

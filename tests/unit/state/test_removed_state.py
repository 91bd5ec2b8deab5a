"""Removing a state in a bucket, killed at each of its writes: it is as it was, or gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from ftops.state.backends.base import lock_info
from ftops.state.backends.bucket import BucketStore
from ftops.state.backends.bucket_interface import Tag
from ftops.state.backends.bucket_lock import Pace
from ftops.state.file_format import PLAIN
from ftops.state.state import State
from tests.support.buckets import MemoryBucket
from tests.support.specs import Crash

LAST = State("lineage", 3, expires_at="2026-01-01T00:00:00Z")


@dataclass
class Killing(MemoryBucket):
    """The process ends at the change with this number."""

    at: int = 0
    changes: int = 0

    def _change(self) -> None:
        self.changes += 1
        if self.changes == self.at:
            raise Crash

    def delete(self, names: Iterable[str]) -> None:
        for name in list(names):
            self._change()
            super().delete([name])

    def _write(self, name: str, content: bytes) -> Tag:
        self._change()
        return super()._write(name, content)


def store(bucket: MemoryBucket) -> BucketStore:
    return BucketStore(bucket, "spec", "env", PLAIN, 3, Pace(tick=0))


def filled(bucket: Killing) -> BucketStore:
    made = store(bucket)
    with made.lock(lock_info("one", "apply", "now")):
        for serial in (1, 2, 3):
            made.write(State("lineage", serial, expires_at=LAST.expires_at))
    return made


def killed(at: int) -> Killing:
    bucket = Killing()
    made = filled(bucket)
    held = made.lock(lock_info("two", "gc", "now"))
    held.__enter__()
    bucket.changes, bucket.at = 0, at
    with pytest.raises(Crash):
        made.remove()
        raise Crash  # at the end
    bucket.at = 0
    store(bucket).force_unlock("two")
    return bucket


def test_killed_at_each_write_a_state_is_whole_or_gone() -> None:
    results = []
    for at in range(1, 30):
        bucket = killed(at)
        results.append(store(bucket).read())
        assert results[-1] in (LAST, State(""))
        again = store(bucket)
        with again.lock(lock_info("three", "gc", "now")):
            again.remove()
        assert store(bucket).read() == State("")
        assert set(bucket.things) == {"head.json"}
        if bucket.changes < at:
            break
    assert results[0] == LAST
    assert results[-1] == State("")
    assert results.count(LAST) > 2

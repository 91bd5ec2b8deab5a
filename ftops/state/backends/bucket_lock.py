"""Lock of a state in a bucket: a lease that its holder renews, and that expires otherwise.

Safety needs no clock: a write replaces the manifest only if it is as the holder left it, so that a run that
has lost the lease can't write. Clocks only decide when a lease counts as abandoned, by the age of the
manifest according to the bucket's clock; the local time doesn't matter.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import NamedTuple

from msgspec import Struct

from ftops.core.errors import StateError, StateLocked
from ftops.core.snippets import command
from ftops.core.timestamps import iso_timestamp
from ftops.state.backends.base import LockInfo, Waiting, retry_while_locked
from ftops.state.backends.bucket_interface import Bucket, BucketError, Conflict, Tag
from ftops.state.backends.manifest import (
    NAME,
    Lease,
    Manifest,
    fence_of,
    manifest_from_bytes,
    manifest_to_bytes,
)
from ftops.state.file_format import PLAIN, StateCodec

LEASE_SECONDS = 60.0
GRACE = 2.0
"""Seconds after the end of a lease until it counts as expired: buckets have times in whole seconds."""
MAX_CONFLICTS = 20
"""Consecutive conflicts that are allowed while the lease is held."""
RENEWALS = 4
"""How often a lease is renewed during its duration."""
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""It also runs while the machine is suspended. CLOCK_MONOTONIC doesn't on Linux, but does on macOS."""


class Pace(Struct, frozen=True):
    """Timing of a lease, in seconds. `tick` is the interval of its thread; 0: no thread."""

    seconds: float = LEASE_SECONDS
    tick: float = 1.0
    now: Callable[[], float] = lambda: time.clock_gettime(_CLOCK)
    pause: Callable[[float], None] = time.sleep
    utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)


REAL_TIME = Pace()


class LeaseLost(StateError):
    """The lock is no longer held by this run. Nothing more is written."""


class Loaded(NamedTuple):
    """The manifest as it was read."""

    manifest: Manifest
    tag: Tag
    modified: float


class ManifestStore(Struct):
    """Reads and writes the manifest of a state in a bucket."""

    bucket: Bucket
    spec: str
    environment: str
    codec: StateCodec = PLAIN

    def load(self) -> Loaded | None:
        """None if nothing is recorded yet. Raises StateError."""
        item = self.bucket.get(NAME)
        if item is None:
            return None
        place = f"{self.bucket.place}/{NAME}"
        manifest = manifest_from_bytes(item.content, place, self.codec, self.spec, self.environment)
        return Loaded(manifest, item.tag, item.modified)

    def put(self, manifest: Manifest, tag: Tag | None) -> Tag:
        """Replaces the version with this tag; None: there is none yet. Raises Conflict."""
        content = manifest_to_bytes(manifest, self.codec)
        return self.bucket.create(NAME, content) if tag is None else self.bucket.replace(NAME, content, tag)

    def age(self, loaded: Loaded) -> float:
        """Seconds since the manifest was written, by the bucket's clock: a new object shows its time."""
        name = f"clock/0-{secrets.token_hex(8)}"
        self.bucket.create(name, b"")
        try:
            probe = self.bucket.get(name)
            return 0.0 if probe is None else probe.modified - loaded.modified
        finally:
            with suppress(BucketError):
                self.bucket.delete([name])


class BucketLock:
    """Holds the lease inside of the `with` block. All writes to the manifest go through `commit`."""

    def __init__(self, manifests: ManifestStore, info: LockInfo, waiting: Waiting, pace: Pace) -> None:
        self._manifests = manifests
        self.info = info
        self._waiting = waiting
        self._pace = pace
        self._manifest = Manifest(manifests.spec, manifests.environment)
        self._tag: Tag | None = None
        """Of the manifest as this holder left it."""
        self._is_unsure = False
        """Whether the last write may have succeeded without a reply."""
        self._renewed = 0.0
        self._io = threading.RLock()
        self._stopped = threading.Event()
        self._tell: Callable[[], None] = lambda: None
        self._lost: LeaseLost | None = None
        self._told = False
        self.flush: Callable[[], None] = lambda: None
        """Called with every beat, to write pending entries."""

    def __enter__(self) -> BucketLock:
        retry_while_locked(self._take, self._waiting)
        if self._pace.tick:
            threading.Thread(target=self._run, daemon=True, name="ftops-lease").start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        with self._io:
            with suppress(StateError):
                self.commit(patience=0.0, release=True)
            released = LeaseLost(f"the lock of the state was already released: {self._place}")
            self._lost = self._lost or released

    def manifest(self, patience: float | None = None) -> Manifest:
        """The manifest in the bucket. Raises LeaseLost, BucketError."""
        with self._io:
            if self._is_unsure:
                self._retry(self._catch_up, patience)
            return self._manifest

    def when_lost(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        if self._told:
            tell()

    def check(self) -> None:
        if self._lost is not None:
            raise self._lost
        if self._told or self._is_over:
            why = "the bucket couldn't be reached for too long, so another run may hold the lock."
            raise _lost(self._place, why, "apply again")

    def confirm(self) -> None:
        """Renews the lease. If the bucket can't be reached for a moment, the lock may still be held."""
        with suppress(BucketError):
            self.commit(patience=0.0)
        self.check()

    def commit(
        self,
        change: Callable[[Manifest], Manifest] = lambda manifest: manifest,
        patience: float | None = None,
        release: bool = False,
    ) -> None:
        """Replaces the manifest by the result of `change`, which must be idempotent. Raises LeaseLost, and
        BucketError if the bucket is unavailable for longer than `patience`."""
        with self._io:
            self._retry(lambda: self._commit(change, release), patience)

    def put(self, name: str, content: bytes, patience: float | None = None) -> None:
        """Writes an object that the manifest doesn't name yet. Replaces one of a previous attempt: other
        holders use other fences in their names."""
        self._retry(lambda: self._put(name, content), patience)

    def _retry(self, write: Callable[[], None], patience: float | None) -> None:
        """Repeats `write` while the bucket is unavailable, for `patience` seconds or as long as a lease."""
        wait, end = 0.25, self._pace.now() + (self._pace.seconds if patience is None else patience)
        for conflicts in count():
            started = self._pace.now()
            try:
                write()
                return
            except Conflict as error:
                if conflicts < MAX_CONFLICTS:
                    continue  # the next attempt reads the manifest first
                raise BucketError(
                    f"can't write to the state at {self._place}",
                    "the bucket refuses every conditional write.",
                    "use a service that supports If-Match and If-None-Match",
                ) from error
            except BucketError as error:
                # When the attempt started is what counts: the connections of a process that was suspended are
                # broken, even if the bucket is available.
                if not error.temporary or started >= end:
                    raise
            self._pace.pause(wait)
            wait = min(wait * 2, 5.0)

    def _commit(self, change: Callable[[Manifest], Manifest], release: bool) -> None:
        if self._lost is not None:
            raise self._lost
        if self._is_unsure:
            self._catch_up()
        started = self._pace.now()
        seconds = self._pace.seconds
        expires = iso_timestamp(self._pace.utc_now() + timedelta(seconds=seconds))
        lease = None if release else Lease(self.info, seconds, expires)
        manifest = change(self._manifest).updated(lease=lease)
        self._is_unsure = True  # until the reply
        self._tag = self._manifests.put(manifest, self._tag)
        self._manifest, self._is_unsure, self._renewed = manifest, False, started

    def beat(self) -> None:
        """Runs every second: writes pending entries, renews the lease in time, notices its loss."""
        with suppress(StateError):
            self.flush()
        due = self._renewed + self._pace.seconds / RENEWALS
        with suppress(StateError):
            if self._pace.now() >= due and self._lost is None:
                self.commit(patience=0.0)
        if self._is_over:
            self._tell_lost()

    def clean(self) -> None:
        """Deletes replaced objects, and those of runs that were killed; never those of a later holder, which
        may be about to name them. Errors do no harm."""
        manifest, bucket = self.manifest(), self._manifests.bucket
        named = {*manifest.segment_names, *(s.name for s in manifest.snapshots)}
        with suppress(BucketError):
            names = [name for folder in ("journal/", "versions/", "clock/") for name in bucket.names(folder)]
            bucket.delete(n for n in names if n not in named and fence_of(n) <= manifest.fence)

    def _put(self, name: str, content: bytes) -> None:
        bucket = self._manifests.bucket
        try:
            bucket.create(name, content)
        except Conflict:
            existing = bucket.get(name)
            if existing is not None and existing.content != content:
                bucket.replace(name, content, existing.tag)

    @property
    def _place(self) -> str:
        return self._manifests.bucket.place

    @property
    def _is_over(self) -> bool:
        """Whether another run may have acquired the lock already."""
        return self._pace.now() >= self._renewed + self._pace.seconds - GRACE

    def _take(self) -> None:
        loaded = self._manifests.load()
        if loaded is None:
            self._manifest, self._tag = Manifest(self._manifests.spec, self._manifests.environment), None
        else:
            self._check_abandoned(loaded)
            self._manifest, self._tag = loaded.manifest, loaded.tag
        fence = self._manifest.fence + 1
        try:
            self.commit(lambda manifest: manifest.updated(fence=fence), patience=10.0)
        except LeaseLost as error:
            self._lost, self._is_unsure, self._told = None, False, False
            why = f"another run locked it first: {self._place}."
            raise StateLocked("the state is locked", why, "try again") from error

    def _check_abandoned(self, loaded: Loaded) -> None:
        held = loaded.manifest.lease
        if held is None:
            return
        age = self._manifests.age(loaded)
        if age <= held.seconds + GRACE:
            raise StateLocked(
                "the state is locked",
                f"{held.holder}. Two runs at once could create the same object twice.",
                f"wait with --lock-timeout 10m; the lock of a dead run expires {held.seconds:.0f} s after "
                f"its last renewal, which was {max(0, age):.0f} s ago; at once: "
                f"{command('ftops', 'force-unlock', held.holder.id)}",
            )

    def _catch_up(self) -> None:
        """Reads the manifest again after a write without a reply. Raises LeaseLost."""
        loaded = self._manifests.load()
        held = loaded.manifest.lease if loaded else None
        if loaded is None or held is None or held.holder.id != self.info.id:
            why = "it was released, for example by `ftops force-unlock`."
            if held:
                why = f"another run holds it: {held.holder}."
            self._lost = _lost(self._place, why, "plan again")
            self._tell_lost()
            raise self._lost
        self._manifest, self._tag, self._is_unsure = loaded.manifest, loaded.tag, False

    def _tell_lost(self) -> None:
        if not self._told:
            self._told = True
            self._tell()

    def _run(self) -> None:
        while not self._stopped.wait(self._pace.tick):
            self.beat()


def _lost(place: str, why: str, hint: str) -> LeaseLost:
    return LeaseLost(
        f"the lock of the state was lost: {place}",
        f"{why} Nothing more was started. All recorded changes are safe; objects that were being created are "
        "noted in the state, and the next run looks for them.",
        hint,
    )

"""Lock of a state in a bucket: a lease that its holder renews, and that expires otherwise.

Safety needs no clock: every write replaces the head on condition that it is as the holder left it, so who
has lost the lease can't write, and learns of it. Clocks only decide when a lease counts as abandoned: by
the age of the head as the bucket's own clock tells it, so that it doesn't matter what time it is here.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import NamedTuple

from msgspec import Struct

from ftops.core.errors import StateError, StateLocked
from ftops.core.snippets import command
from ftops.state.backends.base import LockInfo, Waiting, patiently
from ftops.state.backends.bucket_head import NAME, Head, fence_of, head_from_bytes, head_to_bytes, lease
from ftops.state.backends.object_store import Bucket, BucketError, Conflict, Tag
from ftops.state.file_format import StateCodec

LEASE_SECONDS = 60.0
GRACE = 2.0
"""Seconds that a lease is left alone beyond its end: buckets tell the time in whole seconds."""
MAX_CONFLICTS = 20
"""Tries in a row that may be refused although the lease is held."""
RENEWALS = 4
"""So often a lease is renewed in the time that it holds for."""


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""It goes on while the machine is suspended, as the leases of others do. Linux's CLOCK_MONOTONIC stands
still then, that of macOS doesn't."""


def _seconds_awake_or_asleep() -> float:
    return time.clock_gettime(_CLOCK)


class Pace(Struct, frozen=True):
    """Time as a lease sees it, in seconds. `tick`: between two looks of its thread; 0: it has none."""

    seconds: float = LEASE_SECONDS
    tick: float = 1.0
    now: Callable[[], float] = _seconds_awake_or_asleep
    pause: Callable[[float], None] = time.sleep
    utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)


REAL_TIME = Pace()


class LeaseLost(StateError):
    """Somebody else holds the lock now, or nobody does. Nothing more is written."""


class Loaded(NamedTuple):
    """The head as it was read."""

    head: Head
    tag: Tag
    modified: float


class Register(Struct, frozen=True):
    """The head of one state."""

    bucket: Bucket
    spec: str
    environment: str
    form: StateCodec

    def load(self) -> Loaded | None:
        """None where nothing is recorded yet. Raises StateError."""
        thing = self.bucket.get(NAME)
        if thing is None:
            return None
        place = f"{self.bucket.place}/{NAME}"
        head = head_from_bytes(thing.content, place, self.form, self.spec, self.environment)
        return Loaded(head, thing.tag, thing.modified)

    def put(self, head: Head, tag: Tag | None) -> Tag:
        """In place of the one with that tag; None: there was none. Raises Conflict."""
        content = head_to_bytes(head, self.form)
        return self.bucket.create(NAME, content) if tag is None else self.bucket.replace(NAME, content, tag)

    def age(self, loaded: Loaded) -> float:
        """Seconds since the head was written. The bucket is asked for its time by writing to it."""
        name = f"clock/0-{secrets.token_hex(8)}"
        self.bucket.create(name, b"")
        try:
            probe = self.bucket.get(name)
            return 0.0 if probe is None else probe.modified - loaded.modified
        finally:
            with suppress(BucketError):
                self.bucket.delete([name])


class BucketLock:
    """Holds the lease from entering to leaving. `commit` is the one way to write while it is held."""

    def __init__(self, register: Register, info: LockInfo, waiting: Waiting, pace: Pace) -> None:
        self._register = register
        self._info = info
        self._waiting = waiting
        self._pace = pace
        self._head = Head(register.spec, register.environment)
        self._tag: Tag | None = None
        """Of the head as this holder left it."""
        self._unsure = False
        self._renewed = 0.0
        self._io = threading.RLock()
        self._stopped = threading.Event()
        self._tell: Callable[[], None] = lambda: None
        self._lost: LeaseLost | None = None
        self._told = False
        self.flush: Callable[[], None] = lambda: None
        """What is to be written with the next beat, if anything."""

    def __enter__(self) -> BucketLock:
        patiently(self._take, self._waiting)
        if self._pace.tick:
            threading.Thread(target=self._run, daemon=True, name="ftops-lease").start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        with self._io:
            with suppress(StateError):
                self.commit(lambda head: head, patience=0.0, release=True)
            self._lost = self._lost or _released(self._register.bucket.place)

    @property
    def info(self) -> LockInfo:
        return self._info

    @property
    def head(self) -> Head:
        """As it is in the bucket. Raises LeaseLost, BucketError."""
        return self.head_within(None)

    def head_within(self, patience: float | None) -> Head:
        with self._io:
            if self._unsure:
                self._persist(self._catch_up, patience)
            return self._head

    def utc_now(self) -> datetime:
        return self._pace.utc_now()

    def when_lost(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        if self._told:
            tell()

    def check(self) -> None:
        if self._lost is not None:
            raise self._lost
        if self._told or self._is_over:
            raise _not_renewed(self._register.bucket.place)

    def confirm(self) -> None:
        """By renewing it. A bucket that is away for a moment proves nothing yet."""
        with suppress(BucketError):
            self.commit(lambda head: head, patience=0.0)
        self.check()

    def commit(
        self, change: Callable[[Head], Head], patience: float | None = None, release: bool = False
    ) -> None:
        """Makes the head what `change` makes of it; to do so twice does no harm. Raises LeaseLost, and
        BucketError where the bucket is away for longer than `patience`."""
        with self._io:
            self._persist(lambda: self._commit(change, release), patience)

    def put(self, name: str, content: bytes, patience: float | None = None) -> None:
        """An object that the head doesn't name yet. One that an attempt before left is replaced: no other
        holder has names with this fence."""
        self._persist(lambda: self._put(name, content), patience)

    def _persist(self, write: Callable[[], None], patience: float | None) -> None:
        """Tried again while the bucket is away, for so many seconds; None: as long as the lease holds."""
        wait, end = 0.25, self._pace.now() + (self._pace.seconds if patience is None else patience)
        for conflicts in count():
            started = self._pace.now()
            try:
                write()
                return
            except Conflict as error:
                if conflicts < MAX_CONFLICTS:
                    continue  # the next try looks at what is there now
                raise _no_conditions(self._register.bucket.place) from error
            except BucketError as error:
                # By its start: a process that was suspended finds its connections broken, which tells
                # nothing about the bucket.
                if not error.temporary or started >= end:
                    raise
            self._pace.pause(wait)
            wait = min(wait * 2, 5.0)

    def _commit(self, change: Callable[[Head], Head], release: bool) -> None:
        if self._lost is not None:
            raise self._lost
        if self._unsure:
            self._catch_up()
        started = self._pace.now()
        held = None if release else lease(self._info, self._pace.seconds, self._pace.utc_now())
        wanted = change(self._head).written(lease=held)
        self._unsure = True  # until a reply says otherwise
        self._tag = self._register.put(wanted, self._tag)
        self._head, self._unsure, self._renewed = wanted, False, started

    def beat(self) -> None:
        """What the lease's thread does every second: writes what waits, renews in time, notices a loss."""
        with suppress(StateError):
            self.flush()
        due = self._renewed + self._pace.seconds / RENEWALS
        with suppress(StateError):
            if self._pace.now() >= due and self._lost is None:
                self.commit(lambda head: head, patience=0.0)
        if self._is_over:
            self._say_lost()

    def clean(self) -> None:
        """Removes what the head doesn't name: what was replaced, and what a run that was killed has left.
        Never what a later holder may be about to name. What can't be removed does no harm."""
        head = self.head
        bucket = self._register.bucket
        named = {*head.segment_names, *(s.name for s in head.snapshots)}
        with suppress(BucketError):
            found = [name for folder in ("journal/", "versions/", "clock/") for name in bucket.names(folder)]
            bucket.delete(n for n in found if n not in named and fence_of(n) <= head.fence)

    def _put(self, name: str, content: bytes) -> None:
        bucket = self._register.bucket
        try:
            bucket.create(name, content)
        except Conflict:
            there = bucket.get(name)
            if there is not None and there.content != content:
                bucket.replace(name, content, there.tag)

    # taking and losing

    @property
    def _is_over(self) -> bool:
        """Whether another run may have taken over, for all that is known here."""
        return self._pace.now() >= self._renewed + self._pace.seconds - GRACE

    def _take(self) -> None:
        loaded = self._register.load()
        if loaded is None:
            self._head, self._tag = Head(self._register.spec, self._register.environment), None
        else:
            self._check_abandoned(loaded)
            self._head, self._tag = loaded.head, loaded.tag
        fence = self._head.fence + 1
        try:
            self.commit(lambda head: head.written(fence=fence), patience=10.0)
        except LeaseLost as error:
            self._lost, self._unsure, self._told = None, False, False
            raise _just_taken(self._register.bucket.place) from error

    def _check_abandoned(self, loaded: Loaded) -> None:
        held = loaded.head.lease
        if held is None:
            return
        age = self._register.age(loaded)
        if age <= held.seconds + GRACE:
            raise _refusal(held.holder, age, held.seconds)

    def _catch_up(self) -> None:
        loaded = self._register.load()
        held = loaded.head.lease if loaded else None
        if loaded is None or held is None or held.holder.id != self._info.id:
            self._lost = _taken(self._register.bucket.place, held.holder if held else None)
            self._say_lost()
            raise self._lost
        self._head, self._tag, self._unsure = loaded.head, loaded.tag, False

    def _say_lost(self) -> None:
        if not self._told:
            self._told = True
            self._tell()

    def _run(self) -> None:
        while not self._stopped.wait(self._pace.tick):
            self.beat()


def _refusal(holder: LockInfo, age: float, seconds: float) -> StateLocked:
    return StateLocked(
        "the state is locked",
        f"{holder}. Two runs at once could create the same object twice.",
        f"wait with --lock-timeout 10m; the lock of a dead run expires {seconds:.0f} s after its last "
        f"renewal, which was {max(0, age):.0f} s ago; at once: "
        f"{command('ftops', 'force-unlock', holder.id)}",
    )


def _no_conditions(place: str) -> BucketError:
    return BucketError(
        f"can't write to the state at {place}",
        "the bucket refuses every conditional write.",
        "use a service that supports If-Match and If-None-Match",
    )


def _just_taken(place: str) -> StateLocked:
    return StateLocked("the state is locked", f"another run locked it first: {place}.", "try again")


_SAFE = (
    "Nothing more was started. All recorded changes are safe; objects that were being created are noted "
    "in the state, and the "
    "next run looks for them."
)


def _released(place: str) -> LeaseLost:
    return LeaseLost(f"the lock of the state was already released: {place}")


def _taken(place: str, holder: LockInfo | None) -> LeaseLost:
    what = (
        f"another run holds it: {holder}."
        if holder
        else "it was released, for example by `ftops force-unlock`."
    )
    return LeaseLost(f"the lock of the state was lost: {place}", f"{what} {_SAFE}", "plan again")


def _not_renewed(place: str) -> LeaseLost:
    what = "the bucket couldn't be reached for too long, so another run may hold the lock."
    return LeaseLost(f"the lock of the state was lost: {place}", f"{what} {_SAFE}", "apply again")

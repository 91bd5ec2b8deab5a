"""Bucket backend: snapshots, segments of the journal, and the head that says which of them are valid.

    <path>/<spec>/<env>/head.json    who is at work, and what counts
    <path>/<spec>/<env>/versions/    the last snapshots; the newest is the current one
    <path>/<spec>/<env>/journal/     what happened since, a segment for each batch
    <path>/<spec>/<env>/audit/       who did what: an object when a run begins, and one when it ends

Objects are put first and named in the head after that, so that a crash in between leaves what it was.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256

from msgspec import Struct

from ftops.core.errors import StateError
from ftops.core.snippets import command
from ftops.core.timestamps import iso_timestamp
from ftops.state.backends.base import AT_ONCE, KEPT_VERSIONS, LockInfo, Version, Waiting, no_such_version
from ftops.state.backends.bucket_head import Head, Snapshot, segment_name, snapshot_name
from ftops.state.backends.bucket_lock import REAL_TIME, BucketLock, Loaded, Pace, Register
from ftops.state.backends.journal import Damaged, entries, rows
from ftops.state.backends.object_store import Bucket, Conflict
from ftops.state.file_format import PLAIN, StateCodec
from ftops.state.state import Entry, State, fold

READS = 5
"""Times that a read begins anew because what it reads is being replaced."""
FEW = 8
AT_ONCE_READS = 16
"""Segments that are fetched at the same time."""


_AUDIT = "audit/"


class _Gone(Exception):
    """An object that the head names is not there (any more)."""


class BucketStore(Struct):
    """The state of one spec in one environment, in a bucket. See `base.Store`."""

    bucket: Bucket
    spec: str
    environment: str
    form: StateCodec = PLAIN
    keep: int = KEPT_VERSIONS
    pace: Pace = REAL_TIME
    _held: BucketLock | None = None

    @property
    def place(self) -> str:
        return self.bucket.place

    @property
    def register(self) -> Register:
        return Register(self.bucket, self.spec, self.environment, self.form)

    def read(self, lineage: str = "") -> State:
        """Begins anew where a run that ends meanwhile takes away what is being read."""
        before = ""
        for _ in range(READS):
            loaded = self.register.load()
            if loaded is None or not loaded.head.lineage:
                return State(lineage)
            try:
                return self._state(loaded.head)
            except _Gone as gone:
                if str(gone) == before:  # what was taken away because it is replaced is named only once
                    raise self._damaged(before, "the head refers to it, but it doesn't exist") from None
                before = str(gone)
        raise StateError(f"the state keeps changing while it is read: {self.place}", "", "try again")

    def lock(self, info: LockInfo, waiting: Waiting = AT_ONCE) -> BucketLock:
        self._held = BucketLock(self.register, info, waiting, self.pace)
        return self._held

    def open_journal(self, state: State) -> BucketJournal:
        held = self._lock()
        _check_unchanged(held.head, state, self.place)
        return BucketJournal(self, held, state)

    def write(self, state: State) -> None:
        self.publish(self._lock(), state)

    def versions(self) -> Sequence[Version]:
        loaded = self.register.load()
        return tuple(s.version for s in loaded.head.snapshots) if loaded else ()

    def read_version(self, id: str) -> State:
        loaded = self.register.load()
        snapshots = loaded.head.snapshots if loaded else ()
        for snapshot in snapshots:
            if snapshot.version.id == id:
                with suppress(_Gone):
                    return self._snapshot(snapshot)
        raise no_such_version(id, [s.version for s in snapshots])

    def append_audit(self, name: str, line: str) -> None:
        held = self._lock()
        held.check()
        with suppress(Conflict):  # an attempt before has written it
            self.bucket.create(f"{_AUDIT}{name}.json", line.encode())

    def audit_lines(self, newest: int | None = None) -> Sequence[str]:
        names = sorted(self.bucket.names(_AUDIT))
        chosen = names if newest is None else names[-newest:]
        return [content.decode(errors="replace") for _, content in self._contents(chosen)]

    def force_unlock(self, id: str) -> LockInfo:
        loaded = self.register.load()
        held = loaded.head.lease if loaded else None
        if loaded is None or held is None:
            raise StateError(
                "the state isn't locked", f"there is no lock at {self.place}.", "nothing needs to be done"
            )
        if held.holder.id != id:
            raise StateError(
                f"the lock has another id: {held.holder.id}",
                f"{held.holder}. The holder has changed in the meantime.",
                f"if you are sure that this run is dead: {command('ftops', 'force-unlock', held.holder.id)}",
            )
        self._unlock(loaded)
        return held.holder

    def publish(self, held: BucketLock, state: State) -> None:
        """Makes a state the current snapshot and ends the journal. What is replaced is removed last."""
        content = self.form.snapshot(state, self.spec, self.environment).encode()
        head = held.head
        name = snapshot_name(state.serial, head.fence, 1 + sum(1 for _ in head.segment_names))
        version = Version(str(state.serial), iso_timestamp(held.utc_now()), held.info.by, held.info.operation)
        snapshot = Snapshot(name, sha256(content).hexdigest(), version)
        held.put(name, content)
        kept = [snapshot, *(s for s in head.snapshots if s.version.id != version.id)][: max(1, self.keep)]
        held.commit(partial(_folded, state=state, snapshots=tuple(kept)))
        held.clean()

    def _lock(self) -> BucketLock:
        if self._held is None:
            raise StateError("the state isn't locked", "only the holder of the lock can write to it.")
        return self._held

    def _unlock(self, loaded: Loaded) -> None:
        try:
            self.register.put(loaded.head.written(lease=None), loaded.tag)
        except Conflict as error:
            raise StateError(
                "the lock has just been renewed",
                "its holder is alive: releasing the lock would let two runs write.",
                "wait for it to end, or stop it",
            ) from error

    # reading

    def _state(self, head: Head) -> State:
        state = self._snapshot(head.snapshots[0]) if head.snapshots else State(head.lineage)
        if state.lineage != head.lineage:
            raise self._damaged(head.snapshots[0].name, "its lineage differs from that in the head")
        state = fold(state, self._entries(head, state))
        if state.serial != head.serial:
            raise self._damaged(
                "journal/", f"it ends at serial {state.serial}, but the head says {head.serial}"
            )
        return state

    def _snapshot(self, snapshot: Snapshot) -> State:
        content = self._get(snapshot.name)
        if sha256(content).hexdigest() != snapshot.digest:
            raise self._damaged(snapshot.name, "its content was changed after it was written")
        place = f"{self.place}/{snapshot.name}"
        return self.form.parse(self._text(snapshot.name, content), place, self.spec, self.environment)

    def _entries(self, head: Head, state: State) -> Iterator[Entry]:
        """Those after the snapshot, up to what the head acknowledges. None may be missing."""
        after = state.serial
        for name, content in self._contents(list(head.segment_names)):
            found = (r for r in rows(content, may_be_torn=False) if r.get("serial", 0) <= head.serial)
            try:
                for entry in entries(found, after, self.form, head.lineage, f"{self.place}/{name}"):
                    yield entry
                    after += 1
            except Damaged as damage:
                raise self._damaged(name, damage.why) from None

    def _contents(self, names: list[str]) -> Iterator[tuple[str, bytes]]:
        if len(names) < FEW:
            return ((name, self._get(name)) for name in names)
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(AT_ONCE_READS) as pool:
            return iter(list(zip(names, pool.map(self._get, names), strict=True)))

    def _get(self, name: str) -> bytes:
        thing = self.bucket.get(name)
        if thing is None:
            raise _Gone(name)
        return thing.content

    def _text(self, name: str, content: bytes) -> str:
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise self._damaged(name, f"it isn't UTF-8 text ({error.reason})") from error

    def _damaged(self, name: str, why: str) -> StateError:
        return StateError(
            f"the state in the bucket is damaged: {self.place}/{name}",
            f"{why}. Without its state ftops doesn't know what exists, so nothing was changed.",
            "restore the object from the bucket's object versions, or use `ftops state restore`",
        )


class BucketJournal:
    """Collects entries, and writes them in batches: at `sync`, and with each beat of the lease."""

    def __init__(self, store: BucketStore, held: BucketLock, state: State) -> None:
        self._store = store
        self._held = held
        self._lineage = state.lineage
        self._serial = state.serial
        self._lines: list[str] = []
        self._adding = threading.Lock()
        self._writing = threading.Lock()
        held.flush = partial(self._flush, 0.0)

    def append(self, entries: Iterable[Entry]) -> None:
        form = self._store.form
        with self._adding:
            for entry in entries:
                self._serial += 1
                self._lines.append(form.line(self._serial, entry, self._lineage))

    def sync(self) -> None:
        self._flush(None)

    def _flush(self, patience: float | None) -> None:
        with self._writing:
            with self._adding:
                count, serial = len(self._lines), self._serial
                content = "".join(self._lines).encode()
            if not count:
                return
            head = self._held.head_within(patience)
            number = 1 + dict(head.segments).get(head.fence, 0)
            self._held.put(segment_name(head.fence, number), content, patience)
            extended = partial(_extended, number=number, serial=serial, lineage=self._lineage)
            self._held.commit(extended, patience)
            with self._adding:
                del self._lines[:count]

    def close(self) -> None:
        self._held.flush = _nothing
        with suppress(StateError):
            self.sync()

    def fold(self, state: State) -> None:
        self._held.flush = _nothing
        with self._writing:
            self._store.publish(self._held, state)


def _extended(head: Head, number: int, serial: int, lineage: str) -> Head:
    counts = {**dict(head.segments), head.fence: number}
    return head.written(segments=tuple(counts.items()), serial=serial, lineage=lineage)


def _folded(head: Head, state: State, snapshots: tuple[Snapshot, ...]) -> Head:
    return head.written(lineage=state.lineage, serial=state.serial, snapshots=snapshots, segments=())


def _nothing() -> None:
    return None


def _check_unchanged(head: Head, state: State, place: str) -> None:
    if (head.lineage or state.lineage, head.serial) != (state.lineage, state.serial):
        raise StateError(
            f"the state has changed since it was read: {place}",
            f"it is at serial {head.serial} of {head.lineage}, but {state.serial} of {state.lineage} "
            "was read.",
            "plan again",
        )

"""Bucket backend: snapshots, journal segments, and a manifest of those that are valid.

    <path>/<spec>/<env>/head.json    the manifest, and who holds the lock
    <path>/<spec>/<env>/versions/    the last snapshots; the newest is the current one
    <path>/<spec>/<env>/journal/     entries since then, a segment for each batch
    <path>/<spec>/<env>/audit/       the audit log: an object when a run starts, and one when it ends

Objects are written before the manifest names them, so that a crash in between changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256

from ftops.core.errors import StateError
from ftops.core.snippets import command
from ftops.core.timestamps import iso_timestamp
from ftops.state.backends.base import AT_ONCE, KEPT_VERSIONS, LockInfo, Version, Waiting, no_such_version
from ftops.state.backends.bucket_interface import Conflict
from ftops.state.backends.bucket_lock import REAL_TIME, BucketLock, ManifestStore, Pace
from ftops.state.backends.manifest import Manifest, Snapshot, damaged, segment_name, snapshot_name
from ftops.state.entries import Entry
from ftops.state.file_format import DamagedJournal, decode, journal_entries, journal_rows
from ftops.state.live_state import fold
from ftops.state.state import State

READS = 5
"""How often a read is repeated because a run replaces the objects meanwhile."""
FEW = 8
PARALLEL_READS = 16


class _MissingObject(Exception):
    """The manifest names an object that doesn't exist (any more)."""


class BucketStore(ManifestStore):
    """The state of a spec in an environment, in a bucket. See `base.Store`."""

    keep: int = KEPT_VERSIONS
    pace: Pace = REAL_TIME
    _held: BucketLock | None = None

    @property
    def place(self) -> str:
        return self.bucket.place

    def read(self) -> State:
        """Repeated if a run that ends meanwhile deletes objects that it has replaced."""
        previous = ""
        for _ in range(READS):
            loaded = self.load()
            if loaded is None or not loaded.manifest.lineage:
                return State("")
            try:
                return self._state(loaded.manifest)
            except _MissingObject as missing:
                if str(missing) == previous:  # a new manifest wouldn't name an object that was replaced
                    raise self._damaged(previous, "the manifest names it, but it doesn't exist") from None
                previous = str(missing)
        raise StateError(f"the state keeps changing while it is read: {self.place}", "", "try again")

    def lock(self, info: LockInfo, waiting: Waiting = AT_ONCE) -> BucketLock:
        self._held = BucketLock(self, info, waiting, self.pace)
        return self._held

    def open_journal(self, state: State) -> BucketJournal:
        held = self._lock()
        manifest = held.manifest()
        if (manifest.lineage or state.lineage, manifest.serial) != (state.lineage, state.serial):
            raise StateError(
                f"the state has changed since it was read: {self.place}",
                f"it is at serial {manifest.serial} of {manifest.lineage}, "
                f"but {state.serial} of {state.lineage} was read.",
                "plan again",
            )
        return BucketJournal(self, held, state)

    def write(self, state: State) -> None:
        self.publish(self._lock(), state)

    def remove(self) -> None:
        """The manifest stays, without a state: it decides who may write. Older versions go first, so that a
        run that is killed leaves nothing that isn't named but an empty snapshot."""
        held = self._lock()
        held.commit(lambda manifest: manifest.updated(snapshots=manifest.snapshots[:1]))
        held.clean()
        nothing = {"lineage": "", "serial": 0, "snapshots": (), "segments": ()}
        held.commit(lambda manifest: manifest.updated(**nothing))
        held.clean()

    def versions(self) -> Sequence[Version]:
        loaded = self.load()
        return tuple(s.version for s in loaded.manifest.snapshots) if loaded else ()

    def read_version(self, id: str) -> State:
        loaded = self.load()
        snapshots = loaded.manifest.snapshots if loaded else ()
        for snapshot in snapshots:
            if snapshot.version.id == id:
                with suppress(_MissingObject):
                    return self._snapshot(snapshot)
        raise no_such_version(id, [s.version for s in snapshots])

    def append_audit(self, name: str, line: str) -> None:
        if self._held is not None:
            self._held.check()
        with suppress(Conflict):  # a previous attempt has written it
            self.bucket.create(f"audit/{name}.json", line.encode())

    def audit_lines(self, newest: int | None = None) -> Sequence[str]:
        names = sorted(self.bucket.names("audit/"))
        chosen = names if newest is None else names[-newest:]
        return [content.decode(errors="replace") for _, content in self._contents(chosen)]

    def force_unlock(self, id: str) -> LockInfo:
        loaded = self.load()
        held = loaded.manifest.lease if loaded else None
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
        try:
            self.put(loaded.manifest.updated(lease=None), loaded.tag)
        except Conflict as error:
            raise StateError(
                "the lock has just been renewed",
                "its holder is alive: releasing the lock would let two runs write.",
                "wait for it to end, or stop it",
            ) from error
        return held.holder

    def publish(self, held: BucketLock, state: State) -> None:
        """Makes a state the current snapshot and ends the journal. Replaced objects are deleted last."""
        content = self.codec.snapshot(state, self.spec, self.environment).encode()
        manifest = held.manifest()
        name = snapshot_name(state.serial, manifest.fence, 1 + len(list(manifest.segment_names)))
        version = Version(
            str(state.serial), iso_timestamp(self.pace.utc_now()), held.info.by, held.info.operation
        )
        snapshot = Snapshot(name, sha256(content).hexdigest(), version)
        held.put(name, content)
        kept = [snapshot, *(s for s in manifest.snapshots if s.version.id != version.id)][: max(1, self.keep)]
        changes = {"lineage": state.lineage, "serial": state.serial, "snapshots": tuple(kept), "segments": ()}
        held.commit(lambda manifest: manifest.updated(**changes))
        held.clean()

    def _lock(self) -> BucketLock:
        if self._held is None:
            raise StateError("the state isn't locked", "only the holder of the lock can write to it.")
        return self._held

    def _state(self, manifest: Manifest) -> State:
        snapshots, lineage = manifest.snapshots, manifest.lineage
        state = self._snapshot(snapshots[0]) if snapshots else State(lineage)
        if state.lineage != lineage:
            raise self._damaged(snapshots[0].name, "its lineage differs from that in the manifest")
        state = fold(state, self._entries(manifest, state))
        if state.serial != manifest.serial:
            why = f"it ends at serial {state.serial}, but the manifest says {manifest.serial}"
            raise self._damaged("journal/", why)
        return state

    def _snapshot(self, snapshot: Snapshot) -> State:
        content = self._get(snapshot.name)
        if sha256(content).hexdigest() != snapshot.digest:
            raise self._damaged(snapshot.name, "its content was changed after it was written")
        place = f"{self.place}/{snapshot.name}"
        return self.codec.parse(decode(content, place), place, self.spec, self.environment)

    def _entries(self, manifest: Manifest, state: State) -> Iterator[Entry]:
        """The entries after the snapshot, up to the serial of the manifest."""
        after = state.serial
        for name, content in self._contents(list(manifest.segment_names)):
            rows = (r for r in journal_rows(content) if r.get("serial", 0) <= manifest.serial)
            place = f"{self.place}/{name}"
            try:
                for entry in journal_entries(rows, after, self.codec, manifest.lineage, place):
                    yield entry
                    after += 1
            except DamagedJournal as damage:
                raise self._damaged(name, damage.why) from None

    def _contents(self, names: list[str]) -> Iterator[tuple[str, bytes]]:
        if len(names) < FEW:
            return ((name, self._get(name)) for name in names)
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(PARALLEL_READS) as pool:
            return iter(list(zip(names, pool.map(self._get, names), strict=True)))

    def _get(self, name: str) -> bytes:
        item = self.bucket.get(name)
        if item is None:
            raise _MissingObject(name)
        return item.content

    def _damaged(self, name: str, why: str) -> StateError:
        return damaged(f"{self.place}/{name}", why)


class BucketJournal:
    """Writes entries in batches: at `sync`, and with each beat of the lease."""

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
        with self._adding:
            for entry in entries:
                self._serial += 1
                self._lines.append(self._store.codec.line(self._serial, entry, self._lineage))

    def sync(self) -> None:
        self._flush(None)

    def _flush(self, patience: float | None) -> None:
        with self._writing:
            with self._adding:
                count, serial = len(self._lines), self._serial
                content = "".join(self._lines).encode()
            if not count:
                return
            manifest = self._held.manifest(patience)
            number = 1 + dict(manifest.segments).get(manifest.fence, 0)
            self._held.put(segment_name(manifest.fence, number), content, patience)
            self._held.commit(partial(self._add_segment, number=number, serial=serial), patience)
            with self._adding:
                del self._lines[:count]

    def _add_segment(self, manifest: Manifest, number: int, serial: int) -> Manifest:
        counts = {**dict(manifest.segments), manifest.fence: number}
        return manifest.updated(segments=tuple(counts.items()), serial=serial, lineage=self._lineage)

    def close(self) -> None:
        self._held.flush = lambda: None
        with suppress(StateError):
            self.sync()

    def fold(self, state: State) -> None:
        self._held.flush = lambda: None
        with self._writing:
            self._store.publish(self._held, state)

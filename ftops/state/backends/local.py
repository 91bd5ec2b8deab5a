"""Local backend: snapshot, journal and lock on disk. Nothing acknowledged is ever lost.

    <path>/<spec>/<env>.json         the snapshot: the state up to its serial
    <path>/<spec>/<env>.journal      a line for each later entry; append-only
    <path>/<spec>/<env>.lock         who holds the lock, which the operating system releases with the process
    <path>/<spec>/<env>.history/     the last snapshots, by serial
    <path>/<spec>/<env>.audit.jsonl  the audit log: a line when a run starts, and one when it ends

When a run ends, the journal is folded into the snapshot: temporary file, fsync, rename, then the journal is
deleted. After a crash between any two of these the state is the same: entries that the snapshot includes are
skipped.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

from msgspec import Struct, convert, to_builtins
from msgspec.structs import asdict

from ftops.core.confined_files import content
from ftops.core.errors import StateError, StateLocked
from ftops.core.private_files import make_folder, open_private, write_private
from ftops.core.timestamps import iso_timestamp
from ftops.state.backends.base import (
    AT_ONCE,
    KEPT_VERSIONS,
    LockInfo,
    Version,
    Waiting,
    no_such_version,
    retry_while_locked,
)
from ftops.state.entries import Entry
from ftops.state.file_format import (
    PLAIN,
    DamagedJournal,
    StateCodec,
    checked_line,
    decode,
    journal_entries,
    journal_rows,
)
from ftops.state.live_state import fold
from ftops.state.state import STATE_VERSION, State

_AUDIT = ".audit.jsonl"
_INDEX = "index.json"
_NOBODY = LockInfo("", "", "", 0, "", "")


class LocalStore(Struct, frozen=True):
    """The state of a spec in an environment, in a local folder. See `base.Store`."""

    folder: Path
    spec: str
    environment: str
    codec: StateCodec = PLAIN
    keep: int = KEPT_VERSIONS

    @property
    def place(self) -> str:
        return str(self.snapshot_path)

    @property
    def snapshot_path(self) -> Path:
        return self.folder / self.spec / f"{self.environment}.json"

    @property
    def journal_path(self) -> Path:
        return self.snapshot_path.with_suffix(".journal")

    @property
    def lock_path(self) -> Path:
        return self.snapshot_path.with_suffix(".lock")

    @property
    def history(self) -> History:
        return History(self.snapshot_path.with_suffix(".history"), self.keep)

    def read(self) -> State:
        """Reads the journal first, and skips entries that the snapshot includes: a run may end meanwhile."""
        path = self.journal_path
        rows = journal_rows(read_bytes(path) or b"", may_be_torn=True)
        try:
            return self._replay(rows, self._read_snapshot(self.snapshot_path))
        except DamagedJournal as damage:
            if damage.line:
                hint = "restore the file from a backup, or undo the edit"
                summary = f"the journal is damaged: {path}:{damage.line}"
                raise StateError(summary, f"{damage.why}.", hint) from None
            why = f"{damage.why}; the snapshot is too old for the journal, or a line was removed."
            raise StateError(
                f"the journal has a gap: {path}", why, "restore files that belong together"
            ) from None

    def lock(self, info: LockInfo, waiting: Waiting = AT_ONCE) -> FileLock:
        return FileLock(self.lock_path, info, waiting)

    def open_journal(self, state: State) -> LocalJournal:
        return LocalJournal(self, state)

    def write(self, state: State) -> None:
        self.write_snapshot(state)
        with translated(self.journal_path):
            self.journal_path.unlink(missing_ok=True)

    def remove(self) -> None:
        """The snapshot last: it says what the rest is."""
        with translated(self.snapshot_path):
            self.history.remove()
            self.journal_path.unlink(missing_ok=True)
            self.snapshot_path.unlink(missing_ok=True)
            sync_folder(self.snapshot_path.parent)

    def write_snapshot(self, state: State) -> None:
        """Replaces the snapshot durably. The previous one is kept as a version."""
        text = self.codec.snapshot(state, self.spec, self.environment)
        temporary = self.snapshot_path.with_suffix(".json.tmp")
        with translated(self.snapshot_path):
            make_folder(self.snapshot_path.parent)
            with open(temporary, "w", encoding="utf-8", opener=open_private) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            self.history.add(text, state.serial, read_holder(self.lock_path))
            temporary.replace(self.snapshot_path)
            sync_folder(self.snapshot_path.parent)

    def versions(self) -> Sequence[Version]:
        return self.history.versions()

    def read_version(self, id: str) -> State:
        kept = self.versions()
        state = self._read_snapshot(self.history.path(id)) if any(v.id == id for v in kept) else None
        if state is None:
            raise no_such_version(id, kept)
        return state

    def append_audit(self, name: str, line: str) -> None:
        """Starts a new line if a crash has cut off the last one."""
        path = self.snapshot_path.with_suffix(_AUDIT)
        with translated(path):
            make_folder(path.parent)
            file = open_private(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
            try:
                size = os.fstat(file).st_size
                torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
                write_all(file, (("\n" if torn else "") + line).encode())
                os.fsync(file)
            finally:
                os.close(file)

    def audit_lines(self, newest: int | None = None) -> Sequence[str]:
        content = (read_bytes(self.snapshot_path.with_suffix(_AUDIT)) or b"").decode(errors="replace")
        lines = [line for line in content.split("\n") if line]
        return lines if newest is None else lines[-newest:]

    def force_unlock(self, id: str) -> LockInfo:
        """Always fails: only the operating system releases the lock, when its process ends."""
        with suppress(StateLocked), FileLock(self.lock_path, _NOBODY):
            raise StateError("the state isn't locked", "no run is using it.", "nothing needs to be done")
        holder = read_holder(self.lock_path)
        raise StateError(
            "the lock of a local state can't be released",
            f"{holder or 'another process'}. The operating system holds the lock as long as this "
            "process runs.",
            f"end the process: kill {holder.pid}" if holder else "end that process",
        )

    def _read_snapshot(self, path: Path) -> State | None:
        content, place = read_bytes(path), str(path)
        if content is None:
            return None
        return self.codec.parse(decode(content, place), place, self.spec, self.environment)

    def _replay(self, rows: Iterator[dict[str, Any]], state: State | None) -> State:
        header = next(rows, None)
        if header is None:
            return state or State("")
        lineage = header.get("lineage", "")
        if state is None:
            state = State(lineage)
        elif state.lineage != lineage:
            raise StateError(
                f"the journal belongs to another state: {self.journal_path}",
                f"its lineage is {lineage}, but that of {self.snapshot_path.name} is {state.lineage}.",
                "restore two files that belong together",
            )
        new = journal_entries(rows, state.serial, self.codec, lineage, str(self.journal_path))
        return fold(state, new)


class LocalJournal:
    """Writes entries immediately; they are durable after `sync`. See `base.Journal`."""

    def __init__(self, store: LocalStore, state: State) -> None:
        self._store = store
        self._lineage = state.lineage
        self._serial = state.serial
        self._path = path = store.journal_path
        with translated(path):
            make_folder(path.parent)
            with suppress(FileNotFoundError):
                lines = content(path, follow=False)
                if lines and not lines.endswith(b"\n"):  # would count as damage after more lines
                    os.truncate(path, lines.rfind(b"\n") + 1)
            self._file = open_private(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            if os.fstat(self._file).st_size == 0:
                header = checked_line({"journal": STATE_VERSION, "lineage": state.lineage})
                write_all(self._file, header.encode())
                os.fsync(self._file)
                sync_folder(path.parent)

    def append(self, entries: Iterable[Entry]) -> None:
        lines = []
        for entry in entries:
            self._serial += 1
            lines.append(self._store.codec.line(self._serial, entry, self._lineage))
        with translated(self._path):
            write_all(self._file, "".join(lines).encode())

    def sync(self) -> None:
        with translated(self._path):
            os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)

    def fold(self, state: State) -> None:
        self._store.write(state)
        self.close()


class History(Struct, frozen=True):
    """The last snapshots: a file for each serial, and an index that says who wrote them."""

    folder: Path
    keep: int

    def path(self, id: str) -> Path:
        return self.folder / f"{id}.json"

    def add(self, text: str, serial: int, holder: LockInfo | None) -> None:
        """Writes a file of its own, so that manual edits of the state don't change its history."""
        make_folder(self.folder)
        by, operation = (holder.by, holder.operation) if holder else ("", "")
        version = Version(str(serial), _iso(time()), by, operation)
        write_private(self.path(version.id), text.encode())
        kept = [version, *(v for v in self.versions() if v.id != version.id)]
        temporary = self.folder / "index.tmp"
        write_private(temporary, (json.dumps(to_builtins(kept[: self.keep]), indent=1) + "\n").encode())
        temporary.replace(self.folder / _INDEX)
        for old in kept[self.keep :]:
            self.path(old.id).unlink(missing_ok=True)

    def remove(self) -> None:
        """Only what `add` has written, and nothing through a link."""
        if self.folder.is_symlink():
            return
        for version in self.versions():
            self.path(version.id).unlink(missing_ok=True)
        (self.folder / _INDEX).unlink(missing_ok=True)
        with suppress(OSError):  # something else is in it
            self.folder.rmdir()

    def versions(self) -> Sequence[Version]:
        """Newest first. After a crash the index may lack a file; its time is used then."""
        try:
            files = {entry.name.removesuffix(".json"): entry.stat() for entry in os.scandir(self.folder)}
        except FileNotFoundError:
            return ()
        known: dict[str, Version] = {}
        with suppress(OSError, ValueError):
            index = convert(json.loads(content(self.folder / _INDEX, follow=False)), list[Version])
            known = {v.id: v for v in index}
        serials = sorted(((s.st_mtime_ns, int(id)) for id, s in files.items() if id.isdigit()), reverse=True)
        return tuple(known.get(str(n)) or Version(str(n), _iso(mtime / 1e9)) for mtime, n in serials)


def _iso(seconds: float) -> str:
    return iso_timestamp(datetime.fromtimestamp(seconds, UTC))


class FileLock:
    """An exclusive lock. The kernel releases it when the process ends, even if the file remains."""

    def __init__(self, path: Path, info: LockInfo, waiting: Waiting = AT_ONCE) -> None:
        self._path = path
        self._info = info
        self._waiting = waiting
        self._file = -1

    def __enter__(self) -> FileLock:
        with translated(self._path):
            make_folder(self._path.parent)
            while not retry_while_locked(self._try, self._waiting):
                continue
        return self

    def __exit__(self, *error: object) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._file)

    def when_lost(self, tell: Callable[[], None]) -> None:
        """Never: the lock can't be lost while the process runs."""

    def check(self) -> None: ...

    def confirm(self) -> None: ...

    def _try(self) -> bool:
        """False if the previous holder has just deleted the file: try again."""
        file = open_private(self._path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _parse(os.read(file, 65536)) or "another process is running"
            os.close(file)
            raise StateLocked(
                "the state is locked",
                f"{holder}. Two runs at once could create the same object twice.",
                "wait for it to end, with --lock-timeout 10m for instance, or stop it; the lock "
                f"({self._path}) goes with its process",
            ) from error
        if not (self._path.exists() and os.path.samestat(os.fstat(file), self._path.stat())):
            os.close(file)
            return False
        os.ftruncate(file, 0)
        write_all(file, (json.dumps(asdict(self._info), sort_keys=True) + "\n").encode())
        self._file = file
        return True


def read_holder(path: Path) -> LockInfo | None:
    """Who holds the lock, or held it last, if the file can be read."""
    try:
        return _parse(content(path, follow=False))
    except OSError:
        return None


def _parse(content: bytes) -> LockInfo | None:
    try:
        return convert(json.loads(content), LockInfo)
    except ValueError:
        return None


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns an OSError in the block into a StateError."""
    try:
        yield
    except OSError as error:
        raise StateError(
            f"can't use the state at {path}: {error.strerror or error}",
            "ftops records every change before it makes it, so it needs this folder.",
            "check that the folder exists and is writable, and that the disk has free space",
        ) from error


def write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def sync_folder(folder: Path) -> None:
    """Makes created, renamed and deleted files durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_bytes(path: Path) -> bytes | None:
    """None if there is no such file. Links aren't followed."""
    with translated(path):
        try:
            return content(path, follow=False)
        except FileNotFoundError:
            return None

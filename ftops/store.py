"""A state on a local disk: snapshot, journal, lock. Nothing acknowledged is ever lost.

    <path>/<spec>/<env>.json      the snapshot: the fold of everything up to its serial
    <path>/<spec>/<env>.journal   what happened since, a line each; append-only, on disk before effects
    <path>/<spec>/<env>.lock      who is at work; held by the operating system, so that it dies with them

The journal is folded into the snapshot when a run ends: temporary file, fsync, rename, then the
journal goes. A crash between any two of these leaves a state that reads the same: entries that the
snapshot already holds are known by their serial and skipped.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ftops.errors import StateError, StateLocked
from ftops.state import Entry, State, fold
from ftops.statefile import (
    entry_from_json,
    header_line,
    journal_line,
    parse_line,
    parse_snapshot,
    snapshot_text,
)


@dataclass(frozen=True, slots=True)
class LockInfo:
    """Who holds a lock, since when (UTC, ISO 8601), doing what."""

    id: str
    who: str
    host: str
    pid: int
    operation: str
    since: str

    def __str__(self) -> str:
        return f"{self.who}@{self.host}, process {self.pid}, runs `ftops {self.operation}` since {self.since}"


@dataclass(frozen=True, slots=True)
class LocalStore:
    """The state of one spec in one environment, below a local folder."""

    folder: Path
    spec: str
    environment: str

    @property
    def snapshot_path(self) -> Path:
        return self.folder / self.spec / f"{self.environment}.json"

    @property
    def journal_path(self) -> Path:
        return self.snapshot_path.with_suffix(".journal")

    @property
    def lock_path(self) -> Path:
        return self.snapshot_path.with_suffix(".lock")

    def read(self, lineage: str) -> State:
        """The state as of now; an empty one of that lineage where none is recorded.

        Needs no lock: the journal is read before the snapshot, and entries that both hold count once.
        Raises StateError.
        """
        journal = _read_text(self.journal_path)
        snapshot = _read_text(self.snapshot_path)
        state = None if snapshot is None else parse_snapshot(snapshot, str(self.snapshot_path))
        if journal:
            state = self._replay(journal, state)
        return state or State(lineage)

    def open_journal(self, state: State) -> Journal:
        """Starts to record on top of `state`. Only for who holds the lock."""
        return Journal(self, state)

    def write_snapshot(self, state: State) -> None:
        """Replaces the snapshot as a whole, durably."""
        text = snapshot_text(state, self.spec, self.environment)
        temporary = self.snapshot_path.with_suffix(".json.tmp")
        with _translated(self.snapshot_path):
            self.snapshot_path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.snapshot_path)
            _sync_folder(self.snapshot_path.parent)

    def _replay(self, journal: str, state: State | None) -> State:
        rows = list(_rows(journal, self.journal_path))
        if not rows:
            return state or State("")
        lineage = rows[0].get("lineage", "")
        if state is None:
            state = State(lineage)
        elif state.lineage != lineage:
            raise StateError(
                f"the journal belongs to another state: {self.journal_path}",
                f"its lineage is {lineage}, that of {self.snapshot_path.name} is {state.lineage}.",
                "put back the two files that belong together",
            )
        return fold(state, _entries(rows[1:], state.serial, self.journal_path))


class Journal:
    """Appends entries: written at once, on disk after `sync`. Raises StateError, as on a full disk."""

    def __init__(self, store: LocalStore, state: State) -> None:
        self._store = store
        self._serial = state.serial
        path = store.journal_path
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                _cut_torn_tail(path)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            if os.fstat(self._file).st_size == 0:
                _write_all(self._file, header_line(state.lineage).encode())
                os.fsync(self._file)
                _sync_folder(path.parent)

    def append(self, entries: Iterable[Entry]) -> None:
        lines = []
        for entry in entries:
            self._serial += 1
            lines.append(journal_line(self._serial, entry))
        with _translated(self._store.journal_path):
            _write_all(self._file, "".join(lines).encode())

    def sync(self) -> None:
        with _translated(self._store.journal_path):
            os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)

    def fold(self, state: State) -> None:
        """Ends the journal: `state`, which holds all its entries, becomes the snapshot."""
        self._store.write_snapshot(state)
        self.close()
        with _translated(self._store.journal_path):
            self._store.journal_path.unlink(missing_ok=True)


class Lock:
    """An exclusive lock by the operating system, with a note of who holds it.

    The kernel frees it when its process ends, however it ends; a note that stays behind is no lock.
    """

    def __init__(self, path: Path, info: LockInfo) -> None:
        self._path = path
        self._info = info
        self._file = -1

    def __enter__(self) -> Lock:
        with _translated(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            while not self._try():
                continue
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._file)

    def _try(self) -> bool:
        """False: the file was removed by its owner in between; look again."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            note = os.read(file, 65536)
            os.close(file)
            raise _refusal(note, self._path) from error
        if not _same_file(file, self._path):
            os.close(file)
            return False
        os.ftruncate(file, 0)
        _write_all(file, (_lock_note(self._info) + "\n").encode())
        self._file = file
        return True


def lock_info(id: str, operation: str, since: str) -> LockInfo:
    """What this process writes into a lock."""
    try:
        who = getpass.getuser()
    except (KeyError, OSError):
        who = str(os.getuid())
    return LockInfo(id, who, socket.gethostname(), os.getpid(), operation, since)


def _lock_note(info: LockInfo) -> str:
    return json.dumps({name: getattr(info, name) for name in LockInfo.__slots__}, sort_keys=True)


def _refusal(note: bytes, path: Path) -> StateLocked:
    try:
        holder = str(LockInfo(**json.loads(note)))
    except (ValueError, TypeError):
        holder = "another process is at work"
    return StateLocked(
        "the state is locked",
        f"{holder}. Two runs at once could create the same object twice.",
        f"wait for it to end, or stop it; the lock ({path}) goes with its process",
    )


def _same_file(file: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(file)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _rows(journal: str, path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a journal. Only its very last line may be torn: the process ended while writing it."""
    lines = journal.split("\n")
    for number, line in enumerate(lines, 1):
        if not line and number == len(lines):
            return
        row = parse_line(line)
        if row is not None:
            yield row
        elif number == len(lines):
            return
        else:
            raise StateError(
                f"the journal is damaged: {path}:{number}",
                "a line before the last doesn't match its checksum: it was changed after it was written.",
                "restore the file from a backup, or undo the edit",
            )


def _entries(rows: Iterable[dict[str, Any]], serial: int, path: Path) -> Iterator[Entry]:
    for row in rows:
        if row.get("serial", 0) <= serial:
            continue
        try:
            yield entry_from_json(row)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(
                f"the journal has an entry that this ftops can't read: {path}",
                f"entry {row.get('serial')}: {error}",
                "upgrade ftops to the version that wrote it",
            ) from error


def _cut_torn_tail(path: Path) -> None:
    """Lines after a torn one would be taken for damage: the torn one goes before anything is appended."""
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        os.truncate(path, content.rfind(b"\n") + 1)


def _write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_text(path: Path) -> str | None:
    with _translated(path):
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise StateError(
                f"the state file is damaged: {path}",
                f"it is not UTF-8 text ({error.reason}).",
                "restore it from a backup",
            ) from error


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(
            f"can't use the state at {path}: {error.strerror or error}",
            "ftops writes down what it is about to do before it does it, so it needs this folder.",
            "check that the folder exists, that you may write to it, and that the disk has room",
        ) from error

"""The lock of a local state: held through the operating system, with a note of who holds it. Of the state
it knows nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import asdict

from ftops.core.confined_files import content
from ftops.core.errors import StateLocked
from ftops.core.private_files import make_folder, open_private
from ftops.state.backends.base import AT_ONCE, LockInfo, Waiting, lock_info_from, patiently
from ftops.state.backends.disk_errors import translated, write_all


class FileLock:
    """An exclusive lock by the operating system, with a note of who holds it.

    The kernel frees it when its process ends, however it ends; a note that stays behind is no lock.
    """

    def __init__(self, path: Path, info: LockInfo, waiting: Waiting = AT_ONCE) -> None:
        self._path = path
        self._info = info
        self._waiting = waiting
        self._file = -1

    def __enter__(self) -> FileLock:
        with translated(self._path):
            make_folder(self._path.parent)
            while not patiently(self._try, self._waiting):
                continue
        return self

    def __exit__(self, *error: object) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._file)

    def when_lost(self, tell: Callable[[], None]) -> None:
        """It can't be lost while this process runs."""

    def check(self) -> None:
        """Neither."""

    def confirm(self) -> None:
        """Neither."""

    def _try(self) -> bool:
        """False: the file was removed by its owner in between; look again."""
        file = open_private(self._path, os.O_RDWR | os.O_CREAT)
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
        write_all(file, (json.dumps(asdict(self._info), sort_keys=True) + "\n").encode())
        self._file = file
        return True


def read_note(path: Path) -> LockInfo | None:
    """Who holds the lock, or held it last, as far as it can be read."""
    try:
        return _parse_note(content(path, follow=False))
    except OSError:
        return None


def _refusal(note: bytes, path: Path) -> StateLocked:
    holder = _parse_note(note) or "another process is running"
    return StateLocked(
        "the state is locked",
        f"{holder}. Two runs at once could create the same object twice.",
        f"wait for it to end, with --lock-timeout 10m for instance, or stop it; the lock ({path}) goes with "
        "its process",
    )


def _parse_note(note: bytes) -> LockInfo | None:
    try:
        return lock_info_from(json.loads(note))
    except (ValueError, TypeError):
        return None


def _same_file(file: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(file)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)

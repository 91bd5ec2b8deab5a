"""Lock of a local state: a lock of the operating system on a file that says who holds it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path

from msgspec import convert
from msgspec.structs import asdict

from ftops.core.confined_files import content
from ftops.core.errors import StateLocked
from ftops.core.private_files import make_folder, open_private
from ftops.state.backends.base import AT_ONCE, LockInfo, Waiting, retry_while_locked
from ftops.state.backends.disk_errors import translated, write_all


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

"""Kept answers: what was asked once is never asked again, over kills and over runs at the same time.

A file of JSON lines for each model below `.ftops/answers`, only appended to. A line that was cut off by a
kill is no answer, and ends with the next one that is appended.
"""

from __future__ import annotations

import fcntl
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from ftops.core.private_files import open_private
from ftops.core.project import make_own, own_folder
from ftops.dataset.files.jsonl_io import unreadable, unwritable
from ftops.evaluation.answers import Answer

FOLDER = "answers"
_LOCK_SECONDS = 0.1
"""Between two looks at a lock that another run holds."""


class _Line(msgspec.Struct, frozen=True):
    key: str
    answer: Answer


class KeptAnswers:
    """Of one model in one project. Safe for threads and processes. If `fresh`, what was kept before isn't
    used, and new answers take its place. Raises UsageError if they can't be read or kept."""

    def __init__(self, project: Path, model: str, fresh: bool = False) -> None:
        folder = own_folder(project, FOLDER)
        try:
            make_own(folder)
        except OSError as error:
            raise unwritable(folder, error) from error
        self._path = folder / f"{sha256(model.encode()).hexdigest()[:32]}.jsonl"
        self._lock = threading.Lock()
        self._fresh = fresh
        self._answers: dict[str, Answer] = {}
        self._load()

    def get(self, key: str) -> Answer | None:
        return self._answers.get(key)

    @contextmanager
    def asking(
        self, on_wait: Callable[[], object] = lambda: None, seconds: float = math.inf
    ) -> Iterator[bool]:
        """One run at a time: another one waits, and then finds the answers. False if the first one is still
        asking after so many seconds. Raises UsageError."""
        path = self._path.with_suffix(".lock")
        try:
            file = open_private(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise unwritable(path, error) from error
        try:
            is_locked = _is_locked(file)
            if not is_locked:
                on_wait()
                end = time.monotonic() + seconds
                while not (is_locked := _is_locked(file)) and time.monotonic() < end:
                    time.sleep(_LOCK_SECONDS)
            self._load()
            yield is_locked
        finally:
            os.close(file)

    def add(self, key: str, answer: Answer) -> None:
        """On disk when it returns. Raises UsageError."""
        line = msgspec.json.encode(_Line(key, answer)) + b"\n"
        with self._lock:
            try:
                self._append(line)
            except OSError as error:
                raise unwritable(self._path, error) from error
            self._answers[key] = answer

    def _append(self, line: bytes) -> None:
        file = open_private(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                line = b"\n" + line
            while line:
                line = line[os.write(file, line) :]
            os.fsync(file)
        finally:
            os.close(file)

    def _load(self) -> None:
        """What is kept, also since it was last read."""
        if self._fresh:
            return
        try:
            with open(self._path, "rb", opener=open_private) as file:
                for raw in file:
                    with suppress(msgspec.MsgspecError):  # cut off, or of another version: it is asked again
                        line = msgspec.json.decode(raw, type=_Line)
                        self._answers[line.key] = line.answer
        except FileNotFoundError:
            pass
        except OSError as error:
            raise unreadable(self._path, error) from error


def _is_locked(file: int) -> bool:
    """Whether the lock of a file was free, and is held now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

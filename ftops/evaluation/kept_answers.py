"""Kept answers: what was asked once is never asked again, over kills and over runs at the same time.

A file of JSON lines for each model below `.ftops/answers`, only appended to. A line that was cut off by a
kill is no answer, and ends with the next one that is appended.
"""

from __future__ import annotations

import fcntl
import os
import threading
from hashlib import sha256
from pathlib import Path

import msgspec

from ftops.core.private_files import open_private
from ftops.core.project import make_own, own_folder
from ftops.evaluation.answers import Answer

FOLDER = "answers"


class _Line(msgspec.Struct, frozen=True):
    key: str
    answer: Answer


class KeptAnswers:
    """Of one model in one project. Safe for threads and processes. If `fresh`, what was kept before isn't
    used, and new answers take its place."""

    def __init__(self, project: Path, model: str, fresh: bool = False) -> None:
        folder = own_folder(project, FOLDER)
        make_own(folder)
        self._path = folder / f"{sha256(model.encode()).hexdigest()[:32]}.jsonl"
        self._lock = threading.Lock()
        self._answers = {} if fresh else self._read()

    def get(self, key: str) -> Answer | None:
        return self._answers.get(key)

    def add(self, key: str, answer: Answer) -> None:
        """On disk when it returns. Raises OSError."""
        line = msgspec.json.encode(_Line(key, answer)) + b"\n"
        with self._lock:
            self._answers[key] = answer
            file = open_private(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                size = os.fstat(file).st_size
                if size and os.pread(file, 1, size - 1) != b"\n":
                    line = b"\n" + line
                os.write(file, line)
                os.fsync(file)
            finally:
                os.close(file)

    def _read(self) -> dict[str, Answer]:
        try:
            with open(self._path, "rb", opener=open_private) as file:
                content = file.read()
        except FileNotFoundError:
            return {}
        found: dict[str, Answer] = {}
        for raw in content.split(b"\n"):
            try:
                line = msgspec.json.decode(raw, type=_Line)
            except msgspec.MsgspecError:
                continue  # cut off, or of another version: it is asked again
            found[line.key] = line.answer
        return found

"""Answer files: where the kept answers of a model are, on this machine and shared with others.

    .ftops/answers/<model>.jsonl              answers are appended here
    .ftops/answers/<model>/<digest>.jsonl     segments, which never change

If they are shared, answers move from the first file into segments: each is shared before it is written here.
It is named by its content, so sharing it again does no harm.

The first line of a file names the model. The others have an answer each, and end with a checksum. A line
that was damaged, edited by hand or taken from the file of another model doesn't match it, and isn't used.
This isn't a signature: with this code, anyone can compute a checksum.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import msgspec

from ftops.core.private_files import make_folder, open_private
from ftops.core.project import make_own, own_folder
from ftops.dataset.files.jsonl_io import unreadable, unwritable
from ftops.evaluation.answers import Answer

FOLDER = "answers"
_LOCK_SECONDS = 0.1
"""Between two looks at a lock that another run holds."""
_PARALLEL = 8
"""Segments that are read at once."""
_CHECKSUM = b',"checksum":"'
_DIGEST = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[0-9a-f]{32}/[0-9a-f]{64}")


class Segments(Protocol):
    """Shared storage of segments. Names are `<model>/<digest>`. Thread-safe; may raise FtopsError."""

    def names(self, model: str = "") -> list[str]:
        """Of one model, or all."""

    def get(self, name: str) -> bytes | None:
        """None if it doesn't exist, or can't be trusted."""

    def create(self, name: str, content: bytes) -> None:
        """Does nothing if it exists."""

    def delete(self, names: Iterable[str]) -> None: ...


class Kept(msgspec.Struct, frozen=True):
    """An answer, by the key of its question. `at`: when it was given (UTC, ISO 8601); `sku`: by a deployment
    of which SKU, because latencies differ."""

    key: str
    at: str
    answer: Answer
    sku: str = ""


class Answered(msgspec.Struct, frozen=True):
    """What a file contains: its answers, and how many lines can't be used."""

    kept: Sequence[Kept]
    damaged: int = 0


class _Header(msgspec.Struct, frozen=True):
    """The first line of every file."""

    model: str


def digest_of(model: str) -> str:
    return sha256(model.encode()).hexdigest()[:32]


def answers_folder(project: Path) -> Path:
    """Creates it if it doesn't exist. Raises UsageError."""
    folder = own_folder(project, FOLDER)
    try:
        make_own(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    return folder


def digests(folder: Path, shared: Segments | None = None) -> list[str]:
    """Of all models that have answers. Raises UsageError, and errors of `shared`."""
    try:
        here = {path.name.removesuffix(".jsonl") for path in folder.iterdir()}
    except OSError as error:
        raise unreadable(folder, error) from error
    there = {name.partition("/")[0] for name in (shared.names() if shared else ())}
    return sorted(digest for digest in here | there if _DIGEST.fullmatch(digest))


class AnswerFiles:
    """Of the model with this digest. All methods may raise UsageError, and errors of `shared`."""

    def __init__(self, folder: Path, digest: str, shared: Segments | None = None) -> None:
        self._open = folder / f"{digest}.jsonl"
        self._segments = folder / digest
        self._digest = digest
        self._shared = shared

    @property
    def is_shared(self) -> bool:
        return self._shared is not None

    @contextmanager
    def locked(self, on_wait: Callable[[], object] = lambda: None, seconds: float = 0.0) -> Iterator[bool]:
        """For the only run on this machine that writes. False if another one still does after so long."""
        path = self._open.with_suffix(".lock")
        try:
            file = open_private(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise unwritable(path, error) from error
        try:
            if not (is_locked := _is_locked(file)):
                on_wait()
                end = time.monotonic() + seconds
                while not (is_locked := _is_locked(file)) and time.monotonic() < end:
                    time.sleep(_LOCK_SECONDS)
            yield is_locked
        finally:
            os.close(file)

    def pull(self) -> int:
        """Copies the shared segments that aren't here whole. How many of them can't be used."""
        if self._shared is None:
            return 0
        here = {name for name in self.names() if name == self._name(_read(self._path(name)))}
        wanted = [n for n in self._shared.names(self._digest) if n not in here and _NAME.fullmatch(n)]
        if not wanted:
            return 0
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_PARALLEL) as pool:
            found = zip(wanted, pool.map(self._shared.get, wanted), strict=True)
            valid = [(name, content) for name, content in found if content and name == self._name(content)]
        for name, content in valid:
            self._write_segment(name, content)
        return len(wanted) - len(valid)

    def names(self) -> list[str]:
        """The segments that are here."""
        try:
            return sorted(f"{self._digest}/{path.stem}" for path in self._segments.glob("*.jsonl"))
        except OSError as error:
            raise unreadable(self._segments, error) from error

    def segment(self, name: str) -> Answered:
        content = _read(self._path(name))
        if name != self._name(content):
            return Answered((), max(1, content.count(b"\n") - 1))
        return self._answered(content)

    def unshared(self) -> Answered:
        """The answers that are in no segment. What a kill has cut off isn't damage."""
        content = _read(self._open)
        return self._answered(content[: content.rfind(b"\n") + 1])

    def size(self) -> int:
        """In bytes."""
        paths = (self._open, *map(self._path, self.names()))
        return sum(path.stat().st_size for path in paths if path.exists())

    def model(self) -> str:
        """Empty if it isn't known."""
        for path in (self._open, *map(self._path, self.names())):
            with suppress(ValueError, RecursionError):  # also of msgspec
                return msgspec.json.decode(_read(path).partition(b"\n")[0], type=_Header).model
        return ""

    def append(self, model: str, kept: Kept) -> None:
        """On disk when it returns."""
        line = self._line(kept)
        try:
            file = open_private(self._open, os.O_RDWR | os.O_APPEND | os.O_CREAT)
            try:
                size = os.fstat(file).st_size
                if size and os.pread(file, 1, size - 1) != b"\n":  # cut off by a kill
                    size = _read(self._open).rfind(b"\n") + 1
                    os.ftruncate(file, size)
                if not size:
                    line = self._encoded(model, ()) + line
                _write(file, line)
            finally:
                os.close(file)
        except OSError as error:
            raise unwritable(self._open, error) from error

    def replace_unshared(self, model: str, kept: Iterable[Kept]) -> None:
        _replace(self._open, self._encoded(model, kept))

    def share(self, model: str, kept: Iterable[Kept]) -> None:
        """As a segment, here and, if they are shared, there."""
        content = self._encoded(model, kept)
        name = self._name(content)
        if self._shared is not None:
            self._shared.create(name, content)
        self._write_segment(name, content)

    def drop(self, names: Iterable[str]) -> None:
        """Deletes segments, everywhere."""
        names = list(names)
        if self._shared is not None:
            self._shared.delete(names)
        for path in map(self._path, names):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise unwritable(path, error) from error

    def _write_segment(self, name: str, content: bytes) -> None:
        try:
            make_folder(self._segments)
        except OSError as error:
            raise unwritable(self._segments, error) from error
        _replace(self._path(name), content)

    def _path(self, name: str) -> Path:
        return self._segments / f"{name.rpartition('/')[2]}.jsonl"

    def _name(self, content: bytes) -> str:
        return f"{self._digest}/{sha256(content).hexdigest()}"

    def _encoded(self, model: str, kept: Iterable[Kept]) -> bytes:
        header = msgspec.json.encode(_Header(model)) + b"\n"
        return b"".join((header, *map(self._line, kept)))

    def _line(self, kept: Kept) -> bytes:
        body = msgspec.json.encode(kept)
        return body[:-1] + _CHECKSUM + self._checksum(body) + b'"}\n'

    def _checksum(self, body: bytes) -> bytes:
        """Of an answer of this model."""
        return sha256(self._digest.encode() + body).hexdigest()[:16].encode()

    def _answered(self, content: bytes) -> Answered:
        """Without the header."""
        found, damaged = [], 0
        for raw in content.split(b"\n")[1:-1]:
            start, _, checksum = raw.rpartition(_CHECKSUM)
            body = start + b"}"
            try:
                if checksum != self._checksum(body) + b'"}':
                    raise ValueError
                found.append(msgspec.json.decode(body, type=Kept))
            except ValueError:  # also of msgspec
                damaged += 1
        return Answered(found, damaged)


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=open_private) as file:
            return file.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise unreadable(path, error) from error


def _replace(path: Path, content: bytes) -> None:
    """Completely or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        file = open_private(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            _write(file, content)
        finally:
            os.close(file)
        draft.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error


def _write(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]
    os.fsync(file)


def _is_locked(file: int) -> bool:
    """Whether the lock of a file was free, and is held now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

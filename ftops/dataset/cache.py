"""What is known of files that have not changed, kept between runs in one file, `datasets.json`.

As in Git's index, a file counts as unchanged while size, times and inode are the same; and an entry
isn't kept for a file so young that it could still change without its time changing. Losing the
cache costs time and nothing else, so nothing that happens to it is an error.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from ftops.dataset.inspection import Inspection

CHECKS_VERSION = 1
"""To be raised whenever a check is added or changed: what was clean then may not be now."""
VERSION = 1
SETTLED = 2_000_000_000
"""Nanoseconds after which a further write shows in a file's times on every file system."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


class _Entry(NamedTuple):
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    digest: str
    bytes: int
    examples: int


class Cache:
    """Clean inspections, by path and format. `save` (or leaving a `with`) writes them."""

    def __init__(self, folder: Path, clock: Callable[[], int] = time.time_ns) -> None:
        self.clock = clock
        """Now, in nanoseconds."""
        self._folder = folder
        self._entries: dict[str, _Entry] | None = None
        self._changed = False

    def get(self, path: Path, format: str, status: os.stat_result) -> Inspection | None:
        """The inspection of the file, if it is still the one that was read."""
        entry = self._load().get(_key(path, format))
        if entry is None or entry[:4] != _identity(status):
            return None
        return Inspection(entry.digest, entry.bytes, entry.examples)

    def put(
        self,
        path: Path,
        format: str,
        before: os.stat_result,
        after: os.stat_result,
        started: int,
        inspection: Inspection,
    ) -> None:
        """Keeps what was read since `started`, unless the file changed meanwhile or may have."""
        identity = _identity(before)
        youngest = max(before.st_mtime_ns, before.st_ctime_ns)
        if identity != _identity(after) or youngest + SETTLED > started:
            return
        entry = _Entry(*identity, inspection.digest, inspection.bytes, inspection.examples)
        self._load()[_key(path, format)] = entry
        self._changed = True

    def save(self) -> None:
        """Writes what is new. A folder that can't be written to is none of the caller's concern."""
        if self._changed:
            with contextlib.suppress(OSError):
                self._write()
            self._changed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.save()

    @property
    def _file(self) -> Path:
        return self._folder / "datasets.json"

    def _load(self) -> dict[str, _Entry]:
        if self._entries is None:
            self._entries = _parse(self._file)
        return self._entries

    def _write(self) -> None:
        kept = {key: entry for key, entry in self._load().items() if Path(key.partition(":")[2]).exists()}
        text = json.dumps({"version": VERSION, "checks": CHECKS_VERSION, "files": kept})
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._folder / f".datasets.{os.getpid()}.{time.monotonic_ns()}.tmp"
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(self._file)
        except OSError:
            draft.unlink(missing_ok=True)
            raise


def _parse(file: Path) -> dict[str, _Entry]:
    """The entries of a cache file; none where it isn't one, or comes from other checks."""
    try:
        data = json.loads(file.read_bytes())
        if data["version"] != VERSION or data["checks"] != CHECKS_VERSION:
            return {}
        return {key: entry for key, row in data["files"].items() if (entry := _entry(row))}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _entry(row: object) -> _Entry | None:
    if not isinstance(row, list) or len(row) != len(_Entry._fields):
        return None
    entry = _Entry(*row)
    numbers = (*entry[:4], entry.bytes, entry.examples)
    right = all(type(n) is int and n >= 0 for n in numbers) and isinstance(entry.digest, str)
    return entry if right and _DIGEST.match(entry.digest) else None


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _key(path: Path, format: str) -> str:
    return f"{format}:{path.absolute()}"

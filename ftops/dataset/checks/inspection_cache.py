"""Inspection cache: inspections of unchanged files, kept between runs in `datasets.json`.

As in Git's index, a file counts as unchanged while its size, times and inode are the same. No entry is kept
for a file that was changed so recently that a further change might not show in its times. Losing the cache
only costs time, so no problem with it is an error.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Self, TypeVar

import msgspec
from msgspec import Struct

from ftops.core.confined_files import content
from ftops.core.private_files import replace_file
from ftops.core.project import CACHE, ignore, make_own, own_folder
from ftops.dataset.files.file_identity import SETTLED, Identity, identity
from ftops.dataset.rules.findings import Inspection, Overlap

CHECKS_VERSION = 15
"""Raise it whenever a check is added or changed: older entries then no longer count."""
VERSION = 6
MOST_FOUND = 200
"""Values that are kept beside inspections."""
T = TypeVar("T")


class _Entry(Struct, frozen=True):
    identity: Identity
    inspection: Inspection


class _Found(Struct, frozen=True):
    identity: Identity
    value: msgspec.Raw


class _File(Struct, frozen=True):
    version: int
    checks: int
    files: dict[str, _Entry]
    overlaps: dict[str, Overlap] = {}
    """By the digests of both files."""
    found: dict[str, _Found] = {}
    """By path, and by what else it depends on."""


class Cache:
    """Inspections by path and format. `save` (or leaving a `with` block) writes them."""

    def __init__(self, folder: Path, clock: Callable[[], int] = time.time_ns) -> None:
        self.clock = clock
        """Now, in nanoseconds."""
        self._folder = folder
        self._file = folder / "datasets.json"
        self._changed = False

    @classmethod
    def of(cls, project: Path) -> Self:
        """The cache of a project."""
        with contextlib.suppress(OSError):
            ignore(project)
        return cls(own_folder(project, CACHE))

    def get(self, path: Path, format: str, status: os.stat_result) -> Inspection | None:
        """The inspection of the file, if it is unchanged."""
        entry = self._known.files.get(_key(path, format))
        return entry.inspection if entry and entry.identity == identity(status) else None

    def put(
        self, path: Path, format: str, status: os.stat_result, started: int, inspection: Inspection
    ) -> None:
        """Keeps an inspection that began at `started`, unless the file may have changed since."""
        if max(status.st_mtime_ns, status.st_ctime_ns) + SETTLED > started:
            return
        self._known.files[_key(path, format)] = _Entry(identity(status), inspection)
        self._changed = True

    def found(self, path: Path, depends: str, find: Callable[[], T], type: type[T]) -> T:
        """What `find` gets from a file and from all that `depends` stands for, if it isn't known yet: any
        value that JSON can hold."""
        started = self.clock()
        try:
            status = path.stat()
        except (OSError, ValueError):  # `find` says what is wrong
            return find()
        key = _key(path, sha256(depends.encode()).hexdigest()[:32])
        known = self._known.found.pop(key, None)
        if known is None or known.identity != identity(status):
            value = find()
            if max(status.st_mtime_ns, status.st_ctime_ns) + SETTLED > started:
                return value
            known = _Found(identity(status), msgspec.Raw(msgspec.json.encode(value)))
            self._changed = True
        self._known.found[key] = known  # the last of them, as it was used last
        return msgspec.json.decode(known.value, type=type)

    def overlap(self, digest: str, other: str, find: Callable[[], Overlap]) -> Overlap:
        """The overlap of the files with these digests; `find` computes it if it isn't known yet."""
        key = f"{digest} {other}"
        known = self._known.overlaps
        if key not in known:
            known[key] = find()
            self._changed = True
        return known[key]

    def save(self) -> None:
        """Writes the cache if it has changed, and if its folder is writable."""
        if self._changed:
            self._changed = False
            with contextlib.suppress(OSError):
                self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.save()

    @cached_property
    def _known(self) -> _File:
        return _parse(self._file)

    def _write(self) -> None:
        known = self._known
        kept = {key: entry for key, entry in known.files.items() if Path(key.partition(":")[2]).exists()}
        digests = {entry.inspection.digest for entry in kept.values()}
        overlaps = {key: item for key, item in known.overlaps.items() if digests.issuperset(key.split())}
        newest = [item for item in known.found.items() if Path(item[0].partition(":")[2]).exists()][
            -MOST_FOUND:
        ]
        content = msgspec.json.encode(_File(VERSION, CHECKS_VERSION, kept, overlaps, dict(newest)))
        make_own(self._folder)
        replace_file(self._file, content)


def _parse(file: Path) -> _File:
    """A cache file; an empty one if it is damaged or from another version of the checks."""
    try:
        known = msgspec.json.decode(content(file, follow=False), type=_File)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _File(VERSION, CHECKS_VERSION, {})
    is_ours = (known.version, known.checks) == (VERSION, CHECKS_VERSION)
    return known if is_ours else _File(VERSION, CHECKS_VERSION, {})


def _key(path: Path, format: str) -> str:
    return f"{format}:{path.absolute()}".encode("utf-8", "backslashreplace").decode()

"""Derived files: data files that are joined or transformed from others, in `.ftops/data` of a project.

Each is named after the digest of its bytes, so that the same content has the same name everywhere. A note
beside it maps the digest of its sources to it. Files that are lost or damaged are written again when needed.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path
from typing import NamedTuple

from ftops.core.confined_files import content, opened
from ftops.core.private_files import write_private
from ftops.core.project import DATA, ignore, make_own, own_folder
from ftops.dataset.files.jsonl_io import Writer

SUFFIX = ".jsonl"
NOTE = ".made"
_NAME = re.compile(r"[0-9a-f]{32}\.jsonl")
_LONGEST_NOTE = 200
KEPT = 3
"""The newest files, which are always kept."""
HOURS = 6
"""How long other files are kept: another run may be about to upload them."""


class _Note(NamedTuple):
    """A derived file when it was written. The note is valid while the file is unchanged."""

    name: str
    size: int
    time: int


def derive(project: Path, key: str, write: Callable[[Writer], None], *, since: int = 0) -> Path:
    """The file that is derived from the sources with the digest `key`. `write` writes it, unless it exists
    unchanged and was written after `since` (in nanoseconds). Raises UsageError, and what `write` raises."""
    folder = _folder(project)
    note = folder / f"{key[:32]}{NOTE}"
    known = _read(note)
    if known is not None and note.stat().st_mtime_ns >= since and _note(folder / known.name) == known:
        with suppress(OSError):
            os.utime(note)  # the time of the last use
        return folder / known.name
    draft = folder / f".{key[:32]}.{os.getpid()}{SUFFIX}"
    try:
        with Writer(draft, force=True) as writer:
            write(writer)
        file = folder / f"{_digest(draft)[:32]}{SUFFIX}"
        if not (_note(file) and _digest(file).startswith(file.stem)):
            draft.replace(file)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    written = _note(file)
    if written is not None:
        write_private(note, f"{written.name} {written.size} {written.time}\n".encode())
    return file


def tidy(project: Path, used: Collection[Path]) -> None:
    """Removes old files that aren't in use, as far as that is possible."""
    folder = own_folder(project, DATA)
    with suppress(OSError):
        uses = {file: file.stat().st_mtime for file in folder.glob(f"*{SUFFIX}")}
        for note in folder.glob(f"*{NOTE}"):
            known = _read(note)
            file = folder / known.name if known else note
            if file not in uses:
                note.unlink(missing_ok=True)
            else:
                uses[file] = max(uses[file], note.stat().st_mtime)
        limit = time.time() - HOURS * 3600
        for file in sorted(uses, key=lambda file: uses[file])[:-KEPT]:
            if uses[file] < limit and file not in used:
                file.unlink(missing_ok=True)


def _folder(project: Path) -> Path:
    """`.ftops/data`; if it isn't writable, as in a read-only checkout, a private temporary folder."""
    folder = own_folder(project, DATA)
    with suppress(OSError):
        ignore(project)
        make_own(folder)
        if os.access(folder, os.W_OK):
            return folder
    user = os.getuid() if hasattr(os, "getuid") else 0
    own = Path(tempfile.gettempdir()) / f"ftops-{user}"
    with suppress(OSError):
        own.mkdir(mode=0o700, exist_ok=True)
        status = own.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == user and not status.st_mode & 0o077:
            return own
    return folder  # writing into it raises the error that is reported


def _read(note: Path) -> _Note | None:
    try:
        name, size, at = content(note, limit=_LONGEST_NOTE, follow=False).decode().split()
        return _Note(name, int(size), int(at)) if _NAME.fullmatch(name) else None
    except (OSError, ValueError):
        return None


def _note(file: Path) -> _Note | None:
    with suppress(OSError):
        status = file.lstat()
        if stat.S_ISREG(status.st_mode):
            return _Note(file.name, status.st_size, status.st_mtime_ns)
    return None


def _digest(file: Path) -> str:
    with opened(file, follow=False) as stream:
        return file_digest(stream, "sha256").hexdigest()

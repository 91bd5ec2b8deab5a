"""Profile store: measured files by digest and encoding, in `.ftops/data` of the project.

A file is measured once, however often it is planned, and an applied version can be compared with the next one
although its bytes are gone. Losing the store only costs time, and these comparisons.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from pathlib import Path
from zlib import crc32

import msgspec
from msgspec import Struct

from ftops.core.confined_files import opened
from ftops.core.private_files import replace_file
from ftops.core.project import DATA, ignore, make_own, own_folder
from ftops.dataset.files.derived_files import NOTE, SUFFIX
from ftops.dataset.profile.profiler import Measured, Sums, measure

FORMAT = 4
"""Raise it whenever measuring changes."""
KEPT = 200
"""Measured files that are kept; the oldest are removed."""


class _Head(Struct):
    """The first line of a stored profile; the packed rows follow."""

    format: int
    digest: str
    sums: Sums


_decode = msgspec.json.Decoder(_Head, dec_hook=lambda kind, value: kind(value)).decode


def summary(path: Path, digest: str, encoding: str, project: Path) -> Measured:
    """The file at `path`, whose bytes have this digest, measured now or before.

    Raises UsageError if it can't be read, NoEncoding.
    """
    known = recall(project, digest, encoding)
    if known is not None:
        return known
    measured = measure(path, encoding)
    keep(project, measured, encoding)
    return measured


def recall(project: Path, digest: str, encoding: str) -> Measured | None:
    """The profile with this digest; None if none is stored, or it is damaged."""
    file = _file(project, digest, encoding)
    try:
        with opened(file, follow=False) as stream:
            checksum, content = stream.readline(), stream.read()
        if checksum != _checksum(content):
            return None
        first, _, rows = content.partition(b"\n")
        head = _decode(first)
        if (head.format, head.digest) != (FORMAT, digest):
            return None
        os.utime(file)
        return Measured(digest, head.sums, rows)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def recall_any(project: Path, digest: str) -> Measured | None:
    """As `recall`, but a profile of another encoding, without its tokens."""
    for file in sorted(own_folder(project, DATA).glob(f"{_stem(digest)}.*")):
        measured = recall(project, digest, file.suffix.removeprefix(".").replace("none", ""))
        if measured is not None:
            uncounted = {"tokens": 0, "trained": 0, "roles": Counter[str](), "call_tokens": Counter[str]()}
            return measured._replace(sums=msgspec.structs.replace(measured.sums, **uncounted))
    return None


def keep(project: Path, measured: Measured, encoding: str) -> None:
    """Stores a profile completely or not at all. If the folder isn't writable, that only costs time."""
    file = _file(project, measured.digest, encoding)
    head = msgspec.json.encode(_Head(FORMAT, measured.digest, measured.sums), order="deterministic")
    content = head + b"\n" + measured.rows
    with contextlib.suppress(OSError):
        ignore(project)
        make_own(file.parent)
        replace_file(file, _checksum(content) + content)
        _prune(file.parent)


def _checksum(content: bytes) -> bytes:
    """The line before the content."""
    return b"%08x\n" % crc32(content)


def _file(project: Path, digest: str, encoding: str) -> Path:
    return own_folder(project, DATA) / f"{_stem(digest)}.{encoding or 'none'}"


def _stem(digest: str) -> str:
    return digest.rpartition(":")[2][:32]


def _prune(folder: Path) -> None:
    profiles = [entry for entry in os.scandir(folder) if not entry.name.endswith((SUFFIX, NOTE))]
    files = [(entry.stat().st_mtime_ns, entry.path) for entry in profiles]
    for _, path in sorted(files)[:-KEPT]:
        Path(path).unlink(missing_ok=True)

"""Profile store: profiles of files by digest and encoding, in `.ftops/data` of the project.

So a file is measured once however often it is planned, and the version that was applied can be compared
with the next one although its bytes are gone. Losing them costs time and such comparisons, nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

from msgspec.structs import fields

from ftops.core.confined_files import opened
from ftops.core.private_files import write_private
from ftops.core.project import DATA, ignore, make_own, own_folder
from ftops.dataset.files.derived_files import NOTE, SUFFIX
from ftops.dataset.profile.profiler import Measured, Sums, measure

FORMAT = 4
"""To be raised whenever measuring changes."""
KEPT = 200
"""Measured files that are kept; the oldest go."""


def summary(path: Path, digest: str, encoding: str, project: Path) -> Measured:
    """The file at `path`, whose bytes have this digest, measured now or before.

    Raises UsageError where it can't be read, NoEncoding.
    """
    known = recall(project, digest, encoding)
    if known is not None:
        return known
    made = measure(path, encoding)
    keep(project, made, encoding)
    return made


def recall(project: Path, digest: str, encoding: str) -> Measured | None:
    """What is kept under a digest; None where nothing is, or it can't be read."""
    file = _file(project, digest, encoding)
    try:
        with opened(file, follow=False) as stream:
            checksum, content = stream.readline(), stream.read()
        if checksum != _checksum(content):
            return None
        first, _, rows = content.partition(b"\n")
        head = json.loads(first)
        if head["format"] != FORMAT or head["digest"] != digest:
            return None
        os.utime(file)
        return Measured(digest, _sums(head["sums"]), rows)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def recall_any(project: Path, digest: str, encoding: str) -> Measured | None:
    """As `recall`; where nothing is kept for this encoding, without tokens or of another encoding."""
    found = recall(project, digest, encoding)
    if found is not None:
        return found
    pattern = f"{_stem(digest)}.*"
    for file in sorted(own_folder(project, DATA).glob(pattern)):
        found = recall(project, digest, file.suffix.removeprefix(".").replace("none", ""))
        if found is not None:
            return found._replace(sums=_without_tokens(found.sums))
    return None


def keep(project: Path, made: Measured, encoding: str) -> None:
    """Whole or not at all. A folder that can't be written to only costs time."""
    file = _file(project, made.digest, encoding)
    head = {"format": FORMAT, "digest": made.digest, "sums": _plain(made.sums)}
    content = json.dumps(head).encode() + b"\n" + made.rows
    draft = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        ignore(project)
        make_own(file.parent)
        write_private(draft, _checksum(content) + content)
        draft.replace(file)
        _prune(file.parent)


def _checksum(content: bytes) -> bytes:
    """The first line."""
    return b"%08x\n" % crc32(content)


def _file(project: Path, digest: str, encoding: str) -> Path:
    return own_folder(project, DATA) / f"{_stem(digest)}.{encoding or 'none'}"


def _stem(digest: str) -> str:
    return digest.rpartition(":")[2][:32]


def _prune(folder: Path) -> None:
    kept = [entry for entry in os.scandir(folder) if not entry.name.endswith((SUFFIX, NOTE))]
    files = [(entry.stat().st_mtime_ns, entry.path) for entry in kept]
    for _, path in sorted(files)[:-KEPT]:
        Path(path).unlink(missing_ok=True)


def _plain(sums: Sums) -> dict[str, Any]:
    return {f.name: _list_of(getattr(sums, f.name)) for f in fields(sums)}


def _list_of(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else value


def _sums(plain: Mapping[str, Any]) -> Sums:
    empty = Sums()
    return Sums(**{f.name: _like(getattr(empty, f.name), plain[f.name]) for f in fields(Sums)})


def _like(example: Any, value: Any) -> Any:
    if isinstance(example, Counter):
        return Counter(value)
    return set(value) if isinstance(example, set) else int(value)


def _without_tokens(sums: Sums) -> Sums:
    return Sums(
        examples=sums.examples,
        messages=sums.messages,
        unreadable=sums.unreadable,
        images=sums.images,
        turns=sums.turns,
        calls=sums.calls,
        labels=sums.labels,
        systems=sums.systems,
        offers=sums.offers,
    )

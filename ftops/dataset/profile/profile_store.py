"""Profile store: measured files by digest and encoding, in `.ftops/data` of the project; previous versions.

A file is measured once, however often it is planned, and an applied version can be compared with the next one
although its bytes are gone. Losing the store only costs time, and these comparisons. A version that isn't
stored is looked for in the Git history.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import Counter
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any
from zlib import crc32

import msgspec
from msgspec import Struct

from ftops.core.confined_files import opened, real
from ftops.core.git import MOST_BYTES, PLAIN_LOG, git
from ftops.core.private_files import replace_file, write_private
from ftops.core.project import DATA, ignore, make_own, own_folder
from ftops.dataset.files.derived_files import NOTE, SUFFIX, fits
from ftops.dataset.files.jsonl_io import BOM
from ftops.dataset.profile.profiler import Measured, Sums, as_tally, measure
from ftops.dataset.profile.tokens import NoEncoding

FORMAT = 6
"""Raise it whenever measuring changes."""
KEPT = 200
"""Measured files that are kept; the oldest are removed."""


class _Head(Struct):
    """The first line of a stored profile; the packed rows follow."""

    format: int
    digest: str
    sums: Sums


_decode = msgspec.json.Decoder(_Head, dec_hook=as_tally).decode


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
            tallies = {name: Counter[Any]() for name in ("roles", "call_tokens", "answer_tokens")}
            uncounted = {"tokens": 0, "trained": 0, **tallies}
            return measured._replace(sums=msgspec.structs.replace(measured.sums, **uncounted))
    return None


def keep(project: Path, measured: Measured, encoding: str) -> None:
    """Stores a profile completely or not at all. If the folder isn't writable, that only costs time."""
    file = _file(project, measured.digest, encoding)
    head = msgspec.json.encode(_Head(FORMAT, measured.digest, measured.sums))
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


COMMITS = 30
"""Commits that are searched for a version."""


def find_version(project: Path, path: Path, digest: str, encoding: str, pattern: str = "") -> Measured | None:
    """The version whose bytes have this digest; None if it is neither stored nor committed. `pattern`: the
    version was joined from the files in the folder `path` that match it."""
    known = recall(project, digest, encoding)
    if known is not None:
        return known
    content = from_git(project, path, digest, pattern)
    if content is None:
        return recall_any(project, digest)
    measured = measure_bytes(content, encoding)
    keep(project, measured, encoding)
    return measured


def from_git(project: Path, path: Path, digest: str, pattern: str = "") -> bytes | None:
    """The content of a file (or of several, joined) at one of its last commits, by its digest."""
    name = _inside(project, path)
    if name is None:
        return None
    for commit in (git(project, "log", f"-n{COMMITS}", *PLAIN_LOG, "--", name) or b"").split():
        revision = commit.decode()
        content = (
            _joined_at(project, name, revision, pattern) if pattern else at_commit(project, path, revision)
        )
        if content is not None and f"sha256:{sha256(content).hexdigest()}" == digest:
            return content
    return None


def at_commit(project: Path, path: Path, revision: str) -> bytes | None:
    """The content of a file at a commit; None if it isn't there, is too large, or is outside of the project:
    other repositories aren't read."""
    name = _inside(project, path)
    if name is None or revision.startswith("-"):
        return None
    return git(project, "cat-file", "blob", f"{revision}:{name}")


def _inside(project: Path, path: Path) -> str | None:
    """The path from the project's root; None if it is outside, or the project has no history."""
    place = real(path.parent) / path.name
    if not place.is_relative_to(project) or not (project / ".git").exists():
        return None
    return place.relative_to(project).as_posix()


def _joined_at(project: Path, folder: str, revision: str, pattern: str) -> bytes | None:
    """The files in a folder that match a pattern, as they were at a commit, joined; None if there are none,
    or they are too large."""
    below = () if folder == "." else (f"{folder}/",)
    listed = git(project, "ls-tree", "-r", "-z", "--name-only", revision, "--", *below) or b""
    whole = map(PurePosixPath, filter(None, listed.decode("utf-8", "surrogateescape").split("\0")))
    paths = [path.relative_to(folder) for path in whole]
    names = sorted(path for path in paths if fits(path.parts, PurePosixPath(pattern).parts))
    parts: list[bytes] = []
    for name in names:
        content = git(project, "cat-file", "blob", f"{revision}:{PurePosixPath(folder, name)}")
        if content is None or sum(map(len, parts)) + len(content) > MOST_BYTES:
            return None
        content = content.removeprefix(BOM) if parts else content
        parts.append(content if content.endswith(b"\n") or not content else content + b"\n")
    return b"".join(parts) if names else None


def measure_bytes(content: bytes, encoding: str) -> Measured:
    """Measures a version that isn't a file. Tokens aren't counted if the encoding is missing."""
    with tempfile.TemporaryDirectory(prefix="ftops-") as folder:
        file = Path(folder) / "previous.jsonl"
        write_private(file, content)
        try:
            return measure(file, encoding)
        except NoEncoding:
            return measure(file, "")

"""Derived files: data files that are joined or transformed from others, in `.ftops/data` of a project.

Each is named after the digest of its bytes, so that the same content has the same name everywhere. A note
beside it maps the digest of its sources to it. Files that are lost or damaged are written again when needed.

matches(folder, pattern)     the files that match a pattern, sorted by path
join(files, project)         one file with the lines of all, written once
Lines(files, names)          a line of that file → the file that it comes from, and its line there
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import cached_property
from hashlib import file_digest, sha256
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from ftops.core.confined_files import Refused, content, opened, refuse_outside
from ftops.core.errors import UsageError
from ftops.core.private_files import write_private
from ftops.core.project import DATA, ignore, make_own, own_folder, project_root
from ftops.dataset import is_pattern
from ftops.dataset.files.file_identity import MAX_BYTES, SETTLED, identity, kind_of
from ftops.dataset.files.jsonl_io import BLOCK, BOM, Writer
from ftops.dataset.rules.findings import Finding, Unreadable

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
    draft = folder / f".{key[:32]}.{os.urandom(4).hex()}{SUFFIX}"
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


def matches(folder: Path, pattern: str) -> tuple[Path, ...]:
    """The files that match a pattern, sorted by path. `**` matches any number of folders; hidden files are
    left out, as in a shell. Raises Unreadable if there are none."""
    start, rest = divided(folder, pattern)
    parts = Path(rest).parts
    root = project_root(folder)
    try:
        if any("**" in part and part != "**" for part in parts):
            raise ValueError("`**` matches whole folders, and must be alone between two `/`")
        paths = sorted(set(_walk(start, parts, root, set()))) if start.is_dir() else []
        broken = next((p for p in paths if p.is_symlink() and not p.exists()), None)
        files = tuple(p for p in paths if not p.is_dir())
    except (OSError, ValueError) as error:
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        hint = error.hint if isinstance(error, Refused) else ""
        raise Unreadable(
            Finding("file/unreadable", f"`{pattern}` can't be read: {why}", hint=hint)
        ) from error
    if broken is not None:
        raise Unreadable(Finding("file/unreadable", f"{broken.name} is a broken link"))
    if not files:
        hint = "Correct the pattern. It is relative to the spec file; `**` matches folders."
        raise Unreadable(Finding("file/missing", f"no file matches `{pattern}`", hint=hint))
    return files


def fits(name: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path (in parts) matches a pattern (in parts) and isn't hidden."""
    ends = {0}  # how many parts of the path the pattern may match so far
    for part in pattern:
        if part == "**":
            ends = set(range(min(ends, default=len(name) + 1), len(name) + 1))
        else:
            ends = {at + 1 for at in ends if at < len(name) and fnmatchcase(name[at], part)}
    return len(name) in ends and [*pattern][-1:] != ["**"] and not any(part.startswith(".") for part in name)


def join(files: Sequence[Path], project: Path) -> Path:
    """One file with the lines of all. Raises Unreadable."""
    try:
        identities = [identity(file.stat()) for file in files]
        _check(files, sum(size for size, *_ in identities))
        # A file that was joined when a source could still change without its times changing isn't trusted.
        since = max(max(times) for _, *times, _ in identities) + SETTLED
        key = sha256()
        for file, own in zip(files, identities, strict=True):
            key.update(f"{file}\0{own}\n".encode("utf-8", "surrogateescape"))

        def write(writer: Writer) -> None:
            for index, file in enumerate(files):
                for block in _blocks(file, index):
                    writer.copy(block)

        result = derive(project, key.hexdigest(), write, since=since)
        if identities != [identity(file.stat()) for file in files]:
            raise Unreadable(Finding("file/changed", "a file changed while it was read"))
    except OSError as error:
        summary = f"{error.filename or 'a file'} can't be read: {error.strerror or error}"
        raise Unreadable(Finding("file/unreadable", summary)) from error
    except UsageError as error:
        hint = "Several files are joined into one below the project; allow ftops to write there."
        raise Unreadable(Finding("file/unreadable", str(error), hint=hint)) from error
    return result


def _check(files: Sequence[Path], size: int) -> None:
    """Reports problems by the name of the file, before the files are joined. Raises Unreadable, OSError."""
    if size >= MAX_BYTES:
        summary = f"the files have {size / 1e6:,.0f} MB in total; it must be less than 512 MB"
        raise Unreadable(Finding("file/too-large", summary))
    for file in files:
        with opened(file) as stream:
            kind = kind_of(stream.read(64))
        if kind:
            raise Unreadable(Finding("file/compressed", f"{file.name} is {kind}"))


class Lines:
    """Where the lines of a joined file come from. The lines of the files are counted on first use."""

    def __init__(self, files: Sequence[Path], names: Sequence[str]) -> None:
        self._files = files
        self._names = names

    def __call__(self, line: int) -> tuple[str, int]:
        """The name of a file, and the line in it. Lines count from 1."""
        index = next((i for i, end in enumerate(self._ends) if line <= end), len(self._files) - 1)
        return self._names[index], line - (self._ends[index - 1] if index else 0)

    @cached_property
    def _ends(self) -> list[int]:
        """The last line of each file."""
        return list(
            accumulate(
                sum(block.count(b"\n") for block in _blocks(file, index))
                for index, file in enumerate(self._files)
            )
        )


def divided(folder: Path, pattern: str) -> tuple[Path, str]:
    """The folder in which the matching files are, and the pattern from there on."""
    parts = Path(pattern).parts
    plain = next((i for i, part in enumerate(parts) if is_pattern(part)), len(parts) - 1)
    return folder.joinpath(*parts[:plain]), str(Path(*parts[plain:]))


def _walk(folder: Path, pattern: Sequence[str], root: Path, seen: set[tuple[Path, int]]) -> Iterator[Path]:
    """The paths below a folder that match a pattern (in parts) and aren't hidden. `seen` has the folders and
    remaining patterns that were visited: several routes may lead there. Raises Refused at a link that leads
    out of the project."""
    if (folder, len(pattern)) in seen:
        return
    seen.add((folder, len(pattern)))
    first, rest = pattern[0], pattern[1:]
    refuse_outside(folder, root)
    if first == "**" and rest:
        yield from _walk(folder, rest, root, seen)
    with os.scandir(folder) as entries:
        shown = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in shown:
        path = folder / entry.name
        if first == "**":
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(path, pattern, root, seen)
        elif fnmatchcase(entry.name, first) and not rest:
            refuse_outside(path, root)
            yield path
        elif fnmatchcase(entry.name, first) and entry.is_dir():
            yield from _walk(path, rest, root, seen)


def _blocks(file: Path, index: int) -> Iterator[bytes]:
    """The content of a file as it is joined: the last line gets a line end, and only the first file keeps a
    byte order mark."""
    with opened(file) as stream:
        last = b"\n"
        block = stream.read(BLOCK)
        block = block.removeprefix(BOM) if index else block
        while block:
            yield block
            last = block[-1:]
            block = stream.read(BLOCK)
        if last != b"\n":
            yield b"\n"

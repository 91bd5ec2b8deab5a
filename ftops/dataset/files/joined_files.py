"""Joined files: the files that match a pattern, as one file in `.ftops/data`.

matches(folder, pattern)     the files, sorted by path
joined(files, project)       one file with the lines of all, made once
Lines(files, names)          a line of that file → the file that it comes from, and its line there
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

from ftops.core.confined_files import Refused, opened, refuse_outside
from ftops.core.errors import UsageError
from ftops.core.project import project_root
from ftops.dataset import is_pattern
from ftops.dataset.files.derived_files import made
from ftops.dataset.files.file_identity import MAX_BYTES, SETTLED, Identity, identity, kind_of
from ftops.dataset.files.jsonl_io import BLOCK, BOM, Writer
from ftops.dataset.rules.findings import Finding, Unreadable


def matches(folder: Path, pattern: str) -> tuple[Path, ...]:
    """The files that a pattern names, sorted by path; `**` is any number of folders. Hidden ones are left
    out, as a shell leaves them out. Raises Unreadable where there are none."""
    start, rest = divided(folder, pattern)
    parts = Path(rest).parts
    root = project_root(folder)
    try:
        if any("**" in part and part != "**" for part in parts):
            raise ValueError("`**` matches whole folders, and must be alone between two `/`")
        seen = sorted(set(_found(start, parts, root, set()))) if start.is_dir() else []
        lost = next((p for p in seen if p.is_symlink() and not p.exists()), None)
        found = [p for p in seen if not p.is_dir()]
    except (OSError, ValueError) as error:
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        hint = error.hint if isinstance(error, Refused) else ""
        raise Unreadable(
            Finding("file/unreadable", f"`{pattern}` can't be read: {why}", hint=hint)
        ) from error
    if lost is not None:
        raise Unreadable(Finding("file/unreadable", f"{lost.name} is a broken link"))
    if not found:
        hint = "Correct the pattern. It is relative to the spec file; `**` matches folders."
        raise Unreadable(Finding("file/missing", f"no file matches `{pattern}`", hint=hint))
    return tuple(found)


def fits(name: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path (in parts) is one that a pattern (in parts) names, hidden ones aside."""
    starts = {0}  # places in the pattern at which the rest of the name may go on
    for part in name:
        starts = _past_folders(starts, pattern)
        if part.startswith("."):
            return False
        starts = {
            at if pattern[at] == "**" else at + 1
            for at in starts
            if at < len(pattern) and (pattern[at] == "**" or fnmatchcase(part, pattern[at]))
        }
    return len(pattern) in _past_folders(starts, pattern) and (not pattern or pattern[-1] != "**")


def _past_folders(starts: set[int], pattern: Sequence[str]) -> set[int]:
    """The same, and what follows each `**`: it may stand for no folder."""
    found = set(starts)
    for at in sorted(starts):
        while at < len(pattern) and pattern[at] == "**":
            at += 1
            found.add(at)
    return found


def joined(files: Sequence[Path], project: Path) -> Path:
    """One file with the lines of all. Raises Unreadable."""
    try:
        told = [identity(file.stat()) for file in files]
        _check(files, told)
        # What was made when a file could still change without its times changing isn't trusted.
        since = max(max(times) for _, *times, _ in told) + SETTLED
        made_of = made(project, _key(files, told), lambda writer: _write(files, writer), since=since)
        if told != [identity(file.stat()) for file in files]:
            raise Unreadable(Finding("file/changed", "a file changed while it was read"))
    except OSError as error:
        summary = f"{error.filename or 'a file'} can't be read: {error.strerror or error}"
        raise Unreadable(Finding("file/unreadable", summary)) from error
    except UsageError as error:
        hint = "Several files are joined into one below the project; allow ftops to write there."
        raise Unreadable(Finding("file/unreadable", str(error), hint=hint)) from error
    return made_of


def _check(files: Sequence[Path], told: Sequence[Identity]) -> None:
    """What would go wrong with the whole is said of the file. Raises Unreadable, OSError."""
    size = sum(one[0] for one in told)
    if size >= MAX_BYTES:
        summary = f"the files have {size / 1e6:,.0f} MB in total; it must be smaller than 512 MB"
        raise Unreadable(Finding("file/too-large", summary))
    for file in files:
        with opened(file) as stream:
            kind = kind_of(stream.read(64))
        if kind:
            raise Unreadable(Finding("file/compressed", f"{file.name} is {kind}"))


class Lines:
    """Where the lines of a joined file come from. The files are counted when that is first asked."""

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
        return list(accumulate(_count(file, index) for index, file in enumerate(self._files)))


def divided(folder: Path, pattern: str) -> tuple[Path, str]:
    """The folder at which a pattern begins to be one, and the rest."""
    parts = Path(pattern).parts
    plain = next((i for i, part in enumerate(parts) if is_pattern(part)), len(parts) - 1)
    return folder.joinpath(*parts[:plain]), str(Path(*parts[plain:]))


def _found(folder: Path, pattern: Sequence[str], root: Path, seen: set[tuple[Path, int]]) -> Iterator[Path]:
    """What a pattern (in parts) names below a folder, hidden ones left out. `seen` are the folders and rests
    of the pattern that were looked at: several routes may lead there. Raises Refused at a link that leads out
    of the project."""
    if (folder, len(pattern)) in seen:
        return
    seen.add((folder, len(pattern)))
    first, rest = pattern[0], pattern[1:]
    refuse_outside(folder, root)
    if first == "**" and rest:
        yield from _found(folder, rest, root, seen)
    with os.scandir(folder) as entries:
        shown = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in shown:
        path = folder / entry.name
        if first == "**":
            if entry.is_dir(follow_symlinks=False):
                yield from _found(path, pattern, root, seen)
        elif fnmatchcase(entry.name, first) and not rest:
            refuse_outside(path, root)
            yield path
        elif fnmatchcase(entry.name, first) and entry.is_dir():
            yield from _found(path, rest, root, seen)


def _key(files: Sequence[Path], told: Sequence[Identity]) -> str:
    digest = sha256()
    for file, one in zip(files, told, strict=True):
        digest.update(f"{file}\0{one}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _write(files: Sequence[Path], writer: Writer) -> None:
    """Each file ends its last line; a byte order mark stays where the first has one."""
    for index, file in enumerate(files):
        with opened(file) as stream:
            last = b"\n"
            block = stream.read(BLOCK)
            block = block.removeprefix(BOM) if index else block
            while block:
                writer.copy(block)
                last = block[-1:]
                block = stream.read(BLOCK)
            if last != b"\n":
                writer.copy(b"\n")


def _count(file: Path, index: int) -> int:
    """Lines, as `_write` writes them."""
    count, last = 0, b"\n"
    with opened(file) as stream:
        if index and stream.read(len(BOM)) != BOM:
            stream.seek(0)
        while block := stream.read(BLOCK):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last != b"\n")

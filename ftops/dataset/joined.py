"""Several files as one: those that a pattern names, one after the other, in a file of `.ftops/data`.

matches(folder, pattern)     the files, sorted by path
joined(files, project)       one file with the lines of all, made once, named after what the files are
Lines(files, names)          a line of that file → the file that it comes from, and its line there
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

from ftops.dataset import is_pattern
from ftops.dataset.cache import SETTLED, Identity, identity
from ftops.dataset.inspection import Finding, Unreadable
from ftops.dataset.lines import BLOCK, BOM, Writer
from ftops.dataset.made import made_file
from ftops.errors import UsageError
from ftops.project import ignore

MAX_BYTES = 512_000_000
"""The service takes no larger file."""


def matches(folder: Path, pattern: str) -> tuple[Path, ...]:
    """The files that a pattern names, sorted by path; `**` is any number of folders. Hidden ones are left
    out, as a shell leaves them out. Raises Unreadable where there are none."""
    start, rest = _divided(folder, pattern)
    try:
        found = sorted(p for p in start.glob(rest) if p.is_file() and not _is_hidden(p, start))
    except (OSError, ValueError, NotImplementedError) as error:
        raise Unreadable(Finding("file/unreadable", f"`{pattern}` can't be read: {error}")) from error
    if not found:
        hint = "Correct the pattern. It is relative to the spec file that names it."
        raise Unreadable(Finding("file/missing", f"no file is named `{pattern}`", hint=hint))
    return tuple(found)


def joined(files: Sequence[Path], project: Path) -> Path:
    """One file with the lines of all. Raises Unreadable."""
    try:
        told = [identity(file.stat()) for file in files]
        if sum(size for size, *_ in told) >= MAX_BYTES:
            size = f"{sum(size for size, *_ in told) / 1e6:,.0f} MB"
            summary = f"the files have {size} together, and must have less than 512 MB"
            raise Unreadable(Finding("file/too-large", summary))
        target = made_file(project, _key(files, told))
        if not _is_settled(target, told):
            ignore(project)
            _write(files, target)
            if told != [identity(file.stat()) for file in files]:
                raise Unreadable(Finding("file/changed", "a file changed while it was read"))
    except OSError as error:
        summary = f"{error.filename or 'a file'} can't be read: {error.strerror or error}"
        raise Unreadable(Finding("file/unreadable", summary)) from error
    except UsageError as error:
        raise Unreadable(Finding("file/unreadable", str(error))) from error
    return target


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
        return list(accumulate(map(_count, self._files)))


def _divided(folder: Path, pattern: str) -> tuple[Path, str]:
    """The folder at which a pattern begins to be one, and the rest."""
    parts = Path(pattern).parts
    plain = next((i for i, part in enumerate(parts) if is_pattern(part)), len(parts) - 1)
    return folder.joinpath(*parts[:plain]), str(Path(*parts[plain:]))


def _is_hidden(path: Path, start: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(start).parts)


def _key(files: Sequence[Path], told: Sequence[Identity]) -> str:
    digest = sha256()
    for file, one in zip(files, told, strict=True):
        digest.update(f"{file}\0{one}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _is_settled(target: Path, told: Sequence[Identity]) -> bool:
    """Whether it was joined when no file could change any more without its times changing."""
    try:
        made = target.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    return all(max(times) + SETTLED <= made for _, *times, _ in told)


def _write(files: Sequence[Path], target: Path) -> None:
    """Whole or not at all. Each file ends its last line; a byte order mark stays where the first has one."""
    with Writer(target, force=True) as writer:
        for index, file in enumerate(files):
            with file.open("rb") as stream:
                last = b"\n"
                block = stream.read(BLOCK)
                block = block.removeprefix(BOM) if index else block
                while block:
                    writer.copy(block)
                    last = block[-1:]
                    block = stream.read(BLOCK)
                if last != b"\n":
                    writer.copy(b"\n")


def _count(file: Path) -> int:
    count, last = 0, b"\n"
    with file.open("rb") as stream:
        while block := stream.read(BLOCK):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last != b"\n")

"""Paths that a checkout names: held within the project, and opened only as regular files.

A spec, and all that lies beside it, may have been written by strangers. What the command line or a variable
of the environment names is your own choice, and may be anywhere: such paths have no `root`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from io import BufferedReader
from pathlib import Path

ALLOW = "FTOPS_ALLOW_OUTSIDE"
"""Names folders outside of the project that a spec may use."""
ALLOW_HINT = (
    f"Move it into the project; or, if you trust the spec with it, name the folder that it is in: {ALLOW}=…"
)
SPEC_BYTES = 16 * 1024 * 1024
"""A spec, a file of variables or a catalogue has no more."""
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)


class Refused(OSError):
    """A path that isn't opened, why, and what to do."""

    def __init__(self, path: Path, reason: str, hint: str = "Put a regular file in its place.") -> None:
        super().__init__(errno.EPERM, reason, str(path))
        self.hint = hint


def real(path: Path) -> Path:
    """Where a path leads, all links followed; a loop of them leads nowhere and stays as it is."""
    return Path(os.path.realpath(path))


def outside(path: Path, root: Path, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Where a path leads, if that is neither within the project nor in a folder that you allow; all links are
    followed, and `..` is taken after them."""
    try:
        place = os.path.realpath(path)
    except ValueError:  # a NUL in it: nothing has such a name, as opening it will say
        return None
    return None if _home(place, root, environ) else Path(place)


def refuse_outside(path: Path, root: Path) -> None:
    """Raises Refused where a path leads out of the project."""
    place = outside(path, root)
    if place is not None:
        raise Refused(path, f"it leads out of the project, to {place}", allow_hint())


def allow_hint(environ: Mapping[str, str] = os.environ) -> str:
    """What to do about a path outside of the project; and which folder that you allow lets nothing in."""
    for entry in filter(None, environ.get(ALLOW, "").split(os.pathsep)):
        folder = Path(entry)
        if not folder.is_absolute() or not folder.is_dir():
            why = "there is no such folder" if folder.is_absolute() else "its path isn't absolute"
            return f"{ALLOW_HINT}. `{entry}`, which stands there, has no effect: {why}."
    return ALLOW_HINT


def leads_out(path: Path, root: Path) -> bool:
    """Whether a path that is written as one within the project leads out of it by a link."""
    written = Path(os.path.abspath(path))  # noqa: PTH100 - links are not to be followed
    lexical = (root, Path(os.path.realpath(root)))
    return any(written.is_relative_to(one) for one in lexical) and outside(path, root) is not None


def opened(path: Path, root: Path | None = None, *, follow: bool = True) -> BufferedReader:
    """A regular file, to be read; with a `root`, one within it. Nothing else is opened, so that nothing is
    waited for. Raises OSError."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        refuse_special(path, path.stat(follow_symlinks=follow) if root is None else None)
        file = os.open(path, flags) if root is None else _open_within(path, root, flags)
    except ValueError as error:  # a NUL in the path
        raise Refused(path, str(error)) from error
    try:
        refuse_special(path, os.fstat(file))
        return os.fdopen(file, "rb")
    except BaseException:
        os.close(file)
        raise


OWN_BYTES = 512_000_000
"""Of a file of ftops' own, such as a state: a larger one is none, or a hole that nothing is in."""


def content(path: Path, root: Path | None = None, *, limit: int = -1, follow: bool = True) -> bytes:
    """The bytes of a regular file; of a larger one, one byte more than the limit. Raises OSError, without a
    limit also for a file that is larger than any of ftops' own."""
    with opened(path, root, follow=follow) as file:
        if limit < 0 and os.fstat(file.fileno()).st_size > OWN_BYTES:
            raise Refused(path, f"it has more than {OWN_BYTES // 1_000_000} MB", "Restore it, or remove it.")
        return file.read(limit + 1 if limit >= 0 else -1)


def refuse_special(path: Path, status: os.stat_result | None) -> None:
    """Raises Refused where it is something else than a regular file; a link is told when it is opened."""
    kind = _KINDS.get(stat.S_IFMT(status.st_mode)) if status else None
    if kind:
        raise Refused(path, f"it is {kind}, not a regular file")


def refuse_planted(folder: Path) -> None:
    """Raises Refused where a folder holds something else than files and folders. Raises OSError."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not (entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)):
                what = "a link" if entry.is_symlink() else "neither a file nor a folder"
                raise Refused(folder / entry.name, f"it is {what}", "Remove it.")


def folders(folder: Path) -> Iterator[Path]:
    """The folders in a folder, sorted; links to others are none. Raises OSError."""
    with os.scandir(folder) as entries:
        found = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    return (folder / name for name in found)


def _home(place: str, root: Path, environ: Mapping[str, str]) -> str:
    """The folder that lets a path in; empty where none does."""
    allowed = environ.get(ALLOW, "")
    for home in (str(root), *filter(os.path.isabs, allowed.split(os.pathsep) if allowed else ())):
        home = os.path.realpath(home)
        if place == home or place.startswith(home.rstrip("/") + "/"):
            return home
    return ""


def _open_within(path: Path, root: Path, flags: int) -> int:
    """Component by component from the folder that lets it in, without following any link: what was resolved
    may have been changed since."""
    place = os.path.realpath(path)
    home = _home(place, root, os.environ)
    if not home:
        raise Refused(path, f"it leads out of the project, to {place}", allow_hint())
    *above, name = Path(place).relative_to(home).parts or (".",)
    at = os.open(home, _FOLDER)
    try:
        for part in above:
            below = os.open(part, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
        refuse_special(path, os.stat(name, dir_fd=at, follow_symlinks=False))
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=at)
    finally:
        os.close(at)

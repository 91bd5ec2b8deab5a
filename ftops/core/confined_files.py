"""Confined files: paths in a spec must be within the project, and are only opened as regular files.

A spec, and the files beside it, may come from strangers. Paths from the command line or the environment are
your own choice and may be anywhere: they have no `root`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from io import BufferedReader
from pathlib import Path

ALLOW = "FTOPS_ALLOW_OUTSIDE"
"""Environment variable with folders outside the project that a spec may use."""
ALLOW_HINT = (
    f"Move it into the project; or, if you trust the spec with it, name the folder that it is in: {ALLOW}=…"
)
SPEC_BYTES = 16 * 1024 * 1024
"""The largest size of a spec, a file of variables, or a catalogue."""
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)


class Refused(OSError):
    """A path that isn't opened, with the reason and what to do."""

    def __init__(self, path: Path, reason: str, hint: str = "Put a regular file in its place.") -> None:
        super().__init__(errno.EPERM, reason, str(path))
        self.hint = hint


def real(path: Path) -> Path:
    """A path with all links resolved; a loop of links stays as it is."""
    return Path(os.path.realpath(path))


def outside(path: Path, root: Path, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The resolved path, if it is neither within the project nor in an allowed folder. Links are resolved
    before `..`."""
    try:
        place = os.path.realpath(path)
    except ValueError:  # it contains a NUL, so no file has this name; opening it reports that
        return None
    return None if _home(place, root, environ) else Path(place)


def refuse_outside(path: Path, root: Path) -> None:
    """Raises Refused if a path leads out of the project."""
    place = outside(path, root)
    if place is not None:
        raise Refused(path, f"it leads out of the project, to {place}", allow_hint())


def allow_hint(environ: Mapping[str, str] = os.environ) -> str:
    """What to do about a path outside the project, and which allowed folder has no effect."""
    for entry in filter(None, environ.get(ALLOW, "").split(os.pathsep)):
        folder = Path(entry)
        if not folder.is_absolute() or not folder.is_dir():
            why = "there is no such folder" if folder.is_absolute() else "its path isn't absolute"
            return f"{ALLOW_HINT}. `{entry}` in it has no effect: {why}."
    return ALLOW_HINT


def leads_out(path: Path, root: Path) -> bool:
    """Whether a path within the project leads out of it through a link."""
    written = Path(os.path.abspath(path))  # noqa: PTH100 - without following links
    lexical = (root, Path(os.path.realpath(root)))
    return any(written.is_relative_to(one) for one in lexical) and outside(path, root) is not None


def opened(path: Path, root: Path | None = None, *, follow: bool = True) -> BufferedReader:
    """A regular file for reading, within `root` if there is one. Other files aren't opened, because that may
    block. Raises OSError."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        refuse_special(path, path.stat(follow_symlinks=follow) if root is None else None)
        file = os.open(path, flags) if root is None else _open_within(path, root, flags)
    except ValueError as error:  # the path contains a NUL
        raise Refused(path, str(error)) from error
    try:
        refuse_special(path, os.fstat(file))
        return os.fdopen(file, "rb")
    except BaseException:
        os.close(file)
        raise


OWN_BYTES = 512_000_000
"""The largest size of a file of ftops itself, such as a state."""


def content(path: Path, root: Path | None = None, *, limit: int = -1, follow: bool = True) -> bytes:
    """The bytes of a regular file; if it is larger than the limit, one byte more than that. Raises OSError,
    and without a limit also for a file that is larger than OWN_BYTES."""
    with opened(path, root, follow=follow) as file:
        if limit < 0 and os.fstat(file.fileno()).st_size > OWN_BYTES:
            raise Refused(path, f"it has more than {OWN_BYTES // 1_000_000} MB", "Restore it, or remove it.")
        return file.read(limit + 1 if limit >= 0 else -1)


def refuse_special(path: Path, status: os.stat_result | None) -> None:
    """Raises Refused unless it is a regular file or a link; opening reports a link."""
    kind = _KINDS.get(stat.S_IFMT(status.st_mode)) if status else None
    if kind:
        raise Refused(path, f"it is {kind}, not a regular file")


def refuse_planted(folder: Path) -> None:
    """Raises Refused if a folder contains anything but files and folders. Raises OSError."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not (entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)):
                what = "a link" if entry.is_symlink() else "neither a file nor a folder"
                raise Refused(folder / entry.name, f"it is {what}", "Remove it.")


def folders(folder: Path) -> Iterator[Path]:
    """The folders in a folder, sorted, without links. Raises OSError."""
    with os.scandir(folder) as entries:
        found = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    return (folder / name for name in found)


def _home(place: str, root: Path, environ: Mapping[str, str]) -> str:
    """The project or allowed folder that contains a path; empty if there is none."""
    allowed = environ.get(ALLOW, "")
    for home in (str(root), *filter(os.path.isabs, allowed.split(os.pathsep) if allowed else ())):
        home = os.path.realpath(home)
        if place == home or place.startswith(home.rstrip("/") + "/"):
            return home
    return ""


def _open_within(path: Path, root: Path, flags: int) -> int:
    """Opens component by component, from the folder that contains it, without following links: what was
    resolved may have changed since."""
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

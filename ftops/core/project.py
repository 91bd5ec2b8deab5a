"""Project: its root, and its folder `.ftops`, in which ftops keeps files that can be created again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ftops.core.confined_files import content, real
from ftops.core.private_files import make_folder, write_private

CATALOG_FILE = "ftops.catalog.yaml"
"""A project's additions to the model catalogue. It isn't part of a spec, but may be in the same folder."""
CATALOG_VARIABLE = "FTOPS_CATALOG"
"""Environment variable with the path of another catalogue."""
SPEC_SUFFIXES = (".yaml", ".yml")
FOLDER = ".ftops"
CACHE = ".cache"
"""Results of checks of data files."""
DATA = "data"
"""Derived data files, and profiles of data files."""
EMULATOR_DATA = f"{FOLDER}/emulator"
"""The objects of an emulator whose provider names no folder."""
_MARK = "made-here"
_MOMENT = "made-at"
_MARK_BYTES = 64
_TRIES = 5


def spec_folder(path: Path) -> Path:
    """The folder of a spec, or of a spec file, with all links resolved."""
    return real(path if path.is_dir() else path.parent)


def project_root(folder: Path) -> Path:
    """The nearest folder, at or above this one, that contains `.git`; else the folder itself."""
    for candidate in (folder, *folder.parents):
        if (candidate / ".git").exists():
            return candidate
    return folder


def ignore(project: Path) -> None:
    """Keeps the folder `.ftops` out of Git. Raises OSError."""
    file = project / FOLDER / ".gitignore"
    make_folder(file.parent)
    if not file.exists():
        write_private(file, b"*\n")


def display(path: Path) -> str:
    """A path to be shown: relative to the current folder if it is below it, else absolute. Bytes that aren't
    UTF-8 become `?`."""
    with suppress(ValueError):
        path = path.relative_to(Path.cwd())
    return path.as_posix().encode("utf-8", "replace").decode()


def user_cache() -> Path:
    """The folder of ftops among the user's caches, for what belongs to no project. It needn't exist."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path("~/.cache").expanduser()) / "ftops"


def own_folder(project: Path, name: str) -> Path:
    """`.ftops/NAME`, or `.ftops/NAME-2` and so on if that comes from a checkout or is a copy: its content may
    be forged. If it doesn't exist, `make_own` creates it."""
    places = [name, *(f"{name}-{number}" for number in range(2, _TRIES + 1))]
    for folder in (project / FOLDER / place for place in places):
        if made_here(folder) or not os.path.lexists(folder):
            return folder
    return project / FOLDER / f"{name}-{os.urandom(8).hex()}"


def make_own(folder: Path) -> None:
    """Creates a folder of `own_folder` with a mark that it was created here: its inode, and the ctime of a
    file in it, which can't be set. Raises OSError."""
    if made_here(folder):
        return
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.{os.urandom(4).hex()}")
    make_folder(draft)
    write_private(draft / _MOMENT, b"")
    write_private(draft / _MARK, _proof(draft))
    try:
        draft.rename(folder)
    except OSError:
        for name in (_MARK, _MOMENT):
            (draft / name).unlink(missing_ok=True)
        draft.rmdir()
        if not made_here(folder):  # else another process has created it
            raise


def made_here(folder: Path) -> bool:
    """Whether the mark in a folder, from `make_own` or the emulator, belongs to this folder."""
    try:
        return content(folder / _MARK, limit=_MARK_BYTES, follow=False) == _proof(folder)
    except OSError:
        return False


def _proof(folder: Path) -> bytes:
    return f"{folder.lstat().st_ino} {(folder / _MOMENT).lstat().st_ctime_ns}".encode()

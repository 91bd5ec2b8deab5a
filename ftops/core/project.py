"""Where a project begins, and the folder `.ftops` in it, in which ftops keeps what may be lost."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from ftops.core.confined_files import content, real
from ftops.core.private_files import make_folder, write_private

CATALOG_FILE = "ftops.catalog.yaml"
"""A project's own additions to the catalogue of models; no part of a spec, though it may lie beside one."""
CATALOG_VARIABLE = "FTOPS_CATALOG"
"""Names a further catalogue."""
FOLDER = ".ftops"
CACHE = ".cache"
"""What is known of data files that haven't changed."""
DATA = "data"
"""Data files that were made of others, and what was measured."""
_MARK = "made-here"
_MOMENT = "made-at"
_MARK_BYTES = 64
_TRIES = 5


def spec_folder(path: Path) -> Path:
    """The folder of a spec, which may be a file in it: the same one, by whichever links it is reached."""
    return real(path if path.is_dir() else path.parent)


def project_root(folder: Path) -> Path:
    """The nearest folder at or above that holds `.git`, else the folder itself."""
    for candidate in (folder, *folder.parents):
        if (candidate / ".git").exists():
            return candidate
    return folder


def ignore(project: Path) -> None:
    """Keeps what ftops writes beside the project's files out of Git. Raises OSError."""
    file = project / FOLDER / ".gitignore"
    make_folder(file.parent)
    if not file.exists():
        write_private(file, b"*\n")


def display(path: Path) -> str:
    """A path as people read it: relative to the current folder where it is below, else whole. What of a name
    isn't UTF-8 is shown as `?`."""
    with suppress(ValueError):
        path = path.relative_to(Path.cwd())
    return path.as_posix().encode("utf-8", "replace").decode()


def own_folder(project: Path, name: str) -> Path:
    """`.ftops/NAME`, or `.ftops/NAME-2` and so on where that came with a checkout or is a copy: what it holds
    was perhaps made to deceive. It may be yet to be made, by `make_own`."""
    places = [name, *(f"{name}-{number}" for number in range(2, _TRIES + 1))]
    for folder in (project / FOLDER / place for place in places):
        if made_here(folder) or not os.path.lexists(folder):
            return folder
    return project / FOLDER / f"{name}-{token_hex(8)}"


def make_own(folder: Path) -> None:
    """Makes a folder of `own_folder`, with the mark that it was made here: its inode, and the moment at which
    a file in it was made, which nobody can set. Raises OSError."""
    if made_here(folder):
        return
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.{token_hex(4)}")
    make_folder(draft)
    write_private(draft / _MOMENT, b"")
    write_private(draft / _MARK, _proof(draft))
    try:
        draft.rename(folder)
    except OSError:
        for name in (_MARK, _MOMENT):
            (draft / name).unlink(missing_ok=True)
        draft.rmdir()
        if not made_here(folder):  # else another process has made it meanwhile
            raise


def made_here(folder: Path) -> bool:
    """Whether the mark in a folder, of `make_own` or of the emulator, is of this very folder."""
    try:
        return content(folder / _MARK, limit=_MARK_BYTES, follow=False) == _proof(folder)
    except OSError:
        return False


def _proof(folder: Path) -> bytes:
    return f"{folder.lstat().st_ino} {(folder / _MOMENT).lstat().st_ctime_ns}".encode()

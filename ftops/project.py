"""Where a project begins, and the folder `.ftops` in it, in which ftops keeps what may be lost."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ftops.inside import real
from ftops.private import make_folder, write_private

FOLDER = ".ftops"
CACHE = f"{FOLDER}/.cache"
DATA = f"{FOLDER}/data"


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

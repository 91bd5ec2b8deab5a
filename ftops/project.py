"""Where a project begins, and the folder `.ftops` in it, in which ftops keeps what may be lost."""

from __future__ import annotations

from pathlib import Path

from ftops.private import make_folder, write_private

FOLDER = ".ftops"
CACHE = f"{FOLDER}/.cache"
DATA = f"{FOLDER}/data"


def spec_folder(path: Path) -> Path:
    """The folder of a spec, which may be a file in it: the same one, by whichever links it is reached."""
    return (path if path.is_dir() else path.parent).resolve()


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

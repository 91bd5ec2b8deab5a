"""Whose folder it is. One that was filled elsewhere, as by a checkout, is not gone on with: what the emulator
finds in its folder it takes for its own, such as the names of files and where to fetch them.

A mark says which folder it is: its inode, and the moment at which a file in it was made, which nobody can set
and nobody can know who fills one elsewhere. It has the form of the marks in `.ftops` (docs/security.md), and
ftops reads it before it attaches to a server.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

MARK = "made-here"
_MOMENT = "made-at"
_HARMLESS = frozenset({MARK, _MOMENT, "settings.json", "server.log", "port"})
"""What may lie in a folder before its first server: settings, a port to try, and what starting one leaves."""


class Foreign(Exception):
    """The folder holds what was not made here."""


def claim(folder: Path, *, trust: bool) -> None:
    """Marks a folder that is new, or that is to be trusted. Raises ``Foreign``, OSError."""
    # Before the mark is looked for: another server makes the mark before anything else.
    found = list(folder.iterdir())
    odd = next((p for p in found if p.is_symlink() or not (p.is_file() or p.is_dir())), None)
    if odd is not None:
        raise Foreign(f"{odd} is a link, a pipe or the like, and the folder holds only files. Remove it")
    strange = {path.name for path in found} - _HARMLESS
    if is_ours(folder):
        return
    if strange and not trust:
        raise Foreign(
            f"{folder} was not made here: it came with a checkout, is a copy, or was made by an older "
            f"version of ftops. What it holds would be taken for the emulator's own. Remove it; or, if you "
            f"made it yourself, run "
            f"`ftops emulator --data {folder} --trust` once, and stop it with Ctrl-C"
        )
    with suppress(OSError):
        folder.chmod(0o700)
    # One that is there serves: its moment is as unknown elsewhere. Another server may be at it, too.
    with suppress(FileExistsError):
        (folder / _MOMENT).touch(0o600, exist_ok=False)
    (folder / MARK).unlink(missing_ok=True)
    (folder / MARK).write_text(_proof(folder), "ascii")


def is_ours(folder: Path) -> bool:
    """Whether it was made here, and is no copy."""
    try:
        return (folder / MARK).read_text("ascii") == _proof(folder)
    except (OSError, ValueError):
        return False


def _proof(folder: Path) -> str:
    return f"{folder.stat().st_ino} {(folder / _MOMENT).lstat().st_ctime_ns}"

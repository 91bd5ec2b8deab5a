"""Folder ownership: a data folder that was created elsewhere, for example by a checkout, is refused.

The emulator trusts what is in its folder, such as file names and URLs to fetch. A mark identifies the folder
by its inode and by the time at which a file in it was created, which can't be set or known in advance. The
mark has the format of those in `.ftops` (docs/security.md); ftops checks it before it attaches to a server.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

MARK = "made-here"
_TIME = "made-at"
_HARMLESS = frozenset({MARK, _TIME, "settings.json", "server.log", "port"})
"""What may be in a folder before its first server runs: settings, a port to try, and files of its start."""


class ForeignFolder(Exception):
    """The folder was not created here, or holds something other than files."""


def claim(folder: Path, *, trust: bool) -> None:
    """Mark a folder that is new, or that is to be trusted. Raises ForeignFolder, OSError."""
    # Listed before the mark is checked: another server that starts now writes the mark first.
    paths = list(folder.iterdir())
    special = next((p for p in paths if p.is_symlink() or not (p.is_file() or p.is_dir())), None)
    if special is not None:
        raise ForeignFolder(
            f"{special} is a link or a special file, which the folder must not contain. Remove it"
        )
    if is_ours(folder):
        return
    if not (trust or {path.name for path in paths} <= _HARMLESS):
        raise ForeignFolder(
            f"{folder} was not created here: it came with a checkout, is a copy, or was created by an older "
            f"version of ftops. The emulator would trust its content. Remove it; or, if it is your own, run "
            f"`ftops emulator --data {folder} --trust` once, and stop it with Ctrl-C"
        )
    with suppress(OSError):
        folder.chmod(0o700)
    # An existing file will do: its time is unknown elsewhere too. Another server may be starting.
    with suppress(FileExistsError):
        (folder / _TIME).touch(0o600, exist_ok=False)
    (folder / MARK).unlink(missing_ok=True)
    (folder / MARK).write_text(_proof(folder), "ascii")


def is_ours(folder: Path) -> bool:
    """Whether it was created here, and is not a copy."""
    try:
        return (folder / MARK).read_text("ascii") == _proof(folder)
    except (OSError, ValueError):
        return False


def fingerprint(folder: Path) -> str:
    """Identifies the folder: a copy has another one."""
    return hashlib.sha256(_proof(folder).encode()).hexdigest()[:16]


def _proof(folder: Path) -> str:
    return f"{folder.stat().st_ino} {(folder / _TIME).lstat().st_ctime_ns}"

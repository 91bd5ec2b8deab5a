"""Files and folders that only their owner may read. No link is followed to a file that is written: a folder
that somebody else has filled may hold one that leads out of it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ftops.core.confined_files import refuse_special


def open_private(path: str | Path, flags: int) -> int:
    """An `opener` of `open`, whatever the umask. Raises OSError, also where a link, a pipe or a device stands
    in the place."""
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        refuse_special(Path(path), os.fstat(file))
    except OSError:
        os.close(file)
        raise
    with suppress(OSError):  # it was made by an older version, or by another user
        os.fchmod(file, 0o600)
    return file


def write_private(path: Path, content: bytes) -> None:
    """In place of what was there. Raises OSError."""
    with open(path, "wb", opener=open_private) as file:
        file.write(content)


def make_folder(folder: Path) -> None:
    """With those above it that are missing. Raises OSError."""
    for missing in [f for f in (folder, *folder.parents) if not f.exists()][::-1]:
        missing.mkdir(0o700, exist_ok=True)

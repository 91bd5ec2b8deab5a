"""Private files: files and folders that only their owner may read.

Writing follows no link: in a folder from somebody else, a link may lead out of it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from ftops.core.confined_files import refuse_special


def open_private(path: str | Path, flags: int) -> int:
    """An `opener` of `open`, whatever the umask. Raises OSError, also for a link, a pipe or a device."""
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        refuse_special(Path(path), os.fstat(file))
    except OSError:
        os.close(file)
        raise
    with suppress(OSError):  # an older version or another user created it
        os.fchmod(file, 0o600)
    return file


def write_private(path: Path, content: bytes) -> None:
    """Replaces the content of a file. Raises OSError."""
    with open(path, "wb", opener=open_private) as file:
        file.write(content)


def replace_private(path: Path, content: bytes) -> None:
    """Replaces a file as a whole, so that nobody reads a part of it. Raises OSError."""
    draft = path.with_name(f".{path.name}.{token_hex(4)}.tmp")
    try:
        write_private(draft, content)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def make_folder(folder: Path) -> None:
    """Creates a folder and its missing parents. Raises OSError."""
    for missing in [f for f in (folder, *folder.parents) if not f.exists()][::-1]:
        missing.mkdir(0o700, exist_ok=True)

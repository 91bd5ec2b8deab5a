"""Private files: files and folders that only their owner may read.

Writing follows no link: in a folder from somebody else, a link may lead out of it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

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


def replace_file(path: Path, content: bytes, *, is_private: bool = True) -> None:
    """Replaces a file as a whole, so that nobody reads a part of it. If it isn't private, the file keeps its
    permissions. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    try:
        with open(draft, "xb", opener=open_private if is_private else None) as file:
            file.write(content)
        if not is_private and path.exists():
            draft.chmod(path.stat().st_mode & 0o7777)
        draft.replace(path)
    except BaseException:  # also Ctrl-C
        draft.unlink(missing_ok=True)
        raise


def make_folder(folder: Path) -> None:
    """Creates a folder and its missing parents. Raises OSError."""
    for missing in [f for f in (folder, *folder.parents) if not f.exists()][::-1]:
        missing.mkdir(0o700, exist_ok=True)

"""What the files of a local state ask of the disk; where it refuses, that is said in words of the state.
What the bytes mean is none of its concern.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftops.core.confined_files import content
from ftops.core.errors import StateError


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """A StateError, with what to check, for any OSError in the block."""
    try:
        yield
    except OSError as error:
        raise StateError(
            f"can't use the state at {path}: {error.strerror or error}",
            "ftops records every change before it makes it, so it needs this folder.",
            "check that the folder exists and is writable, and that the disk has free space",
        ) from error


def write_all(file: int, content: bytes) -> None:
    """However little the system takes at a time."""
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def sync_folder(folder: Path) -> None:
    """What was made, renamed or removed in it stays so after a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_bytes(path: Path) -> bytes | None:
    """None where there is no such file; a link is followed to none."""
    with translated(path):
        try:
            return content(path, follow=False)
        except FileNotFoundError:
            return None

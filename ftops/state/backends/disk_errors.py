"""Disk access for local states: durable writes, and errors that say what to check."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftops.core.confined_files import content
from ftops.core.errors import StateError


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns an OSError in the block into a StateError."""
    try:
        yield
    except OSError as error:
        raise StateError(
            f"can't use the state at {path}: {error.strerror or error}",
            "ftops records every change before it makes it, so it needs this folder.",
            "check that the folder exists and is writable, and that the disk has free space",
        ) from error


def write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def sync_folder(folder: Path) -> None:
    """Makes created, renamed and deleted files durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_bytes(path: Path) -> bytes | None:
    """None if there is no such file. Links aren't followed."""
    with translated(path):
        try:
            return content(path, follow=False)
        except FileNotFoundError:
            return None

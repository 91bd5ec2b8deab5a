"""File identity: whether a file is unchanged, and what kind of file it is by its first bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping

SETTLED = 2_000_000_000
"""Nanoseconds after which a further write shows in a file's times on every file system."""
Identity = tuple[int, int, int, int]
"""Size, times of data and of the entry in nanoseconds, inode."""


def identity(status: os.stat_result) -> Identity:
    """The values that change when a file does."""
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


MAX_BYTES = 512_000_000
"""The service doesn't accept larger files."""
PARQUET = "Parquet"
_OTHERS: Mapping[bytes, str] = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "a zip archive",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "a 7z archive",
    b"PAR1": PARQUET,
    b"ARROW1": "an Arrow file",
    b"%PDF": "PDF",
    b"SQLite format 3": "a SQLite database",
}
"""First bytes of other kinds of files."""


LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_WIDE = 200
"""First bytes by which a wide encoding is told."""


def wide_encoding(first: bytes) -> str:
    """UTF-16 or UTF-32, by a byte order mark, or by the zeros of wide characters; else empty."""
    if first.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "UTF-32"
    head = first[:_WIDE]
    zeros = sorted((head[::2].count(0), head[1::2].count(0)))
    is_wide = len(head) >= 8 and zeros[0] == 0 and zeros[1] * 4 > len(head)
    return "UTF-16" if is_wide or first.startswith((b"\xff\xfe", b"\xfe\xff")) else ""


def kind_of(first: bytes) -> str:
    """The kind of a file that isn't text, by its first bytes; empty if it is unknown."""
    return next((kind for start, kind in _OTHERS.items() if first.startswith(start)), "")

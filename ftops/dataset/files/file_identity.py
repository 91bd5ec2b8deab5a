"""File identity: whether a file is unchanged, and what kind of file it is by its first bytes."""

from __future__ import annotations

import os
import re
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
PARQUET, EXCEL = "a Parquet table", "an Excel workbook"
_ZIP = "a zip archive"
_HEAD = 16_384
"""First bytes of an archive in which one of a workbook names a part of it."""
_OTHERS: Mapping[bytes, str] = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": _ZIP,
    b"PK\x05\x06": _ZIP,
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": EXCEL,
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "a 7z archive",
    b"PAR1": PARQUET,
    b"ARROW1": "an Arrow file",
    b"%PDF": "PDF",
    b"SQLite format 3": "a SQLite database",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x89HDF": "an HDF5 file",
    b"Obj\x01": "an Avro file",
}
"""First bytes of other kinds of files."""
MARKUP = "a web page or XML"
_MARKUP = re.compile(rb"(?i)\s*<(?:!doctype|html|\?xml|!--|head|body)\b")
_BINARY = "a binary file"
_NO_TEXT = 512
"""First bytes of which none is zero in a text."""
_WIDE: Mapping[tuple[bool, ...], str] = {
    (True, True, True, False): "UTF-32",
    (False, True, True, True): "UTF-32",
    (True, False, True, False): "UTF-16",
    (False, True, False, True): "UTF-16",
}
"""Which of the first four bytes are zero, in texts that begin with two characters of ASCII, as JSON does."""


LFS_POINTER = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
ANNEX = b"annex/objects/"
"""In what git-annex has instead of a file: a link, or a small file with this path."""
_POINTERS: Mapping[str, re.Pattern[bytes]] = {
    "git-annex": re.compile(rb"/annex/objects/\S+\s*\Z"),
    "DVC": re.compile(rb"(?s)(?:\S+:.*\n)?outs:\s*\n\s*- (?=.*\b(?:md5|hash|path):)"),
}
"""How a small file begins that stands for data, by the program that keeps the data."""
_POINTER = 32_768
"""Bytes that a pointer has at most."""


def pointer_of(content: bytes) -> str:
    """The name of the program whose pointer to data a file is; empty if it is none. `content`: the beginning
    of the file."""
    if len(content) > _POINTER or content.startswith((b"{", b"[")):
        return ""
    return next((name for name, pattern in _POINTERS.items() if pattern.match(content)), "")


def wide_encoding(first: bytes) -> str:
    """UTF-16 or UTF-32, by a byte order mark, or by the zeros of wide characters; else empty."""
    if first.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "UTF-32"
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    return _WIDE.get(tuple(byte == 0 for byte in first[:4]), "")


def kind_of(first: bytes) -> str:
    """The kind of a file that isn't text, by its first bytes; empty if it is text, or may be."""
    kind = next((kind for start, kind in _OTHERS.items() if first.startswith(start)), "")
    if kind:
        return EXCEL if kind == _ZIP and b"xl/" in first[:_HEAD] else kind
    if first[257:262] == b"ustar":
        return "a tar archive"
    if _MARKUP.match(first):
        return MARKUP
    is_text = b"\0" not in first[:_NO_TEXT] or first.lstrip()[:1] in (b"{", b"[")
    return "" if is_text or wide_encoding(first) else _BINARY


def is_utf8(content: bytes) -> bool:
    """Whether bytes are UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True

"""Escapes that JSON doesn't need but some programs write, such as `\\u003c` for < and `\\/`: undone, to
search the text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

_ESCAPE = re.compile(rb"\\(?:u00([2-7][0-9a-fA-F])|/)")
_NEEDED = b'"\\'
Offset = Callable[[int], int]
"""A position in the text → that in the bytes that it was made of."""


def unescaped(block: bytes) -> tuple[bytes, Offset]:
    """Bytes of JSON with ASCII characters in place of their escapes, except quotes and backslashes."""
    if not _ESCAPE.search(block):
        return block, _same
    parts: list[bytes] = []
    ends, before = [0], [0]
    """Positions after each escape: in the text, and in the block."""
    for match in _ESCAPE.finditer(block):
        character = bytes.fromhex(match[1].decode()) if match[1] else b"/"
        if character not in _NEEDED:
            parts += (block[before[-1] : match.start()], character)
            ends.append(ends[-1] + len(parts[-2]) + 1)
            before.append(match.end())

    def offset(position: int) -> int:
        index = bisect_right(ends, position) - 1
        return before[index] + position - ends[index]

    return b"".join((*parts, block[before[-1] :])), offset


def _same(position: int) -> int:
    return position

"""Limits of the replies that are read into memory: a server that sends more, or never ends, is broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import monotonic

MOST_BYTES = 32 << 20
MOST_SECONDS = 120.0
"""For the content of a reply, unpacked, after its head. No list or answer is that long."""


class EndlessReply(Exception):
    """A reply that is longer than any is, or doesn't end in time."""


def limited(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same pieces. Raises EndlessReply."""
    size, end = 0, monotonic() + MOST_SECONDS
    for piece in pieces:
        size += len(piece)
        if size > MOST_BYTES or monotonic() > end:
            raise EndlessReply(f"{size:,} bytes have arrived.")
        yield piece

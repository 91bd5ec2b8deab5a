"""Block check: the blocks of a file are checked by several processes, or passed through more than a check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple, Protocol

from msgspec import msgpack

from ftops.dataset.checks import chunk
from ftops.dataset.checks.chunk import Chunk
from ftops.dataset.checks.process_pool import spread

CHUNK = 256 * 1024
"""Bytes that are checked at once: the values in between fit into the cache of a processor."""

Block = bytes | Chunk
"""Whole lines; or one that is too long to be kept in memory, as it is counted."""


class Check(Protocol):
    """Checks blocks of a format. The results are in their order."""

    def __call__(
        self, blocks: Iterable[Block], format: str, *, vectorised: bool, processes: int
    ) -> Iterator[Chunk]: ...


def check(blocks: Iterable[Block], format: str, *, vectorised: bool, processes: int) -> Iterator[Chunk]:
    """Only checks them."""
    here = partial(chunk.read, format=format, vectorised=vectorised)
    decode = partial(msgpack.decode, type=Chunk)
    return spread(chunk.__name__, format, blocks, here, decode, processes)


class How(NamedTuple):
    """How a file is read."""

    check: Check = check
    size: int = 0
    """Bytes of a block; 0: CHUNK."""
    processes: int = 0
    """How many work at once; 0: as many as help."""


CHECKED = How()
"""It is only checked, by as many processes as help."""

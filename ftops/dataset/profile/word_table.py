"""Word table: the tokens of many texts at once, with numpy.

As in `tokens.by_words`, the words of a text are counted one by one, and most have been counted before. Here
they are looked up in a hash table, for all texts at once. A word of up to 15 bytes is two numbers of 8 bytes;
these are compared, not only their hash, so the counts are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any

import numpy

from ftops.dataset.profile.tokens import NotAWord

_BITS = 18
_WORD = 15
"""A word with more bytes isn't in the table."""
_BATCH = 60_000
"""Characters that are counted at once: the arrays stay in the cache of a processor."""
_NOT_ADDED = -(1 << 40)
"""Instead of the tokens of a word that may form one token with the space before it."""
_FIRST = numpy.uint64(1 << 56)
"""Added to the first word of a text, in a byte that no word reaches: there is no space before it."""
_SPACE = 32
_END = b" " * 17
_MIX = numpy.array([0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93], dtype=numpy.uint64)
_SHIFT = numpy.uint64(64 - _BITS)
_BYTES = [2 ** (8 * n) - 1 for n in (*range(_WORD + 1), _WORD)]
_LOW = numpy.array([mask & 2**64 - 1 for mask in _BYTES], dtype=numpy.uint64)
_HIGH = numpy.array([mask >> 64 for mask in _BYTES], dtype=numpy.uint64)


class WordTable:
    """Counts texts. `count` counts one text exactly. `first` and `others` have the tokens of words without
    and with a space before them, and count those that they don't have; `others` may raise NotAWord."""

    def __init__(
        self, count: Callable[[str], int], first: Mapping[str, int], others: Mapping[str, int]
    ) -> None:
        self._count = count
        self._words = (others, first)
        self._clear()

    def count(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text."""
        return [*chain.from_iterable(map(self._count_batch, _batches(texts)))]

    def _clear(self) -> None:
        self._used = 0
        self._low = numpy.zeros(1 << _BITS, numpy.uint64)
        self._high = numpy.zeros(1 << _BITS, numpy.uint64)
        self._tokens = numpy.full(1 << _BITS, _NOT_ADDED)  # as of the word that has no bytes

    def _count_batch(self, texts: Sequence[str]) -> Sequence[int]:
        try:
            data = f" {' '.join(texts)}".encode() + _END
        except UnicodeEncodeError:
            data = b"\0"
        if b"\0" in data or len(data) > 4 * _BATCH + len(_END):  # zeros fill up short words
            return [*map(self._count, texts)]
        sizes = [*map(len, texts)]
        if sum(sizes) + len(sizes) + len(_END) != len(data):
            sizes = [len(text.encode()) for text in texts]
        spaces = numpy.flatnonzero(numpy.frombuffer(data, numpy.uint8)[: 1 - len(_END)] == _SPACE)
        firsts = numpy.searchsorted(spaces, [*accumulate((n + 1 for n in sizes[:-1]), initial=0)])
        totals = numpy.add.reduceat(self._tokens_of(data, spaces, firsts), firsts).tolist()
        if min(totals) >= 0:
            return totals  # type: ignore[no-any-return]
        return [n if n >= 0 else self._count(text) for n, text in zip(totals, texts, strict=True)]

    def _tokens_of(self, data: bytes, spaces: Any, firsts: Any) -> Any:
        """The tokens of each word: the bytes between two spaces. `firsts`: the first words of texts."""
        starts = spaces[:-1] + 1
        size = numpy.minimum(spaces[1:] - starts, _WORD + 1)
        eight = numpy.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))
        low, high = eight[starts] & _LOW[size], eight[starts + 8] & _HIGH[size]
        high[firsts] |= _FIRST
        slots = ((high * _MIX[0] ^ low) * _MIX[1] >> _SHIFT).astype(numpy.int64)
        tokens = self._tokens[slots]
        missed = (self._low[slots] != low) | (self._high[slots] != high) | (size > _WORD)
        found = numpy.flatnonzero(missed)
        places = (found, starts[found], spaces[found + 1], slots[found], high[found] >= _FIRST)
        for index, start, end, slot, is_first in zip(*(p.tolist() for p in places), strict=True):
            try:
                number = self._words[is_first][data[start:end].decode()]
            except NotAWord:
                number = _NOT_ADDED
            tokens[index] = number
            if end - start <= _WORD and not self._low[slot]:
                self._low[slot], self._high[slot], self._tokens[slot] = low[index], high[index], number
                self._used += 1
        if self._used > 1 << (_BITS - 1):
            self._clear()
        return tokens


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """In their order, some texts at a time; a long one by itself."""
    batch: list[str] = []
    size = 0
    for text in texts:
        if size + len(text) > _BATCH and batch:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch

"""Sketches: 16 bytes for a text, of which half are the same in texts that are nearly the same.

Minhash over pieces that the text itself delimits: a letter that is rare enough divides it, and the least
two and the greatest two hashes of pieces are kept. Case and punctuation don't matter; one edit changes one
piece. Texts that share a half are then compared word by word, so a sketch may err only by missing some.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from xxhash import xxh32_intdigest

SIZE = 16
LIKE = 0.8
"""Texts are nearly the same from this part of pairs of words that they share."""
MANY = 20_000
"""Texts from which on numpy pays for its import."""
_LOOKED_AT = 600
"""Letters of a text that are looked at: texts that are nearly the same start nearly the same."""
_SHORT = 3
"""Letters of a piece from which on it tells a text from others."""
_COMPARED = 30_000
_PACK = struct.Struct("<IIII").pack
_NOTHING = bytes(SIZE)
_WORD = re.compile(r"\w+")

_LETTERS = {*range(48, 58), *range(97, 123), *range(128, 256)}
# Letters of other scripts are several bytes; a few of the last bytes stand in for the letters below.
_FOLD = bytes(
    code + 32
    if 65 <= code < 91
    else b"asm"[code % 3]
    if 0x80 <= code < 0xC0 and code % 9 == 0
    else code
    if code in _LETTERS
    else 32
    for code in range(256)
)
_DIVIDERS = ((80, b"a"), (240, b"s"), (2400, b"m"))
"""Letters that divide a text of up to so many bytes into a dozen pieces or so."""


def sketch(text: str) -> bytes:
    """Of everything that is said in an example."""
    folded = text[:_LOOKED_AT].encode("utf-8", "replace").translate(_FOLD)
    length = len(folded)
    if not length:
        return _NOTHING
    divider = b"m"
    for longest, letter in _DIVIDERS:
        if length <= longest:
            divider = letter
            break
    # Short pieces are the same in many texts that are not alike.
    hashes = sorted(map(xxh32_intdigest, [p for p in folded.split(divider) if len(p) >= _SHORT]))
    if len(hashes) < 4:
        whole = xxh32_intdigest(folded)
        return _PACK(whole, length, whole, length)
    return _PACK(hashes[0], hashes[1], hashes[-1], hashes[-2])


class Repeats(NamedTuple):
    """Which of some keys were there before."""

    flags: bytearray
    """One for each key: 1 where it was."""
    total: int
    first: list[tuple[int, int]]
    """Index of a repeat, and of what it repeats; the first few."""


def repeats(keys: Sequence[int], shown: int) -> Repeats:
    """Keys that were there before; `shown` of them one by one."""
    if len(keys) > MANY:
        return _repeats_of_many(keys, shown)
    seen: dict[int, int] = {}
    again = [
        (index, first) for index, key in enumerate(keys) if (first := seen.setdefault(key, index)) != index
    ]
    flags = bytearray(len(keys))
    for index, _ in again:
        flags[index] = 1
    return Repeats(flags, len(again), again[:shown])


def same(keys: Sequence[int]) -> Iterator[list[int]]:
    """Groups of indices of equal keys, in order; 0 is no key."""
    return _same_of_many(keys) if len(keys) > MANY else _same_of_few(keys)


def _repeats_of_many(keys: Sequence[int], shown: int) -> Repeats:
    import numpy

    values = numpy.frombuffer(keys, dtype=numpy.uint64)  # type: ignore[call-overload]
    order = numpy.argsort(values, kind="stable")
    ranked = values[order]
    again = order[1:][ranked[1:] == ranked[:-1]]
    flags = bytearray(len(keys))
    numpy.frombuffer(flags, dtype=numpy.uint8)[again] = 1
    again.sort()
    few = again[:shown]
    first = order[numpy.searchsorted(ranked, values[few])]
    return Repeats(flags, len(again), list(zip(few.tolist(), first.tolist(), strict=True)))


def _same_of_few(keys: Iterable[int]) -> Iterator[list[int]]:
    groups: dict[int, list[int]] = {}
    for index, key in enumerate(keys):
        if key:
            groups.setdefault(key, []).append(index)
    return (group for group in groups.values() if len(group) > 1)


def _same_of_many(keys: Sequence[int]) -> Iterator[list[int]]:
    import numpy

    if not len(keys):
        return
    values = numpy.frombuffer(keys, dtype=numpy.uint64)  # type: ignore[call-overload]
    order = numpy.argsort(values, kind="stable")
    ranked = values[order]
    ends = numpy.flatnonzero(numpy.append(ranked[1:] != ranked[:-1], True)) + 1
    starts = numpy.append(0, ends[:-1])
    several = (ends - starts > 1) & (ranked[starts] != 0)
    for start, end in zip(starts[several].tolist(), ends[several].tolist(), strict=True):
        yield order[start:end].tolist()


def pairs(text: str) -> frozenset[object]:
    """The pairs of words of a text; of a single word, the word."""
    words = _WORD.findall(text[:_COMPARED].lower())
    return frozenset(pairwise(words)) or frozenset(words)


def likeness(one: frozenset[object], other: frozenset[object]) -> float:
    """The part of all pairs of words that both have (Jaccard)."""
    shared = len(one & other)
    union = len(one) + len(other) - shared
    return shared / union if union else 1.0

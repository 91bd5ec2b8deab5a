"""What makes two examples the same, or nearly: short digests of an example, packed into a row of 40 bytes.

content   the whole example; key order and spaces don't matter
prompt    what is asked, without system messages and functions: these are often changed everywhere at once
sketch    the words said: one-permutation minhash, 16 buckets of a byte each
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple
from zlib import crc32

from ftops.dataset.lines import canonical
from ftops.dataset.tokens import calls

_ROW = struct.Struct("<II8s8s16s")
BUCKETS = 16
_NONE = 1 << 32
_FROM_OTHERS = frozenset({"user", "tool", "function"})


class Row(NamedTuple):
    """One example of a file."""

    line: int
    tokens: int
    content: bytes
    prompt: bytes
    sketch: bytes


def row(line: int, tokens: int, example: Mapping[str, Any]) -> bytes:
    """Packed; `rows` is the inverse."""
    return _ROW.pack(
        line, min(tokens, 2**32 - 1), digest(canonical(example)), _prompt(example), sketch(_words(example))
    )


def rows(packed: bytes) -> Iterator[Row]:
    """Raises ValueError where the packed rows are damaged."""
    if len(packed) % _ROW.size:
        raise ValueError("damaged rows")
    return map(Row._make, _ROW.iter_unpack(packed))


def digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=8).digest()


def short(value: object) -> str:
    """A short digest of a value, for telling values apart."""
    return digest(canonical(value)).hex()


def messages(example: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every message of an example of any format."""
    given = example.get("input")
    source = given if isinstance(given, dict) else example
    for holder, key in (
        (source, "messages"),
        (example, "preferred_output"),
        (example, "non_preferred_output"),
    ):
        found = holder.get(key)
        if isinstance(found, list):
            yield from (m for m in found if isinstance(m, dict))


def answers(example: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the model is to say: messages of the assistant; of preference pairs, the preferred ones."""
    preferred = example.get("preferred_output")
    if isinstance(preferred, list):
        return [m for m in preferred if isinstance(m, dict)]
    return [m for m in messages(example) if m.get("role") == "assistant"]


def sketch(words: Iterator[str]) -> bytes:
    """The least hash of the words in each of 16 buckets, a byte of each (0: no word
    fell there); equal bytes in the proportion in which the sets of words agree."""
    least = [_NONE] * BUCKETS
    for word in set(words):
        hashed = crc32(word.encode("utf-8", "replace"))
        bucket = hashed & 15
        if hashed < least[bucket]:
            least[bucket] = hashed
    return bytes(0 if value == _NONE else (value >> 4) % 255 + 1 for value in least)


def likeness(one: bytes, other: bytes) -> float:
    """How alike two sketches are, 0 to 1. Buckets that are empty in both say nothing."""
    used = [(a, b) for a, b in zip(one, other, strict=True) if a or b]
    return sum(a == b for a, b in used) / len(used) if used else 1.0


def _prompt(example: Mapping[str, Any]) -> bytes:
    asked = [
        [m.get("role"), m.get("content")] for m in messages(example) if m.get("role") in _FROM_OTHERS
    ]
    if not asked:
        asked = [["system", m.get("content")] for m in messages(example)]
    return digest(canonical(asked or example))


def _words(example: Mapping[str, Any]) -> Iterator[str]:
    """Words said, by anyone but the system; of what is no conversation, those of the JSON text."""
    found = False
    for message in messages(example):
        found = True
        role = message.get("role")
        if role in ("system", "developer"):
            continue
        content = message.get("content")
        if isinstance(content, str):
            yield from content.split()
        elif content:
            yield from canonical(content).decode("utf-8", "replace").split()
        for call in calls(message):
            yield call.name
            yield from call.arguments.split()
    if not found:
        yield from canonical(example).decode("utf-8", "replace").replace(",", " ").split()

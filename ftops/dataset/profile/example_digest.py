"""Example digests: they tell whether two examples are (nearly) the same, in a row of 40 bytes.

content   the whole example; key order and spaces don't matter
prompt    what is asked, without system messages and functions: these are often changed everywhere at once
sketch    the words said: one-permutation minhash, 16 buckets of a byte each
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple
from zlib import crc32

from xxhash import xxh3_64_digest

from ftops.dataset.files.jsonl_io import canonical
from ftops.dataset.profile.tokens import calls

_ROW = struct.Struct("<II8s8s16s")
BUCKETS = 16
WORDS = 48
"""Words that a sketch looks at: texts that are nearly the same begin nearly the same."""
_NO_HASH = 1 << 32
SKETCHED = 500
"""Characters in which these are looked for."""
_FROM_OTHERS = frozenset({"user", "tool", "function"})

Messages = Sequence[Mapping[str, Any]]


class Row(NamedTuple):
    """One example of a file."""

    line: int
    tokens: int
    content: bytes
    prompt: bytes
    sketch: bytes


def row(line: int, tokens: int, example: Mapping[str, Any], said: Messages) -> bytes:
    """Packed; `rows` is the inverse. `said` are the example's `messages`."""
    return _ROW.pack(
        line,
        min(tokens, 2**32 - 1),
        xxh3_64_digest(canonical(example)),
        prompt(example, said),
        sketch(_words(example, said)),
    )


def rows(packed: bytes) -> Iterator[Row]:
    """Raises ValueError where the packed rows are damaged."""
    if len(packed) % _ROW.size:
        raise ValueError("damaged rows")
    return map(Row._make, _ROW.iter_unpack(packed))


def digest(data: bytes) -> bytes:
    """Parts of a split follow from these, and stay what they are."""
    return blake2b(data, digest_size=8).digest()


def short(value: object) -> str:
    """A short digest of a value, for telling values apart."""
    return digest(canonical(value)).hex()


def messages(example: Mapping[str, Any]) -> Messages:
    """Every message of an example of any format."""
    given = example.get("input")
    source = given if isinstance(given, dict) else example
    found = _list(source, "messages")
    if "preferred_output" in example:
        found = [*found, *_list(example, "preferred_output"), *_list(example, "non_preferred_output")]
    return [m for m in found if isinstance(m, dict)]


def answers(example: Mapping[str, Any], said: Messages) -> Messages:
    """What the model is to say: messages of the assistant; of preference pairs, the preferred ones."""
    if "preferred_output" in example:
        return [m for m in _list(example, "preferred_output") if isinstance(m, dict)]
    return [m for m in said if m.get("role") == "assistant"]


def sketch(text: bytes) -> bytes:
    """The least hash of the words in each of 16 buckets, a byte of each (0: no word fell there); equal
    bytes in the proportion in which the sets of words agree."""
    least: dict[int, int] = {}
    for hashed in map(crc32, text.split(None, WORDS)[:WORDS]):
        bucket = hashed & 15
        if hashed < least.get(bucket, _NO_HASH):
            least[bucket] = hashed
    buckets = bytearray(BUCKETS)
    for bucket, hashed in least.items():
        buckets[bucket] = (hashed >> 4) % 255 + 1
    return bytes(buckets)


def likeness(one: bytes, other: bytes) -> float:
    """How alike two sketches are, 0 to 1. Buckets that are empty in both say nothing."""
    used = [(a, b) for a, b in zip(one, other, strict=True) if a or b]
    return sum(a == b for a, b in used) / len(used) if used else 1.0


def prompt(example: Mapping[str, Any], said: Messages) -> bytes:
    """A digest of what is asked, without system messages."""
    asked = [[m.get("role"), m.get("content")] for m in said if m.get("role") in _FROM_OTHERS]
    if not asked:
        asked = [["system", m.get("content")] for m in said]
    return digest(canonical(asked or example))


def _words(example: Mapping[str, Any], said: Messages) -> bytes:
    """The beginning of what is said, by anyone but the system; of what is no conversation, of its JSON."""
    if not said:
        return canonical(example)[:SKETCHED].replace(b",", b" ")
    texts: list[str] = []
    size = 0
    for message in said:
        if size > SKETCHED:
            break
        if message.get("role") in ("system", "developer"):
            continue
        content = message.get("content")
        if content:
            texts.append(content if isinstance(content, str) else canonical(content).decode())
        texts += [f"{call.name} {call.arguments}" for call in calls(message)]
        size = sum(map(len, texts))
    return " ".join(texts)[:SKETCHED].encode("utf-8", "replace")


def _list(holder: Mapping[str, Any], key: str) -> list[Any]:
    value = holder.get(key)
    return value if isinstance(value, list) else []

"""Example digests: a row of 40 bytes per example, which tells whether two examples are (nearly) the same.

content   the whole example; key order and spaces don't matter
prompt    the prompt without system messages and functions, which are often changed in all examples at once
minhash   the words of the text: one-permutation MinHash, 16 buckets of one byte each
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple
from zlib import crc32

from xxhash import xxh3_64_digest

from ftops.dataset.files.jsonl_io import canonical, list_at
from ftops.dataset.profile.tokens import calls

_ROW = struct.Struct("<II8s8s16s")
BUCKETS = 16
WORDS = 48
"""Words that are hashed: texts that are nearly the same begin nearly the same."""
NOT_COMPARED = (bytes(8), bytes(BUCKETS))
"""Of examples that are not to be compared."""
_NO_HASH = 1 << 32
LENGTH = 500
"""Characters in which these words are."""
_SYSTEM = ("system", "developer")
_FROM_OTHERS = ("user", "tool", "function")

Messages = Sequence[Mapping[str, Any]]


class Row(NamedTuple):
    """One example of a file."""

    line: int
    tokens: int
    content: bytes
    prompt: bytes
    minhash: bytes


def pack_row(line: int, tokens: int, content: bytes, compared: tuple[bytes, bytes] = NOT_COMPARED) -> bytes:
    """A packed row; `rows` is the inverse. `content`: canonical JSON. `compared`: the digest of the prompt,
    and the MinHash."""
    return _ROW.pack(line, min(tokens, 2**32 - 1), xxh3_64_digest(content), *compared)


def compared(example: Mapping[str, Any], messages: Messages) -> tuple[bytes, bytes]:
    """What examples are compared by, besides their content. `messages` are those of the example."""
    return prompt(example, messages), minhash(_words(example, messages))


def rows(packed: bytes) -> Iterator[Row]:
    """Raises ValueError if the packed rows are damaged."""
    if len(packed) % _ROW.size:
        raise ValueError("damaged rows")
    return map(Row._make, _ROW.iter_unpack(packed))


def digest(data: bytes) -> bytes:
    """A digest that must never change: the parts of a split depend on it."""
    return blake2b(data, digest_size=8).digest()


def short(value: object) -> str:
    """A short digest of a value, for telling values apart."""
    return digest(canonical(value)).hex()


def messages(example: Mapping[str, Any]) -> Messages:
    """Every message of an example of any format."""
    given = example.get("input")
    found = list_at(given if isinstance(given, dict) else example, "messages")
    if "preferred_output" in example:
        found = [*found, *list_at(example, "preferred_output"), *list_at(example, "non_preferred_output")]
    return [m for m in found if isinstance(m, dict)]


def answers(example: Mapping[str, Any], messages: Messages) -> Messages:
    """The messages that the model learns: those of the assistant; of preference pairs, the preferred ones."""
    if "preferred_output" in example:
        return [m for m in list_at(example, "preferred_output") if isinstance(m, dict)]
    return [m for m in messages if m.get("role") == "assistant"]


def minhash(text: bytes) -> bytes:
    """One byte of the least hash in each of 16 buckets of words; 0 if there is no word in it. The part of
    equal bytes estimates the similarity of the sets of words."""
    least: dict[int, int] = {}
    for hashed in map(crc32, text.split(None, WORDS)[:WORDS]):
        bucket = hashed & 15
        if hashed < least.get(bucket, _NO_HASH):
            least[bucket] = hashed
    buckets = bytearray(BUCKETS)
    for bucket, hashed in least.items():
        buckets[bucket] = (hashed >> 4) % 255 + 1
    return bytes(buckets)


def likeness(ours: bytes, theirs: bytes) -> float:
    """The similarity of two MinHash values, 0 to 1. Buckets that are empty in both don't count."""
    used = [(a, b) for a, b in zip(ours, theirs, strict=True) if a or b]
    return sum(a == b for a, b in used) / len(used) if used else 1.0


def prompt(example: Mapping[str, Any], messages: Messages) -> bytes:
    """The digest of the prompt, without system messages."""
    asked = [[m.get("role"), m.get("content")] for m in messages if m.get("role") in _FROM_OTHERS]
    if not asked:
        asked = [["system", m.get("content")] for m in messages]
    return digest(canonical(asked or example))


def start(example: Mapping[str, Any], messages: Messages) -> bytes:
    """The digest of the system message and the first turn of the user: the same for a conversation after each
    of its turns. Without a system message and with one turn only, it is that of the prompt."""
    turn = next((m for m in messages if m.get("role") in _FROM_OTHERS), None)
    if turn is None:
        return prompt(example, messages)
    told = [["system", m.get("content")] for m in messages if m.get("role") in _SYSTEM]
    return digest(canonical([*told[:1], [turn.get("role"), turn.get("content")]]))


def _words(example: Mapping[str, Any], messages: Messages) -> bytes:
    """The beginning of the text without system messages; of the JSON, if there are no messages."""
    if not messages:
        return canonical(example)[:LENGTH].replace(b",", b" ")
    texts: list[str] = []
    size = 0
    for message in messages:
        if size > LENGTH:
            break
        if message.get("role") in _SYSTEM:
            continue
        content = message.get("content")
        if content:
            texts.append(content if isinstance(content, str) else canonical(content).decode())
        texts += [f"{call.name} {call.arguments}" for call in calls(message)]
        size = sum(map(len, texts))
    return " ".join(texts)[:LENGTH].encode("utf-8", "replace")

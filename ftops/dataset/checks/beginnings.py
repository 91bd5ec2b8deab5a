"""Beginnings: conversations that are the beginning of others, as agents record them after each turn.

An opening, 8 bytes per example, tells which conversations start with the same message. Only these are read
again, and compared message by message.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from xxhash import xxh3_64, xxh3_64_intdigest

from ftops.dataset.checks.minhash import MANY, groups_of_equal
from ftops.dataset.files.jsonl_io import canonical, parse
from ftops.dataset.formats import OUTPUTS, chat

MAX_READ = 20_000
"""Conversations at most that are read again."""
_COUNT = 0xFF
"""The bits of an opening that have the number of messages."""
_DIGEST = 2**64 - 1 - _COUNT


def openings(conversations: Sequence[Sequence[str]]) -> array[int]:
    """For each conversation, given as its texts without the system message: a digest of the first one, and
    how many there are."""
    firsts = [texts[0].encode("utf-8", "replace") for texts in conversations]
    counted = zip(map(xxh3_64_intdigest, firsts), map(len, conversations), strict=True)
    return array("Q", [digest & _DIGEST | (n if n < _COUNT else _COUNT) for digest, n in counted])


def opening_of(example: Mapping[str, Any]) -> int:
    """The opening of an example of any format; 0 if it has no messages."""
    spoken = [m for m in _messages(example) if m.get("role") not in chat.SYSTEM]
    if not spoken:
        return 0
    content = spoken[0].get("content")
    text = content if isinstance(content, str) else canonical(content).decode()
    return openings([[text] * len(spoken)])[0]


def candidates(openings: Sequence[int], excluded: Sequence[int] = ()) -> list[int]:
    """Indices of conversations that start alike and differ in length, MAX_READ at most. `excluded` has a flag
    for each."""
    found: list[int] = []
    for group in groups_of_equal(_starts(openings)):
        left = [index for index in group if not (excluded and excluded[index])]
        if len({openings[index] for index in left}) > 1:
            found += left
        if len(found) > MAX_READ:
            break
    return found[:MAX_READ]


def _starts(openings: Sequence[int]) -> array[int]:
    """The openings without the number of messages."""
    if len(openings) <= MANY:
        return array("Q", [key >> 8 for key in openings])
    import numpy

    values = numpy.frombuffer(openings, dtype=numpy.uint64)  # type: ignore[call-overload]
    return array("Q", (values >> numpy.uint64(8)).tobytes())


def shared(ours: Sequence[int], theirs: Sequence[int]) -> tuple[list[int], list[int]]:
    """Indices of conversations of two files that start alike, MAX_READ of each at most."""
    common = {key >> 8 for key in ours} & {key >> 8 for key in theirs} - {0}
    first, second = ([i for i, key in enumerate(keys) if key >> 8 in common] for keys in (ours, theirs))
    return first[:MAX_READ], second[:MAX_READ]


Prefixes = dict[int, tuple[int, ...]]
"""By line: a digest of its conversation up to each message."""


def prefixes(lines: Iterable[tuple[int, str]]) -> Prefixes:
    """The prefixes of conversations; `weight` doesn't count, as earlier turns are often given weight 0."""
    found = {}
    for number, line in lines:
        example = parse(line.encode("utf-8", "replace"))
        if example is not None:
            found[number] = tuple(_digests(_messages(example)))
    return found


def pairs(shorter: Prefixes, longer: Prefixes) -> Iterator[tuple[int, int]]:
    """Lines of conversations, and of those that they are the beginning of: the nearest in length."""
    by_prefix: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for line, digests in longer.items():
        for digest in digests[:-1]:
            by_prefix[digest].append((len(digests), line))
    for line, digests in shorter.items():
        if digests and (found := by_prefix.get(digests[-1])):
            yield line, min(found)[1]


def _messages(example: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The conversation of an example; of a preference pair that of its input."""
    given = example.get("input")
    holder = given if isinstance(given, dict) and not example.keys().isdisjoint(OUTPUTS) else example
    messages = holder.get("messages")
    return [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []


def _digests(messages: Iterable[Mapping[str, Any]]) -> Iterator[int]:
    digest = xxh3_64()
    for message in messages:
        digest.update(canonical({k: v for k, v in message.items() if k != "weight" and v is not None}))
        yield digest.intdigest()

"""One pass over a file: what the statistics need, and a row for each example that later differences need.

A big file is divided between processes: tokens are most of the work.
"""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from msgspec import Struct, field

from ftops.dataset import identity
from ftops.dataset.lines import blocks, lines_of, unreadable
from ftops.dataset.tokens import Counter, calls, counter

PARALLEL = 8 * 1024 * 1024
"""Bytes from which on a second process is worth its start."""
MAX_LABELS = 1000
OTHER = "(other)"
_NEAR = 16
"""Characters of a label at most, where a text is one."""


class Use(NamedTuple):
    """How often a function is called, and with how many tokens."""

    calls: int
    tokens: int


class Sums(Struct):
    """What is counted of a file. Tokens are 0 where no encoding is known."""

    examples: int = 0
    messages: int = 0
    tokens: int = 0
    trained: int = 0
    """Tokens of the assistant's messages whose weight isn't 0."""
    unreadable: int = 0
    """Lines that are no JSON object."""
    images: int = 0
    roles: Tally[str] = field(default_factory=Tally)
    """Tokens by role; `functions` are definitions, `framing` is what a service adds."""
    turns: Tally[str] = field(default_factory=Tally)
    """Messages by role."""
    calls: Tally[str] = field(default_factory=Tally)
    call_tokens: Tally[str] = field(default_factory=Tally)
    labels: Tally[str] = field(default_factory=Tally)
    """What the examples teach to answer: the functions called, short answers, or `(text)`."""
    systems: set[str] = field(default_factory=set)
    """Digests of the different system messages."""
    offers: set[str] = field(default_factory=set)
    """Digests of the different lists of functions."""

    def add(self, other: Sums) -> None:
        for name in ("examples", "messages", "tokens", "trained", "unreadable", "images"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("roles", "turns", "calls", "call_tokens", "labels"):
            getattr(self, name).update(getattr(other, name))
        self.systems |= other.systems
        self.offers |= other.offers


class Measured(NamedTuple):
    """A file measured: its bytes' digest, its sums, a packed row for each example (see `identity`)."""

    digest: str
    sums: Sums
    rows: bytes


def measure(path: Path, encoding: str = "", processes: int = 0) -> Measured:
    """Reads a file once. `encoding` empty: tokens aren't counted. `processes` 0: as many as help.

    Raises UsageError where it can't be read, NoEncoding.
    """
    if encoding:
        counter(encoding)
    sha = sha256()
    sums, rows = Sums(), bytearray()
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            workers = processes or (min(4, os.cpu_count() or 1) if size >= PARALLEL else 1)
            for part, packed in _parts(_hashed(stream, sha.update), encoding, workers):
                sums.add(part)
                rows += packed
    except OSError as error:
        raise unreadable(path, error) from error
    _cap(sums.labels)
    return Measured(f"sha256:{sha.hexdigest()}", sums, bytes(rows))


def measure_block(block: bytes, first: int, encoding: str) -> tuple[Sums, bytes]:
    """The sums and rows of whole lines, of which the first has the number `first`."""
    count = counter(encoding) if encoding else None
    sums, rows = Sums(), bytearray()
    for line in lines_of(block, first):
        if line.example is None:
            sums.unreadable += 1
            continue
        said = identity.messages(line.example)
        tokens = _add(sums, line.example, said, count)
        rows += identity.row(line.number, tokens, line.example, said)
    _cap(sums.labels)
    return sums, bytes(rows)


def label(example: Mapping[str, Any], said: identity.Messages) -> str:
    """What an example teaches to answer: functions, a short answer, or `(text)`."""
    answers = identity.answers(example, said)
    called = [call.name for message in answers for call in calls(message)]
    if called:
        return "+".join(dict.fromkeys(called))
    texts = [m["content"] for m in answers if isinstance(m.get("content"), str)]
    last = texts[-1].strip() if texts else ""
    return last if 0 < len(last) <= _NEAR and "\n" not in last else "(text)"


def _add(sums: Sums, example: Mapping[str, Any], said: identity.Messages, count: Counter | None) -> int:
    sums.examples += 1
    sums.labels[label(example, said)] += 1
    for message in said:
        role = message.get("role")
        role = role if isinstance(role, str) else ""
        sums.messages += 1
        sums.turns[role] += 1
        if role in ("system", "developer"):
            sums.systems.add(identity.short(message.get("content")))
        content = message.get("content")
        if isinstance(content, list):
            sums.images += sum(1 for part in content if isinstance(part, dict) and "image_url" in part)
        for call in calls(message):
            sums.calls[call.name] += 1
    offered = example.get("tools") or example.get("functions")
    if offered:
        sums.offers.add(identity.short(offered))
    return _add_tokens(sums, example, count) if count else 0


def _add_tokens(sums: Sums, example: Mapping[str, Any], count: Counter) -> int:
    total = 0
    for piece in count.pieces(example):
        total += piece.tokens
        sums.roles[piece.role] += piece.tokens
        if piece.trained:
            sums.trained += piece.tokens
        if piece.function:
            sums.call_tokens[piece.function] += piece.tokens
    sums.tokens += total
    return total


def _hashed(stream: BinaryIO, update: Callable[[bytes], None]) -> Iterator[tuple[bytes, int]]:
    first = 1
    for block in blocks(stream):
        update(block)
        yield block, first
        first += block.count(b"\n")


def _parts(
    numbered: Iterator[tuple[bytes, int]], encoding: str, workers: int
) -> Iterator[tuple[Sums, bytes]]:
    if workers == 1:
        for block, first in numbered:
            yield measure_block(block, first, encoding)
        return
    from concurrent.futures import Future, ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        waiting: deque[Future[tuple[Sums, bytes]]] = deque()
        for block, first in numbered:
            waiting.append(pool.submit(measure_block, block, first, encoding))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _cap(labels: Tally[str]) -> None:
    """Labels that are no labels, one for every example, needn't be kept."""
    if len(labels) > MAX_LABELS:
        rare = labels.most_common()[MAX_LABELS:]
        for name, _ in rare:
            del labels[name]
        labels[OTHER] += sum(number for _, number in rare)

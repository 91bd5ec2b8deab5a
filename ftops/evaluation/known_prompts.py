"""Known prompts: those that models were trained on, so that their answers show less than they seem to.

Of prompts and examples, the last messages of the user are compared. They are the same if their words are,
apart from case and punctuation. They are nearly the same by the rule for examples: if they share LIKE of
their pairs of words (`dataset.checks.minhash`).
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from msgspec import Struct
from xxhash import xxh3_64_intdigest

from ftops.dataset.checks.minhash import LIKE, first_equal, likeness, minhashes, word_pairs
from ftops.dataset.files.jsonl_io import list_at, read
from ftops.evaluation.prompts import Prompt

VERSION = 2
"""Raise it whenever texts are compared otherwise."""
MOST_PAIRS = 10_000
"""Pairs at most whose texts are compared word by word."""
KEPT = 20_000_000
"""Characters of prompts that are kept in memory to be compared word by word."""
SHOWN = 3
"""Pairs that are named."""
_BATCH = 5_000
"""Texts that are hashed at once: so many are worth numpy."""
_WORD = re.compile(r"\w+")


class Pair(Struct, frozen=True):
    """A prompt, by its line (0: unknown) and its id, and a line of the training data."""

    line: int
    id: str
    training: int


class Known(Struct, frozen=True):
    """How many prompts are in a file of training data, and the first pairs of each kind."""

    same: int = 0
    near: int = 0
    first_same: tuple[Pair, ...] = ()
    first_near: tuple[Pair, ...] = ()


class Texts:
    """Texts that are compared: 24 bytes of each, and the first KEPT characters themselves."""

    def __init__(self) -> None:
        self.words = array("Q")
        self.first: list[str] = []
        """The first texts: others are read again if they are needed."""
        self._room = KEPT
        self._minhashes = array("Q")
        self._batch: list[str] = []

    def add(self, text: str) -> None:
        self.words.append(_words(text))
        self._batch.append(text)
        self._room -= len(text)
        if self._room >= 0:
            self.first.append(text)
        if len(self._batch) == _BATCH:
            self._hash(vectorised=True)

    def half(self, which: int) -> array[int]:
        """One half of all values of MinHash."""
        self._hash(vectorised=False)
        return self._minhashes[which::2]

    def _hash(self, *, vectorised: bool) -> None:
        self._minhashes.frombytes(minhashes(self._batch, vectorised=vectorised))
        self._batch.clear()


def in_training(texts: Texts, file: Path, prompts: Callable[[], Iterator[Prompt]]) -> Known:
    """`texts`: of all `prompts`, which are read again only if some of them are found. Raises UsageError if
    the file can't be read."""
    theirs, lines = Texts(), array("I")
    for line in read(file):
        if text := _asked(line.example):
            theirs.add(text)
            lines.append(line.number)
    same = sorted(first_equal(texts.words, theirs.words))
    known = {position for position, _ in same}
    halves = (first_equal(texts.half(which), theirs.half(which)) for which in (0, 1))
    alike = (pair for pair in chain.from_iterable(halves) if pair[0] not in known)
    candidates = [*islice(dict.fromkeys(alike), MOST_PAIRS)]
    near = _near(candidates, texts, lines, file, prompts)
    shown = [pairs[:SHOWN] for pairs in (same, near)]
    named = _at({position for pairs in shown for position, _ in pairs}, prompts)
    first_same, first_near = (
        tuple(Pair(named[at].line, named[at].id, lines[other]) for at, other in pairs if at in named)
        for pairs in shown
    )
    return Known(len(same), len(near), first_same, first_near)


def _near(
    candidates: Sequence[tuple[int, int]],
    texts: Texts,
    lines: Sequence[int],
    file: Path,
    prompts: Callable[[], Iterator[Prompt]],
) -> list[tuple[int, int]]:
    """Those that are nearly the same, one for each prompt: positions among prompts and training texts."""
    wanted_again = {at for at, _ in candidates if at >= len(texts.first)}
    ours = {at: word_pairs(texts.first[at]) for at, _ in candidates if at < len(texts.first)}
    ours |= {at: word_pairs(prompt.text) for at, prompt in _at(wanted_again, prompts).items()}
    wanted = {lines[other] for _, other in candidates}
    theirs = {
        line.number: word_pairs(_asked(line.example))
        for line in (read(file) if wanted else ())
        if line.number in wanted
    }
    found: dict[int, int] = {}
    for at, other in candidates:
        both = ours.get(at), theirs.get(lines[other])  # none if a file has just changed
        if at not in found and both[0] and both[1] and likeness(both[0], both[1]) >= LIKE:
            found[at] = other
    return sorted(found.items())


def _at(positions: Collection[int], prompts: Callable[[], Iterator[Prompt]]) -> dict[int, Prompt]:
    """Prompts by their positions."""
    if not positions:
        return {}
    first = islice(prompts(), max(positions) + 1)
    return {position: prompt for position, prompt in enumerate(first) if position in positions}


def _words(text: str) -> int:
    """Equal for texts with the same words; 0 if there are none."""
    words = " ".join(_WORD.findall(text.casefold()))
    return xxh3_64_intdigest(words.encode("utf-8", "replace")) if words else 0


def _asked(example: Mapping[str, Any] | None) -> str:
    """Empty for what isn't an example: checks of the data report that."""
    messages = [
        m for m in list_at(example or {}, "messages") if isinstance(m, dict) and m.get("role") == "user"
    ]
    content = messages[-1].get("content") if messages else ""
    return content if isinstance(content, str) else ""

"""Text as sparse numbers: hashed words, word pairs and letter triples.

Hashing is CRC-32, so that the same text gives the same features in every process.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ftops.emulator.trainer.examples import Context

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PROMPT_BUCKETS = 1 << 13
_BIAS = 0.3
_SYSTEM = 0.05
_EARLIER = 0.3
_TOKEN = re.compile(r"-?\d+(?:[.,]\d+)?|[^\W\d_]+(?:['’][^\W\d_]+)?|_|[^\w\s]")
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")


@dataclass(frozen=True, slots=True)
class Sparse:
    """A vector by its non-zero places, each place once."""

    places: Ints
    values: Floats


@dataclass(frozen=True, slots=True)
class Token:
    """A word, number or mark of a prompt, with its place in the text."""

    text: str
    start: int
    end: int

    @property
    def is_number(self) -> bool:
        """Whether it is written in digits."""
        return _NUMBER.fullmatch(self.text) is not None

    @property
    def is_word(self) -> bool:
        """Whether it is made of letters."""
        return self.text[0].isalpha()

    @property
    def key(self) -> str:
        """The token as a feature: its sign and size aside, one number is like another."""
        if self.is_number:
            return "<negative>" if self.text.startswith("-") else "<number>"
        return self.text.lower()


def tokens(text: str) -> list[Token]:
    """The words, numbers and marks of ``text``."""
    return [Token(match[0], match.start(), match.end()) for match in _TOKEN.finditer(text)]


@lru_cache(maxsize=1 << 16)
def bucket(key: str, size: int) -> int:
    """The place of a feature; place 0 is kept for the bias."""
    return crc32(key.encode()) % (size - 1) + 1


def prompt_vector(context: Context, note: str = "") -> Sparse:
    """The features of a context: mostly its last user message and what functions then returned;
    ``note`` adds one more."""
    weights: dict[str, float] = {}
    last = max((i for i, (role, _) in enumerate(context.turns) if role == "user"), default=-1)
    for index, (role, text) in enumerate(context.turns):
        mark = "" if index == last else f"{role}~"
        _add(weights, mark, text, _EARLIER if index < last else 1.0)
    _add(weights, "system~", context.system, _SYSTEM)
    if note:
        weights[f"note~{note}"] = 1.0
    return _sparse(weights)


def _add(weights: dict[str, float], mark: str, text: str, weight: float) -> None:
    for key, value in ngrams(text):
        weights[mark + key] = weights.get(mark + key, 0.0) + weight * value


def ngrams(text: str) -> Iterable[tuple[str, float]]:
    """Words, pairs of words and letter triples of ``text``, each with its weight."""
    keys = [token.key for token in tokens(text)]
    for key in keys:
        yield key, 1.0
        padded = f"<{key}>"
        for start in range(len(padded) - 2) if key[0].isalpha() else ():
            yield f"#{padded[start : start + 3]}", 0.3
    padded_keys = ["^", *keys, "$"]
    for first, second in itertools.pairwise(padded_keys):
        yield f"{first} {second}", 0.6


def _sparse(weights: dict[str, float]) -> Sparse:
    norm = math.sqrt(sum(value * value for value in weights.values())) or 1.0
    vector: dict[int, float] = {0: _BIAS}
    for key, value in weights.items():
        place = bucket(key, PROMPT_BUCKETS)
        vector[place] = vector.get(place, 0.0) + value / norm
    places = np.array(sorted(vector), dtype=np.int64)
    return Sparse(places, np.array([vector[int(place)] for place in places]))


def canonical(value: Any) -> str:
    """A value as text, so that equal values are equal: 50 and 50.0, "Red" and "red"."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, str):
        return " ".join(value.lower().split())
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    return "{" + ",".join(f"{key}:{canonical(value[key])}" for key in sorted(value)) + "}"

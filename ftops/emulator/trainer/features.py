"""Features: text as a sparse vector of hashed words, word pairs and letter triples.

The hash is CRC-32, so that a text has the same features in every process.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple
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


class Sparse(NamedTuple):
    """A vector as its non-zero places, without repetition, and their values."""

    places: Ints
    values: Floats


class Token(NamedTuple):
    """A word, number or punctuation mark, with its position in the text."""

    text: str
    start: int
    end: int

    @property
    def is_number(self) -> bool:
        return _NUMBER.fullmatch(self.text) is not None

    @property
    def is_word(self) -> bool:
        return self.text[0].isalpha()

    @property
    def key(self) -> str:
        """The token as a feature. Of numbers only the sign counts."""
        if self.is_number:
            return "<negative>" if self.text.startswith("-") else "<number>"
        return self.text.lower()


def tokens(text: str) -> list[Token]:
    return [Token(match[0], match.start(), match.end()) for match in _TOKEN.finditer(text)]


@lru_cache(maxsize=1 << 16)
def bucket(key: str, size: int) -> int:
    """The place of a feature. Place 0 is for the bias."""
    return crc32(key.encode()) % (size - 1) + 1


def prompt_vector(context: Context) -> Sparse:
    """The features of a context: mostly those of the last user message and of what functions then
    returned."""
    weights: dict[str, float] = {}
    last = max((i for i, (role, _) in enumerate(context.turns) if role == "user"), default=-1)
    for index, (role, text) in enumerate(context.turns):
        mark = "" if index == last else f"{role}~"
        _add(weights, mark, text, _EARLIER if index < last else 1.0)
    _add(weights, "system~", context.system, _SYSTEM)
    norm = math.sqrt(sum(value * value for value in weights.values())) or 1.0
    vector: dict[int, float] = {0: _BIAS}
    for key, value in weights.items():
        place = bucket(key, PROMPT_BUCKETS)
        vector[place] = vector.get(place, 0.0) + value / norm
    places = sorted(vector)
    return Sparse(np.array(places, dtype=np.int64), np.array([vector[place] for place in places]))


def _add(weights: dict[str, float], mark: str, text: str, weight: float) -> None:
    for key, value in _ngrams(text):
        weights[mark + key] = weights.get(mark + key, 0.0) + weight * value


def _ngrams(text: str) -> Iterable[tuple[str, float]]:
    """The words, pairs of words and letter triples of ``text``, with their weights."""
    keys = [token.key for token in tokens(text)]
    for key in keys:
        yield key, 1.0
        padded = f"<{key}>"
        for start in range(len(padded) - 2) if key[0].isalpha() else ():
            yield f"#{padded[start : start + 3]}", 0.3
    padded_keys = ["^", *keys, "$"]
    for first, second in itertools.pairwise(padded_keys):
        yield f"{first} {second}", 0.6


def canonical(value: Any) -> str:
    """A value as a string that is the same for equal values: 50 and 50.0, "Red" and "red"."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, str):
        return " ".join(value.lower().split())
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    return "{" + ",".join(f"{key}:{canonical(value[key])}" for key in sorted(value)) + "}"

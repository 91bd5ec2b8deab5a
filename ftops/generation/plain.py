"""Plain text: requests without what doesn't distinguish them, and an index of those that are nearly alike."""

from __future__ import annotations

import re
import struct
from array import array
from collections import defaultdict

from ftops.dataset.checks.minhash import LIKE, likeness, minhashes, word_pairs

_WORD = re.compile(r"[\w/-]+")


def plain(text: str) -> str:
    """Words in lower case; a sign or a slash is part of one."""
    return " ".join(_WORD.findall(text.casefold()))


class Alike:
    """Texts, of which it finds one that is nearly the same as another."""

    def __init__(self) -> None:
        self._halves: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
        self._pairs: dict[str, array[int]] = {}

    def add(self, text: str) -> None:
        self._pairs[text] = word_pairs(text)
        for half in enumerate(_halves(text)):
            self._halves[half].append(text)

    def find(self, text: str) -> str | None:
        """The first one that is nearly the same."""
        pairs = word_pairs(text)
        candidates = dict.fromkeys(t for half in enumerate(_halves(text)) for t in self._halves[half])
        return next((t for t in candidates if likeness(pairs, self._pairs[t]) >= LIKE), None)


def _halves(text: str) -> tuple[int, ...]:
    return struct.unpack("<QQ", minhashes([text]))

"""Known prompts: those that models were trained on, so that their answers show less than they seem to."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec import Struct
from xxhash import xxh3_64_intdigest

from ftops.dataset.files.jsonl_io import list_at, read
from ftops.evaluation.prompts import Prompt

VERSION = 1
"""Raise it whenever texts are compared otherwise."""
_WORD = re.compile(r"\w+")


class Known(Struct, frozen=True):
    """How many prompts are in a file of training data; of the first, its id and the line."""

    same: int = 0
    first: tuple[str, int] | None = None


class Texts:
    """Texts that are compared, 8 bytes of each."""

    def __init__(self) -> None:
        self.words = array("Q")

    def add(self, text: str) -> None:
        self.words.append(_words(text))


def in_training(texts: Texts, file: Path, prompts: Callable[[], Iterator[Prompt]]) -> Known:
    """Prompts whose last message of the user is that of an example, apart from case and punctuation. `texts`:
    of all `prompts`, which are read again only to tell one of them. Raises UsageError if the file can't be
    read."""
    lines: dict[int, int] = {}
    for line in read(file):
        if asked := _words(_asked(line.example or {})):
            lines.setdefault(asked, line.number)
    found = [i for i, words in enumerate(texts.words) if words in lines]
    if not found:
        return Known()
    first = next(islice(prompts(), found[0], None))
    return Known(len(found), (first.id, lines[texts.words[found[0]]]))


def _words(text: str) -> int:
    """Equal for texts with the same words; 0 if there are none."""
    words = " ".join(_WORD.findall(text.casefold()))
    return xxh3_64_intdigest(words.encode("utf-8", "replace")) if words else 0


def _asked(example: Mapping[str, Any]) -> str:
    """Empty for what isn't an example: checks of the data report that."""
    messages = [m for m in list_at(example, "messages") if isinstance(m, dict) and m.get("role") == "user"]
    content = messages[-1].get("content") if messages else ""
    return content if isinstance(content, str) else ""

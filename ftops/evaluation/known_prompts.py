"""Known prompts: those that models were trained on, so that their answers show less than they seem to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftops.dataset import Overlap
from ftops.dataset.files.jsonl_io import list_at, read
from ftops.evaluation.prompts import Prompt

_WORD = re.compile(r"\w+")


def in_training(prompts: Sequence[Prompt], file: Path) -> Overlap:
    """Prompts whose last message of the user is that of an example, apart from case and punctuation. The
    first is told by its position and a line. Raises UsageError if the file can't be read."""
    lines: dict[str, int] = {}
    for line in read(file):
        if asked := _words(_asked(line.example or {})):
            lines.setdefault(asked, line.number)
    found = [(i, number) for i, prompt in enumerate(prompts) if (number := lines.get(_words(prompt.text)))]
    return Overlap(same=len(found), first_same=found[0] if found else None)


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def _asked(example: Mapping[str, Any]) -> str:
    """Empty for what isn't an example: checks of the data report that."""
    messages = [m for m in list_at(example, "messages") if isinstance(m, dict) and m.get("role") == "user"]
    content = messages[-1].get("content") if messages else ""
    return content if isinstance(content, str) else ""

"""Excerpts of examples: one line each, for lists."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from ftops.dataset.files.jsonl_io import Example, Line, lines_of, read
from ftops.dataset.profile import example_digest
from ftops.dataset.profile.profiler import label
from ftops.dataset.rules.sensitive_data import mask

LENGTH = 72


def excerpt(example: Example) -> str:
    """`what is asked → what is answered`, cut to a line; secrets and personal data as dots."""
    said = example_digest.messages(example)
    asked = [m["content"] for m in said if m.get("role") == "user" and isinstance(m.get("content"), str)]
    answers = example_digest.answers(example, said)
    answer = label(example, said)
    texts = [m["content"] for m in answers if isinstance(m.get("content"), str)]
    if answer == "(text)" and texts:
        answer = texts[-1]
    question = " ".join((asked[-1] if asked else "").split())
    return f"{_cut(mask(question), LENGTH - 24)} → {_cut(mask(' '.join(answer.split())), 24)}"


def excerpts(path: Path, numbers: Collection[int]) -> dict[int, str]:
    """Of the lines with these numbers."""
    return _of(read(path), numbers)


def excerpts_of(content: bytes, numbers: Collection[int]) -> dict[int, str]:
    """The same for a version that is no file."""
    return _of(lines_of(content), numbers)


def _of(lines: Iterable[Line], numbers: Collection[int]) -> dict[int, str]:
    wanted = set(numbers)
    if not wanted:
        return {}
    return {n: excerpt(example) for n, _, example in lines if n in wanted and example is not None}


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"

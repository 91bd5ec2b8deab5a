"""Excerpts of examples: one line of text for each, for lists."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ftops.dataset.files.jsonl_io import Example, lines_of, read
from ftops.dataset.profile import example_digest
from ftops.dataset.profile.profiler import label
from ftops.dataset.rules.sensitive_data import mask

LENGTH = 72


def excerpt(example: Example) -> str:
    """`question → answer`, cut to one line; secrets and personal data are dots."""
    messages = example_digest.messages(example)
    questions = [
        m["content"] for m in messages if m.get("role") == "user" and isinstance(m.get("content"), str)
    ]
    answer = label(example, messages)
    answers = example_digest.answers(example, messages)
    texts = [m["content"] for m in answers if isinstance(m.get("content"), str)]
    if answer == "(text)" and texts:
        answer = texts[-1]
    return f"{_cut(questions[-1] if questions else '', LENGTH - 24)} → {_cut(answer, 24)}"


def excerpts(source: Path | bytes, numbers: Collection[int]) -> dict[int, str]:
    """Excerpts of the lines with these numbers, from a file or its content."""
    wanted = set(numbers)
    if not wanted:
        return {}
    lines = lines_of(source) if isinstance(source, bytes) else read(source)
    return {n: excerpt(example) for n, _, example in lines if n in wanted and example is not None}


def _cut(text: str, length: int) -> str:
    text = mask(" ".join(text.split()))
    return text if len(text) <= length else f"{text[: length - 1]}…"

"""Text of an example: its system message, all other text, and its label; for examples of any format."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ftops.dataset.checks.minhash import LENGTH, word_pairs
from ftops.dataset.files.jsonl_io import list_at, parse
from ftops.dataset.formats import chat
from ftops.dataset.profile.tokens import calls

MAX_LABEL = 40
"""Characters of an answer that may be one of a few."""
TEXT = "(text)"


def word_pairs_by_line(lines: Iterable[tuple[int, str]]) -> dict[int, array[int]]:
    """The pairs of words in the text of some lines, without system messages."""
    examples = ((number, parse(line.encode("utf-8", "replace"))) for number, line in lines)
    return {
        number: word_pairs("\n".join(extract(example)[1]))
        for number, example in examples
        if example is not None
    }


def beginning(texts: Sequence[str]) -> str:
    """As much of the texts as is hashed."""
    return texts[0] if texts and len(texts[0]) >= LENGTH else "\n".join(texts)


def extract(example: Mapping[str, Any]) -> tuple[str | None, list[str], str]:
    """The system message of an example (None: not a conversation), its other texts, and its label: the
    functions that are called, an answer that may be one of a few, or TEXT."""
    holder = example.get("input", example)
    messages = holder.get("messages") if isinstance(holder, dict) else None
    if not isinstance(messages, list):
        return None, [], ""
    system, label = "", ""
    texts: list[str] = []
    outputs = [m for key in chat.OUTPUTS for m in list_at(example, key)]
    for message in [m for m in (*messages, *outputs) if isinstance(m, dict)]:
        own = [*_texts(message)]
        if message.get("role") in chat.SYSTEM:
            system = system or "\n".join(own)
            continue
        called = [call for call in calls(message) if call.name]
        texts += own
        texts += [text for call in called for text in call]
        if message.get("role") == "assistant":
            answer = "\n".join(own)
            label = answer if 0 < len(answer) <= MAX_LABEL else TEXT
            if called:
                label = ", ".join(call.name for call in called)[:MAX_LABEL]
    return system, texts, "" if outputs else label


def _texts(message: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(message.get("content"), str):
        yield message["content"]
    for part in list_at(message, "content"):
        if isinstance(part, dict):
            image = part.get("image_url")
            url = image.get("url") if isinstance(image, dict) else None
            yield from (value[:2000] for value in (part.get("text"), url) if isinstance(value, str))

"""What is said in an example, by whom, and what it teaches to answer; of examples of any format."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ftops.dataset.checks.minhash import LOOKED_AT, pairs
from ftops.dataset.files.jsonl_io import parse
from ftops.dataset.formats import chat, preference

MAX_LABEL = 40
"""Characters of an answer that may be one of a few."""
TEXT = "(text)"

Facts = tuple[str | None, list[str], str]
"""The system message (None: no conversation), everything else that is said, and the label."""


def pairs_in(lines: Iterable[tuple[int, str]]) -> dict[int, array[int]]:
    """The pairs of words of what is said in some lines, but for system messages."""
    examples = ((number, parse(line.encode("utf-8", "replace"))) for number, line in lines)
    return {
        number: pairs("\n".join(facts(example)[1])) for number, example in examples if example is not None
    }


def beginning(said: Sequence[str]) -> str:
    """As much of what is said as is looked at."""
    return said[0] if said and len(said[0]) >= LOOKED_AT else "\n".join(said)


def facts(example: Mapping[str, Any]) -> Facts:
    """System message, everything else that is said, and the label of an example of any format."""
    holder = example.get("input", example)
    messages = holder.get("messages") if isinstance(holder, dict) else None
    if not isinstance(messages, list):
        return None, [], ""
    system, label = "", ""
    said: list[str] = []
    outputs = [m for key in preference.OUTPUTS for m in _listed(example.get(key))]
    for message in [m for m in (*messages, *outputs) if isinstance(m, dict)]:
        texts = [*_texts(message.get("content"))]
        if message.get("role") in chat.SYSTEM:
            system = system or "\n".join(texts)
            continue
        called = [*_calls(message)]
        said += texts
        for name, arguments in called:
            said += (name, arguments)
        if message.get("role") == "assistant":
            label = label_of("\n".join(texts), [name for name, _ in called])
    return system, said, label if not outputs else ""


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for part in _listed(content):
        if isinstance(part, dict):
            text = part.get("text")
            image = part.get("image_url")
            url = image.get("url") if isinstance(image, dict) else None
            yield from (value[:2000] for value in (text, url) if isinstance(value, str))


def _calls(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    calls = [c.get("function") for c in _listed(message.get("tool_calls")) if isinstance(c, dict)]
    for call in (*calls, message.get("function_call")):
        if isinstance(call, dict) and isinstance(call.get("name"), str):
            arguments = call.get("arguments")
            yield call["name"], arguments if isinstance(arguments, str) else ""


def label_of(content: object, called: Sequence[str]) -> str:
    """What an answer is, where it is one of a few."""
    if called:
        return ", ".join(called)[:MAX_LABEL]
    return content if isinstance(content, str) and 0 < len(content) <= MAX_LABEL else TEXT

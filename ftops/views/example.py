"""One example as text: its messages, and which are trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from msgspec import Struct

from ftops.core.address import Json
from ftops.core.nested import object_at
from ftops.core.plurals import plural
from ftops.dataset.files.jsonl_io import Example
from ftops.dataset.profile.tokens import REPLY, Counter, calls, definitions
from ftops.views.paint import Painter

WIDTH = 96
_ANSWERS: Mapping[str, str] = {
    "preferred_output": "preferred answer",
    "non_preferred_output": "rejected answer",
}
"""The two parts of a preference pair, and their titles."""
_KNOWN = frozenset({"messages", "functions", "tools", "input", *_ANSWERS})


class Shown(Struct, frozen=True):
    """One example of a file, and the counter of its tokens if there is one."""

    file: str
    line: int
    number: int
    """Counts examples only, not blank lines."""
    example: Example
    counter: Counter | None = None


def to_json(shown: Shown) -> dict[str, Json]:
    """As docs/json-output.md describes it."""
    messages: list[Json] = [
        {"role": str(m.get("role", "")), "part": part, "trained": trained, "tokens": _tokens(shown, m)}
        for part, m, trained in _messages(shown.example)
    ]
    return {
        "file": shown.file,
        "line": shown.line,
        "number": shown.number,
        "tokens": shown.counter.tokens(shown.example) if shown.counter else None,
        "messages": messages,
        "example": shown.example,
    }


def draw(shown: Shown, paint: Painter) -> Iterator[str]:
    total = f", {plural(shown.counter.tokens(shown.example), 'token')}" if shown.counter else ""
    yield paint(f"{shown.file}, line {shown.line}", "bold") + paint(
        f"  (example {shown.number:,}{total})", "dim"
    )
    offered = [*definitions(shown.example), *definitions(object_at(shown.example, "input"))]
    if offered:
        yield ""
        yield f"functions  {paint(plural(len(offered), 'function') + ' offered', 'dim')}"
        for function in offered:
            yield f"  {paint(_signature(function))}"
    before = ""
    for part, message, trained in _messages(shown.example):
        yield ""
        if part != before:
            yield paint(f"— {part} —", "hint")
            before = part
        yield from _message(shown, message, trained, paint)
    for key, value in shown.example.items():
        if key not in _KNOWN:
            yield ""
            yield f"{paint(str(key))}  {paint(_short(value), 'dim')}"


def _messages(example: Example) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """(part, message, whether it is trained on). In a conversation, messages of the assistant are, unless
    their weight is 0; in a preference pair, both answers are."""
    is_pair = not _ANSWERS.keys().isdisjoint(example)
    for holder in (example, object_at(example, "input")):
        for message in _list(holder, "messages"):
            is_answer = message.get("role") == "assistant" and message.get("weight") != 0
            yield "", message, is_answer and not is_pair
    for name, title in _ANSWERS.items():
        for message in _list(example, name):
            yield title, message, message.get("role") == "assistant"


def _message(shown: Shown, message: Mapping[str, Any], trained: bool, paint: Painter) -> Iterator[str]:
    role = str(message.get("role") or "(no role)")
    marks = ["trained" if trained else "only read"]
    if message.get("weight") == 0:
        marks.append("weight 0")
    tokens = _tokens(shown, message)
    marks += [plural(tokens, "token")] if tokens is not None else []
    name = f" {message['name']}" if isinstance(message.get("name"), str) else ""
    yield f"{paint(role + name, 'bold')}  {paint(', '.join(marks), 'good' if trained else 'dim')}"
    bar = paint("┃", "good") if trained else paint("│", "dim")
    for line in _content(message):
        yield f"  {bar} {paint(line, '' if trained else 'dim')}".rstrip()


def _content(message: Mapping[str, Any]) -> Iterator[str]:
    for text in _texts(message.get("content")):
        for line in text.split("\n"):
            yield from wrap(line, WIDTH, replace_whitespace=False) or [""]
    for call in calls(message):
        yield from wrap(f"→ {call.name}({call.arguments})", WIDTH, subsequent_indent="  ")


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        fields = part if isinstance(part, dict) else {}
        if isinstance(fields.get("text"), str):
            yield fields["text"]
        else:
            yield f"[image {_short(fields['image_url'])}]" if "image_url" in fields else _short(part)


def _signature(function: Mapping[str, Any]) -> str:
    """`set_speed(speed: integer, unit: string)`."""
    properties = object_at(function, "parameters", "properties")
    inside = [f"{name}: {object_at(properties, name).get('type', 'any')}" for name in properties]
    return f"{function.get('name', '(no name)')}({', '.join(inside)})"


def _tokens(shown: Shown, message: Mapping[str, Any]) -> int | None:
    if shown.counter is None:
        return None
    return shown.counter.tokens({"messages": [message]}) - REPLY


def _list(holder: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = holder.get(key)
    return [m for m in found if isinstance(m, dict)] if isinstance(found, list) else []


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"

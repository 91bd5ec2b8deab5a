"""Examples as text: their messages, and which are trained on. Secrets and personal data are masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from ftops.core.address import Json
from ftops.core.nested import object_at
from ftops.core.plurals import plural
from ftops.dataset.files.jsonl_io import Example
from ftops.dataset.profile.tokens import REPLY, Counter, calls, definitions
from ftops.dataset.rules.sensitive_data import mask
from ftops.views.folding import filled
from ftops.views.paint import Painter, clean

WIDTH = 76
"""Columns of text, less on a narrower terminal."""
_BAR, _LEAST = 4, 20
"""Columns of the bar beside a message, and the fewest of its text."""
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
    example: Example | None
    """None if the line is no object."""
    counter: Counter | None = None
    raw: bytes = b""
    """The line itself."""
    notes: tuple[str, ...] = ()
    """What the checks found in it."""


def to_json(shown: Shown) -> dict[str, Json]:
    """As docs/json-output.md describes it."""
    example = shown.example or {}
    messages: list[Json] = [
        {"role": str(m.get("role", "")), "part": part, "trained": trained, "tokens": _tokens(shown, m)}
        for part, m, trained in messages_of(example)
    ]
    return {
        "file": shown.file,
        "line": shown.line,
        "number": shown.number,
        "tokens": shown.counter.tokens(example) if shown.counter and shown.example is not None else None,
        "messages": messages,
        "example": masked(shown.example),
        **({"findings": list(shown.notes)} if shown.notes else {}),
    }


def draw(shown: Shown, paint: Painter, columns: int | None = None) -> Iterator[str]:
    if shown.example is None:
        yield paint(f"{shown.file}, line {shown.line}", "bold") + paint("  (not an object)", "dim")
        yield from _notes(shown, paint)
        yield f"  {paint(short(shown.raw.decode(errors='replace')))}"
        return
    total = f", {plural(shown.counter.tokens(shown.example), 'token')}" if shown.counter else ""
    yield paint(f"{shown.file}, line {shown.line}", "bold") + paint(
        f"  (example {shown.number:,}{total})", "dim"
    )
    yield from _notes(shown, paint)
    offered = [*definitions(shown.example), *definitions(object_at(shown.example, "input"))]
    if offered:
        yield ""
        yield f"functions  {paint(plural(len(offered), 'function') + ' offered', 'dim')}"
        for function in offered:
            yield f"  {paint(signature(function))}"
    before = ""
    for part, message, trained in messages_of(shown.example):
        yield ""
        if part != before:
            yield paint(f"— {part} —", "hint")
            before = part
        width = min(WIDTH, columns - _BAR) if columns else WIDTH
        yield from _message(shown, message, trained, paint, max(width, _LEAST))
    for key, value in other_keys(shown.example):
        yield ""
        yield f"{paint(key)}  {paint(short(value), 'dim')}"


def other_keys(example: Example) -> Iterator[tuple[str, Any]]:
    """What an example has beside its messages and functions."""
    return ((mask(key), value) for key, value in example.items() if key not in _KNOWN)


def _notes(shown: Shown, paint: Painter) -> Iterator[str]:
    return (f"  {paint(note, 'warning')}" for note in shown.notes)


def messages_of(example: Example) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
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


def _message(
    shown: Shown, message: Mapping[str, Any], trained: bool, paint: Painter, width: int
) -> Iterator[str]:
    role = str(message.get("role") or "(no role)")
    marks = ["trained" if trained else "only read"]
    if message.get("weight") == 0:
        marks.append("weight 0")
    tokens = _tokens(shown, message)
    marks += [plural(tokens, "token")] if tokens is not None else []
    name = f" {message['name']}" if isinstance(message.get("name"), str) else ""
    yield f"{paint(role + name, 'bold')}  {paint(', '.join(marks), 'good' if trained else 'dim')}"
    bar = paint("┃", "good") if trained else paint("│", "dim")
    for line in _content(message, width):
        yield f"  {bar} {paint(line, '' if trained else 'dim')}".rstrip()


def _content(message: Mapping[str, Any], width: int) -> Iterator[str]:
    for text in texts_of(message):
        for line in text.split("\n"):
            yield from filled(clean(line), width)
    for call in calls_of(message):
        yield from filled(clean(call), width, 2)


def texts_of(message: Mapping[str, Any]) -> Iterator[str]:
    """The texts of a message, and a line for each of its images."""
    content = message.get("content")
    if isinstance(content, str):
        yield mask(content)
    for part in content if isinstance(content, list) else ():
        fields = part if isinstance(part, dict) else {}
        if isinstance(fields.get("text"), str):
            yield mask(fields["text"])
        else:
            yield f"[image {short(fields['image_url'])}]" if "image_url" in fields else short(part)


def calls_of(message: Mapping[str, Any]) -> Iterator[str]:
    """`→ set_speed({"speed": 3})` for each call of a message."""
    return (f"→ {call.name}({mask(call.arguments)})" for call in calls(message))


def signature(function: Mapping[str, Any]) -> str:
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


def short(value: Any) -> str:
    """One line of at most WIDTH characters."""
    text = mask(value if isinstance(value, str) else str(value))
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def masked(value: Any) -> Any:
    """The same value with dots in place of secrets."""
    if isinstance(value, dict):
        return {masked(key): masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return list(map(masked, value))
    return mask(value) if isinstance(value, str) else value

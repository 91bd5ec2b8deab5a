"""An example as a conversation in HTML: what is trained on is marked, secrets are masked, long texts cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from ftops.core.nested import object_at
from ftops.core.plurals import plural
from ftops.dataset.profile.report import Picked
from ftops.dataset.profile.tokens import definitions
from ftops.dataset.rules.sensitive_data import mask
from ftops.views.example import calls_of, messages_of, other_keys, short, signature, texts_of
from ftops.views.html import element, folded

MAX_MESSAGES = 30
MAX_TEXT = 3_000
"""Characters of one text."""


def conversation(picked: Picked, *, is_open: bool = False) -> Element:
    """One example, closed at first: its line, why it is shown, and its messages."""
    why = element("span", f"  {picked.why}", class_="dim") if picked.why else None
    title = element("span", element("b", f"line {picked.line:,}"), why)
    return folded(title, *_content(picked), open=is_open)


def _content(picked: Picked) -> Iterator[Element]:
    example = picked.example
    if example is None:
        yield element("p", "This line isn't an example, or is too long to be shown.", class_="dim")
        yield element("pre", _cut(mask(picked.text[:MAX_TEXT])))
        return
    offered = [*definitions(example), *definitions(object_at(example, "input"))]
    if offered:
        names = element("pre", "\n".join(map(signature, offered)))
        yield folded(f"{plural(len(offered), 'function')} offered", names)
    before = ""
    messages = list(messages_of(example))
    for part, message, trained in messages[:MAX_MESSAGES]:
        if part != before:
            yield element("h3", part.capitalize())
            before = part
        yield _message(message, trained)
    if len(messages) > MAX_MESSAGES:
        yield element("p", f"and {plural(len(messages) - MAX_MESSAGES, 'more message')}", class_="dim")
    for key, value in other_keys(example):
        yield element("p", element("b", key), f"  {short(value)}", class_="small")


def _message(message: Mapping[str, Any], trained: bool) -> Element:
    role = str(message.get("role") or "(no role)")
    mark = "trained on" if trained else "only read"
    weight = ", weight 0" if message.get("weight") == 0 else ""
    name = f" {message['name']}" if isinstance(message.get("name"), str) else ""
    head = element("p", element("b", role + name), f"  {mark}{weight}", class_="small dim")
    texts = [*map(_cut, texts_of(message)), *map(_cut, calls_of(message))]
    return element(
        "div", head, element("pre", "\n".join(texts)), class_=f"message {'trained' if trained else 'read'}"
    )


def _cut(text: str) -> str:
    rest = len(text) - MAX_TEXT
    return text if rest <= 0 else f"{text[:MAX_TEXT]}… ({plural(rest, 'more character')})"

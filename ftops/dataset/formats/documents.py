"""JSON documents: the lists of examples in a file that is one JSON value instead of JSON Lines."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from ftops.dataset.formats import OUTPUTS
from ftops.dataset.formats.foreign import recognise
from ftops.dataset.formats.jsonl import MARK, is_document, skip

_DECODER = json.JSONDecoder()


class ExampleList(NamedTuple):
    """A list of examples in a document."""

    key: str
    """Of the object that has the list; empty if the document is the list."""
    start: int
    """The index of its bracket in the text."""


def lists_in(text: str) -> list[ExampleList] | None:
    """The lists of examples in a document; none if it is several objects. None if the text, which may be cut
    off, is no document."""
    start = skip(text, int(text.startswith(MARK)))
    if text[start : start + 1] == "{" and (is_document(text) or "\n" not in text.strip()):
        found = _in_object(text, start)
        return found if found or is_document(text) else None
    if not is_document(text):
        return None
    return [ExampleList("", start)] if text[start] == "[" else []


def is_bare_conversation(text: str, at: int) -> bool:
    """Whether a list at an index of a text is a conversation: a list of messages, not of examples."""
    try:
        first = _DECODER.raw_decode(text, skip(text, at + 1))[0]
    except (ValueError, RecursionError):
        return False
    return isinstance(first, dict) and "role" in first and not _is_example(first)


def first_example(text: str, lists: list[ExampleList]) -> dict[str, Any]:
    """The first object of a document; empty if it isn't known, or is a message."""
    at = skip(text, lists[0].start + 1 if lists else int(text.startswith(MARK)))
    try:
        value = _DECODER.raw_decode(text, at)[0]
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) and "role" not in value else {}


def _in_object(text: str, at: int) -> list[ExampleList]:
    """The lists of an object, such as {"data": [{"messages": […]}]}; none if it is an example itself."""
    found: list[ExampleList] = []
    members = {}
    at = skip(text, at + 1)
    try:
        while text[at : at + 1] == '"':
            name, end = _DECODER.raw_decode(text, at)
            at = skip(text, skip(text, end) + 1)
            first = skip(text, at + 1)
            if text[at : at + 1] == "[" and _is_example(_DECODER.raw_decode(text, first)[0]):
                found.append(ExampleList(name, at))
            members[name], end = _DECODER.raw_decode(text, at)
            at = skip(text, skip(text, end) + 1)
    except (ValueError, RecursionError):
        pass  # it is cut off, or empty
    return [] if _is_example(members) else found


def _is_example(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return "messages" in value or not value.keys().isdisjoint(OUTPUTS) or recognise(value) is not None

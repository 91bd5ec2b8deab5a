"""One line of JSON Lines: parse it, say what is wrong with it, find a value in it."""

from __future__ import annotations

import json
import re

from ftops.dataset.inspection import Finding, Steps, quote

DOCUMENT_START = ("{", "[")
"""The first line of a document that is spread over many lines."""

_BLANK = re.compile(r"[ \t\r\n]*")
# Possessive: without it, the memory of a search grows with a long text.
_TEXT = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_CONSTANT = re.compile(_TEXT + r"|(?P<found>-?Infinity|NaN)")
_DIGITS = re.compile(_TEXT + r"|(?P<found>-?\d{4000,})")
_ONE_PER_LINE = "Each line is one example: a whole JSON object, from { to }, with no comma after it."

_SYNTAX = {
    "Expecting property name": (
        "a key in double quotes is expected here",
        "Write keys and text in double quotes.",
    ),
    "Expecting ':'": ("a colon is expected after the key", ""),
    "Expecting ','": ("a comma is expected here", 'Is a quote inside the text not written as \\"?'),
    "Expecting value": (
        "a value is expected here",
        "JSON has text in double quotes, numbers, true, false and null.",
    ),
    "Unterminated string": (
        "this text has no closing quote",
        "Was the file cut off, or a line broken in two?",
    ),
    "Invalid control": ("a raw control character in text", "Write \\n for a line break and \\t for a tab."),
    "Invalid \\": ("an escape that JSON doesn't know", "Write \\\\ for a backslash."),
    "Illegal trailing comma": ("a comma with nothing after it", "Remove the comma."),
    "Extra data": ("more text after the end of the object", "Begin a new line for each example."),
}


class _NotANumber(ValueError):
    """NaN or Infinity: Python reads them, JSON has no such thing."""


def _refuse(constant: str) -> object:
    raise _NotANumber(constant)


_DECODER = json.JSONDecoder(parse_constant=_refuse)
_ANY = json.JSONDecoder()


def parse(line: str) -> dict[str, object] | Finding:
    """The object on a line, or what keeps it from being one."""
    try:
        value = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        return _explain(line, error)
    except _NotANumber as error:
        return Finding(f"{error} is not JSON", "", "Write a number or null.", at=_find(_CONSTANT, line))
    except RecursionError:
        return Finding("lists and objects are nested too deeply", hint=_ONE_PER_LINE, at=0)
    except ValueError:
        return Finding("a number with too many digits", hint="Write it as text.", at=_find(_DIGITS, line))
    if isinstance(value, dict):
        return value
    return Finding(f"the line is {describe(value)}, not an object", "", _ONE_PER_LINE, at=())


def describe(value: object) -> str:
    """A value by its JSON type, for messages."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the text {quote(value)}"
        case int() | float():
            return f"the number {quote(value)}"
        case list():
            return "a list"
        case _:
            return "an object"


def span(line: str, steps: Steps) -> tuple[int, int]:
    """Start and width of the value that `steps` lead to, in a line that `parse` could read."""
    start = _skip(line, 0)
    for step in steps:
        start = _member(line, start, step) if isinstance(step, str) else _item(line, start, step)
    return start, _ANY.raw_decode(line, start)[1] - start


def _member(line: str, start: int, key: str) -> int:
    """Start of a member's value. The last of several of one name counts, as in the parsed object."""
    found = start
    at = _skip(line, start + 1)
    while line[at] == '"':
        name, end = _ANY.raw_decode(line, at)
        at = _skip(line, _skip(line, end) + 1)
        if name == key:
            found = at
        at = _next(line, at)
    return found


def _item(line: str, start: int, index: int) -> int:
    at = _skip(line, start + 1)
    for _ in range(index):
        at = _next(line, at)
    return at


def _next(line: str, at: int) -> int:
    """Past a value and the comma after it; on the closing bracket after the last."""
    end = _skip(line, _ANY.raw_decode(line, at)[1])
    return _skip(line, end + 1) if line[end] == "," else end


def _skip(line: str, at: int) -> int:
    match = _BLANK.match(line, at)
    return match.end() if match else at


def _find(pattern: re.Pattern[str], line: str) -> int:
    return next((m.start() for m in pattern.finditer(line) if m["found"]), 0)


def _explain(line: str, error: json.JSONDecodeError) -> Finding:
    if line.strip() in DOCUMENT_START:
        hint = f"Is the file one pretty-printed document? {_ONE_PER_LINE}"
        return Finding("the object does not end on its line", "", hint, at=0)
    before = line[: error.pos].rstrip()
    if line[error.pos : error.pos + 1] in ("}", "]") and before.endswith(","):
        # Newer Pythons point at the comma themselves.
        return _syntax("Illegal trailing comma", len(before) - 1)
    if not line[error.pos :].strip():
        return Finding(
            "the line ends before its object does",
            "",
            "Was the file cut off, or a line broken in two?",
            at=error.pos,
        )
    return _syntax(error.msg, error.pos)


def _syntax(message: str, at: int) -> Finding:
    rows = (row for prefix, row in _SYNTAX.items() if message.startswith(prefix))
    summary, hint = next(rows, (message, ""))
    return Finding(f"not JSON: {summary}", "", hint or _ONE_PER_LINE, at=at)

"""JSON parser for one line of JSON Lines, with precise errors; strict where JSON leaves parsers a choice."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

from ftops.dataset.rules.findings import Finding, Key, Steps, quote

MARK = "\ufeff"
"""A byte order mark."""
MAX_DEPTH = 100
"""No data needs more, and other parsers may accept less than Python does."""

_ACCEPTED = 4
"""So many lines of a document must be read before an error in it, or its end."""
_LIST_OF_OBJECTS = re.compile(r"\[\s*(?:\[\s*)?\{")
"""Or of conversations, which are lists of objects."""
_BLANK = re.compile(r"[ \t\r\n]*")
# Possessive quantifiers: without them, the memory of a search grows with the text.
_TEXT = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(_TEXT + r"|[{}\[\],:]")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)")
_MAY_BE_HALF = re.compile(r"\\u[dD][89a-fA-F]")

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
    "Invalid \\": ("an invalid escape sequence", "Write \\\\ for a backslash."),
    "Illegal trailing comma": ("a comma with nothing after it", "Remove the comma."),
    "Extra data": ("more text after the end of the object", "Begin a new line for each example."),
}


class NotANumber(ValueError):
    """NaN or Infinity, which Python reads although they aren't JSON."""


class Duplicate(ValueError):
    """An object with two members of the same name, which it gives."""


def _refuse(constant: str) -> object:
    raise NotANumber(constant)


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise NotANumber(text)
    return value


def _unique(members: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(members)
    if len(result) != len(members):
        names = Counter(name for name, _ in members)
        raise Duplicate(names.most_common(1)[0][0])
    return result


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_unique)
_ANY = json.JSONDecoder()


def parse(line: str) -> dict[str, object] | Finding:
    """The object on a line, or why it isn't one."""
    try:
        value = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        return explain(line, error)
    except NotANumber as error:
        return _not_a_number(line, str(error))
    except Duplicate:
        return _duplicate(line)
    except RecursionError:
        return _too_deep(line)
    except ValueError:
        at = _find(r"-?\d{4000,}", line)
        return Finding("json/number", "a number with too many digits", at, "Write it as text.")
    if not isinstance(value, dict):
        return Finding("json/not-object", f"the line is {describe(value)}, not an object")
    if line.count("[") + line.count("{") > MAX_DEPTH and is_too_deep(value):
        return _too_deep(line)
    if _MAY_BE_HALF.search(line):
        at = _half(line)
        if at >= 0:
            return Finding("json/surrogate", "half of a surrogate pair", at)
    return value


def is_document(text: str) -> bool:
    """Whether a text begins with a JSON value that goes on for several lines, or with a list of objects.
    `text`: the beginning of a file."""
    text = text.lstrip(MARK).strip()
    if not text.startswith(("{", "[")):
        return False
    lines = text.split("\n", _ACCEPTED)
    try:
        _, end = _ANY.raw_decode(text)
    except json.JSONDecodeError as error:
        if lines[0].strip() == "[":
            return True
        if lines[0].strip() == "{":  # a broken line, if an example follows
            return len(lines) > 1 and lines[1].lstrip().startswith('"')
        if len(lines) == 1:  # all on one line, which may be cut off
            return _LIST_OF_OBJECTS.match(text) is not None
        # A broken line may make sense with the next one by chance, but not with several.
        return len(lines) > _ACCEPTED and error.pos > len(text) - len(lines[-1])
    except (ValueError, RecursionError):
        return False
    if end == len(text):
        return len(lines) > 1 or _LIST_OF_OBJECTS.match(text) is not None
    following = text[end:].lstrip(" \t\r\n,").partition("\n")[0]
    if end < len(lines[0]):  # several values on the only line
        return len(lines) == 1 and following.startswith(("{", "["))
    if _LIST_OF_OBJECTS.match(text):
        return following.startswith("[")
    # One line that is broken in two is followed by others that aren't.
    return end > len(lines[0]) and not isinstance(parse(following), dict)


def decode(text: str) -> object:
    """Any JSON value, parsed as strictly as a line. Raises ValueError, RecursionError."""
    return _DECODER.decode(text)


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
    """Start and width of the value at `steps`, in a line that `parse` accepts."""
    start = skip(line, 0)
    for step in steps:
        if isinstance(step, Key):
            start = next(at for name, at, _ in _members(line, start) if name == step.name)
        elif isinstance(step, str):
            # The last member of a name counts, as in the parsed object.
            start = [value for name, _, value in _members(line, start) if name == step][-1]
        else:
            start = skip(line, start + 1)
            for _ in range(step):
                start = _next(line, start)
    return start, _ANY.raw_decode(line, start)[1] - start


def _members(line: str, start: int) -> Iterator[tuple[str, int, int]]:
    """Name, start of the name and start of the value of each member of an object."""
    at = skip(line, start + 1)
    while line[at] == '"':
        name, end = _ANY.raw_decode(line, at)
        value = skip(line, skip(line, end) + 1)
        yield name, at, value
        at = _next(line, value)


def _next(line: str, at: int) -> int:
    """The index after a value and its comma; after the last value, that of the closing bracket."""
    end = skip(line, _ANY.raw_decode(line, at)[1])
    return skip(line, end + 1) if line[end] == "," else end


def skip(line: str, at: int) -> int:
    """The index of the first character from `at` on that isn't white space."""
    match = _BLANK.match(line, at)
    return match.end() if match else at


def _find(pattern: str, line: str) -> int:
    """The index of the first match outside of text; 0 if there is none."""
    matches = re.finditer(rf"{_TEXT}|(?P<found>{pattern})", line)
    return next((m.start() for m in matches if m["found"]), 0)


def _not_a_number(line: str, constant: str) -> Finding:
    at = _find(rf"(?<![\d.]){re.escape(constant)}", line)
    if constant[-1].isdigit():
        return Finding("json/number", "a number that is too large", at)
    return Finding("json/number", f"{constant} is not JSON", at, "Write a number or null.")


def is_too_deep(value: object) -> bool:
    """Whether lists and objects are nested more than MAX_DEPTH times."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inside = (v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list))
        level = [item for members in inside for item in members if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def _too_deep(line: str) -> Finding:
    depth = at = 0
    for match in _TOKEN.finditer(line):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(match[0], 0)
        if depth > MAX_DEPTH:
            at = match.start()
            break
    return Finding("json/too-deep", "lists and objects are nested too deeply", at)


def _half(line: str) -> int:
    """The index of the first escape that is half of a surrogate pair; -1 if there is none."""
    high = -1
    end = 0
    for match in _ESCAPE.finditer(line):
        code = int(match[1], 16) if match[1] else 0
        if high >= 0 and not (0xDC00 <= code < 0xE000 and match.start() == end):
            return high
        if high < 0 and 0xDC00 <= code < 0xE000:
            return match.start()
        high = match.start() if 0xD800 <= code < 0xDC00 else -1
        end = match.end()
    return high


def _duplicate(line: str) -> Finding:
    """The second member of the same name in an object. The line is JSON."""
    names: list[set[str] | None] = []
    at_key = False
    for match in _TOKEN.finditer(line):
        mark = match[0]
        if mark in "{[":
            names.append(set() if mark == "{" else None)
            at_key = mark == "{"
        elif mark in "}]":
            names.pop()
            at_key = False
        elif mark == ",":
            at_key = names[-1] is not None
        elif mark != ":" and at_key:
            seen, name = names[-1], json.loads(mark)
            if seen is not None and name in seen:
                return Finding("json/duplicate-key", f"duplicate key {quote(name)}", match.start())
            if seen is not None:
                seen.add(name)
            at_key = False
    return Finding("json/duplicate-key", "duplicate key", 0)


def explain(line: str, error: json.JSONDecodeError) -> Finding:
    """Why a text isn't JSON."""
    if line.startswith(MARK):
        return Finding("file/mark-inside", "a byte order mark in the middle of the file", 0)
    before = line[: error.pos].rstrip()
    if line[error.pos : error.pos + 1] in ("}", "]") and before.endswith(","):
        # Newer Pythons point at the comma themselves.
        return _syntax("Illegal trailing comma", len(before) - 1)
    if error.msg.startswith("Extra data") and line.startswith(MARK, error.pos):
        hint = "Remove it, and begin a new line for each example."
        return Finding("file/mark-inside", "a byte order mark after an example", error.pos, hint)
    if error.msg.startswith("Extra data") and "\r" in line[len(line[: error.pos].rstrip()) : error.pos]:
        return Finding("file/line-ends", "a carriage return alone after an example", len(before))
    if not line[error.pos :].strip():
        hint = "Was the file cut off, or a line broken in two?"
        return Finding("json/syntax", "the line ends before its object does", error.pos, hint)
    return _syntax(error.msg, error.pos)


def _syntax(message: str, at: int) -> Finding:
    rows = (row for prefix, row in _SYNTAX.items() if message.startswith(prefix))
    summary, hint = next(rows, (message, ""))
    return Finding("json/syntax", f"not JSON: {summary}", at, hint)

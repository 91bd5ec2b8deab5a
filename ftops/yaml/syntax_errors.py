"""YAML syntax errors as diagnostics: one row for each common mistake."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import yaml

from ftops.core.errors import Diagnostic, Place

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Row(NamedTuple):
    """A common mistake. `pattern` must match in the parser's message; what follows a `\\n` in it matches the
    rest of the line, from the place on."""

    pattern: str
    summary: str
    detail: str
    hint: str


_QUOTE = _Row(
    r"expected ',' or[^\n]*\n\{",
    "an expression must be quoted here",
    "Inside `{…}` and `[…]`, YAML reads the brace of `${` as the start of a mapping.",
    'Put quotes around the value: "${…}".',
)

_OPEN_QUOTE = _Row(
    "",
    "a quote is not closed",
    "The text goes on to the next quote, which is in a line below.",
    "Close the quote in this line.",
)
_NO_COLON = _Row(
    "",
    "a colon is missing in this line",
    "A mapping has one `key: value` per line, or a `key:` above the lines that are indented below it.",
    "Write a colon and a space after the key.",
)
_NO_SPACE = _Row(
    "",
    "a space is missing after the colon",
    "Only a colon with a space after it ends a key; this line is read as text.",
    "Write `key: value`.",
)

_ROWS = (
    _QUOTE,
    _Row(
        "expected ',' or",
        "a `{` or `[` is not closed, or a comma is missing",
        "The entries of `{…}` and `[…]` are separated by commas, up to the closing bracket.",
        "Close the bracket or add the comma; text that contains brackets or commas needs quotes.",
    ),
    _Row(
        "node content",
        "a value is missing here",
        "The entries of `{…}` and `[…]` are separated by commas, up to the closing bracket.",
        "Close every `{` and `[` once, and put text that starts with a bracket in quotes.",
    ),
    _Row(
        r"cannot start any token[^\n]*\n\t|tab character that violates indentation",
        "tabs can't be used for indentation",
        "YAML counts spaces; the width of a tab is undefined.",
        "Indent with spaces, two per level.",
    ),
    _Row(
        "cannot start any token",
        "a value can't start with this character",
        "`@`, `` ` `` and `%` are reserved in YAML.",
        "Put the value in quotes.",
    ),
    _Row(
        "mapping values are not allowed",
        "there is a second `: ` in this line, or the indentation is wrong",
        "A colon followed by a space ends a key, and a line can have only one key.",
        "Put text that contains `: ` in quotes, or check the indentation of this line and the one above.",
    ),
    _Row(
        "block sequence entries are not allowed",
        "a list can't start here",
        "The `- ` of a list must be at the start of a line.",
        "Put the list on the next lines, or write it as `[a, b]`.",
    ),
    _Row(
        r"(?:did not find expected key|expected <block end>)[^\n]*\n- ",
        "a list can't start among the keys of a mapping",
        "The lines above are `key: value`; an entry of a list starts with `- `.",
        "Remove the `- ` and write `name:` with its keys below it; sections name their entries by keys.",
    ),
    _Row(
        "did not find expected key|expected <block end>",
        "the indentation doesn't match any line above",
        "Keys of a mapping start in the same column.",
        "Indent the line like its neighbours; text that starts with a quote must end with it.",
    ),
    _Row(
        "did not find expected '-' indicator",
        "the indentation doesn't match any line above",
        "Entries of a list start in the same column, each with its own `- `.",
        "Indent the line like its neighbours.",
    ),
    _Row(
        "could not find expected ':'",
        "this line is neither a key nor part of the value above",
        "A mapping has one `key: value` per line.",
        "Add the colon, or indent the line so that it continues the value above.",
    ),
    _Row(
        "unexpected end of stream",
        "a quote is not closed",
        "Everything after the opening quote was read as text, to the end of the file.",
        "Close the quote.",
    ),
    _Row(
        "unknown escape character",
        "unknown escape sequence",
        "In double quotes, a backslash starts an escape sequence such as `\\n`.",
        "Write the backslash twice, or use single quotes.",
    ),
    _Row(
        "undefined alias",
        "this alias has no anchor",
        "`*name` repeats the value that is marked `&name` earlier in the same file.",
        "Mark the value, or put text that starts with `*` in quotes.",
    ),
    _Row(
        "duplicate anchor",
        "this anchor is set twice",
        "An alias could refer to either of them.",
        "Give one of them another name.",
    ),
    _Row(
        "another document",
        "a spec file can contain only one document",
        "`---` starts another document.",
        "Split the file in two (all files of a folder are read as one spec), or remove the line.",
    ),
    _Row(
        "undefined tag handle",
        "YAML tags aren't supported",
        "A spec is plain data: the type of a value is that of its field.",
        "Remove the tag; put the value in quotes if it must be text.",
    ),
    _Row(
        "incompatible YAML document",
        "unsupported YAML version",
        "A spec doesn't need a `%YAML` line.",
        "Remove the line.",
    ),
)


def explain(error: yaml.YAMLError, text: str, place_at: Callable[[int, int], Place]) -> Diagnostic:
    """The diagnostic for an error of the parser. `place_at` takes line and column, which count from 0."""
    if isinstance(error, yaml.reader.ReaderError):
        return _character(error, text, place_at)
    if not isinstance(error, yaml.MarkedYAMLError):
        return Diagnostic("invalid YAML", str(error), "", place_at(0, 0))
    if cause := _open_quote(error, text) or _no_colon(error, text):
        row, line, column = cause
        return Diagnostic(row.summary, row.detail, row.hint, place_at(line, column))
    place = _visible(place_at(*_mark(error)), place_at)
    says = f"{error.context or ''} {error.problem or ''}".strip()
    before, rest = place.text[: place.column - 1], place.text[place.column - 1 :]
    for row in _ROWS:
        if not re.match(rf"[^\n]*(?:{row.pattern})", f"{says}\n{rest}"):
            continue
        if row is _QUOTE and not before.endswith("$"):
            continue
        place = _whole_expression(place) if row is _QUOTE else place
        return Diagnostic(row.summary, row.detail, row.hint, place)
    return Diagnostic("invalid YAML", f"The parser says: {says}.", "", place)


def _open_quote(error: yaml.MarkedYAMLError, text: str) -> tuple[_Row, int, int] | None:
    """The opening quote of a text that ends right before the error, in a later line: at the opening quote of
    another text."""
    stop = error.problem_mark
    if stop is None:
        return None
    try:
        for token in yaml.scan(text, Loader=_LOADER):
            if not isinstance(token, yaml.ScalarToken) or token.plain or token.style not in ("'", '"'):
                continue
            start, end = token.start_mark, token.end_mark
            if start.line < end.line and (end.line, end.column) == (stop.line, stop.column):
                return _OPEN_QUOTE, start.line, start.column
    except yaml.YAMLError:
        return None  # it is the error itself
    return None


def _no_colon(error: yaml.MarkedYAMLError, text: str) -> tuple[_Row, int, int] | None:
    """The line without a colon that is read as one text with the line of the error."""
    stop = error.problem_mark
    if stop is None or "mapping values are not allowed" not in (error.problem or ""):
        return None
    lines = text.splitlines()
    above = [n for n in range(stop.line) if lines[n].strip() and not lines[n].lstrip().startswith("#")]
    if not above or _KEY.search(line := lines[above[-1]]):
        return None
    before = lines[above[-2]] if len(above) > 1 else ":"
    continues = _indent(line) > _indent(before) and not before.rstrip().endswith(":")
    if continues or line.lstrip()[:1] in ("-", "'", '"', "{", "["):
        return None
    joined = re.match(r"\s*[A-Za-z_][A-Za-z0-9_-]*:(?!//)", line)
    return (_NO_SPACE, above[-1], joined.end() - 1) if joined else (_NO_COLON, above[-1], _indent(line))


_KEY = re.compile(r":(?:\s|$)")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _visible(place: Place, place_at: Callable[[int, int], Place]) -> Place:
    """The place; if it is in an empty line, the end of the last line before it that isn't empty."""
    while not place.text.strip() and place.line > 1:
        place = place_at(place.line - 2, 10**6)
    return place


def _mark(error: yaml.MarkedYAMLError) -> tuple[int, int]:
    """The place of the error. For a missing end, the start helps more than the end of the file."""
    problem, start, stop = error.problem or "", error.context_mark, error.problem_mark
    is_open = start and stop and start.line < stop.line and "expected ','" in problem
    at_opening = is_open or "end of stream" in problem or "expected ':'" in problem
    mark = start if at_opening and start else stop
    return (mark.line, mark.column) if mark else (0, 0)


def _whole_expression(place: Place) -> Place:
    """The place of an expression, from its dollar sign on; `place` is that of its brace."""
    end = place.text.find("}", place.column)
    stop = end + 1 if end > 0 else len(place.text)
    return Place(place.file, place.line, place.column - 1, place.text, stop - place.column + 2)


def _character(
    error: yaml.reader.ReaderError, text: str, place_at: Callable[[int, int], Place]
) -> Diagnostic:
    code = error.character if isinstance(error.character, int) else ord(error.character[:1])
    before = text[: text.find(chr(code))]
    place = place_at(before.count("\n"), len(before) - before.rfind("\n") - 1)
    detail = f"YAML doesn't allow U+{code:04X}."
    hint = 'Remove it, or write it as an escape in double quotes, such as "\\x07".'
    return Diagnostic("a control character", detail, hint, place)

"""What a YAML parser says, in words that help: one row for each thing that goes wrong in practice."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import yaml

from ftops.core.errors import Diagnostic, Place


class _Row(NamedTuple):
    """A row fits where `says` occurs in the parser's words, and `sees` in the line, from the place on."""

    says: str
    sees: str
    summary: str
    detail: str
    hint: str


_QUOTE = _Row(
    "expected ',' or",
    r"\{",
    "an expression has to be quoted here",
    "Inside `{…}` and `[…]`, YAML reads the brace of `${` as the start of a mapping.",
    'Put quotes around the value: "${…}".',
)

_ROWS = (
    _QUOTE,
    _Row(
        "expected ',' or",
        "",
        "a `{` or `[` is not closed, or a comma is missing",
        "The entries of `{…}` and `[…]` are divided by commas, up to the closing bracket.",
        "Close the bracket or add the comma; text with brackets or commas in it needs quotes.",
    ),
    _Row(
        "node content",
        "",
        "a value is missing here",
        "The entries of `{…}` and `[…]` are divided by commas, up to the closing bracket.",
        "Close every `{` and `[` once, and put text that begins with a bracket in quotes.",
    ),
    _Row(
        "cannot start any token",
        r"\t",
        "a tab can't indent",
        "YAML counts spaces; how wide a tab is, nobody knows.",
        "Indent with spaces, two for each level.",
    ),
    _Row(
        "tab character that violates indentation",
        "",
        "a tab can't indent",
        "YAML counts spaces; how wide a tab is, nobody knows.",
        "Indent with spaces, two for each level.",
    ),
    _Row(
        "cannot start any token",
        "",
        "a value can't begin with this character",
        "`@`, `` ` `` and `%` are reserved in YAML.",
        "Put the value in quotes.",
    ),
    _Row(
        "mapping values are not allowed",
        "",
        "there is a second `: ` in this line, or the indentation is off",
        "A colon followed by a space ends a key, and one line takes one key.",
        "Put text that holds `: ` in quotes, or check the indentation of this line and the one above.",
    ),
    _Row(
        "block sequence entries are not allowed",
        "",
        "a list can't begin here",
        "The `- ` of a list stands at the start of a line.",
        "Put the list on the next lines, or write it as `[a, b]`.",
    ),
    _Row(
        "did not find expected key",
        "",
        "the indentation fits no line above",
        "Keys of one mapping stand in the same column.",
        "Indent the line as its neighbours; text that begins with a quote must end with it.",
    ),
    _Row(
        "expected <block end>",
        "",
        "the indentation fits no line above",
        "Keys of one mapping stand in the same column.",
        "Indent the line as its neighbours; text that begins with a quote must end with it.",
    ),
    _Row(
        "did not find expected '-' indicator",
        "",
        "the indentation fits no line above",
        "Entries of one list stand in the same column, each with its own `- `.",
        "Indent the line as its neighbours.",
    ),
    _Row(
        "could not find expected ':'",
        "",
        "this line is neither a key nor a part of the value above",
        "A mapping has one `key: value` a line.",
        "Add the colon, or indent the line so that it continues the value above.",
    ),
    _Row(
        "unexpected end of stream",
        "",
        "a quote is not closed",
        "Everything after the opening quote was read as text, to the end of the file.",
        "Close the quote.",
    ),
    _Row(
        "unknown escape character",
        "",
        "this escape is not known",
        "In double quotes a backslash begins an escape such as `\\n`.",
        "Write the backslash twice, or use single quotes.",
    ),
    _Row(
        "undefined alias",
        "",
        "this alias names no anchor",
        "`*name` repeats the value that was marked `&name` further up in the same file.",
        "Mark the value, or put text that begins with `*` in quotes.",
    ),
    _Row(
        "duplicate anchor",
        "",
        "this anchor is set twice",
        "An alias could mean either of them.",
        "Give one of them another name.",
    ),
    _Row(
        "another document",
        "",
        "a spec file holds one document",
        "`---` begins another one, and nothing says how the two would belong together.",
        "Split the file in two (all files of a folder are read as one spec), or remove the line.",
    ),
    _Row(
        "undefined tag handle",
        "",
        "YAML tags have no meaning here",
        "A spec is plain data: the type of a value follows from the field it stands in.",
        "Remove the tag; put the value in quotes if it has to be text.",
    ),
    _Row(
        "incompatible YAML document",
        "",
        "this version of YAML is not known",
        "A spec needs no `%YAML` line.",
        "Remove the line.",
    ),
)


def explain(error: yaml.YAMLError, text: str, place_at: Callable[[int, int], Place]) -> Diagnostic:
    """The finding that stands for what the parser refused. `place_at` takes line and column from 0."""
    if isinstance(error, yaml.reader.ReaderError):
        return _character(error, text, place_at)
    if not isinstance(error, yaml.MarkedYAMLError):
        return Diagnostic("this is not YAML", str(error), "", place_at(0, 0))
    place = _visible(place_at(*_mark(error)), place_at)
    says = f"{error.context or ''} {error.problem or ''}".strip()
    rest = place.text[place.column - 1 :]
    for row in _ROWS:
        if row.says in says and re.match(row.sees, rest) and (row is not _QUOTE or _is_expression(place)):
            place = _whole_expression(place) if row is _QUOTE else place
            return Diagnostic(row.summary, row.detail, row.hint, place)
    return Diagnostic("this is not YAML", f"The parser says: {says}.", "", place)


def _visible(place: Place, place_at: Callable[[int, int], Place]) -> Place:
    """The end of the last line that holds something, where the place is an empty line after it."""
    while not place.text.strip() and place.line > 1:
        place = place_at(place.line - 2, 10**6)
    return place


def _mark(error: yaml.MarkedYAMLError) -> tuple[int, int]:
    """The parser names the end of the file for what is open; the place where it was opened helps more."""
    problem, start, stop = error.problem or "", error.context_mark, error.problem_mark
    is_open = start and stop and start.line < stop.line and "expected ','" in problem
    at_opening = is_open or "end of stream" in problem or "expected ':'" in problem
    mark = start if at_opening and start else stop
    return (mark.line, mark.column) if mark else (0, 0)


def _is_expression(place: Place) -> bool:
    return place.text[: place.column - 1].endswith("$")


def _whole_expression(place: Place) -> Place:
    """From the dollar sign on, where the parser named the brace."""
    end = place.text.find("}", place.column)
    stop = end + 1 if end > 0 else len(place.text)
    return Place(place.file, place.line, place.column - 1, place.text, stop - place.column + 2)


def _character(
    error: yaml.reader.ReaderError, text: str, place_at: Callable[[int, int], Place]
) -> Diagnostic:
    code = error.character if isinstance(error.character, int) else ord(error.character[:1])
    before = text[: text.find(chr(code))]
    place = place_at(before.count("\n"), len(before) - before.rfind("\n") - 1)
    detail = f"YAML holds no U+{code:04X}."
    hint = 'Remove it, or write it as an escape in double quotes, such as "\\x07".'
    return Diagnostic("a control character", detail, hint, place)

"""YAML syntax errors as diagnostics: one row for each common mistake."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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

_DEEPER = _Row(
    "",
    "this line is indented deeper than the one above, which has a value already",
    "Keys of one mapping start in the same column; deeper lines belong to a `key:` without a value.",
    "Indent both alike. Text that contains `: ` needs quotes.",
)
_SHALLOWER = _Row(
    "",
    "this line is indented less than the line below it",
    "Keys of one mapping start in the same column, and this one has a value already.",
    "Indent both alike.",
)
_UNMATCHED = _Row(
    "did not find expected key|expected <block end>",
    "the indentation doesn't match any line above",
    "Keys of a mapping start in the same column.",
    "Indent the line like its neighbours.",
)
_AFTER_QUOTE = _Row(
    "",
    "there is text after the closing quote",
    "A value that begins with a quote ends with it.",
    "Put the whole value in quotes, or none of it.",
)
_EXTRA_BRACKET = _Row(
    "",
    "a closing bracket too many",
    "Every `{` and `[` is closed once.",
    "Remove the bracket, or put text that contains brackets in quotes.",
)
_CONFLICT = _Row(
    r"<{7}|={7}|>{7}",
    "a conflict of a merge isn't resolved",
    "`<<<<<<<`, `=======` and `>>>>>>>` mark two versions of the same lines.",
    "Keep one of the versions, and remove the marks.",
)
_NO_COMMA = _Row(
    "",
    "a comma is missing",
    "The entries of `{…}` and `[…]` are separated by commas.",
    "Add the comma before this entry.",
)
_UNCLOSED = _Row(
    "",
    "a bracket is not closed",
    "Every `{` and `[` is closed by its own `}` or `]`, the inner ones first.",
    "Close it; text that contains brackets or commas needs quotes.",
)
_TWO_COLONS = _Row(
    "",
    "there is a second `: ` in this line",
    "A colon followed by a space ends a key, and a line can have only one key.",
    "Put text that contains `: ` in quotes.",
)
_OPERATOR = _Row(
    "",
    "operators are not part of the language",
    "A spec is plain data: an expression names a value, and nothing in it is executed.",
    "Compute the value beforehand and pass it with `--var`.",
)
_LIST_OF_NAMES = _Row(
    "",
    "a list can't have entries that are named",
    "This line starts a list, and the names below it are keys of a mapping.",
    "Remove the `- `: sections name their entries by keys.",
)
_BLOCK_TEXT = _Row(
    "",
    "the text of `|` or `>` isn't indented",
    "It is what is indented deeper than its key.",
    "Indent this line deeper than the key above.",
)
_OF_LINES = (
    _CONFLICT,
    _Row(
        r"//|/\*|--\s",
        "this isn't a comment",
        "Comments of YAML start with `#`.",
        "Write `# …`.",
    ),
    _Row(
        r"!\w",
        "YAML tags aren't supported",
        "A spec is plain data, and includes nothing.",
        "Remove the line; all files of a folder are read as one spec.",
    ),
    _Row(
        r"\{%|\{#",
        "templates aren't part of the language",
        "A spec is plain data, and nothing in it is executed.",
        "Remove the line; `${var.NAME}`, `enabled` and `for_each` vary a spec.",
    ),
    _Row(
        r"```|~~~",
        "this line is a fence of Markdown",
        "A spec is YAML alone.",
        "Remove this line and the one that closes the fence.",
    ),
    _Row(
        r"[\w.-]+\s*:?=>?\s*\S|\w+ (\"[^\"]*\" ?){1,2}\{$",
        "a key is followed by `=`, not by a colon",
        "YAML has `key: value`; `key = value` is text.",
        "Write a colon and a space after the key.",
    ),
    _Row(
        r"[\w.-]+\uff1a",
        "the colon is a full-width one",
        "`\uff1a` is another character than `:`.",
        "Write `key: value`.",
    ),
    _Row(
        r"[\w.-]+:[\u00a0\u2007\u202f]|[\u00a0\u2007\u202f]",
        "there is a no-break space",
        "It looks like a space, but YAML reads it as text.",
        "Replace it by a space.",
    ),
)
"""What a line that YAML can't read begins with."""

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
    _UNMATCHED,
    _Row(
        "did not find expected '-' indicator",
        "the indentation doesn't match any line above",
        "Entries of a list start in the same column, each with its own `- `.",
        "Indent the line like its neighbours.",
    ),
    _Row(
        r"could not find expected ':'[^\n]*\n\s*[\w.-]+:(?!//)\S",
        _NO_SPACE.summary,
        _NO_SPACE.detail,
        _NO_SPACE.hint,
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
        r"expected (?:a )?comment or (?:a )?line break",
        "text can't follow `|` or `>` in the same line",
        "They announce text on the lines below, which are indented deeper.",
        "Remove the `|` or `>`, put the value in quotes, or move the text to the next line.",
    ),
    _Row(
        "mapping keys are not allowed",
        "a value can't start with `? `",
        "`? ` announces a key.",
        "Put the value in quotes.",
    ),
    _Row(
        "alphabetic or numeric character",
        "`*` and `&` are followed by a name",
        "`&name` marks a value, and `*name` repeats it.",
        "Put text that starts with `*` or `&` in quotes.",
    ),
    _Row(
        "expected '?<document start>",
        "there is something after the end of the document",
        "`...`, or a value that is complete, ends it; a spec file contains one mapping.",
        "Remove what ends it, or write `section:` above the lines that are indented below it.",
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
    for cause in _CAUSES:
        if found := cause(error, text):
            row, line, column = found
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
        hint = row.hint
        if row is _UNMATCHED and re.search("['\"]", place.text):
            hint = f"{hint.rstrip('.')}; text that starts with a quote must end with it."
        return Diagnostic(row.summary, row.detail, hint, place)
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
    lines = text.splitlines()
    if stop is not None and "could not find expected ':'" in f"{error.context} {error.problem}":
        return _no_colon_here(lines, error)
    if stop is None or "mapping values are not allowed" not in (error.problem or ""):
        return None
    above = _lines_above(lines, stop.line)
    if not above or _KEY.search(line := lines[above[-1]]):
        return None
    before = lines[above[-2]] if len(above) > 1 else ":"
    continues = _indent(line) > _indent(before) and not before.rstrip().endswith(":")
    if continues or line.lstrip()[:1] in ("-", "'", '"', "{", "["):
        return None
    joined = re.match(r"\s*[A-Za-z_][A-Za-z0-9_-]*:(?!//)", line)
    return (_NO_SPACE, above[-1], joined.end() - 1) if joined else (_NO_COLON, above[-1], _indent(line))


def _no_colon_here(lines: Sequence[str], error: yaml.MarkedYAMLError) -> tuple[_Row, int, int] | None:
    """The line of the error, if it is a key without a colon, or text that isn't indented below `|`."""
    start = error.context_mark or error.problem_mark
    line = lines[start.line] if start and start.line < len(lines) else ""
    if start is not None and re.match(r"""\s*(["'])(?!.*\1)""", line):
        return _OPEN_QUOTE, start.line, _indent(line)
    if start is None or not re.match(r"\s*[A-Za-z_][\w-]*(\s+[\w./-]+)?\s*$", line):
        return None
    above = _lines_above(lines, start.line)
    is_text = bool(above) and re.search(r":\s+[|>][-+0-9]*$", lines[above[-1]].rstrip())
    return _BLOCK_TEXT if is_text else _NO_COLON, start.line, _indent(line)


_KEY = re.compile(r":(?:\s|$)")


def _lines_above(lines: Sequence[str], line: int) -> list[int]:
    """The numbers of the lines above that aren't empty and no comments."""
    return [n for n in range(line) if lines[n].strip() and not lines[n].lstrip().startswith("#")]


def _of_line(error: yaml.MarkedYAMLError, text: str) -> tuple[_Row, int, int] | None:
    """The first line up to the error that isn't YAML: a mark of a merge, a comment of another language."""
    stop = error.problem_mark
    if stop is None:
        return None
    lines = text.splitlines()
    start = min(error.context_mark.line if error.context_mark else stop.line, stop.line)
    for number in (*range(start, min(stop.line + 1, len(lines))), *_lines_above(lines, start)[-1:]):
        line = lines[number].strip(" ")
        found = next((row for row in _OF_LINES if re.match(row.pattern, line)), None)
        if found:
            return found, number, _indent(lines[number])
    return None


def _shallower(error: yaml.MarkedYAMLError, text: str) -> tuple[_Row, int, int] | None:
    """The line above that of the error, if it has a value and is indented less than its neighbours: than the
    line below it and, unless that is an empty key of its own column, the one above."""
    stop, lines = error.problem_mark, text.splitlines()
    above = _lines_above(lines, stop.line) if stop else []
    if (
        stop is None
        or stop.line >= len(lines)
        or len(above) < 2
        or not re.search(_NOT_HERE, f"{error.problem}")
    ):
        return None
    first, line, below = lines[above[-2]], lines[above[-1]], lines[stop.line]
    if not (_HAS_VALUE.match(line) and _HAS_KEY.match(below) and _indent(line) < _indent(below)):
        return None
    is_like_below = _indent(first) == _indent(below)
    is_empty_key = _indent(first) == _indent(line) and first.partition(" #")[0].rstrip().endswith(":")
    return (_SHALLOWER, above[-1], _indent(line)) if is_like_below or is_empty_key else None


_NOT_HERE = "mapping values are not allowed|expected key|expected <block end>"
_HAS_VALUE = re.compile(r"\s*[\w.-]+:\s+[^\s#|>]")
_HAS_KEY = re.compile(r"\s*[\w.-]+:(?:\s|$)")


def _deeper(error: yaml.MarkedYAMLError, text: str) -> tuple[_Row, int, int] | None:
    """The line of the error, if it continues the plain value of a shallower line above."""
    stop = error.problem_mark
    if stop is None or "mapping values are not allowed" not in (error.problem or ""):
        return None
    lines = text.splitlines()
    above = _lines_above(lines, stop.line)
    before = lines[above[-1]] if above else ""
    has_value = _HAS_VALUE.match(before)
    first = _KEY.search(lines[stop.line]) if stop.line < len(lines) else None
    is_first = first is not None and first.start() == stop.column
    return (_DEEPER, stop.line, _indent(lines[stop.line])) if has_value and is_first else None


def _after_value(error: yaml.MarkedYAMLError, text: str) -> tuple[_Row, int, int] | None:
    """What follows a closing quote, or a closing bracket that nothing opened."""
    stop, problem = error.problem_mark, error.problem or ""
    lines = text.splitlines()
    if stop is None or stop.line >= len(lines) or not re.search("expected (',' or|key|<block end>)", problem):
        return None
    line = lines[stop.line]
    before, rest = line[: stop.column].rstrip(), line[stop.column :]
    opened = error.context_mark
    if opened and "flow" in (error.context or ""):
        bracket = lines[opened.line][opened.column : opened.column + 1]
        if rest[:1] in ("]", "}") and bracket in _CLOSED_BY and rest[0] != _CLOSED_BY[bracket]:
            is_open = line.count(bracket) > line.count(_CLOSED_BY[bracket])
            own = {"]": "[", "}": "{"}[rest[0]]
            if not is_open and line.count(rest[0]) > line.count(own):
                return _EXTRA_BRACKET, stop.line, stop.column
            return _UNCLOSED, opened.line, opened.column
        is_below = stop.line > opened.line and _indent(line) <= _indent(lines[opened.line])
        if is_below and "expected ','" in problem:
            return _UNCLOSED, opened.line, opened.column
    if "expected ','" in problem and rest[:1] == ":" and (key := re.search(r"[\w.-]+\s*$", before)):
        return _NO_COMMA, stop.line, key.start()
    if "expected ','" in problem and re.match(r"""["']?[\w.-]+["']?\s*:""", rest):
        return _NO_COMMA, stop.line, stop.column
    if rest[:1] == "]" or (rest[:1] == "}" and "expected ','" not in problem):
        return _EXTRA_BRACKET, stop.line, stop.column
    if before[-1:] in ("'", '"') and before.count(before[-1]) > 1 and rest.strip():
        return _AFTER_QUOTE, stop.line, stop.column
    return None


_CLOSED_BY = {"[": "]", "{": "}"}


def _two_colons(error: yaml.MarkedYAMLError, text: str) -> tuple[_Row, int, int] | None:
    """The second colon of a line that begins with a key and its value."""
    stop, lines = error.problem_mark, text.splitlines()
    if stop is None or stop.line >= len(lines) or "mapping values are not allowed" not in f"{error.problem}":
        return None
    before = lines[stop.line][: stop.column]
    if (start := before.rfind("${")) >= 0 and "}" not in before[start:]:
        return _OPERATOR, stop.line, start
    return (_TWO_COLONS, stop.line, stop.column) if _HAS_VALUE.match(before) else None


def _list_of_names(error: yaml.MarkedYAMLError, text: str) -> tuple[_Row, int, int] | None:
    """The `- ` before a name with keys below it, whose neighbours are names without it."""
    start, stop, lines = error.context_mark, error.problem_mark, text.splitlines()
    if start is None or stop is None or not re.search(_NO_ENTRY, f"{error.context} {error.problem}"):
        return None
    above = _lines_above(lines, start.line)
    parent = next((lines[n] for n in reversed(above) if _indent(lines[n]) < start.column), "")
    if parent.strip().rstrip(":") in _LISTS:
        return None
    is_entry = re.match(r"\s*- [\w.-]+:(\s|$)", lines[start.line])
    is_beside = re.match(r"[\w.-]+:(\s|$)", lines[stop.line][stop.column :])
    return (_LIST_OF_NAMES, start.line, start.column) if is_entry and is_beside else None


_LISTS = ("policy", "overrides", "moved", "import", "removed", "transform", "integrations", "gate", "input")
"""Keys of a spec whose values are lists of mappings."""
_NO_ENTRY = "block collection .*(expected '-' indicator|expected <block end>)"


_CAUSES = (_open_quote, _of_line, _no_colon, _shallower, _deeper, _after_value, _two_colons, _list_of_names)
"""Each finds one kind of mistake, and where it is, which is often above the place that the parser names."""


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

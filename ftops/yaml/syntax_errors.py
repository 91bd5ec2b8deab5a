"""YAML syntax errors as diagnostics: which common mistake is the cause, and where."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import yaml

from ftops.core.errors import Diagnostic, Place
from ftops.core.suggestions import CURLY_QUOTES
from ftops.yaml.mistakes import (
    AFTER_QUOTE,
    BLOCK_TEXT,
    CURLY_QUOTE,
    DEEPER,
    EXTRA_BRACKET,
    LIST_OF_NAMES,
    NO_COLON,
    NO_COMMA,
    NO_SPACE,
    OF_LINES,
    OF_MESSAGES,
    OPEN_QUOTE,
    OPERATOR,
    QUOTE,
    SHALLOWER,
    TWO_COLONS,
    TWO_COLONS_INSIDE,
    UNCLOSED,
    UNMATCHED,
    Mistake,
)

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


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
    for row in OF_MESSAGES:
        if not re.match(rf"[^\n]*(?:{row.pattern})", f"{says}\n{rest}"):
            continue
        if row is QUOTE and not before.endswith("$"):
            continue
        place = _whole_expression(place) if row is QUOTE else place
        hint = row.hint
        if row is UNMATCHED and re.search("['\"]", place.text):
            hint = f"{hint.rstrip('.')}; text that starts with a quote must end with it."
        return Diagnostic(row.summary, row.detail, hint, place)
    return Diagnostic("invalid YAML", f"The parser says: {says}.", "", place)


def _open_quote(error: yaml.MarkedYAMLError, text: str) -> tuple[Mistake, int, int] | None:
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
                return OPEN_QUOTE, start.line, start.column
    except yaml.YAMLError:
        return None  # it is the error itself
    return None


def _no_colon(error: yaml.MarkedYAMLError, text: str) -> tuple[Mistake, int, int] | None:
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
    return (NO_SPACE, above[-1], joined.end() - 1) if joined else (NO_COLON, above[-1], _indent(line))


def _no_colon_here(lines: Sequence[str], error: yaml.MarkedYAMLError) -> tuple[Mistake, int, int] | None:
    """The line of the error, if it is a key without a colon, or text that isn't indented below `|`."""
    start = error.context_mark or error.problem_mark
    line = lines[start.line] if start and start.line < len(lines) else ""
    if start is not None and re.match(r"""\s*(["'])(?!.*\1)""", line):
        return OPEN_QUOTE, start.line, _indent(line)
    if start is None or not re.match(r"\s*[A-Za-z_][\w-]*(\s+[\w./-]+)?\s*$", line):
        return None
    above = _lines_above(lines, start.line)
    is_text = bool(above) and re.search(r":\s+[|>][-+0-9]*$", lines[above[-1]].rstrip())
    return BLOCK_TEXT if is_text else NO_COLON, start.line, _indent(line)


_KEY = re.compile(r":(?:\s|$)")


def _lines_above(lines: Sequence[str], line: int) -> list[int]:
    """The numbers of the lines above that aren't empty and no comments."""
    return [n for n in range(line) if lines[n].strip() and not lines[n].lstrip().startswith("#")]


def _of_line(error: yaml.MarkedYAMLError, text: str) -> tuple[Mistake, int, int] | None:
    """The first line up to the error that isn't YAML: a mark of a merge, a comment of another language."""
    stop = error.problem_mark
    if stop is None:
        return None
    lines = text.splitlines()
    start = min(error.context_mark.line if error.context_mark else stop.line, stop.line)
    for number in (*range(start, min(stop.line + 1, len(lines))), *_lines_above(lines, start)[-1:]):
        line = lines[number].strip(" ")
        found = next((row for row in OF_LINES if re.match(row.pattern, line)), None)
        if found:
            return found, number, _indent(lines[number])
    return None


def _curly_quote(error: yaml.MarkedYAMLError, text: str) -> tuple[Mistake, int, int] | None:
    """The curly quote that begins the value with the error."""
    stop, lines = error.problem_mark, text.splitlines()
    if stop is None or stop.line >= len(lines) or not re.search(_NOT_IN_TEXT, f"{error.problem}"):
        return None
    found = re.search(
        rf"(?:^|[:,{{\[-])\s*([{CURLY_QUOTES}])[^{CURLY_QUOTES}]*$", lines[stop.line][: stop.column]
    )
    return (CURLY_QUOTE, stop.line, found.start(1)) if found else None


_NOT_IN_TEXT = "mapping values are not allowed|expected ','"


def _shallower(error: yaml.MarkedYAMLError, text: str) -> tuple[Mistake, int, int] | None:
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
    return (SHALLOWER, above[-1], _indent(line)) if is_like_below or is_empty_key else None


_NOT_HERE = "mapping values are not allowed|expected key|expected <block end>"
_HAS_VALUE = re.compile(r"\s*[\w.-]+:\s+[^\s#|>]")
_HAS_KEY = re.compile(r"\s*[\w.-]+:(?:\s|$)")


def _deeper(error: yaml.MarkedYAMLError, text: str) -> tuple[Mistake, int, int] | None:
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
    return (DEEPER, stop.line, _indent(lines[stop.line])) if has_value and is_first else None


def _after_value(error: yaml.MarkedYAMLError, text: str) -> tuple[Mistake, int, int] | None:
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
                return EXTRA_BRACKET, stop.line, stop.column
            return UNCLOSED, opened.line, opened.column
        is_below = stop.line > opened.line and _indent(line) <= _indent(lines[opened.line])
        if is_below and "expected ','" in problem:
            return UNCLOSED, opened.line, opened.column
    if "expected ','" in problem and rest[:1] == ":" and (key := re.search(r"[\w.-]+\s*$", before)):
        is_whole_value = re.search(r":\s+$", before[: key.start()])
        return (
            (TWO_COLONS_INSIDE, stop.line, stop.column)
            if is_whole_value
            else (NO_COMMA, stop.line, key.start())
        )
    if "expected ','" in problem and re.match(r"""["']?[\w.-]+["']?\s*:""", rest):
        return NO_COMMA, stop.line, stop.column
    if rest[:1] == "]" or (rest[:1] == "}" and "expected ','" not in problem):
        return EXTRA_BRACKET, stop.line, stop.column
    if before[-1:] in ("'", '"') and before.count(before[-1]) > 1 and rest.strip():
        return AFTER_QUOTE, stop.line, stop.column
    return None


_CLOSED_BY = {"[": "]", "{": "}"}


def _two_colons(error: yaml.MarkedYAMLError, text: str) -> tuple[Mistake, int, int] | None:
    """The second colon of a line that begins with a key and its value."""
    stop, lines = error.problem_mark, text.splitlines()
    if stop is None or stop.line >= len(lines) or "mapping values are not allowed" not in f"{error.problem}":
        return None
    before = lines[stop.line][: stop.column]
    if (start := before.rfind("${")) >= 0 and "}" not in before[start:]:
        return OPERATOR, stop.line, start
    return (TWO_COLONS, stop.line, stop.column) if _HAS_VALUE.match(before) else None


def _list_of_names(error: yaml.MarkedYAMLError, text: str) -> tuple[Mistake, int, int] | None:
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
    return (LIST_OF_NAMES, start.line, start.column) if is_entry and is_beside else None


_LISTS = ("policy", "overrides", "moved", "import", "removed", "transform", "integrations", "gate", "input")
"""Keys of a spec whose values are lists of mappings."""
_NO_ENTRY = "block collection .*(expected '-' indicator|expected <block end>)"


_CAUSES = (
    _open_quote,
    _of_line,
    _curly_quote,
    _no_colon,
    _shallower,
    _deeper,
    _after_value,
    _two_colons,
    _list_of_names,
)
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

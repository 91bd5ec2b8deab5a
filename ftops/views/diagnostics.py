"""Diagnostics as text: the problem, the place (with the line and a caret), the reason and a fix."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from unicodedata import east_asian_width

from msgspec.structs import asdict

from ftops.core.address import Json
from ftops.core.errors import Diagnostic, Place
from ftops.core.plurals import plural
from ftops.views.paint import Painter

WIDTH = 100
"""Explanations are wrapped to this width, less in a narrower terminal, and longer source lines cut."""
_INDENT, _NARROWEST = 2, 30
_WORD = re.compile(r"(?:`[^`]*`|[^\s`])+|`")
"""Lines are wrapped between words; text in backticks counts as one."""
_FIELDS = ("severity", "summary", "detail", "hint")
_LEAD = 60
"""A dataset's line that is cut on the left has its column at this index (ftops.dataset)."""


def draw(diagnostics: Iterable[Diagnostic], paint: Painter, columns: int = WIDTH + _INDENT) -> str:
    """All of them, separated by blank lines, for a terminal with so many columns."""
    width = max(_NARROWEST, min(WIDTH, columns - _INDENT))
    return "\n".join("\n".join(_lines(d, paint, width)) + "\n" for d in diagnostics)


def count(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`; empty for a single diagnostic."""
    if len(diagnostics) < 2:
        return ""
    counts = Counter(d.severity for d in diagnostics)
    return ", ".join(plural(counts[s], s) for s in ("error", "warning", "note") if counts[s])


def to_json(diagnostic: Diagnostic) -> dict[str, Json]:
    """As docs/json-output.md describes it."""
    fields: dict[str, Json] = {key: getattr(diagnostic, key) for key in _FIELDS}
    fields |= {key: value for key in ("rule", "path") if (value := getattr(diagnostic, key))}
    if diagnostic.place is not None:
        fields["place"] = asdict(diagnostic.place)
    return fields


def _lines(diagnostic: Diagnostic, paint: Painter, width: int) -> Iterable[str]:
    severity = diagnostic.severity
    head = f"{severity}[{diagnostic.rule}]" if diagnostic.rule else severity
    yield f"{paint(head, severity)}{paint(': ' + diagnostic.summary, 'bold')}"
    place = diagnostic.place
    gutter = ""
    if place is not None:
        gutter = " " * (len(str(place.line)) if place.text else 1)
        yield f"{gutter}{paint('-->', 'dim')} {paint(str(place))}"
        if place.text:
            yield from _excerpt(place, gutter, severity, paint)
    bar = paint("|", "dim")
    if place is not None and place.text and (diagnostic.detail or diagnostic.hint):
        yield f"{gutter} {bar}"
    for line in _wrapped(_sentence(diagnostic.detail), width):
        yield f"  {paint(line)}"
    if diagnostic.hint:
        first, *rest = _wrapped(_sentence(diagnostic.hint), width - 6)
        yield f"  {paint('hint:', 'hint')} {paint(first)}"
        yield from (f"        {paint(line)}" for line in rest)


def _sentence(text: str) -> str:
    """With an initial capital, unless it starts with a name."""
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.isalpha() and first.islower() else text


def _excerpt(place: Place, gutter: str, severity: str, paint: Painter) -> Iterable[str]:
    text, index = _window(place)
    bar = paint("|", "dim")
    width = max(1, min(place.width, len(text) - index))
    carets = "^" * max(1, _columns(text[index : index + width]))
    yield f"{gutter} {bar}"
    yield f"{paint(str(place.line), 'dim')} {bar} {paint(text)}"
    yield f"{gutter} {bar} {' ' * _columns(text[:index])}{paint(carets, severity)}"


def _window(place: Place) -> tuple[str, int]:
    """The part of the line that is shown, and where in it the column is."""
    text = "".join(c if c.isprintable() else " " for c in place.text)
    index = place.column - 1
    if text.startswith("…") and index >= _LEAD:
        index = _LEAD
    index = min(index, len(text))
    start = max(0, index - _LEAD) if len(text) > WIDTH else 0
    shown = text[start : start + WIDTH]
    if start:
        shown = f"…{shown[1:]}"
    if start + WIDTH < len(text):
        shown = f"{shown[:-1]}…"
    return shown, index - start


def _columns(text: str) -> int:
    """Columns on a terminal: wide East Asian characters take two."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width`; line ends and indents of the text are kept. Text in backticks is there to be
    copied: it is never broken, even if it is longer."""
    lines: list[str] = []
    for line in text.splitlines():
        if len(line) <= width:
            lines.append(line.rstrip())
            continue
        indent = line[: len(line) - len(line.lstrip())]
        filled = ""
        for word in _WORD.findall(line):
            if filled and len(filled) + 1 + len(word) > width:
                lines.append(filled)
                filled = ""
            filled = f"{filled} {word}" if filled else indent + word
        lines.append(filled)
    return lines

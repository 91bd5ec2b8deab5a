"""Diagnostics as text: the problem, the place (with the line and a caret), the reason and a fix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec.structs import asdict

from ftops.core.address import Json
from ftops.core.errors import Diagnostic, Place
from ftops.core.plurals import plural
from ftops.views.folding import columns_of, wrapped
from ftops.views.paint import Painter

WIDTH = 100
"""Explanations are wrapped to this width, less in a narrower terminal, and longer source lines cut."""
_INDENT, _NARROWEST = 2, 30
_FIELDS = ("severity", "summary", "detail", "hint")
_LEAD = 60
"""A dataset's line that is cut on the left has its column at this index (ftops.dataset)."""


def draw(diagnostics: Iterable[Diagnostic], paint: Painter, columns: int | None = None) -> str:
    """All of them, separated by blank lines, for a terminal with so many columns."""
    width = WIDTH if columns is None else max(_NARROWEST, min(WIDTH, columns - _INDENT))
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
            yield from _excerpt(place, gutter, severity, paint, width)
    bar = paint("|", "dim")
    if place is not None and place.text and (diagnostic.detail or diagnostic.hint):
        yield f"{gutter} {bar}"
    for line in wrapped(_sentence(diagnostic.detail), width):
        yield f"  {paint(line)}"
    if diagnostic.hint:
        first, *rest = wrapped(_sentence(diagnostic.hint), width - 6)
        yield f"  {paint('hint:', 'hint')} {paint(first)}"
        yield from (f"        {paint(line)}" for line in rest)


def _sentence(text: str) -> str:
    """With an initial capital, unless it starts with a name."""
    first = text.partition(" ")[0]
    is_word = first.isalpha() and first.islower() and first != "ftops"
    return text[:1].upper() + text[1:] if is_word else text


def _excerpt(place: Place, gutter: str, severity: str, paint: Painter, columns: int) -> Iterable[str]:
    text, index = _window(place, min(WIDTH, columns - len(gutter) - 1))
    bar = paint("|", "dim")
    width = max(1, min(place.width, len(text) - index))
    carets = "^" * max(1, columns_of(text[index : index + width]))
    yield f"{gutter} {bar}"
    yield f"{paint(str(place.line), 'dim')} {bar} {paint(text)}"
    yield f"{gutter} {bar} {' ' * columns_of(text[:index])}{paint(carets, severity)}"


def _window(place: Place, room: int) -> tuple[str, int]:
    """The part of the line that is shown, and where in it the column is."""
    text = "".join(c if c.isprintable() else " " for c in place.text)
    index = place.column - 1
    if text.startswith("…") and index >= _LEAD:
        index = _LEAD
    index = min(index, len(text))
    if columns_of(text) <= room:
        return text, index
    start = end = index
    while start and columns_of(text[start - 1 : index]) <= _LEAD * room // WIDTH:
        start -= 1
    while end < len(text) and columns_of(text[start : end + 1]) < room:
        end += 1
    shown = f"{text[start:end]}{'…' * (end < len(text))}"
    return f"…{shown[1:]}" if start else shown, index - start

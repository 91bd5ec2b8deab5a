"""Dataset diff as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from msgspec import to_builtins

from ftops.core.address import Json
from ftops.core.plurals import plural
from ftops.dataset import Where
from ftops.dataset.profile.diff import SHOWN, Compared, Difference, Shift, shifts
from ftops.dataset.profile.edits import Edit
from ftops.dataset.profile.example_digest import Row
from ftops.dataset.profile.profiler import Sums
from ftops.views.folding import columns_of
from ftops.views.paint import PLAIN, Painter, clean
from ftops.views.values import change_of

_INNER = " " * 6
_FIELDS = 3
"""Number of fields shown of an edited example."""
_COLUMNS, _LEAST, _NAME = 100, 24, 40
"""Columns where lines may have any length; the fewest of a text; the most of a field's name."""


def draw(compared: Compared, paint: Painter, indent: str = "", columns: int | None = None) -> Iterator[str]:
    """All differences, with a summary first. `columns` are those of the terminal."""
    room = (columns or _COLUMNS) - len(indent) - len(_INNER)
    return (line and f"{indent}{line}" for line in _lines(compared, paint, room))


def edited_words(compared: Compared, new: Row) -> str:
    """What differs in an edited example, as one line."""
    found = compared.edits.get(new.line, ())
    return "; ".join(_edit(edit, PLAIN, _COLUMNS) for edit in found[:_FIELDS]) or compared.new_excerpts.get(
        new.line, ""
    )


def _lines(compared: Compared, paint: Painter, room: int) -> Iterator[str]:
    found, old, new = compared.found, compared.old, compared.new
    yield paint(summary(found, bool(old.tokens and new.tokens)), "bold")
    after, before = compared.new_excerpts, compared.old_excerpts
    for symbol, title, style, rows, excerpts, where in (
        ("+", "added", "create", found.added, after, compared.where),
        ("-", "removed", "delete", found.removed, before, None),
    ):
        if rows:
            yield ""
            yield from (f"  {paint(symbol, style)} {_at(r, excerpts, paint, where)}" for r in rows[:SHOWN])
            yield from _more(len(rows), title, paint)
    yield from _edited(compared, paint, room)
    yield from _pairs("new duplicate", "", found.new_duplicates, after, paint)
    also = f" that {compared.other} has too"
    yield from _pairs("example", also, compared.overlaps, after, paint)
    part = f" of which {compared.other} has a beginning or a continuation"
    yield from _pairs("conversation", part, compared.grown, after, paint)
    yield from _shifts("Answers", shifts(old.labels, new.labels), paint)
    if set(old.calls) | set(new.calls) != set(old.labels) | set(new.labels):
        yield from _shifts("Function calls", shifts(old.calls, new.calls), paint)
    if old.tokens and new.tokens:
        before_mean, after_mean = _mean(old), _mean(new)
        if round(before_mean) != round(after_mean):
            yield ""
            yield f"  Length: {before_mean:,.0f} → {after_mean:,.0f} tokens per example"


def summary(found: Difference, counted: bool) -> str:
    """`312 added, 4 removed, 18 edited, 384 the same; +41,020 tokens`."""
    if found.is_empty:
        order = ", in another order" if found.reordered else ""
        return f"No differences: {plural(found.same, 'example')} the same{order}."
    parts = f"{len(found.added):,} added, {len(found.removed):,} removed, {len(found.edited):,} edited, "
    tokens = f"; {change_of(found.tokens, 'token')}" if counted else ""
    return f"{parts}{found.same:,} the same{tokens}"


def to_json(compared: Compared) -> dict[str, Json]:
    """As docs/json-output.md describes it."""
    found, after, before = compared.found, compared.new_excerpts, compared.old_excerpts
    return {
        "same": found.same,
        "added": [_row(r, after, compared.where) for r in found.added],
        "removed": [_row(r, before) for r in found.removed],
        "edited": [{"old": _row(a, before), "new": _row(b, after, compared.where)} for a, b in found.edited],
        "new_duplicates": [{"first": a.line, "line": b.line} for a, b in found.new_duplicates],
        "overlaps": [{"line": a.line, "other": b.line} for a, b in compared.overlaps],
        "grown": [{"line": a.line, "other": b.line} for a, b in compared.grown],
        "tokens": found.tokens if compared.old.tokens and compared.new.tokens else None,
        "labels": to_builtins(shifts(compared.old.labels, compared.new.labels, 1000)),
        "functions": to_builtins(shifts(compared.old.calls, compared.new.calls, 1000)),
    }


def _edited(compared: Compared, paint: Painter, room: int) -> Iterator[str]:
    pairs = compared.found.edited
    if not pairs:
        return
    yield ""
    is_old_known = True
    for old, new in pairs[:SHOWN]:
        found = compared.edits.get(new.line, ())
        tokens = new.tokens - old.tokens if old.tokens and new.tokens else 0
        change = paint(f"  {change_of(tokens, 'token')}", "dim") if tokens else ""
        place = compared.where
        at = _line(new, place, paint) if found else _at(new, compared.new_excerpts, paint, place)
        yield f"  {paint('~', 'update')} {at}{change}"
        if old.line not in compared.old_excerpts:
            is_old_known = False
            yield from (f"{_INNER}now {_said(edit.field, edit.new, paint, room)}" for edit in found)
            continue
        if old.line != new.line:
            yield f"{_INNER}{paint(f'was line {old.line}', 'dim')}"
        yield from (f"{_INNER}{_edit(edit, paint, room)}" for edit in found[:_FIELDS])
        if len(found) > _FIELDS:
            more = plural(len(found) - _FIELDS, "more field")
            yield f"{_INNER}{paint(f'and {more}', 'dim')}"
    yield from _more(len(pairs), "edited", paint)
    if not is_old_known:
        yield f"  {paint('The text before is unknown: that version is not in Git.', 'dim')}"


def _edit(edit: Edit, paint: Painter, room: int) -> str:
    """`assistant: "…at ten." → "…at eleven."`, both cut around what differs."""
    if edit.old is None or edit.new is None:
        sign, style = ("+", "create") if edit.old is None else ("-", "delete")
        text = edit.new if edit.old is None else edit.old
        return f"{paint(sign, style)} {_said(edit.field, text, paint, room - 2)}"
    name, old, new = clean(edit.field)[:_NAME], edit.old, edit.new
    width = max(_LEAST, room - len(name) - len(': "" →'))
    start, end = _same_ends(old, new)
    before, after = (_cut(text, start, len(text) - end, width) for text in (old, new))
    return f"{paint(name)}: {_quoted(before, paint)} {paint('→', 'update')} {_quoted(after, paint)}"


def _said(field: str, text: str | None, paint: Painter, room: int) -> str:
    name = clean(field)[:_NAME]
    shown = _cut(text or "", 0, 0, max(_LEAST, room - len(name) - len('now : ""')))
    return f"{paint(name)}: {_quoted(shown, paint)}"


def _same_ends(old: str, new: str) -> tuple[int, int]:
    """How much of both beginnings is the same, and how much of both ends."""
    start = _same_beginning(old, new)
    rest = min(len(old), len(new)) - start
    return start, min(rest, _same_beginning(old[::-1], new[::-1]))


def _same_beginning(old: str, new: str) -> int:
    different = (n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
    return next(different, min(len(old), len(new)))


def _cut(text: str, start: int, end: int, width: int) -> str:
    """At most so many columns of a text, with what is from `start` to `end` in the middle."""
    width = width * len(text) // max(1, columns_of(text))
    if len(text) <= width:
        return text
    lead = max(width // 4, (width - (end - start)) // 2)
    first = max(0, min(start - lead, len(text) - width))
    cut = text[first : first + width]
    cut = f"…{cut[1:]}" if first else cut
    return cut if first + width >= len(text) else f"{cut[:-1]}…"


def _quoted(text: str, paint: Painter) -> str:
    """Escaped as in JSON, and by the painter."""
    return paint(json.dumps(text, ensure_ascii=False))


def _pairs(
    word: str, rest: str, pairs: Sequence[tuple[Row, Row]], excerpts: Mapping[int, str], paint: Painter
) -> Iterator[str]:
    if pairs:
        yield ""
        yield f"  {paint('warning', 'warning')}: {plural(len(pairs), word)}{rest}"
        for first, second in pairs[:SHOWN]:
            excerpt = paint(excerpts.get(first.line, ""), "dim")
            yield f"    line {first.line} and {second.line}  {excerpt}".rstrip()
        yield from _more(len(pairs), "", paint)


def _shifts(title: str, found: Sequence[Shift], paint: Painter) -> Iterator[str]:
    if found:
        yield ""
        yield f"  {title}"
        width = max(len(paint(s.name)[:40]) for s in found)
        for shift in found:
            change = f"{shift.after - shift.before:+,}".replace("-", "−")
            name = paint(shift.name)[:40]
            yield f"    {name:{width}}  {shift.before:,} → {shift.after:,}  {paint(change, 'dim')}"


def _at(row: Row, excerpts: Mapping[int, str], paint: Painter, where: Where | None = None) -> str:
    excerpt = excerpts.get(row.line, "")
    if not excerpt:
        return f"line {row.line} of the previous version"
    return f"{_line(row, where, paint)}  {paint(excerpt)}"


def _line(row: Row, where: Where | None, paint: Painter) -> str:
    name, line = where(row.line) if where else ("", row.line)
    return f"line {line}{f' of {paint(name)}' if name else ''}"


def _more(count: int, title: str, paint: Painter) -> Iterator[str]:
    if count > SHOWN:
        yield f"    {paint(f'and {count - SHOWN:,} more {title}'.rstrip(), 'dim')}"


def _row(row: Row, excerpts: Mapping[int, str], where: Where | None = None) -> dict[str, Json]:
    found: dict[str, Json] = {
        "line": row.line,
        "tokens": row.tokens or None,
        "excerpt": excerpts.get(row.line, ""),
    }
    if where is None:
        return found
    name, line = where(row.line)
    return {**found, "file": name, "line": line}


def _mean(sums: Sums) -> float:
    return sums.tokens / sums.examples if sums.examples else 0.0

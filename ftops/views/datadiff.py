"""Dataset diff as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import to_builtins

from ftops.core.address import Json
from ftops.core.plurals import plural
from ftops.dataset import Where
from ftops.dataset.profile.diff import Compared, Difference, Shift, shifts
from ftops.dataset.profile.example_digest import Row
from ftops.dataset.profile.profiler import Sums
from ftops.views.paint import Painter
from ftops.views.values import change_of

SHOWN = 10
"""Number of examples listed in each section."""


def draw(compared: Compared, paint: Painter, indent: str = "") -> Iterator[str]:
    """All differences, with a summary first."""
    return (line and f"{indent}{line}" for line in _lines(compared, paint))


def _lines(compared: Compared, paint: Painter) -> Iterator[str]:
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
    yield from _edited(compared, paint)
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


def _edited(compared: Compared, paint: Painter) -> Iterator[str]:
    pairs = compared.found.edited
    if not pairs:
        return
    yield ""
    for old, new in pairs[:SHOWN]:
        tokens = new.tokens - old.tokens if old.tokens and new.tokens else 0
        change = paint(f"  {change_of(tokens, 'token')}", "dim") if tokens else ""
        at = _at(new, compared.new_excerpts, paint, compared.where)
        yield f"  {paint('~', 'update')} {at}{change}"
        was = compared.old_excerpts.get(old.line, "")
        if was and was != compared.new_excerpts.get(new.line):
            yield f"      {paint(f'was line {old.line}: {was}', 'dim')}"
    yield from _more(len(pairs), "edited", paint)


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
    name, line = where(row.line) if where else ("", row.line)
    return f"line {line}{f' of {paint(name)}' if name else ''}  {paint(excerpt)}"


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

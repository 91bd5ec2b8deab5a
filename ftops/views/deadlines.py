"""Deadlines as text, JSON, Markdown and iCalendar (RFC 5545)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from msgspec import Struct
from msgspec.structs import replace

from ftops.core.address import Json
from ftops.core.plurals import plural
from ftops.planning.deadlines import Deadline
from ftops.views.markdown_text import Source, cell, code, table
from ftops.views.paint import Painter, clean
from ftops.views.table import draw_table

SOON_DAYS = 60
_LINE = 75
"""Octets of a line of iCalendar; longer ones are folded."""


class Shown(Struct, frozen=True):
    """The deadlines of a spec, as seen on a day. `subject`: the spec, and its environment."""

    subject: str
    today: date
    found: Sequence[Deadline]
    warnings: Sequence[str] = ()

    @property
    def grouped(self) -> list[tuple[Deadline, int]]:
        """The same deadline of jobs of one `for_each` as one, without a key; and how many jobs have it."""
        groups: dict[Deadline, list[Deadline]] = {}
        for one in self.found:
            base = one.address and one.address._replace(key=None)
            groups.setdefault(replace(one, address=base), []).append(one)
        return [(every if len(found) > 1 else found[0], len(found)) for every, found in groups.items()]


def draw(shown: Shown, paint: Painter, columns: int | None = None) -> Iterator[str]:
    """One deadline a line, the next first."""
    yield from (paint(f"warning: {warning}", "warning") for warning in shown.warnings)
    if not shown.found:
        yield f"Nothing that {clean(shown.subject)} uses is known to end."
        return
    titles = ("DAY", "IN", "RESOURCE", "WHAT ENDS")
    found = shown.grouped
    rows = [(*_when(one, shown.today), _resource(one, count), one.what) for one, count in found]
    styles = {
        (row, column): _style(one.days_left(shown.today))
        for row, (one, _) in enumerate(found, 1)
        for column in range(len(titles))
    }
    drawn = draw_table((titles, *rows), paint, columns, styles=styles)
    yield from drawn[: -len(rows)]
    for (one, _), row in zip(found, drawn[-len(rows) :], strict=True):
        block = row.removesuffix("\n")
        yield block
        yield paint(f"    {one.then}{_told(one)}", "dim") + row[len(block) :]


def to_json(shown: Shown) -> dict[str, Json]:
    """The document of `radar -o json`."""
    return {
        "subject": shown.subject,
        "today": shown.today.isoformat(),
        "deadlines": [
            {
                "address": str(one.address) if one.address else None,
                "what": one.what,
                "then": one.then,
                "day": one.day.isoformat() if one.day else None,
                "days_left": one.days_left(shown.today),
                "when": one.when,
                "is_earliest": one.is_earliest,
                "told": one.told,
            }
            for one in shown.found
        ],
        "warnings": list(shown.warnings),
    }


def markdown(shown: Shown, source: Source) -> str:
    """For an issue: the verdict, then a table."""
    soon = sum(one.ends_within(SOON_DAYS, shown.today) for one, _ in shown.grouped)
    said = verdict(shown)
    rows = [
        (
            *_when(one, shown.today),
            cell(_resource(one, count)),
            cell(one.what),
            f"{cell(one.then)}{_cited(one)}",
        )
        for one, count in shown.grouped
    ]
    parts = [
        f"### {'⚠️' if soon else '✅'} {code(shown.subject)}: {said}\n",
        "".join(f"> {code(warning)}\n" for warning in shown.warnings),
        table(("day", "in", "resource", "what ends", "then"), rows) if rows else "",
        source.foot(f"as of {shown.today.isoformat()}"),
    ]
    return "\n".join(filter(None, parts))


def verdict(shown: Shown) -> str:
    """`2 ends within 60 days`."""
    soon = sum(one.ends_within(SOON_DAYS, shown.today) for one, _ in shown.grouped)
    return f"{plural(soon, 'end') if soon else 'nothing ends'} within {SOON_DAYS} days"


def calendar(shown: Shown) -> str:
    """An event for each deadline with a day. The same deadline has the same UID in every calendar."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//ftops//radar//EN"]
    for one, count in shown.grouped:
        if one.day is not None:
            lines += _event(shown, one, count, one.day)
    return "".join(f"{_folded(line)}\r\n" for line in [*lines, "END:VCALENDAR"])


def _event(shown: Shown, one: Deadline, count: int, day: date) -> Iterator[str]:
    name = "\n".join((shown.subject, str(one.address), one.what))
    title = f"{_resource(one, count)}: {one.what} {'may end' if one.is_earliest else 'will end'}"
    yield "BEGIN:VEVENT"
    yield f"UID:{hashlib.sha256(name.encode()).hexdigest()[:32]}@ftops"
    yield f"DTSTAMP:{shown.today:%Y%m%d}T000000Z"
    yield f"DTSTART;VALUE=DATE:{day:%Y%m%d}"
    yield f"DTEND;VALUE=DATE:{day + timedelta(1):%Y%m%d}"
    yield f"SUMMARY:{_escaped(title)}"
    yield f"DESCRIPTION:{_escaped(f'{shown.subject}: {one.then}{_told(one)}')}"
    yield "TRANSP:TRANSPARENT"
    yield "END:VEVENT"


def _escaped(text: str) -> str:
    """RFC 5545, section 3.3.11."""
    for char in "\\;,":
        text = text.replace(char, f"\\{char}")
    return clean(text.replace("\n", " "))


def _folded(line: str) -> str:
    """RFC 5545, section 3.1. No character is divided."""
    parts, used = [""], 0
    for char in line:
        width = len(char.encode())
        if used + width > _LINE:
            parts.append(" ")
            used = 1
        parts[-1] += char
        used += width
    return "\r\n".join(parts)


def _when(one: Deadline, today: date) -> tuple[str, str]:
    left = one.days_left(today)
    if one.day is None or left is None:
        return "-", one.when
    day = f"{one.day.isoformat()}{' or later' if one.is_earliest else ''}"
    return day, f"{plural(left, 'day')}" if left > 0 else "today" if left == 0 else "ended"


def _resource(one: Deadline, count: int) -> str:
    """`job.copilot`, or `job.sweep (4 jobs)`."""
    if one.address is None:
        return "ftops"
    return f"{one.address} ({plural(count, one.address.kind)})" if count > 1 else str(one.address)


def _style(left: int | None) -> str:
    return "" if left is None or left > SOON_DAYS else "warning" if left > 0 else "error"


def _told(one: Deadline) -> str:
    said = "; ".join(filter(None, (one.when if one.day else "", one.told)))
    return f" ({said})" if said else ""


def _cited(one: Deadline) -> str:
    return f" ({cell(one.told)})" if one.told else ""

"""Drift as Markdown, for an issue or a comment, with a length limit.

What was changed or deleted outside ftops is in a table; how, in a fold below it. Text from a service is in
code only.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ftops.core.drift_classes import DRIFT_CLASSES
from ftops.core.plurals import plural
from ftops.planning.plan import Drift, Plan
from ftops.views.markdown_text import Source, as_diff, cell, code, fitting, folded, size, table
from ftops.views.paint import PLAIN
from ftops.views.plan import drift_lines, subject

_SHOWN = 3
"""The number of attributes that a row of the table names."""
_NOTE = 300
"""Bytes reserved for the notes, the fold and its fence."""


def draw(plan: Plan, source: Source, limit: int | None = None) -> str:
    """The whole document, at most `limit` bytes of UTF-8, unless that is too few for any."""
    found = [drift for drift in plan.drift if not drift.is_expected]
    rest = len(plan.drift) - len(found)
    count = len({drift.address for drift in found})
    said = f"{plural(count, 'resource')} changed outside ftops" if found else "no drift"
    head = f"### {'⚠️' if found else '✅'} {code(subject(plan))}: {said}\n"
    expected = f"{plural(rest, 'difference')} expected or ignored" if rest else ""
    foot = source.foot(f"state serial {plan.serial}" if plan.lineage else "nothing recorded yet", expected)
    room = (sys.maxsize if limit is None else limit) - size(head) - size(foot) - _NOTE
    rows = [_row(drift) for drift in found]
    shown = rows[: len(fitting(map("  |  ".join, rows), room))]
    left = room - size(table(_COLUMNS, shown))
    changed = ["\n".join(as_diff(drift_lines(drift, PLAIN))) for drift in found if drift.attributes]
    details = fitting(changed, left)
    parts = [
        table(_COLUMNS, shown) if shown else "",
        folded("What has changed", "\n".join(details), "diff") if details else "",
        _left_out(len(rows) - len(shown), len(changed) - len(details)),
    ]
    return "\n".join([head, *filter(None, parts), foot])


_COLUMNS = ("resource", "drift", "the next apply")


def _row(drift: Drift) -> Sequence[str]:
    paths = [attribute.path for attribute in drift.attributes]
    more = len(paths) - _SHOWN
    names = ", ".join([*map(cell, paths[:_SHOWN]), *([f"{more} more"] if more > 0 else [])])
    says = DRIFT_CLASSES[drift.kind].says
    return cell(str(drift.address)), f"{says}: {names}" if names else says, _NEXT.get(drift.policy, "")


_NEXT = {
    "revert": "reverts it",
    "recreate": "creates it again",
    "fail": "is refused",
    "ignore": "leaves it",
}


def _left_out(rows: int, details: int) -> str:
    parts = [plural(rows, "resource")] * bool(rows)
    parts += [f"the changes of {plural(details, 'resource')}"] * bool(details)
    said = f"> **Left out for length:** {'; '.join(parts)}. `ftops drift` shows everything.\n"
    return said if parts else ""

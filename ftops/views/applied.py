"""A finished apply as Markdown, for a comment or a job summary, with a length limit.

The result comes first, then the steps that failed, were held or go on at the service. Text from a spec or a
service is in code only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from ftops.applying import events
from ftops.applying.run import Report
from ftops.config.outputs import OutputValue
from ftops.config.sweeps import Choice
from ftops.core.plurals import plural
from ftops.planning.plan import Action, Plan
from ftops.planning.saved.plan_digest import plan_digest
from ftops.views import diagnostics
from ftops.views.choices import TITLE, choice_lines
from ftops.views.markdown_text import Source, block, cell, code, fitting, size, table
from ftops.views.paint import PLAIN
from ftops.views.plan import has_changes, subject
from ftops.views.progress import blocker_of, draw_left, failures, result_line, stopped_text
from ftops.views.state import draw_outputs
from ftops.views.values import duration, short_id

_SIGN = {"done": "✅", "failed": "❌", "held": "⚠️", "in-progress": "⏳", "interrupted": "⚠️"}
_TITLE = {
    "done": "{0} complete",
    "failed": "{0} failed",
    "held": "{0} held by a gate",
    "in-progress": "{0} in progress",
    "interrupted": "{0} interrupted",
}
_NOTE = 200
"""Bytes reserved for the note about what was left out, and for headings."""
_COLUMNS = ("resource", "result", "after")
Last = (
    events.ChangeFailed
    | events.ChangeHeld
    | events.ChangeLeft
    | events.ChangeSkipped
    | events.ChangeStopped
    | events.ChangeFinished
    | events.ChangeStarted
)
"""The last event of a step. The most important are the first."""
_RANK = {kind: rank for rank, kind in enumerate(Last.__args__)}


class Applied(Struct, frozen=True):
    """A run and its end. `last` has the last event of each step; `report` is None if the run was cut off."""

    title: str
    plan: Plan
    last: Sequence[Last]
    finished: events.RunFinished | None = None
    report: Report | None = None
    outputs: Mapping[str, OutputValue] = {}
    choices: Sequence[Choice] = ()
    """The best jobs that were chosen."""
    left: Mapping[str, str] = {}
    """What goes on at the service, with remote ids."""
    resume: str = ""
    """The command that continues."""


def draw(applied: Applied, source: Source, limit: int | None = None) -> str:
    """The whole document, at most `limit` bytes of UTF-8, unless that is too few for any."""
    plan, report = applied.plan, applied.report
    result = report.result if report else "interrupted"
    said = "no changes" if plan.is_empty else _TITLE[result].format(applied.title.lower())
    head = f"### {_SIGN[result]} {code(subject(plan))}: {said}\n"
    if applied.finished:
        head += f"\n**{result_line(applied.finished, PLAIN, applied.title)}**\n"
    digest = code(plan_digest(plan)) if has_changes(plan) and plan.is_approvable else ""
    serial = f"state serial {report.state.serial}" if report else ""
    foot = source.foot(f"Digest {digest}" if digest else "", serial)
    room = (sys.maxsize if limit is None else limit) - size(head) - size(foot) - _NOTE
    sections = fitting(_sections(applied), room // 2)
    rows = [_row(event) for event in sorted(applied.last, key=lambda event: _RANK[type(event)])]
    room -= sum(size(section) + 1 for section in sections)
    shown = rows[: len(fitting(map("  |  ".join, rows), room))]
    missing = len(rows) - len(shown)
    note = f"> **Left out for length:** {plural(missing, 'step')}.\n" if missing else ""
    parts = [head, table(_COLUMNS, shown) if shown else "", note, *sections, foot]
    return "\n".join(filter(None, parts))


def _row(event: Last) -> Sequence[str]:
    is_old = event.step != str(event.address) and not isinstance(event, events.ChangeHeld)
    old = " (old object)" if is_old else ""
    match event:
        case events.ChangeFinished():
            said, after = Action(event.action).done, duration(event.elapsed)
            said += f" {cell(short_id(event.remote_id))}" if event.remote_id else ""
            said += f": {cell(event.message)}" if event.message else ""
        case events.ChangeFailed():
            said, after = f"**failed**: {cell(event.message)}", duration(event.elapsed)
        case events.ChangeHeld():
            said, after = f"**held by its gate**: {cell(event.reasons)}", ""
        case events.ChangeLeft():
            said, after = f"in progress {cell(short_id(event.remote_id))}", ""
        case events.ChangeStopped():
            said, after = cell(stopped_text(event)), duration(event.elapsed)
        case events.ChangeSkipped():
            blocker, why = blocker_of(event)
            said, after = f"not done, because {f'{cell(blocker)} ' * bool(blocker)}{why}", ""
        case events.ChangeStarted():
            said, after = f"was {Action(event.action).doing}", ""
    return f"{cell(str(event.address))}{old}", said, after


def _sections(applied: Applied) -> Iterator[str]:
    """The most important first."""
    failed = diagnostics.draw(failures(applied.report), PLAIN).rstrip() if applied.report else ""
    is_known = applied.report is not None
    left = draw_left(applied.left, applied.resume, is_known=is_known).rstrip() if applied.resume else ""
    outputs = "\n".join(draw_outputs(applied.outputs, PLAIN)) if applied.outputs else ""
    best = "\n".join(choice_lines(applied.choices))
    for title, text in (("Errors:", failed), ("Not finished:", left), (TITLE, best), ("Outputs:", outputs)):
        if text:
            yield f"{title}\n\n{block(text, '')}"

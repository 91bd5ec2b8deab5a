"""A plan as Markdown, for a comment on a pull request, with a length limit.

Text from a spec or a service is in code blocks only, so that it can't act as markup, links or mentions.
Deletions and replacements are the last to be left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from ftops.planning.plan import Action, Change, Plan
from ftops.planning.saved.plan_digest import plan_digest
from ftops.planning.saved.plan_file import SavedPlan
from ftops.views import diagnostics
from ftops.views.destination import destination_lines, redirections
from ftops.views.paint import PLAIN, clean
from ftops.views.plan import (
    drift_lines,
    held_lines,
    lines_of_changes,
    output_lines,
    setting_line,
    subject,
    summary_line,
)
from ftops.views.values import plural

SMALLEST = 2_000
"""The lowest limit, in characters."""
_NOTE = 500
"""Characters reserved for the note about what was left out."""
_WEIGHT = {Action.DELETE: 0, Action.REPLACE: 0, Action.FORGET: 1, Action.UPDATE: 2}
_WEIGHT |= dict.fromkeys((Action.ADOPT, Action.RESUME, Action.RESTORE), 3)
_MARK = {"~": "!", "±": "!", "=": " ", ".": " "}
"""Symbols of a plan → first column in a block of the language `diff`, which is highlighted by it."""


class _Drawn(Struct):
    """A change with its lines, and how many of them are shown: all, the first, or none."""

    change: Change
    lines: Sequence[str]
    shown: int = 0

    @property
    def size(self) -> int:
        return sum(len(line) + 1 for line in self.lines[: self.shown]) + bool(self.shown)

    def grow(self, shown: int) -> int:
        """Sets the number of lines; the additional characters."""
        before = self.size
        self.shown = shown
        return self.size - before


def draw(saved: SavedPlan, limit: int | None = None) -> str:
    """The whole comment; at most `limit` characters."""
    text = _draw(saved, None)
    return text if limit is None or len(text) <= limit else _draw(saved, limit)


def _draw(saved: SavedPlan, limit: int | None) -> str:
    plan = saved.plan
    fixed = [f"### ftops plan: `{subject(plan)}`\n\n**{summary_line(plan)}**\n"]
    foot = _foot(saved)
    changes = [_Drawn(c, _as_diff(lines)) for c, lines in lines_of_changes(plan)]
    room = None if limit is None else limit - len(fixed[0]) - len(foot) - _NOTE
    every = _extras(plan)
    extras = _fitting(every, room)
    if room is not None:
        room -= sum(len(text) for text in extras)
    _choose(changes, room)
    body = "\n\n".join("\n".join(d.lines[: d.shown]) for d in changes if d.shown)
    block = [_block(body, "diff")] if body else []
    note = _left_out(changes, len(every) - len(extras))
    return "\n".join([*fixed, *extras, *block, *note, foot])


def _choose(changes: Sequence[_Drawn], room: int | None) -> None:
    """While there is room: first one line for each, then all lines, the most important changes first."""
    ordered = sorted(changes, key=lambda d: _WEIGHT.get(d.change.action, 9))
    for whole in (False, True):
        for drawn in ordered:
            before = drawn.shown
            if whole and not before:
                continue
            taken = drawn.grow(len(drawn.lines) if whole else 1)
            if room is None:
                continue
            if taken > room:
                drawn.grow(before)
            else:
                room -= taken


def _extras(plan: Plan) -> list[str]:
    """The sections before the changes, the most important first."""
    drift = [line for found in plan.noticed for line in drift_lines(found, PLAIN)]
    settings = [setting_line(setting, PLAIN) for setting in plan.settings]
    held = [line for one in plan.held for line in held_lines(one, PLAIN)]
    where = "\n".join(clean(line) for line in destination_lines(plan.destination))
    first = "\n".join(clean(f"- {line}") for line in redirections(plan.destination))
    warnings = "\n".join(clean(f"- {warning}") for warning in plan.warnings)
    parts = [
        ("Account set outside the spec:", first, ""),
        ("Errors and risks:", diagnostics.draw(plan.findings, PLAIN).rstrip(), ""),
        ("Warnings:", warnings, ""),
        ("Held by a gate; these stay as they are:", "\n".join(held), ""),
        ("Changed outside ftops since the last apply:", "\n".join(_as_diff(drift)), "diff"),
        ("Recorded only; nothing changes at the service:", "\n".join(_as_diff(settings)), "diff"),
        ("Outputs:", "\n".join(_as_diff(output_lines(plan))), "diff"),
        ("Applied to:", where, ""),
    ]
    return [f"{title}\n\n{_block(text, language)}" for title, text, language in parts if text]


def _fitting(parts: Iterable[str], room: int | None) -> list[str]:
    kept: list[str] = []
    for part in parts:
        if room is None or sum(map(len, kept)) + len(part) <= room // 2:
            kept.append(part)
    return kept


def _left_out(changes: Iterable[_Drawn], extras: int) -> list[str]:
    changes = list(changes)
    short = [d.change for d in changes if 0 < d.shown < len(d.lines)]
    missing = [d.change for d in changes if not d.shown]
    parts = [f"the details of {_counted(short)}"] * bool(short)
    parts += [f"{_counted(missing)} whole"] * bool(missing)
    parts += [plural(extras, "other section")] * bool(extras)
    if not parts:
        return []
    return [f"> **Left out for length:** {'; '.join(parts)}. `ftops show FILE` shows the whole plan.\n"]


def _counted(changes: Sequence[Change]) -> str:
    """`42 steps (40 create, 2 update)`."""
    counts = Counter(change.action.value for change in changes)
    parts = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
    return f"{plural(len(changes), 'step')} ({parts})"


def _foot(saved: SavedPlan) -> str:
    plan, origin = saved.plan, saved.origin
    serial = f"state serial {plan.serial}" if plan.lineage else "nothing recorded yet"
    return f"<sub>Digest `{plan_digest(plan)}` · {serial} · {origin.at} · ftops {origin.ftops}</sub>\n"


def _as_diff(lines: Iterable[str]) -> list[str]:
    """Moves symbols to the first column."""
    found = []
    for line in lines:
        bare = line.lstrip()
        symbol = bare[:1] if bare[1:2] == " " and bare[0] in "+-~±=." else " "
        rest = bare[2:] if symbol != " " else bare
        found.append(f"{_MARK.get(symbol, symbol)}{' ' * max(1, len(line) - len(rest) - 1)}{rest}".rstrip())
    return found


def _block(text: str, language: str) -> str:
    """A code block with a fence that the text can't close."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}\n"

"""A plan as Markdown, for a comment on a pull request, with a length limit.

The verdict comes first, then what is deleted, replaced or trained again, which is never left out; the details
of all steps are folded. Text from a spec or a service is in code only, so that it can't act as markup, links
or mentions.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from ftops.config.policy import RULE_GROUP
from ftops.core.errors import Diagnostic
from ftops.core.plurals import plural
from ftops.core.resource_types import kind_of
from ftops.evaluation.gates import described
from ftops.planning.places import cause_place
from ftops.planning.plan import Action, Change, Plan
from ftops.planning.saved.plan_digest import plan_digest
from ftops.views import diagnostics, money
from ftops.views.destination import destination_lines, lifetime_lines, redirections
from ftops.views.markdown_text import (
    Link,
    Source,
    as_diff,
    block,
    cell,
    code,
    fitting,
    folded,
    line_of,
    no_link,
    size,
    table,
)
from ftops.views.paint import PLAIN, clean
from ftops.views.pins import pin_notes
from ftops.views.plan import (
    drift_lines,
    has_changes,
    held_lines,
    lines_of_changes,
    off_line,
    output_lines,
    setting_line,
    subject,
    summary_line,
)
from ftops.views.policy import is_of_policy, policy_notes
from ftops.views.verdict import Level, is_destructive, verdict

_NO_DIGEST = "none, because this plan can't be approved"
_NOTE = 600
"""Bytes reserved for notes about what was left out."""
SIGN = {
    Level.DENIED: "❌",
    Level.BLOCKED: "❌",
    Level.DESTRUCTIVE: "⚠️",
    Level.SAFE: "✅",
    Level.NONE: "✅",
}
_OF_A_RULE = 5
"""Findings of a rule that are shown."""
_FOLDED: Mapping[str, Callable[[Change], bool]] = {
    "Deleted, replaced or forgotten": is_destructive,
    "Updated": lambda change: change.action is Action.UPDATE,
    "Created": lambda change: change.action is Action.CREATE,
    "Switched by hosting hours": lambda change: change.action is Action.SWITCH,
    "Adopted, resumed or restored": lambda change: True,
}
"""Groups of steps, each for those that the ones before don't have; the last are the first to be left out."""


class Drawn(NamedTuple):
    """A comment. `is_reviewable`: whether it has everything that is deleted, replaced or trained again."""

    text: str
    is_reviewable: bool = True


class _Group(Struct):
    """A folded group of steps, with the lines of each, and how many of these are shown."""

    title: str
    steps: Sequence[tuple[Change, Sequence[str]]]
    shown: list[int]

    @classmethod
    def of(cls, title: str, steps: Sequence[tuple[Change, Sequence[str]]]) -> _Group:
        return cls(title, steps, [0] * len(steps))

    def draw(self) -> str:
        parts = ["\n".join(lines[:n]) for (_, lines), n in zip(self.steps, self.shown, strict=True) if n]
        return folded(f"{self.title} ({len(self.steps):,})", "\n\n".join(parts), "diff") if parts else ""

    def fill(self, room: int, *, whole: bool) -> int:
        """Shows the first line of each step, or all lines, while there is room; the room that is left."""
        if not whole:
            room -= size(self.title) + 100  # the fold and its fence
        for index, (_, lines) in enumerate(self.steps):
            shown = self.shown[index]
            if whole and not shown:
                continue
            wanted = len(lines) if whole else 1
            taken = sum(size(line) + 1 for line in lines[shown:wanted]) + (not whole)
            if taken <= room:
                self.shown[index] = wanted
                room -= taken
        return room

    @property
    def shortened(self) -> list[Change]:
        return [c for (c, lines), n in zip(self.steps, self.shown, strict=True) if 0 < n < len(lines)]

    @property
    def missing(self) -> list[Change]:
        return [c for (c, _), n in zip(self.steps, self.shown, strict=True) if not n]


def draw(
    plan: Plan,
    source: Source,
    limit: int | None = None,
    warnings: Sequence[Diagnostic] = (),
    digest: str = "",
    link: Link = no_link,
) -> Drawn:
    """The whole comment, at most `limit` bytes of UTF-8. If what is deleted, replaced or trained again
    doesn't fit, it says that it can't be reviewed there. `warnings` are about the spec and its data, `digest`
    is that of a plan that was read from its document, `link` where lines of files are shown."""
    foot = _foot(plan, source, digest)
    whole = _within(plan, foot, sys.maxsize, warnings, link)
    fits = limit is None or size(whole.text) <= limit
    return whole if fits or limit is None else _within(plan, foot, limit, warnings, link)


def draw_outcome(
    name: str,
    sign: str,
    sentence: str,
    found: Sequence[Diagnostic],
    steps: Mapping[str, str],
    limit: int,
    following: str = "",
) -> Drawn:
    """The comment about a plan that couldn't be made, or was applied: a sentence, what was found, what has
    become of the steps, those that aren't done first, and what follows, in Markdown."""
    head = headline(sign, name, sentence)
    shown = fitting((diagnostics.draw([one], PLAIN).rstrip() for one in found), limit - size(head) - _NOTE)
    text = block("\n\n".join(shown), "") if shown else ""
    rows = [(cell(step), cell(result)) for step, result in sorted(steps.items(), key=_not_done)]
    room = limit - size(head) - size(text) - _NOTE
    kept = rows[: len(fitting(map("  |  ".join, rows), room))]
    missing = [(len(found) - len(shown), "finding"), (len(rows) - len(kept), "step")]
    left = ", ".join(plural(count, what) for count, what in missing if count)
    note = f"> **Left out for length:** {left}.\n" if left else ""
    parts = [head, text, table(("step", "result"), kept) if kept else "", note, following]
    return Drawn("\n".join(part for part in parts if part))


def _not_done(step: tuple[str, str]) -> tuple[bool, str, str]:
    name, result = step
    return result == "done", result, name


def draw_stub(name: str, sign: str, sentence: str) -> str:
    """The verdict alone."""
    return f"{headline(sign, name, sentence)}\nThe rest is too long for a comment here.\n"


def headline(sign: str, name: str, sentence: str) -> str:
    """The first line. `sentence` consists of words of ftops."""
    return f"### {sign} {code(name)}: {sentence}\n"


def _within(plan: Plan, foot: str, limit: int, warnings: Sequence[Diagnostic], link: Link) -> Drawn:
    """With room for the note about what was left out, whether it is needed or not."""
    head, grave = _head(plan), _grave(plan, link)
    room = limit - sum(map(size, (head, grave, foot))) - _NOTE
    if room < 0:
        return Drawn(_too_large(plan, foot), is_reviewable=False)
    every = _sections(plan, warnings, link)
    sections = fitting(every, room // 2)
    groups = _groups(plan)
    room -= sum(size(text) + 1 for text in sections)
    for whole in (False, True):
        for group in groups:
            room = group.fill(room, whole=whole)
    note = _left_out(groups, len(every) - len(sections))
    parts = [head, grave, *sections, *(group.draw() for group in groups), note, foot]
    return Drawn("\n".join(part for part in parts if part))


def _head(plan: Plan) -> str:
    """The verdict, and what is said of the policy: that is never left out."""
    found = verdict(plan)
    pins = [f"> - {code(note)}" for note in pin_notes(plan)]
    notes = [f"> - {code(note)}" for note in policy_notes(plan)]
    sign = SIGN[Level.DESTRUCTIVE if notes and found.level in (Level.SAFE, Level.NONE) else found.level]
    line = headline(sign, subject(plan), found.sentence)
    alert = ["> [!WARNING]", *notes, ""] if notes else []
    alert += ["> [!NOTE]", *pins, ""] if pins else []
    lifetime = [f"\n{clean(text)}" for text in lifetime_lines(plan)]
    return "\n".join([line, *alert, f"**{summary_line(plan)}**", *lifetime, ""])


def _grave(plan: Plan, link: Link) -> str:
    """What needs care: endpoints that stop serving, then a table of all that is deleted, replaced or trained
    again."""
    gone = sorted((c for c in plan.changes if is_destructive(c) and _takes_effect(c)), key=_rank)
    if not gone:
        return ""
    stops = [c for c in gone if kind_of(c.address).serves and not c.deposes]
    alert = ["> [!CAUTION]", *(f"> - {code(str(c.address))} {_gap(c)}" for c in stops), ""] if stops else []
    costs = {cost.address: money.training(cost) for cost in plan.estimate.training}
    prices = [costs.get(c.address, "") if c.action is Action.REPLACE else "" for c in gone]
    title = ("", "resource", "step", "because", "cost")[: 5 if any(prices) else 4]
    rows = [_row(plan, c, price, link)[: len(title)] for c, price in zip(gone, prices, strict=True)]
    return "\n".join([*alert, table(title, rows)])


def _rank(change: Change) -> tuple[bool, bool]:
    """What serves comes first, then what is trained."""
    kind = kind_of(change.address)
    return not kind.serves, not kind.trains


def _row(plan: Plan, change: Change, cost: str, link: Link) -> tuple[str, ...]:
    cells = (str(change.address), change.reason.text, cost)
    address, reason, price = map(cell, cells)
    if place := cause_place(plan, change):
        at = line_of(place.file, place.line, link)
        reason = f"{reason} in {at}" if reason else at
    return change.symbol, address, change.action.value, reason, price


def _takes_effect(change: Change) -> bool:
    """Whether a step stands for the resource itself: the deletion of an old object is part of a
    replacement."""
    return change.step == str(change.address)


def _gap(change: Change) -> str:
    if change.action is Action.REPLACE:
        return "is deleted before the new one is created: calls fail for a few minutes."
    return "is deleted: calls fail from then on." if change.action is Action.DELETE else "is forgotten."


def _too_large(plan: Plan, foot: str) -> str:
    counts = Counter(c.action.value for c in plan.changes if is_destructive(c) and _takes_effect(c))
    listed = ", ".join(f"{count:,} to {name}" for name, count in sorted(counts.items()))
    title = headline("❌", subject(plan), "too large to be reviewed here")
    text = (
        f"**{summary_line(plan)}**\n\nWhat is deleted, replaced or forgotten ({listed}) doesn't fit into a "
        "comment. Read the whole plan with `ftops plan`, or make smaller changes.\n"
    )
    return "\n".join([title, text, foot])


def _sections(plan: Plan, warnings: Sequence[Diagnostic], link: Link) -> list[str]:
    """The sections below the table, the most important first."""
    drift = [line for found in plan.noticed for line in drift_lines(found, PLAIN)]
    settings = [setting_line(setting, PLAIN) for setting in plan.settings]
    held = [line for one in plan.held for line in held_lines(one, PLAIN)]
    judged = [finding for finding in plan.findings if is_of_policy(finding)]
    others = [finding for finding in plan.findings if not is_of_policy(finding)]
    parts = [
        ("Policy:", _judged(judged), ""),
        ("Account set outside the spec:", _listed(redirections(plan.destination)), ""),
        ("Errors and risks:", diagnostics.draw((*others, *warnings), PLAIN).rstrip(), ""),
        ("Held by a gate; these stay as they are:", "\n".join(held), ""),
        _choices(plan),
        ("Off by their hosting hours:", "\n".join(map(off_line, plan.off)), ""),
        ("Gates:", "\n".join(_gates(plan)), ""),
        ("Warnings:", _listed(plan.warnings), ""),
        ("Data:", "\n".join(_data(plan)), ""),
        ("Changed outside ftops since the last apply:", "\n".join(as_diff(drift)), "diff"),
        ("Applied to:", _destination(plan), ""),
        ("Recorded only; nothing changes at the service:", "\n".join(as_diff(settings)), "diff"),
        ("Outputs:", "\n".join(as_diff(output_lines(plan))), "diff"),
    ]
    cost = money.total(plan.estimate)
    drawn = [(title, f"{title}\n\n{block(text, name)}") for title, text, name in parts if text]
    lines = _lines_of_data(plan, link)
    texts = [f"{text}{lines}" if title == "Data:" else text for title, text in drawn]
    return [f"{cost}\n"] * bool(cost) + texts


def _choices(plan: Plan) -> tuple[str, str, str]:
    if not plan.choices:
        return "", "", ""
    from ftops.views.choices import TITLE, choice_lines  # few plans have any

    return TITLE, "\n".join(choice_lines(plan.choices)), ""


def _lines_of_data(plan: Plan, link: Link) -> str:
    """Where the first new or edited examples are."""
    rows = []
    for change in plan.estimate.data:
        places = [line_of(line.file, line.line, link) for line in change.lines]
        more = change.added + change.edited - len(places)
        if places:
            rows.append(", ".join([*places, *([f"{more:,} more"] if more > 0 else [])]))
    return "".join(f"\nNew or edited: {row}\n" for row in rows)


def _judged(findings: Sequence[Diagnostic]) -> str:
    """The first findings of each rule, and how many there are: a rule that is broken is always shown."""
    by_rule: dict[tuple[str, str], list[Diagnostic]] = {}
    for finding in findings:
        by_rule.setdefault((finding.severity, finding.rule), []).append(finding)
    parts = []
    for (severity, _), mine in by_rule.items():
        parts.append(diagnostics.draw(mine[:_OF_A_RULE], PLAIN).rstrip())
        more = len(mine) - _OF_A_RULE
        if more > 0:
            name = clean(mine[0].rule.removeprefix(RULE_GROUP))
            parts.append(f"… {plural(more, f'more {severity}')} by the rule {name}")
    return "\n\n".join(parts)


def _destination(plan: Plan) -> str:
    """Where it is applied, if there is something to apply; always of an untrusted plan."""
    if not has_changes(plan) and plan.is_approvable:
        return ""
    return "\n".join(clean(line) for line in destination_lines(plan))


def _gates(plan: Plan) -> Iterable[str]:
    for change in plan.changes:
        for gate in change.gates:
            yield clean(f"{change.address} needs {gate.evaluation}: {described(gate.require)}")
        if change.override:
            yield clean(f"{change.address} is deployed even if its gate doesn't pass: {change.override}")


def _data(plan: Plan) -> Iterable[str]:
    return (clean(f"{change.address}: {money.data(change)}") for change in plan.estimate.data)


def _listed(texts: Iterable[str]) -> str:
    return "\n".join(clean(f"- {text}") for text in texts)


def _groups(plan: Plan) -> list[_Group]:
    rest = [(change, as_diff(_placed(plan, change, lines))) for change, lines in lines_of_changes(plan)]
    groups = []
    for title, belongs in _FOLDED.items():
        mine = [pair for pair in rest if belongs(pair[0])]
        rest = [pair for pair in rest if not belongs(pair[0])]
        if mine:
            groups.append(_Group.of(title, mine))
    return groups


def _placed(plan: Plan, change: Change, lines: Sequence[str]) -> Sequence[str]:
    """The lines of a step, the first with the place of its cause."""
    place = cause_place(plan, change) if _takes_effect(change) else None
    return [f"{lines[0]}  # {clean(place.file)}:{place.line}", *lines[1:]] if place else lines


def _left_out(groups: Iterable[_Group], sections: int) -> str:
    groups = list(groups)
    short = [change for group in groups for change in group.shortened]
    missing = [change for group in groups for change in group.missing]
    parts = [f"the details of {_counted(short)}"] * bool(short)
    parts += [f"{_counted(missing)} whole"] * bool(missing)
    parts += [plural(sections, "other section")] * bool(sections)
    return f"> **Left out for length:** {'; '.join(parts)}. `ftops plan` shows everything.\n" if parts else ""


def _counted(changes: Sequence[Change]) -> str:
    """`42 steps (40 create, 2 update)`."""
    counts = Counter(change.action.value for change in changes)
    parts = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
    return f"{plural(len(changes), 'step')} ({parts})"


def _foot(plan: Plan, source: Source, digest: str) -> str:
    serial = f"state serial {plan.serial}" if plan.lineage else "nothing recorded yet"
    known = code(digest or plan_digest(plan)) if plan.is_approvable else ""
    shown = f"Digest {known or _NO_DIGEST}" if has_changes(plan) else ""
    return source.foot(shown, serial)


def provenance(commit: str, run_url: str) -> str:
    """The last line of a comment on a pull request: what was planned, and the page of the run."""
    parts = [f"commit {code(commit[:12])}" if commit else "", f"[run]({run_url})" if run_url else ""]
    text = " · ".join(filter(None, parts))
    return f"<sub>{text}</sub>\n" if text else ""

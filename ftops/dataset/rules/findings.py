"""Findings: what is wrong in a data file, where, and how it becomes diagnostics. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct, field

from ftops.core.errors import Diagnostic, Place
from ftops.core.snippets import command
from ftops.dataset.rules.catalogue import OFF, RULES, grade_of

EXCERPT = 120
"""Characters of a line in a diagnostic."""
LEAD = 60
"""If a line is cut on the left, the character at the column is at this index of the text."""
MAX_SHOWN = 5
"""Findings of one rule in one file that are listed one by one; the rest is counted."""
MAX_PATH = 1000
_MASKED = 100_000
"""A longer line is searched for secrets only in the part that is shown."""
TO_CONVERT = "{convert}"
"""How a hint begins that becomes the command which converts the file; the options of the command follow, each
after a zero character."""
TO_CONVERT_CSV = TO_CONVERT + ".csv"
"""The same, for a file that has to be saved as CSV before."""
TO_CONVERT_PARQUET = TO_CONVERT + ".parquet"
"""The same, for a file whose columns aren't known here."""
TO_FETCH: Mapping[str, str] = {"git-annex": "{git annex get}", "DVC": "{dvc pull}"}
"""Hints that become the command which fetches the file, by the name of what keeps it."""
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
"""Every rule has its own grade."""


class Key(NamedTuple):
    """The last step of a path that leads to the name of a member, not to its value."""

    name: str


Steps = tuple[str | int | Key, ...]
"""The path from an example to a value in it: ("messages", 2, "role")."""


class Finding(Struct, frozen=True):
    """What is wrong in one line, before its place in the file is known."""

    rule: str
    summary: str
    at: int | Steps = ()
    """An index into the line, or the path to the value."""
    hint: str = ""
    """What to do; if empty, what the rule says."""
    detail: str = ""
    """Why it matters; if empty, what the rule says."""

    def located(self, at: Place | None = None, path: str = "", other: int = 0) -> LocatedFinding:
        """The finding with its place; without one, it is about the whole file."""
        rule = RULES[self.rule]
        detail, hint = self.detail or rule.why, self.hint or rule.fix
        where = (at.line, at.column, at.width, at.text) if at else (0, 1, 1, "")
        return LocatedFinding(self.rule, *where, path, self.summary, detail, hint, other)


class LocatedFinding(NamedTuple):
    """A finding in its place. Plain data: it may come from another process, or from the cache."""

    rule: str
    line: int
    """Counts from 1; 0 is the file as a whole."""
    column: int
    width: int
    text: str
    """An excerpt of the line."""
    path: str
    summary: str
    detail: str
    hint: str
    other: int = 0
    """Another line, which the summary ends with, if any."""


Where = Callable[[int], tuple[str, int]]
"""A line of a joined file → the name of the file that it comes from, and its line there."""


class Unreadable(Exception):
    """Data that can't be read; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.summary)
        self.finding = finding


class Group(NamedTuple):
    """Examples that are the same, or nearly the same."""

    lines: tuple[int, ...]
    """The first of them."""
    size: int
    is_same: bool


class Inspection(Struct, frozen=True):
    """One file as it was when it was read. Digests and counts are empty if it couldn't be."""

    digest: str = ""
    """`sha256:<hex>` of the bytes."""
    bytes: int = 0
    examples: int = 0
    format: str = ""
    content: str = ""
    """`sha256:<hex>` of the examples: key order, spaces, line ends, blank lines and a byte order mark
    don't matter."""
    longest: int = 0
    """Bytes of the longest line: no example has more tokens."""
    found: tuple[LocatedFinding, ...] = ()
    """The first MAX_SHOWN findings of each rule, by line."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """The number of findings of each rule."""
    alike: tuple[Group, ...] = ()
    """The largest groups of examples that are the same, and of those that are nearly the same."""

    @classmethod
    def refused(cls, finding: Finding) -> Inspection:
        """The inspection of a file that couldn't be read."""
        return cls(found=(finding.located(),), counts={finding.rule: 1})

    def is_refused(self, severity: Mapping[str, str] = NO_SETTINGS) -> bool:
        """Whether it has an error, so that it must not be used."""
        return any(grade_of(rule, severity) == "error" for rule in self.counts)

    def diagnostics(
        self,
        file: str,
        severity: Mapping[str, str] = NO_SETTINGS,
        shown: int = MAX_SHOWN,
        where: Where | None = None,
    ) -> Iterator[Diagnostic]:
        """Diagnostics of the findings: the first `shown` of each rule, and then the number of the others.

        `severity` sets grades by rule (or `group/*`). `where` says which files the lines come from, if the
        file is joined from several.
        """
        find = where or (lambda line: (file, line))
        listed: Counter[str] = Counter()
        for finding in self.found:
            rule, grade = finding.rule, grade_of(finding.rule, severity)
            listed[rule] += 1
            if grade == OFF or listed[rule] > shown:
                continue
            name, line = find(finding.line) if finding.line else (file, 1)
            summary = finding.summary
            if finding.other:
                other_name, other_line = find(finding.other)
                summary += f" {other_line}" + ("" if other_name == name else f" of {other_name}")
            at = Place(name, line, finding.column, finding.text, finding.width)
            yield Diagnostic(
                summary, finding.detail, _hint(name, finding.hint), at, grade, rule, finding.path
            )
            left = self.counts.get(rule, listed[rule]) - listed[rule]
            if left and listed[rule] == min(shown, MAX_SHOWN):
                summary = f"{left:,} more of {rule} in {'these files' if where else 'this file'}"
                last = Place(name, line, finding.column)  # it comes right after the last one that is listed
                yield Diagnostic(summary, "", "They often have the same cause.", last, grade, rule)


def _hint(file: str, hint: str) -> str:
    """The hint, with the command that it stands for, if it does."""
    if hint in TO_FETCH.values():
        return f"Run {command(*hint.strip('{}').split(), file)}."
    start, *options = hint.split("\0")
    if start not in (TO_CONVERT, TO_CONVERT_CSV, TO_CONVERT_PARQUET):
        return hint
    source: str | PurePath = file
    if start == TO_CONVERT_CSV:
        source = PurePath(file).with_suffix(".csv")
    target = PurePath(file).with_suffix(".chat.jsonl")
    check = " (check the columns)" if options else ""
    check = ", or says which options that takes" if start == TO_CONVERT_PARQUET else check
    converts = f"{command('ftops', 'data', 'convert', source, target, *options)} converts it{check}."
    return f"Save it as {source} (CSV in UTF-8); then {converts}" if source != file else converts


Pair = tuple[int, int]
"""A line of one file, and the line of the other that is like it."""


class Overlap(Struct, frozen=True):
    """The number of examples that are in both files, and the first of them. `grown`: conversations of which
    one is the beginning of the other."""

    same: int = 0
    near: int = 0
    grown: int = 0
    first_same: Pair | None = None
    first_near: Pair | None = None
    first_grown: Pair | None = None


def spell(steps: Steps) -> str:
    """The JSON path: `messages[2].content`."""
    path = ""
    for step in steps:
        name = step.name if isinstance(step, Key) else step
        if isinstance(name, int):
            path += f"[{name}]"
        elif name.replace("_", "a").replace("-", "a").isalnum():
            path += f".{name}" if path else name
        else:
            path += f"[{quote(name)}]"
    return path if len(path) <= MAX_PATH else f"{path[: MAX_PATH - 1]}…"


def place(file: str, number: int, line: str, start: int, width: int) -> Place:
    """The place of line[start : start + width], with an excerpt of the line that is safe to show."""
    from ftops.dataset.rules.sensitive_data import mask  # imported only if something is wrong

    line = mask(line) if len(line) <= _MASKED else line
    text, index = line, start
    if len(line) > EXCERPT:
        cut = max(0, start - LEAD)
        text = line[cut : cut + EXCERPT]
        index = start - cut
        if cut:
            text = f"…{text[1:]}"
        if cut + EXCERPT < len(line):
            text = f"{text[:-1]}…"
    text = mask(text)
    return Place(file, number, start + 1, _printable(text), max(1, min(width, len(text) - index)))


def quote(value: object) -> str:
    """An excerpt of the data for a message, safe to print."""
    text = f'"{value}"' if isinstance(value, str) else str(value)
    from ftops.dataset.rules.sensitive_data import mask  # imported only if something is wrong

    text = mask(text[:_MASKED])
    return _printable(text if len(text) <= 40 else f"{text[:39]}…")


def _printable(text: str) -> str:
    """Data may contain escape sequences and lone surrogates; a terminal must not get them."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)

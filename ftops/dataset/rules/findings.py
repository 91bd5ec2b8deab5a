"""Findings: the values of an inspection. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct, field

from ftops.core.errors import Diagnostic, Place
from ftops.dataset.rules.catalogue import OFF, grade_of

EXCERPT = 120
"""Characters of a line that a diagnostic carries."""
LEAD = 60
"""Where a line is cut on the left, the character at the column is the one at this index of the text."""
MAX_SHOWN = 5
"""Findings of one rule in one file that are told one by one; the rest is a count."""
MAX_PATH = 1000
_MASKED = 100_000
"""Characters of a line in which secrets are looked for before a part of it is shown."""


NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
"""Every rule has its own grade."""


class Key(NamedTuple):
    """The last step on the way to the name of a member, not to its value."""

    name: str


Steps = tuple[str | int | Key, ...]
"""The way from an example to a value in it: ("messages", 2, "role")."""


class Finding(Struct, frozen=True):
    """What is wrong in one line, before it is known where that is shown."""

    rule: str
    summary: str
    at: int | Steps = ()
    """An index into the line, or the way to the value."""
    hint: str = ""
    """What to do; empty: what the rule says."""
    detail: str = ""
    """Why it matters; empty: what the rule says."""


class Found(NamedTuple):
    """A finding in its place. Plain data: it may come from another process, or out of a file."""

    rule: str
    line: int
    """Counts from 1; 0: the file as a whole."""
    column: int
    width: int
    text: str
    """An excerpt of the line."""
    path: str
    summary: str
    detail: str
    hint: str
    other: int = 0
    """Another line that the summary ends with, if any."""


Where = Callable[[int], tuple[str, int]]
"""A line that was read → the name of the file that it comes from, and its line there."""


class Unreadable(Exception):
    """Data that can't be had; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.summary)
        self.finding = finding


class Inspection(Struct, frozen=True):
    """One file as it was when it was read. Digests and counts are empty where it could not be."""

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
    found: tuple[Found, ...] = ()
    """The first MAX_SHOWN of each rule, by line."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many there are of each rule."""

    def is_refused(self, severity: Mapping[str, str] = NO_SETTINGS) -> bool:
        """Whether something in it is an error, so that nothing may be made of it."""
        return any(grade_of(rule, severity) == "error" for rule in self.counts)

    def diagnostics(
        self,
        file: str,
        severity: Mapping[str, str] = NO_SETTINGS,
        shown: int = MAX_SHOWN,
        where: Where | None = None,
    ) -> Iterator[Diagnostic]:
        """What was found, under the name of the file; `severity` sets grades by rule (or `group/*`), `where`
        says from which files the lines come, if they come from several.

        Of each rule the first are told one by one, and then how many more there are.
        """
        find = where or (lambda line: (file, line))
        told: dict[str, int] = {}
        for one in self.found:
            grade = grade_of(one.rule, severity)
            told[one.rule] = count = told.get(one.rule, 0) + 1
            if grade == OFF or count > shown:
                continue
            name, line = find(one.line) if one.line else (file, 1)
            at = Place(name, line, one.column, one.text, one.width)
            summary = one.summary + (_named_line(find(one.other), name) if one.other else "")
            yield Diagnostic(summary, one.detail, one.hint, at, grade, one.rule, one.path)
            left = self.counts.get(one.rule, count) - count
            if left and count == min(shown, MAX_SHOWN):
                summary = f"{left:,} more of {one.rule} in this file"
                yield Diagnostic(summary, "", "They often have the same cause.", Place(file), grade, one.rule)


def _named_line(there: tuple[str, int], here: str) -> str:
    name, line = there
    return f" {line}" if name == here else f" {line} of {name}"


Pair = tuple[int, int]
"""A line of the one file, and the line of the other that is like it."""


class Overlap(Struct, frozen=True):
    """How many examples are in both files, and the first of them."""

    same: int = 0
    near: int = 0
    first_same: Pair | None = None
    first_near: Pair | None = None


def spell(steps: Steps) -> str:
    """The JSON path: `messages[2].content`."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
            continue
        name = step.name if isinstance(step, Key) else step
        if not name.replace("_", "a").replace("-", "a").isalnum():
            path += f"[{quote(name)}]"
        else:
            path += f".{name}" if path else name
    return path if len(path) <= MAX_PATH else f"{path[: MAX_PATH - 1]}…"


def place(file: str, number: int, line: str, start: int, width: int) -> Place:
    """The place of line[start : start + width], with no more of the line than can be shown."""
    from ftops.dataset.rules.sensitive_data import mask  # only where something is wrong

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
    """A short piece of the data for a message; safe to print."""
    text = f'"{value}"' if isinstance(value, str) else str(value)
    from ftops.dataset.rules.sensitive_data import mask  # only where something is wrong

    text = mask(text[:_MASKED])
    return _printable(text if len(text) <= 40 else f"{text[:39]}…")


def _printable(text: str) -> str:
    """Data may hold escape sequences and lone surrogates; a terminal must not get them."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)

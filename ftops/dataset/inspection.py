"""The values of an inspection. No I/O here."""

from __future__ import annotations

from msgspec import Struct

from ftops.errors import Diagnostic, Place

EXCERPT = 120
"""Characters of a line that a diagnostic carries."""
LEAD = 60
"""Where a line is cut on the left, the character at the column is the one at this index of the text."""
MAX_SHOWN = 20
"""Findings of one file that are told one by one."""

Steps = tuple[str | int, ...]
"""The way from an example to a value in it: ("messages", 2, "role")."""


class Inspection(Struct, frozen=True):
    """One file as it was when it was read. Digest and counts are empty where it could not be."""

    digest: str = ""
    """`sha256:<hex>` of the bytes."""
    bytes: int = 0
    examples: int = 0
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def is_clean(self) -> bool:
        return not self.diagnostics


class Finding(Struct, frozen=True):
    """What is wrong in one line, before it is known where that is shown."""

    summary: str
    detail: str = ""
    hint: str = ""
    at: int | Steps = ()
    """An index into the line, or the way to the value."""
    severity: str = "error"


def place(file: str, number: int, line: str, start: int, width: int) -> Place:
    """The place of line[start : start + width], with no more of the line than can be shown."""
    text, index = line, start
    if len(line) > EXCERPT:
        cut = max(0, start - LEAD)
        text = line[cut : cut + EXCERPT]
        index = start - cut
        if cut:
            text = f"…{text[1:]}"
        if cut + EXCERPT < len(line):
            text = f"{text[:-1]}…"
    return Place(file, number, start + 1, _printable(text), max(1, min(width, len(text) - index)))


def quote(value: object) -> str:
    """A short piece of the data for a message; safe to print."""
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return _printable(text if len(text) <= 40 else f"{text[:39]}…")


def _printable(text: str) -> str:
    """Data may hold escape sequences and lone surrogates; a terminal must not get them."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)

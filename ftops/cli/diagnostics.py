"""Diagnostics: those of any error; completes them with source lines, and their hints with the spec."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from ftops.core.confined_files import ALLOW, ALLOW_HINT, SPEC_BYTES, content, leads_out
from ftops.core.errors import Diagnostic, FtopsError, Place
from ftops.core.project import SPEC_SUFFIXES, project_root
from ftops.core.yaml_lines import lines_of

_WORD = r"(?:'[^'`]*'|[^\s'`-][^\s'`]*)"
_COMMAND = (
    r"`ftops (?:apply|destroy|drift|plan|validate|show|audit|graph"
    rf"|state (?:history|list|migrate|pull|(?:push|restore|show) {_WORD}|replace-provider {_WORD} {_WORD}))"
    r"(?: -(?!-help)[a-z-]+)*(?=`| > )"
)
"""A command in a hint that takes a spec after its other words, and names none yet."""
_NOT_OUTSIDE = (
    f"Move it into the project: with --untrusted nothing else is read, regardless of {ALLOW}. If the spec is "
    f"yours, remove --untrusted and set the folder that it is in: {ALLOW}=…"
)


def diagnostics_of(error: Exception) -> Sequence[Diagnostic]:
    """Of an expected error, one of the operating system, or a bug, with its place for a report."""
    if isinstance(error, FtopsError):
        return error.diagnostics
    if isinstance(error, RecursionError):
        what = "the spec or the data"
        return [Diagnostic(f"{what} is nested too deeply", "", f"flatten {what}")]
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        hint = "set FTOPS_DEBUG=1 to see the traceback"
        return [Diagnostic(f"{where}{error.strerror or error}", "", hint)]
    import traceback

    *_, at = traceback.extract_tb(error.__traceback__)
    return [
        Diagnostic(
            f"this is a bug in ftops: {type(error).__name__}: {error}",
            f"It happened at {at.filename}:{at.lineno}, in {at.name}. All changes so far are recorded.",
            "run it again with FTOPS_DEBUG=1 and report the output",
        )
    ]


def with_lines(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The same, with the text of the line if the file can be read."""
    return [replace(d, place=_with_line(d.place)) if d.place else d for d in diagnostics]


def _with_line(place: Place) -> Place:
    if place.text or not place.width or not place.file.endswith(SPEC_SUFFIXES):
        return place
    path = Path(place.file)
    if leads_out(path, project_root(path.absolute().parent)):
        return place
    try:
        lines = lines_of(content(path, limit=SPEC_BYTES).decode())
    except (OSError, ValueError):
        return place
    if not 0 < place.line <= len(lines):
        return place
    text = lines[place.line - 1]
    word = text[place.column - 1 :].partition(" ")[0].rstrip(":,")
    return replace(place, text=text, width=place.width if place.width > 1 else max(1, len(word)))


def fitted(
    diagnostics: Sequence[Diagnostic], words: Sequence[str], *, is_untrusted: bool
) -> list[Diagnostic]:
    """The same, with hints for this command line: `words` name its spec. With --untrusted, they propose
    nothing that has no effect then."""
    added = "".join(f" {word}" for word in words)
    completed = []
    for diagnostic in diagnostics:
        hint = diagnostic.hint
        if is_untrusted:
            hint = hint.replace(ALLOW_HINT, _NOT_OUTSIDE)
        if added and "`ftops " in hint:
            hint = re.sub(_COMMAND, lambda found: found[0] + added, hint)
        completed.append(diagnostic if hint == diagnostic.hint else replace(diagnostic, hint=hint))
    return completed

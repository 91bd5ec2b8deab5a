"""Excerpts: adds the line of the spec to diagnostics that only have its number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from ftops.core.confined_files import SPEC_BYTES, content, leads_out
from ftops.core.errors import Diagnostic, Place
from ftops.core.project import project_root
from ftops.core.yaml_lines import lines_of

SUFFIXES = (".yaml", ".yml")


def with_lines(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Each with the text of its line, as far as that can be had."""
    return [replace(d, place=_with_line(d.place)) if d.place else d for d in diagnostics]


def _with_line(place: Place) -> Place:
    if place.text or not place.width or not place.file.endswith(SUFFIXES):
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
    return replace(place, text=text, width=max(place.width, len(word)))

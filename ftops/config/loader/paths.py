"""Path checks: an error for each path of a spec that is outside of the project."""

from __future__ import annotations

from pathlib import Path

from ftops.config.config import Config, NamedPath
from ftops.config.loader.files import Source
from ftops.core.confined_files import allow_hint, outside
from ftops.core.errors import Diagnostic, Place
from ftops.core.project import display


def check_paths(config: Config, source: Source, findings: list[Diagnostic]) -> None:
    """Every path that the config uses, with a finding for those that aren't within the project."""
    refused: list[Path] = []
    for named in config.named_paths():
        if any(named.path.is_relative_to(folder) for folder in refused):
            continue  # it is in what one error tells already
        place = outside(named.path, config.project)
        if place is not None:
            refused += [] if named.is_data else [named.path]
            detail = (
                f"It is {place}. The project is {config.project}; ftops doesn't access files outside of it."
            )
            findings.append(Diagnostic(*_told(named, detail), place=_place(named, source)))
        elif "\0" in str(named.path) and not named.is_data:
            summary = f"`{'.'.join(named.keys)}` isn't a valid file name"
            detail = "It contains a null character."
            findings.append(Diagnostic(summary, detail, "Remove the `\\0`.", _place(named, source)))


def _told(named: NamedPath, detail: str) -> tuple[str, str, str]:
    shown = display(named.path)
    if named.section:
        return f"`{'.'.join(named.keys)}` leads out of the project: {shown}", detail, allow_hint()
    return f"{shown} leads out of the project", f"{detail} A checkout may hold links.", "Remove the link."


def _place(named: NamedPath, source: Source) -> Place:
    entry = source[named.section].get(named.name)
    return entry.place(named.keys) if entry else Place(display(named.path)).veiled()

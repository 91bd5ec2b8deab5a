"""Data sources: the file that a dataset is read from, and its inspection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from ftops import dataset
from ftops.core.errors import Diagnostic


class Source(NamedTuple):
    """The file that a dataset is read from. Several files are joined into one."""

    file: Path
    shown: str
    """The name for messages: that of the file, or the pattern."""
    where: dataset.Where | None = None
    """For a joined file: the original file and line of each line."""

    def line(self, number: int) -> str:
        """A line for messages: `line 3 of train.jsonl`."""
        name, at = self.where(number) if self.where else (self.shown, number)
        return f"line {at} of {name}"

    def placed(self, finding: Diagnostic) -> Diagnostic:
        """The finding at its place in the original file."""
        if self.where is None or finding.place is None:
            return finding
        name, line = self.where(finding.place.line)
        return replace(finding, place=replace(finding.place, file=name, line=line))


class Inspected(NamedTuple):
    """The inspected data of a dataset. `severity`: the grades that are set for findings, by rule."""

    source: Source
    inspection: dataset.Inspection
    severity: Mapping[str, str]
    hidden: frozenset[str] = frozenset()
    """Rules whose findings aren't shown: they are for another form of the file, or don't matter for this."""

    def diagnostics(self) -> Iterator[Diagnostic]:
        found = self.inspection.diagnostics(self.source.shown, self.severity, where=self.source.where)
        return (d for d in found if d.rule not in self.hidden)

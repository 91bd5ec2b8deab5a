"""Data sources of datasets, and what was found in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from ftops import dataset
from ftops.config.config import Resource
from ftops.core.address import Address, Reference
from ftops.core.errors import Diagnostic
from ftops.core.resource_types import kind_of

DATA_OF_JOB = ("training", "validation")


class Source(NamedTuple):
    """What a dataset is read from: a file, or several of which one was made."""

    file: Path
    shown: str
    """Its name for people: that of the file, or the pattern."""
    where: dataset.Where | None = None
    """Of several: where a line of the one comes from."""

    def line(self, number: int) -> str:
        """A line as people find it."""
        name, at = self.where(number) if self.where else (self.shown, number)
        return f"line {at} of {name}"

    def placed(self, told: Diagnostic) -> Diagnostic:
        """What was told of a line of the file, where people find it."""
        if self.where is None or told.place is None:
            return told
        name, line = self.where(told.place.line)
        return replace(told, place=replace(told.place, file=name, line=line))


class Inspected(NamedTuple):
    """The data of one dataset, and the grades that are set for its findings."""

    source: Source
    inspection: dataset.Inspection
    severity: Mapping[str, str]
    told: frozenset[str] = frozenset()
    """Rules of which all was told of the file that this one was made of, where people find it."""

    def diagnostics(self) -> Iterator[Diagnostic]:
        """What was found."""
        found = self.inspection.diagnostics(self.source.shown, self.severity, where=self.source.where)
        return (d for d in found if d.rule not in self.told)


def data_of(job: Resource) -> Iterator[tuple[str, Address]]:
    """The datasets of a job: `training` or `validation`, and the address."""
    for key in DATA_OF_JOB:
        value = job.inputs.get(key)
        if isinstance(value, Reference) and kind_of(value.address).is_data:
            yield key, value.address

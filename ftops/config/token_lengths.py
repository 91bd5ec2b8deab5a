"""Token lengths of examples, and the jobs for whose models they are too long.

Counts only where it has to: the bytes of an example are more than its tokens. Asks no service.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from msgspec.structs import replace

from ftops import catalog, dataset
from ftops.config.config import Config, Resource
from ftops.config.data_sources import Inspected, data_of
from ftops.config.model_references import referenced_model
from ftops.core.address import Address
from ftops.core.errors import Diagnostic, FtopsError, SpecError
from ftops.core.resource_types import kind_of
from ftops.dataset.profile.profile_store import summary
from ftops.dataset.profile.profiler import Measured
from ftops.dataset.profile.statistics import Cut, statistics
from ftops.dataset.profile.tokens import ENCODINGS, NoEncoding


class TokenLengths:
    """Of the data that were inspected, by address."""

    def __init__(
        self, config: Config, known: Mapping[Address, Inspected], show: Callable[[Path], str]
    ) -> None:
        self._config = config
        self._known = known
        self._show = show

    def too_long(self) -> Iterator[Diagnostic]:
        """Examples with more tokens than the model of a job takes; what is wrong with the catalogue."""
        try:
            known = self._catalog
        except SpecError as error:
            yield from error.diagnostics
            return
        for job, base, version in self._jobs():
            model = known.find(base, version)
            if model is None or not model.example_tokens:
                continue
            for _, address in data_of(job):
                found = self._over(address, model.example_tokens, known.encoding(base))
                if found is not None:
                    place = job.reference_places.get(address, job.place)
                    yield replace(self._cut(address, str(job.address), base, found), place=place)

    def tokens(self, address: Address) -> int | None:
        """Of all examples of a dataset, with the encoding of a model that learns from them; None where they
        can't be counted."""
        try:
            encodings = [
                self._catalog.encoding(base)
                for job, base, _ in self._jobs()
                if address in dict(data_of(job)).values()
            ]
        except SpecError:
            return None
        measured = self._measured(address, next(filter(None, encodings), ENCODINGS[0]))
        return measured.sums.tokens if measured else None

    @cached_property
    def _catalog(self) -> catalog.Catalog:
        return catalog.load(self._config.project, os.environ, self._show)

    def _jobs(self) -> Iterator[tuple[Resource, str, str]]:
        """Each job whose base model is known, with the name and the version of that."""
        resources = {resource.address: resource for resource in self._config.resources}
        for job in self._config.resources:
            is_job = kind_of(job.address).trains
            named = referenced_model(job.inputs.get("model"), resources) if is_job else None
            if named is not None:
                yield job, named.base, named.version

    def _measured(self, address: Address, encoding: str) -> Measured | None:
        """None where it can't be read, or holds what nothing may be made of."""
        one = self._known.get(address)
        if one is None or one.inspection.is_refused(one.severity):
            return None
        try:
            return summary(one.source.file, one.inspection.digest, encoding, self._config.project)
        except (FtopsError, NoEncoding):
            return None

    def _over(self, address: Address, limit: int, encoding: str) -> Cut | None:
        """What is beyond the limit; None where nothing is, or it can't be counted here."""
        one = self._known.get(address)
        if one is None or not encoding or one.inspection.longest <= limit:
            return None
        if dataset.grade_of("data/too-long", one.severity) == "off":
            return None
        measured = self._measured(address, encoding)
        cut = statistics(measured, limit).cut if measured else None
        return cut if cut and cut.examples else None

    def _cut(self, address: Address, job: str, model: str, cut: Cut) -> Diagnostic:
        one = self._known[address]
        lines = ", ".join(map(one.source.line, cut.lines)) + (", …" if cut.examples > len(cut.lines) else "")
        row = dataset.RULES["data/too-long"]
        count = f"{cut.examples:,} of {one.inspection.examples:,} examples"
        return Diagnostic(
            f"{count} of {address} are longer than {model} takes",
            f"{job}: it takes {cut.limit:,} tokens in one example; {cut.tokens:,} are beyond that: "
            f"{lines}. {row.why}",
            row.fix,
            None,
            dataset.grade_of("data/too-long", one.severity),
            "data/too-long",
        )

"""Token lengths: examples that are too long for the model of a job.

An example has at most as many tokens as bytes, so only those with enough bytes are counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property

from msgspec import Struct

from ftops import catalog, dataset
from ftops.config.config import Config, Resource
from ftops.config.data_sources import Inspected
from ftops.config.model_references import referenced_model
from ftops.core.address import Address
from ftops.core.errors import Diagnostic, FtopsError, SpecError
from ftops.core.plurals import agree, share
from ftops.core.resource_types import kind_of
from ftops.dataset.profile.profile_store import summary
from ftops.dataset.profile.profiler import Measured
from ftops.dataset.profile.statistics import Cut, statistics
from ftops.dataset.profile.tokens import ENCODINGS, NoEncoding


class TokenLengths(Struct, dict=True):
    """Token counts of inspected datasets, by address."""

    _config: Config
    _inspected: Mapping[Address, Inspected]

    def too_long(self) -> Iterator[Diagnostic]:
        """Findings about examples with more tokens than the model of a job takes; errors in the catalogue."""
        try:
            models = self._catalog
        except SpecError as error:
            yield from error.diagnostics
            return
        for job, base, version in self._jobs():
            model = models.find(base, version)
            if model is None or not model.example_tokens:
                continue
            for address in job.data.values():
                cut = self._cut(address, model.example_tokens, models.encoding(base))
                if cut is not None:
                    yield self._finding(address, job, base, cut)

    def tokens(self, address: Address) -> int | None:
        """The tokens of all examples, in the encoding of a model that is trained on them; None if they can't
        be counted."""
        try:
            encodings = [
                self._catalog.encoding(base) for job, base, _ in self._jobs() if address in job.data.values()
            ]
        except SpecError:
            return None
        measured = self._measured(address, next(filter(None, encodings), ENCODINGS[0]))
        return measured.sums.tokens if measured else None

    @cached_property
    def _catalog(self) -> catalog.Catalog:
        return catalog.load(self._config.project, os.environ)

    def _jobs(self) -> Iterator[tuple[Resource, str, str]]:
        """Each job whose base model is known, with the name and version of that model."""
        resources = self._config.by_address
        for job in self._config.resources:
            is_job = kind_of(job.address).trains
            named = referenced_model(job.inputs.get("model"), resources) if is_job else None
            if named is not None:
                yield job, named.base, named.version

    def _measured(self, address: Address, encoding: str) -> Measured | None:
        """None if the data can't be read or have errors."""
        data = self._inspected.get(address)
        if data is None or data.inspection.is_refused(data.severity):
            return None
        try:
            return summary(data.source.file, data.inspection.digest, encoding, self._config.project)
        except (FtopsError, NoEncoding):
            return None

    def _cut(self, address: Address, limit: int, encoding: str) -> Cut | None:
        """The examples beyond the limit; None if there are none, or their tokens can't be counted."""
        data = self._inspected.get(address)
        if data is None or not encoding or data.inspection.longest <= limit:
            return None
        if dataset.grade_of("data/too-long", data.severity) == "off":
            return None
        measured = self._measured(address, encoding)
        cut = statistics(measured, limit).cut if measured else None
        return cut if cut and cut.examples else None

    def _finding(self, address: Address, job: Resource, model: str, cut: Cut) -> Diagnostic:
        data, row = self._inspected[address], dataset.RULES["data/too-long"]
        lines = ", ".join(map(data.source.line, cut.lines)) + (", …" if cut.examples > len(cut.lines) else "")
        count = share(cut.examples, data.inspection.examples, "example")
        return Diagnostic(
            f"{count} of {address} {agree(cut.examples, 'is', 'are')} longer than {model} takes",
            f"{job.address}: it takes {cut.limit:,} tokens in one example; {cut.tokens:,} "
            f"{agree(cut.tokens, 'is', 'are')} beyond that: "
            f"{lines}. {row.why}",
            row.fix,
            job.reference_places.get(address, job.place),
            dataset.grade_of("data/too-long", data.severity),
            "data/too-long",
        )

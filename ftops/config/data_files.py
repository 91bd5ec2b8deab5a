"""Data files of a config: their content, findings, and findings in the jobs that use them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ftops import dataset
from ftops.config.config import Config, Resource
from ftops.config.data_sources import Inspected, Source, data_of
from ftops.core.address import Address, Json, Reference, references
from ftops.core.errors import Diagnostic, FtopsError, SpecError
from ftops.core.project import CACHE, CATALOG_FILE, CATALOG_VARIABLE, ignore, own_folder
from ftops.core.resource_types import METHOD_FORMATS, kind_of

SHORT = 16_384
"""Bytes of an example that every model takes whole, unless a catalogue of the user's own says otherwise."""


def with_data(config: Config, show: Callable[[Path], str]) -> tuple[Config, tuple[Diagnostic, ...]]:
    """The config with what each data file holds: its digest as an input and what that means, size and count
    as facts.

    Raises SpecError with every error in every file; returns the warnings.
    """
    with data_cache(config) as cache:
        files = _Files(config, show, cache)
        resources = tuple(files.with_content(resource) for resource in config.resources)
        files.check_jobs()
        files.tidy()
        resources = files.with_tokens(resources)
    told = tuple(d for d in files.findings if d.severity != "note")
    errors = [d for d in told if d.severity == "error"]
    if errors:
        raise SpecError(errors)
    return replace(config, resources=resources), (*config.warnings, *told)


def inspect_data(
    config: Config, show: Callable[[Path], str], settings: Mapping[str, str]
) -> tuple[list[Inspected], list[Diagnostic]]:
    """What the data of each dataset of a config hold, and what is found beyond single ones, notes too.
    `settings` are grades that go before those of the config. Nothing is raised."""
    with data_cache(config) as cache:
        files = _Files(config, show, cache, settings)
        for resource in config.resources:
            files.with_content(resource)
        files.findings.clear()
        files.check_jobs()
    return list(files.reported.values()), files.findings


def data_cache(config: Config) -> dataset.Cache:
    """What is known of data files that haven't changed."""
    with suppress(OSError):
        ignore(config.project)
    return dataset.Cache(own_folder(config.project, CACHE))


class _Files(Struct):
    """Each file is inspected once, and changed where its dataset says so."""

    config: Config
    show: Callable[[Path], str]
    cache: dataset.Cache
    settings: Mapping[str, str] = dataset.NO_SETTINGS
    findings: list[Diagnostic] = field(default_factory=list)
    _joined: dict[str, Source] = field(default_factory=dict)
    _inspected: dict[tuple[Path, str], dataset.Inspection] = field(default_factory=dict)
    known: dict[Address, Inspected] = field(default_factory=dict)
    reported: dict[str, Inspected] = field(default_factory=dict)
    """By the name of what was read: each file that is named, and each that was made of one."""

    def with_content(self, resource: Resource) -> Resource:
        path = resource.inputs.get("path")
        if not kind_of(resource.address).is_data or not isinstance(path, str):
            return _with_name(resource)
        try:
            source = self._source(path)
            inspection = self._inspect(source, resource)
        except dataset.Unreadable as error:
            source = Source(self.config.folder / path, self.show(self.config.folder / path))
            inspection = self._report(dataset.Inspection.refused(error.finding), source, resource)
        steps: Any = resource.inputs.get("transform")
        severity = self._severity(resource)
        if steps and not inspection.is_refused(severity):
            source, inspection = self._transformed(resource, source, inspection, steps)
        self.known[resource.address] = Inspected(source, inspection, severity)
        return _with_inspection(self._with_file(resource, source), inspection)

    def with_tokens(self, resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
        """With the number of tokens of datasets, where something refers to it: counting takes a while."""
        wanted = {ref.address for ref in _referred(self.config) if ref.attribute == "tokens"}
        if wanted.isdisjoint(self.known):
            return resources
        from ftops.config.token_lengths import TokenLengths

        lengths = TokenLengths(self.config, self.known, self.show)
        tokens = {address: lengths.tokens(address) for address in wanted & self.known.keys()}
        return tuple(
            replace(r, facts={**r.facts, "tokens": tokens[r.address]}) if tokens.get(r.address) else r
            for r in resources
        )

    def tidy(self) -> None:
        """Where files were made of others, those of former plans go by and by."""
        used = {one.source.file for one in self.known.values()}
        if any(r.inputs.get("transform") for r in self.config.resources) or self._joined:
            from ftops.dataset.files.derived_files import tidy

            tidy(self.config.project, used)

    def _source(self, path: str) -> Source:
        """Raises Unreadable where a pattern names no files, or they can't be joined."""
        file = self.config.folder / path
        if not dataset.is_pattern(path) or file.is_file():
            return Source(file, self.show(file))
        known = self._joined.get(path)
        if known is None:
            from ftops.dataset.files.joined_files import Lines, joined, matches

            files = matches(self.config.folder, path)
            where = Lines(files, [self.show(one) for one in files])
            known = Source(joined(files, self.config.project), self.show(file), where)
            self._joined[path] = known
        return known

    def _with_file(self, resource: Resource, source: Source) -> Resource:
        """Says which file is uploaded, where that isn't the one that is named."""
        if source.file == self.config.folder / str(resource.inputs["path"]):
            return resource
        file = os.path.relpath(source.file, self.config.folder)
        return replace(resource, inputs={**resource.inputs, "file": file})

    def check_jobs(self) -> None:
        """What no file shows by itself."""
        for job in self.config.resources:
            if kind_of(job.address).trains:
                self.findings += self._misfits(job)
                self.findings += self._overlaps(job)
        if _has_own_catalog(self.config) or any(o.inspection.longest > SHORT for o in self.known.values()):
            from ftops.config.token_lengths import TokenLengths

            self.findings += TokenLengths(self.config, self.known, self.show).too_long()

    def _inspect(self, source: Source, resource: Resource, told: Iterable[str] = ()) -> dataset.Inspection:
        form, file = _format(resource), source.file
        found = self._inspected.get((file, form))
        if found is None:
            found = self._inspected[file, form] = dataset.inspect(file, format=form, cache=self.cache)
        return self._report(found, source, resource, told)

    def _report(
        self,
        found: dataset.Inspection,
        source: Source,
        resource: Resource,
        told: Iterable[str] = (),
    ) -> dataset.Inspection:
        one = Inspected(source, found, self._severity(resource), frozenset(told))
        self.reported.setdefault(source.shown, one)
        new = (_placed(d, resource) for d in one.diagnostics() if d.severity != "note")
        self.findings += [d for d in new if d not in self.findings]
        return found

    def _transformed(
        self, resource: Resource, source: Source, inspection: dataset.Inspection, steps: Any
    ) -> tuple[Source, dataset.Inspection]:
        from ftops.dataset.transforms.transform import prepared

        try:
            file = prepared(source.file, source.shown, inspection.digest, steps, self.config.project)
        except FtopsError as error:
            self.findings += map(source.placed, error.diagnostics)
            return source, inspection
        made = Source(file, f"{source.shown} as {resource.address}")
        return made, self._inspect(made, resource, inspection.counts)

    def _misfits(self, job: Resource) -> Iterator[Diagnostic]:
        """Data whose examples are of a format that the method doesn't learn from."""
        method = str(job.inputs.get("method", "supervised"))
        need = METHOD_FORMATS.get(method, "")
        for key, address in data_of(job):
            inspection = self.known[address].inspection if address in self.known else None
            if inspection is None or inspection.format in ("", need) or inspection.is_refused():
                continue
            yield Diagnostic(
                f"the method {method} needs data in the format `{need}`",
                f"{job.address}: the examples of {address} ({key}) have the format {inspection.format}.",
                "Choose another dataset, or another method.",
                job.reference_places.get(address, job.place),
                rule="chat/format",
            )

    def _severity(self, resource: Resource) -> Mapping[str, str]:
        return {**_severity(resource), **self.settings}

    def _overlaps(self, job: Resource) -> Iterator[Diagnostic]:
        """Validation data that the model has learned from, in this job or in those that it starts from."""
        validation = dict(data_of(job)).get("validation")
        ours = self.known.get(validation) if validation else None
        if validation is None or ours is None or ours.inspection.is_refused(ours.severity):
            return
        by_address = {resource.address: resource for resource in self.config.resources}
        for ancestor in _lineage(job, by_address):
            training = dict(data_of(ancestor)).get("training")
            theirs = self.known.get(training) if training else None
            if theirs is None or theirs.inspection.is_refused(theirs.severity):
                continue
            found = self._overlap(ours, theirs)
            whose = "" if ancestor is job else f", from which {ancestor.address} learns"
            for rule, count, first, how, like in (
                ("data/overlap", found.same, found.first_same, "are", "the same as"),
                ("data/near-overlap", found.near, found.first_near, "are nearly", "nearly"),
            ):
                grade = dataset.grade_of(rule, ours.severity)
                if first is None or grade == "off":
                    continue
                row = dataset.RULES[rule]
                yield Diagnostic(
                    f"{count:,} of {ours.inspection.examples:,} examples of {validation} {how} in {training}",
                    f"{job.address}: {ours.source.line(first[0])} is {like} "
                    f"{theirs.source.line(first[1])}{whose}. {row.why}",
                    row.fix,
                    job.reference_places.get(validation, job.place),
                    grade,
                    rule,
                )

    def _overlap(self, ours: Inspected, theirs: Inspected) -> dataset.Overlap:
        def find() -> dataset.Overlap:
            from ftops.dataset.checks.overlap import overlap

            return overlap(ours.source.file, theirs.source.file, ours.inspection.format)

        try:
            return self.cache.overlap(ours.inspection.digest, theirs.inspection.digest, find)
        except OSError:
            return dataset.Overlap()  # it could be read just now; what reads it next says why not


def _has_own_catalog(config: Config) -> bool:
    """Whether the user has said anything of models: then their limits may be any."""
    return bool((config.project / CATALOG_FILE).exists() or os.environ.get(CATALOG_VARIABLE))


def _referred(config: Config) -> Iterator[Reference]:
    """Every reference of the config."""
    for resource in config.resources:
        for value in resource.inputs.values():
            yield from references(value)
    for output in config.outputs:
        yield from references(output.value)


def _lineage(job: Resource, by_address: Mapping[Address, Resource]) -> Iterator[Resource]:
    """The job, the job whose model it starts from, and so on."""
    seen: set[Address] = set()
    current: Resource | None = job
    while current is not None and current.address not in seen:
        seen.add(current.address)
        yield current
        model = current.inputs.get("model")
        current = by_address.get(model.address) if isinstance(model, Reference) else None


def _format(resource: Resource) -> str:
    """As declared; empty where the examples tell."""
    return str(resource.inputs.get("format", ""))


def _severity(resource: Resource) -> Mapping[str, str]:
    checks = resource.inputs.get("checks")
    severity = checks.get("severity") if isinstance(checks, dict) else None
    return {str(k): str(v) for k, v in severity.items()} if isinstance(severity, dict) else {}


def _placed(diagnostic: Diagnostic, resource: Resource) -> Diagnostic:
    """A finding about a file as a whole is shown where the spec names the file."""
    if diagnostic.place is None or diagnostic.place.text or resource.place is None:
        return diagnostic
    files = "files" if dataset.is_pattern(str(resource.inputs.get("path"))) else "file"
    are = "are" if files == "files" else "is"
    named = f"The {files} of {resource.address} {are} {resource.inputs.get('path')}."
    return replace(diagnostic, place=resource.place, detail=f"{named} {diagnostic.detail}".rstrip())


def _with_name(resource: Resource) -> Resource:
    """An object's name is known beforehand, unless it is made from the model's."""
    name = resource.inputs.get(kind_of(resource.address).named_by)
    if resource.inputs.get("replace") == "blue_green":
        return resource
    return replace(resource, facts={"name": name}) if isinstance(name, str) else resource


def _with_inspection(resource: Resource, inspection: dataset.Inspection) -> Resource:
    facts: dict[str, Json] = {
        "digest": inspection.digest,
        "bytes": inspection.bytes,
        "examples": inspection.examples,
    }
    inputs = {"format": inspection.format, **resource.inputs, "content": inspection.digest}
    identities = {"content": inspection.content} if inspection.content else {}
    return replace(resource, inputs=inputs, facts=facts, identities=identities)

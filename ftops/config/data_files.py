"""Data files: the content of each dataset, its findings, and those of the jobs that use it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ftops import dataset
from ftops.config.config import Config, Generated, Resource
from ftops.config.data_sources import Inspected, Source
from ftops.config.grader_fields import missing_fields
from ftops.core.address import SCALARS, Address, Json, Reference, references
from ftops.core.errors import Diagnostic, FtopsError, Place, SpecError
from ftops.core.lazy import resolve
from ftops.core.nested import object_at
from ftops.core.plurals import agree, share
from ftops.core.project import CATALOG_FILE, CATALOG_VARIABLE
from ftops.core.resource_types import METHOD_FORMATS, kind_of
from ftops.core.suggestions import nearest

SHORT = 16_384
"""Bytes of an example that fit every model, unless the user's own catalogue sets other limits."""


def with_data(
    config: Config, show: Callable[[Path], str], *, is_partial: bool = False
) -> tuple[Config, tuple[Diagnostic, ...]]:
    """The config with the content of its data files: digests as inputs, size and count as facts. Also returns
    the warnings. Raises SpecError with all errors in all files; if only a part of the config may be planned,
    without the faults of single resources."""
    with dataset.Cache.of(config.project) as cache:
        files = _Files(config, show, cache)
        resources = tuple(files.with_content(resource) for resource in config.resources)
        files.check_jobs()
        files.tidy()
        resources = files.with_tokens(resources)
        resources = tuple(files.with_prompts(resource) for resource in resources)
    faults = [fault for resource in resources if is_partial for fault in resource.faults]
    errors = [d for d in files.findings if d.severity == "error" and d not in faults]
    if errors:
        raise SpecError(errors)
    warnings = (d for d in files.findings if d.severity == "warning")
    return replace(config, resources=resources), (*config.warnings, *warnings)


def inspect_data(
    config: Config, show: Callable[[Path], str], settings: Mapping[str, str]
) -> tuple[list[Inspected], list[Diagnostic]]:
    """The inspected data of each dataset, and findings about several of them together, including notes.
    `settings`: grades that override those of the config. Raises nothing."""
    with dataset.Cache.of(config.project) as cache:
        files = _Files(config, show, cache, settings)
        for resource in config.resources:
            files.with_content(resource)
        files.findings[:] = files.unmade
        files.check_jobs()
    return list(files.reported.values()), files.findings


class _Files(Struct):
    """Inspects each data file once, and transforms it if its dataset says so."""

    config: Config
    show: Callable[[Path], str]
    cache: dataset.Cache
    settings: Mapping[str, str] = dataset.NO_SETTINGS
    findings: list[Diagnostic] = field(default_factory=list)
    unmade: list[Diagnostic] = field(default_factory=list)
    """Those among the findings that say why data can't be made: from a recording, or by a transform."""
    _sources: dict[str, Source] = field(default_factory=dict)
    """By path or pattern."""
    _inspections: dict[tuple[Path, str], dataset.Inspection] = field(default_factory=dict)
    inspected: dict[Address, Inspected] = field(default_factory=dict)
    reported: dict[str, Inspected] = field(default_factory=dict)
    """By the name of the data: each file that the spec names, and each that was derived from one."""
    _uses: dict[Address, list[tuple[str, Resource]]] = field(default_factory=dict)
    """Dataset → (`training` or `validation`, job)."""

    def __post_init__(self) -> None:
        for job in self.config.resources:
            for key, address in job.data.items():
                self._uses.setdefault(address, []).append((key, job))

    def with_content(self, resource: Resource) -> Resource:
        path = resource.inputs.get("path")
        if not kind_of(resource.address).is_data or not isinstance(path, str):
            return _with_name(resource)
        if resource.generated and (fault := self._not_generated(resource, resource.generated)):
            self.unmade += fault
            self.findings += fault
            return replace(_with_name(resource), faults=tuple(fault))
        try:
            source = self._source(path)
            inspection = self._inspect(source, resource)
        except dataset.Unreadable as error:
            source = Source(self.config.folder / path, self.show(self.config.folder / path))
            inspection = dataset.Inspection.refused(error.finding)
        steps: Any = resource.inputs.get("transform")
        severity = self._severity(resource)
        if steps and not inspection.is_refused(severity):
            source, inspection = self._transformed(resource, source, inspection, steps)
        else:
            self._report(inspection, source, resource)
        data = self.inspected[resource.address] = Inspected(source, inspection, severity)
        if not inspection.digest:
            faults = (
                _placed(d, resource, self.config.folder) for d in data.diagnostics() if d.severity == "error"
            )
            resource = replace(resource, faults=tuple(faults))
        return _with_inspection(self._with_file(resource, source), inspection)

    def _not_generated(self, resource: Resource, generated: Generated) -> Sequence[Diagnostic]:
        """Why its data isn't what it is generated from."""
        from ftops.config.recipes import recording_fault

        try:
            fault = recording_fault(self.config, resource, generated, self.show)
        except FtopsError as error:
            return error.diagnostics
        return [fault] if fault else []

    def with_tokens(self, resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
        """The resources with the number of tokens of datasets, which is counted only if it is referred to, or
        if jobs are stopped early: what that saves is told."""
        wanted = {ref.address for ref in _referred(self.config) if ref.attribute == "tokens"}
        stopping = (job for job in self.config.resources if "stop" in job.inputs)
        wanted |= {data for job in stopping if (data := job.data.get("training"))}
        if wanted.isdisjoint(self.inspected):
            return resources
        from ftops.config.token_lengths import TokenLengths

        lengths = TokenLengths(self.config, self.inspected)
        tokens = {address: lengths.tokens(address) for address in wanted & self.inspected.keys()}
        return tuple(
            replace(r, facts={**r.facts, "tokens": tokens[r.address]}) if tokens.get(r.address) else r
            for r in resources
        )

    def with_prompts(self, resource: Resource) -> Resource:
        """The resource with the content of files that aren't data."""
        complete = kind_of(resource.address).with_files
        if not complete:
            return resource
        try:
            completed: Resource
            completed, warnings = resolve(complete)(resource, self.config, self.inspected, self.cache)
            self.findings += warnings
            return completed
        except FtopsError as error:
            faults = tuple(d if d.place else self._at_file(d, resource) for d in error.diagnostics)
            self.findings += faults
            return replace(resource, faults=faults)

    def _at_file(self, fault: Diagnostic, resource: Resource) -> Diagnostic:
        """A fault of a file, at the place of the input that names it."""
        named = ((key, value) for key, value in resource.inputs.items() if isinstance(value, str) and value)
        key, path = next(((key, path) for key, path in named if path in fault.summary), ("", ""))
        hint = fault.hint
        if path and not (self.config.folder / path).exists():
            from ftops.config.missing_files import meant_instead

            hint = meant_instead(path, self.config.folder) or hint
            datasets = [one.name for one in self.config.by_address if kind_of(one).is_data]
            if near := nearest(path, datasets) if key == "prompts" else None:
                hint = f"Did you mean the dataset `{near}`?"
        if not key and fault.summary.startswith("grader "):
            key = "graders"
        return replace(fault, place=resource.places.get(key, resource.place), hint=hint)

    def _relative(self, file: Path) -> str:
        return os.path.relpath(file, self.config.folder)

    def tidy(self) -> None:
        """Deletes files that earlier plans derived from others."""
        used = {data.source.file for data in self.inspected.values()}
        if any(r.inputs.get("transform") for r in self.config.resources) or any(
            source.where for source in self._sources.values()
        ):
            from ftops.dataset.files.derived_files import tidy

            tidy(self.config.project, used)

    def _source(self, path: str) -> Source:
        """Raises Unreadable if no file matches a pattern, or the files can't be joined."""
        if path not in self._sources:
            self._sources[path] = self._found(self.config.folder / path, path)
        return self._sources[path]

    def _found(self, file: Path, path: str) -> Source:
        if not dataset.is_pattern(path) or file.is_file():
            return Source(file, self.show(file))
        from ftops.dataset.files.derived_files import Lines, join, matches

        files = matches(self.config.folder, path)
        where = Lines(files, [self.show(match) for match in files])
        return Source(join(files, self.config.project), self.show(file), where)

    def _with_file(self, resource: Resource, source: Source) -> Resource:
        """The resource with the file that is uploaded, if it isn't the one that the spec names."""
        if source.file == self.config.folder / str(resource.inputs["path"]):
            return resource
        return replace(resource, inputs={**resource.inputs, "file": self._relative(source.file)})

    def check_jobs(self) -> None:
        """Findings about jobs and their data together."""
        for job in self.config.resources:
            if kind_of(job.address).trains:
                found = (*self._misfits(job), *self._overlaps(job))
                self.findings += [one for one in found if one not in self.findings]
                if isinstance(job.inputs.get("grader"), Mapping):
                    self.findings += missing_fields(job, self.inspected)
        has_own = (self.config.project / CATALOG_FILE).exists() or os.environ.get(CATALOG_VARIABLE)
        if has_own or any(data.inspection.longest > SHORT for data in self.inspected.values()):
            from ftops.config.token_lengths import TokenLengths

            self.findings += TokenLengths(self.config, self.inspected).too_long()

    def _inspect(self, source: Source, resource: Resource) -> dataset.Inspection:
        declared = str(resource.inputs.get("format", ""))
        needed = declared or self._needed(resource)
        inspection = self._inspection(source.file, needed)
        if not declared and inspection.format not in ("", needed):
            inspection = self._inspection(source.file, "")  # a finding about the job says that it doesn't fit
        return inspection

    def _needed(self, resource: Resource) -> str:
        """The format that the jobs of a dataset need; empty if they need several, or if it has none."""
        jobs = (job for _, job in self._uses.get(resource.address, ()))
        formats = {METHOD_FORMATS.get(str(job.inputs.get("method", "supervised")), "") for job in jobs}
        return formats.pop() if len(formats) == 1 else ""

    def _inspection(self, file: Path, declared: str) -> dataset.Inspection:
        key = (file, declared)
        if key not in self._inspections:
            self._inspections[key] = dataset.inspect(file, format=declared, cache=self.cache)
        return self._inspections[key]

    def _report(
        self, inspection: dataset.Inspection, source: Source, resource: Resource, hidden: Iterable[str] = ()
    ) -> None:
        """Adds the findings about a file, without those of rules that are `hidden`."""
        data = Inspected(source, inspection, self._severity(resource), frozenset(hidden))
        before = self.reported.get(source.shown, data)
        self.reported[source.shown] = before._replace(hidden=before.hidden & data.hidden)
        new = (_placed(d, resource, self.config.folder) for d in data.diagnostics() if d.severity != "note")
        self.findings += [d for d in new if d not in self.findings]

    def _transformed(
        self, resource: Resource, source: Source, inspection: dataset.Inspection, steps: Any
    ) -> tuple[Source, dataset.Inspection]:
        from ftops.dataset.transforms.transform import prepared

        try:
            file = prepared(source.file, source.shown, inspection.digest, steps, self.config.project)
        except FtopsError as error:
            at = resource.places.get("transform", resource.place)
            placed = [source.placed(replace(d, place=d.place or at)) for d in error.diagnostics]
            self._report(inspection, source, resource)
            self.unmade += placed
            self.findings += placed
            return source, inspection
        derived = Source(file, f"{source.shown} as {resource.address}")
        result = self._inspect(derived, resource)
        # What the steps mend is no finding. The rest is told by the lines of the source, which can be edited.
        self._report(inspection, source, resource, inspection.counts.keys() - result.counts.keys())
        self._report(result, derived, resource, inspection.counts)
        return derived, result

    def _misfits(self, job: Resource) -> Iterator[Diagnostic]:
        """Findings about data whose format isn't that of the job's method."""
        method = str(job.inputs.get("method", "supervised"))
        need = METHOD_FORMATS.get(method, "")
        for key, address in job.data.items():
            inspection = self.inspected[address].inspection if address in self.inspected else None
            if inspection is None or inspection.format in ("", need) or inspection.is_refused():
                continue
            yield Diagnostic(
                f"the method {method} needs data in the format `{need}`",
                f"{job.address._replace(key=None)}: the examples of {address} ({key}) have the format "
                f"{inspection.format}.",
                "Choose another dataset, or another method.",
                job.reference_places.get(address, job.place),
                rule="chat/format",
            )

    def _severity(self, resource: Resource) -> Mapping[str, str]:
        """The grades of findings, by rule."""
        uses = {key for key, _ in self._uses.get(resource.address, ())}
        own = {"file/too-few-examples": "warning"} if uses == {"validation"} else {}
        return {**own, **object_at(resource.inputs, "checks", "severity"), **self.settings}

    def _overlaps(self, job: Resource) -> Iterator[Diagnostic]:
        """Findings about validation data that this job, or one it starts from, trains on."""
        validation = job.data.get("validation")
        ours = self.inspected.get(validation) if validation else None
        if validation is None or ours is None or ours.inspection.is_refused(ours.severity):
            return
        by_address, named = self.config.by_address, job.address._replace(key=None)  # told once of a for_each
        for ancestor in _lineage(job, by_address):
            training = ancestor.data.get("training")
            theirs = self.inspected.get(training) if training else None
            if theirs is None or theirs.inspection.is_refused(theirs.severity):
                continue
            overlap = self._overlap(ours, theirs)
            whose = "" if ancestor is job else f", from which {ancestor.address} learns"
            for rule, count, first, how, like in (
                ("data/overlap", overlap.same, overlap.first_same, "", "the same as"),
                ("data/near-overlap", overlap.near, overlap.first_near, " nearly", "nearly"),
                ("data/grown-overlap", overlap.grown, overlap.first_grown, " in part", "a part of"),
            ):
                grade = dataset.grade_of(rule, ours.severity)
                if first is None or grade == "off":
                    continue
                row = dataset.RULES[rule]
                if training == validation:
                    place = job.reference_places.get(validation, job.place)
                    summary = f"{named} has the same dataset for `training` and `validation`"
                    yield Diagnostic(summary, row.why, _SPLIT, place, grade, rule)
                    break
                yield Diagnostic(
                    f"{share(count, ours.inspection.examples, 'example')} of {validation} "
                    f"{agree(count, 'is', 'are')}{how} in {training}",
                    f"{named}: {ours.source.line(first[0])} is {like} "
                    f"{theirs.source.line(first[1])}{whose}. {row.why}",
                    row.fix,
                    job.reference_places.get(validation, job.place),
                    grade,
                    rule,
                )

    def _overlap(self, ours: Inspected, theirs: Inspected) -> dataset.Overlap:
        def find() -> dataset.Overlap:
            from ftops.dataset.checks.checker import overlap

            return overlap(ours.source.file, theirs.source.file, ours.inspection.format)

        try:
            return self.cache.overlap(ours.inspection.digest, theirs.inspection.digest, find)
        except OSError:
            return dataset.Overlap()  # whatever reads the file next reports the error


_SPLIT = (
    "Name another dataset for `validation`, or divide this one: `transform: [{split: {part: valid}}]` in a "
    "second dataset with the same path, `part: train` in this one."
)


def _referred(config: Config) -> Iterator[Reference]:
    """Every reference of the config."""
    for resource in config.resources:
        for value in resource.inputs.values():
            if not isinstance(value, SCALARS):
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


def _placed(diagnostic: Diagnostic, resource: Resource, folder: Path) -> Diagnostic:
    """The finding; at the place of the dataset in the spec if it is about a file as a whole."""
    place = diagnostic.place
    if place is None or place != Place(place.file) or resource.place is None:
        return diagnostic
    path = str(resource.inputs.get("path"))
    files, are = ("files", "are") if dataset.is_pattern(path) else ("file", "is")
    named = f"The {files} of {resource.address} {are} {path}."
    written = resource.places.get("path", resource.place)
    hint = diagnostic.hint
    is_there = os.path.lexists(folder / path) and not (folder / path).is_dir()
    if diagnostic.rule in ("file/missing", "file/unreadable") and not is_there:
        from ftops.config.missing_files import meant_instead

        hint = meant_instead(path, folder) or hint
    return replace(diagnostic, place=written, detail=f"{named} {diagnostic.detail}".rstrip(), hint=hint)


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

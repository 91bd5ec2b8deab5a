"""The data files of a config: what each holds, what is wrong with it, and with what a job makes of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ftops import dataset
from ftops.address import Address, Json, Reference
from ftops.config import Config, Resource
from ftops.errors import Diagnostic, FtopsError, SpecError
from ftops.kinds import METHOD_FORMATS

DATA_OF_JOB = ("training", "validation")


def with_data(config: Config, show: Callable[[Path], str]) -> tuple[Config, tuple[Diagnostic, ...]]:
    """The config with what each data file holds: its digest as an input, size and count as facts.

    Raises SpecError with every error in every file; returns the warnings.
    """
    with data_cache(config) as cache:
        files = _Files(config, show, cache)
        resources = tuple(files.with_content(resource) for resource in config.resources)
        files.check_jobs()
    errors = [d for d in files.findings if d.severity == "error"]
    if errors:
        raise SpecError(errors)
    return replace(config, resources=resources), tuple(files.findings)


def inspect_data(config: Config) -> dict[Path, tuple[dataset.Inspection, Mapping[str, str]]]:
    """What each data file of a config holds, and the grades that are set for it; nothing is raised."""
    with data_cache(config) as cache:
        return {
            file: (dataset.inspect(file, format=_format(resource), cache=cache), _severity(resource))
            for resource in config.resources
            if (file := _file(config, resource)) is not None
        }


def data_cache(config: Config) -> dataset.Cache:
    """What is known of data files that haven't changed."""
    is_local = config.state.backend == "local"
    return dataset.Cache(config.project / (config.state.path if is_local else ".ftops") / ".cache")


class _Files(Struct):
    """Each file is inspected once, and changed where its dataset says so."""

    config: Config
    show: Callable[[Path], str]
    cache: dataset.Cache
    findings: list[Diagnostic] = field(default_factory=list)
    _inspected: dict[tuple[Path, str], dataset.Inspection] = field(default_factory=dict)
    _of: dict[Address, dataset.Inspection] = field(default_factory=dict)

    def with_content(self, resource: Resource) -> Resource:
        file = _file(self.config, resource)
        if file is None:
            return _with_name(resource)
        inspection = self._inspect(file, self.show(file), resource)
        steps: Any = resource.inputs.get("transform")
        if steps and not inspection.is_refused(_severity(resource)):
            resource, inspection = self._transformed(resource, file, inspection, steps)
        self._of[resource.address] = inspection
        return _with_inspection(resource, inspection)

    def check_jobs(self) -> None:
        """What no file shows by itself."""
        for job in self.config.resources:
            if job.address.kind == "job":
                self.findings += self._misfits(job)

    def _inspect(self, file: Path, shown: str, resource: Resource) -> dataset.Inspection:
        form = _format(resource)
        found = self._inspected.get((file, form))
        if found is None:
            found = self._inspected[file, form] = dataset.inspect(file, format=form, cache=self.cache)
        told = [d for d in found.diagnostics(shown, _severity(resource)) if d.severity != "note"]
        self.findings += [d for d in (_placed(d, resource) for d in told) if d not in self.findings]
        return found

    def _transformed(
        self, resource: Resource, file: Path, inspection: dataset.Inspection, steps: Any
    ) -> tuple[Resource, dataset.Inspection]:
        from ftops.dataset.transform import prepared

        shown = self.show(file)
        try:
            made = prepared(file, shown, inspection.digest, steps, self.config.project)
        except FtopsError as error:
            self.findings += error.diagnostics
            return resource, inspection
        inputs = {**resource.inputs, "file": os.path.relpath(made, self.config.folder)}
        resource = replace(resource, inputs=inputs)
        return resource, self._inspect(made, f"{shown} (transformed)", resource)

    def _misfits(self, job: Resource) -> Iterator[Diagnostic]:
        """Data whose examples are of a format that the method doesn't learn from."""
        method = str(job.inputs.get("method", "supervised"))
        need = METHOD_FORMATS.get(method, "")
        for key, address in data_of(job):
            known = self._of.get(address)
            if known is None or not known.digest or known.format == need or known.is_refused():
                continue
            yield Diagnostic(
                f"the method {method} needs data in the format `{need}`",
                f"{job.address}: the examples of {address} ({key}) are of the format {known.format}.",
                "Choose another dataset, or another method.",
                job.reference_places.get(address, job.place),
                rule="chat/format",
            )


def data_of(job: Resource) -> Iterator[tuple[str, Address]]:
    """The datasets of a job: `training` or `validation`, and the address."""
    for key in DATA_OF_JOB:
        value = job.inputs.get(key)
        if isinstance(value, Reference) and value.address.kind == "dataset":
            yield key, value.address


def _file(config: Config, resource: Resource) -> Path | None:
    path = resource.inputs.get("path")
    return config.folder / path if resource.address.kind == "dataset" and isinstance(path, str) else None


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
    return replace(diagnostic, place=resource.place, detail=f"{resource.address}: {diagnostic.detail}")


def _with_name(resource: Resource) -> Resource:
    """A deployment's name is known beforehand, unless it is made from the model's."""
    if resource.address.kind != "deployment" or resource.inputs.get("replace") == "blue_green":
        return resource
    name = resource.inputs.get("name")
    return replace(resource, facts={"name": name}) if isinstance(name, str) else resource


def _with_inspection(resource: Resource, inspection: dataset.Inspection) -> Resource:
    facts: dict[str, Json] = {
        "digest": inspection.digest,
        "bytes": inspection.bytes,
        "examples": inspection.examples,
    }
    inputs = {"format": inspection.format, **resource.inputs, "content": inspection.digest}
    return replace(resource, inputs=inputs, facts=facts)

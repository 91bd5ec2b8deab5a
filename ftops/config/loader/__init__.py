"""YAML → Config, with file and line in every finding. Reads the files of the spec and nothing else.

source → settings, variables → expand → inputs → linking → Config
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftops import __version__
from ftops.config import schema
from ftops.config.config import Config, Lifecycle, Refactorings, Resource
from ftops.config.loader.cross_account import check_control_plane, link_accounts
from ftops.config.loader.expressions import Scope
from ftops.config.loader.files import Source, read, veiled
from ftops.config.loader.for_each import Draft, expand
from ftops.config.loader.hyperparameters import read_sets
from ftops.config.loader.inputs import add_checks, check_unique_names, make_inputs, read_checks
from ftops.config.loader.outputs import read_output
from ftops.config.loader.paths import check_paths
from ftops.config.loader.provider_defaults import complete
from ftops.config.loader.references import Linker, check_formats
from ftops.config.loader.secrets import secret_values
from ftops.config.loader.settings import (
    DEFAULT_ENVIRONMENT,
    Providers,
    choose_environment,
    public_variables,
    read_budget,
    read_drift,
    read_settings,
)
from ftops.config.loader.variables import Givers, resolve_variables
from ftops.config.schema.field_types import Unknown
from ftops.core.errors import Diagnostic, SpecError
from ftops.core.project import project_root
from ftops.core.resource_types import kind_of
from ftops.core.suggestions import did_you_mean

__all__ = ["load", "load_outline"]


def load(
    path: Path,
    *,
    environment: str | None = None,
    variables: Sequence[str] = (),
    variable_files: Sequence[Path] = (),
    environ: Mapping[str, str],
    destroying: bool = False,
) -> Config:
    """The spec at `path` (a file, or a folder of *.yaml and *.yml) for one environment.

    `variables` are `name=value` pairs. With `destroying`, only providers and the lifecycle of resources are
    read, and only what these name needs a value. Raises SpecError with every finding, sorted by place.
    """
    findings: list[Diagnostic] = []
    scope = Scope({}, environ, findings, destroying=destroying)
    config = _load(path, environment, Givers(environ, variable_files, variables), scope)
    if config is None or findings:
        raise SpecError(list(dict.fromkeys(findings)))
    return config


def load_outline(
    path: Path,
    *,
    environment: str | None = None,
    variable_files: Sequence[Path] = (),
    environ: Mapping[str, str],
) -> Config:
    """A spec without all that it declares: what it is called, and where it and its state are. It asks for no
    variable, and mistakes in resources don't matter. Raises SpecError."""
    findings: list[Diagnostic] = []
    source = read(path, variable_files, findings, outline=True)
    name, state = read_settings(source, __version__, Scope({}, environ, findings))
    choose_environment(source, environment, findings)
    config = Config(
        name=name,
        environment=environment or DEFAULT_ENVIRONMENT,
        folder=source.folder,
        project=project_root(source.folder),
        resources=(),
        providers={},
        state=state,
        is_named="name" in source["ftops"],
        is_outline=True,
        files=source.files,
    )
    check_paths(config, source, findings)
    if findings:
        raise SpecError(list(dict.fromkeys(_as_shown(finding, source) for finding in findings)))
    return config


def _load(path: Path, environment: str | None, givers: Givers, scope: Scope) -> Config | None:
    source = read(path, givers.files, scope.findings)
    config = None if scope.findings else _config(source, environment, givers, scope)
    scope.findings[:] = [_as_shown(finding, source) for finding in scope.findings]
    return config


def _as_shown(finding: Diagnostic, source: Source) -> Diagnostic:
    """Without what it quotes, where no line of its file is shown."""
    return veiled(finding) if finding.place and finding.place.file in source.veiled else finding


def _config(source: Source, wanted: str | None, givers: Givers, scope: Scope) -> Config:
    findings = scope.findings
    name, state = read_settings(source, __version__, scope)
    environment = choose_environment(source, wanted, findings)
    known = resolve_variables(source, environment, givers, findings, required=not scope.destroying)
    scope.variables = known
    project = project_root(source.folder)
    providers = Providers(source, environment, project, scope)
    resources = _Resources(source, providers, scope)
    found = resources.outlines() if scope.destroying else resources.read()
    refactorings = _NONE
    if source.refactorings:
        from ftops.config.loader.refactorings import read_refactorings

        refactorings = read_refactorings(source, resources.linker, scope)
    outputs = () if scope.destroying else _outputs(source, scope, resources.linker)
    config = Config(
        name=name,
        environment=wanted or DEFAULT_ENVIRONMENT,
        folder=source.folder,
        project=project,
        resources=tuple(sorted(found, key=lambda r: r.address.sort_key)),
        providers=providers.configs(),
        outputs=outputs,
        state=state,
        budget=read_budget(source, environment),
        drift=read_drift(source),
        variables=public_variables(known),
        given=tuple(sorted(name for name, variable in known.items() if variable.given)),
        secrets=secret_values(scope.hidden, findings),
        keys=tuple(sorted(secret.name for secret in scope.keys - scope.asked)),
        refactorings=refactorings,
        is_named="name" in source["ftops"],
        files=source.files,
        warnings=tuple(scope.warnings),
    )
    check_paths(config, source, findings)
    return config


class _Resources:
    """Drafts become resources."""

    def __init__(self, source: Source, providers: Providers, scope: Scope) -> None:
        self.sets = read_sets(source["hyperparameters"], scope)
        self.declared = expand(source.sections, self.sets, scope)
        self.linker = Linker(self.declared, scope.findings)
        self.folder = source.folder.as_posix()
        self.checks = read_checks(source, scope.findings)
        self.providers = providers
        self.findings = scope.findings

    def outlines(self) -> list[Resource]:
        """Resources that are only to be deleted: how, and where."""
        return [
            Resource(
                draft.address,
                "" if isinstance(draft.block.provider, Unknown) else self._provider(draft),
                {},
                lifecycle=_lifecycle(draft, self.findings) if draft.block.lifecycle else _LIFECYCLE,
                place=draft.entry.mark(),
            )
            for draft in self.declared.drafts
        ]

    def read(self) -> list[Resource]:
        drafts = self.declared.drafts
        made = [(draft, self._resource(draft)) for draft in drafts]
        found = link_accounts(made, self.providers, self.findings)
        pairs = list(zip(drafts, found, strict=True))
        formats = {d.address: d.block.format for d, _ in pairs if kind_of(d.address).is_data}
        jobs = ((d, r.inputs) for d, r in pairs if kind_of(d.address).trains)
        check_formats(jobs, formats, self.findings)
        named: dict[tuple[str, str, str], list[Draft]] = {}
        for draft, resource in pairs:
            name = resource.inputs.get(kind_of(draft.address).named_by)
            if isinstance(name, str):
                key = (resource.provider, draft.address.kind, name.casefold())
                named.setdefault(key, []).append(draft)
        check_unique_names(named, self.findings)
        return found

    def _resource(self, draft: Draft) -> Resource:
        made = make_inputs(draft, self.folder, self.sets, self.findings)
        if self.checks and kind_of(draft.address).is_data:
            add_checks(made.inputs, self.checks)
        provider = self._provider(draft)
        defaults = self.providers.defaults_of(provider)
        complete(draft, made.inputs, self.providers.type_of(provider), defaults, self.findings)
        bare = self.linker.bare_names(draft, made.inputs)
        places = self.linker.check([*draft.uses, *made.uses, *bare])
        self.linker.model(draft, made.inputs)
        depends_on = self.linker.depends_on(draft)
        return Resource(
            address=draft.address,
            provider=provider,
            inputs=made.inputs,
            depends_on=tuple(sorted(depends_on, key=lambda a: a.sort_key)),
            lifecycle=_lifecycle(draft, self.findings) if draft.block.lifecycle else _LIFECYCLE,
            sources=made.sources,
            place=draft.entry.mark(),
            reference_places={**depends_on, **places},
        )

    def _provider(self, draft: Draft) -> str:
        name = self.providers.name_for(draft.block.provider, draft.entry)
        kind = kind_of(draft.address)
        if kind.by_control_plane:
            detail = f"The spec declares {kind.section} there: Azure Resource Manager creates these."
            check_control_plane(self.providers, name, detail, self.findings)
        return name


_LIFECYCLE = Lifecycle()
_NONE = Refactorings()


def _lifecycle(draft: Draft, findings: list[Diagnostic]) -> Lifecycle:
    block: schema.LifecycleBlock = draft.block.lifecycle
    model = schema.resource_block(draft.address.kind)
    inputs = sorted(model.fields.keys() - schema.COMMON_KEYS)
    for index, name in enumerate(block.ignore_changes or ()):
        if name.partition(".")[0] not in inputs:
            summary = f"{kind_of(draft.address).noun} has no input `{name}`"
            place = draft.entry.place(("lifecycle", "ignore_changes", index))
            detail = "`ignore_changes` lists the inputs whose changes are ignored."
            findings.append(Diagnostic(summary, detail, did_you_mean(name, inputs), place))
    return Lifecycle(
        block.prevent_destroy,
        tuple(sorted(block.ignore_changes or ())),
        block.create_before_destroy,
        block.on_destroy,
    )


def _outputs(source: Source, scope: Scope, linker: Linker) -> tuple[Any, ...]:
    found = []
    for entry in sorted(source["outputs"].values(), key=lambda e: e.name):
        output, uses = read_output(entry, scope)
        linker.check(uses)
        if output is not None:
            found.append(output)
    return tuple(found)

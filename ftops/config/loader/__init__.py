"""Spec loader: YAML files → Config. Every finding has its file, line and column.

source → settings, variables → expand → inputs → references → Config
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ftops import __version__
from ftops.config import schema
from ftops.config.config import Config, Lifecycle, Output, ReadOutputs, Refactorings, Resource
from ftops.config.loader import inputs, settings
from ftops.config.loader.cross_account import check_control_plane, check_control_version, link_accounts
from ftops.config.loader.environments import (
    Variation,
    choose_environment,
    declares,
    named_environments,
    unselected_environments,
    variation_of,
)
from ftops.config.loader.expression_errors import not_written_as_expression
from ftops.config.loader.expressions import Evaluator, Scope, Use
from ftops.config.loader.files import read, veiled
from ftops.config.loader.for_each import Draft, expand
from ftops.config.loader.generation import generated_of
from ftops.config.loader.phases import INPUTS
from ftops.config.loader.promotion import read_promotion
from ftops.config.loader.references import Linker, check_always_there, check_formats, flattened
from ftops.config.loader.repeated import one_for_each_name
from ftops.config.loader.source import Entry, Marks, Source
from ftops.config.loader.validate import read_block
from ftops.config.loader.variables import Givers, resolve_variables
from ftops.config.outputs import names_secret
from ftops.config.policy import SPEC_ALONE, PolicySources
from ftops.config.schema.block import Block, OrName
from ftops.config.schema.field_types import UNKNOWN, Hidden, Unknown, has_unknown
from ftops.config.schema.resources import COMMON_KEYS, LifecycleBlock
from ftops.config.schema.settings import OutputBlock
from ftops.config.sweeps import is_best
from ftops.core.address import Scalar, Secret, render
from ftops.core.confined_files import allow_hint, outside
from ftops.core.errors import Diagnostic, Place, SpecError
from ftops.core.lazy import resolve
from ftops.core.project import display, project_root
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of
from ftops.core.suggestions import did_you_mean
from ftops.yaml.document import Plain

if TYPE_CHECKING:
    from ftops.catalog import Catalog
    from ftops.config.loader.other_states import OtherStates

__all__ = ["has_environment", "load", "load_outline"]


def load(
    path: Path,
    *,
    environment: str | None = None,
    variables: Sequence[str] = (),
    variable_files: Sequence[Path] = (),
    environ: Mapping[str, str],
    connecting: bool = True,
    destroying: bool = False,
    is_recorded: bool = False,
    policy: PolicySources = SPEC_ALONE,
    read_outputs: ReadOutputs | None = None,
) -> Config:
    """The spec at `path` (a file, or a folder of *.yaml and *.yml) for one environment.

    `variables` are `name=value` pairs. Without `connecting`, settings of providers and of the state may lack
    a value from the environment, and no service may be contacted. With `destroying`, only providers and the
    lifecycle of resources are read, and only what they refer to needs a value. `is_recorded`: the environment
    has a state, and needn't be declared any more. `policy` says where rules come from beside the spec, and
    `read_outputs` reads states of other specs. Raises SpecError with every finding, sorted by place.
    """
    findings: list[Diagnostic] = []
    scope = Scope(
        {}, environ, findings, connecting=connecting, destroying=destroying, read_outputs=read_outputs
    )
    source = read(path, variable_files, findings)
    givers = Givers(environ, variable_files, variables)
    config = None if findings else _config(source, environment, givers, scope, is_recorded=is_recorded)
    if config is not None and (source.lists or policy != SPEC_ALONE):
        from ftops.config.loader.policy import read_policy

        rules = read_policy(source, path, config.environment, policy, findings)
        config = replace(config, policy=rules)
    if config is None or findings:
        raise SpecError(one_for_each_name([_as_shown(finding, source) for finding in findings]))
    return config


def load_outline(
    path: Path,
    *,
    environment: str | None = None,
    variable_files: Sequence[Path] = (),
    environ: Mapping[str, str],
) -> Config:
    """The name of a spec, and where it and its state are, without resources. It needs no variables, and
    errors in resources don't matter. Raises SpecError."""
    findings: list[Diagnostic] = []
    source = read(path, variable_files, findings, outline=True)
    scope = Scope({}, environ, findings)
    name, state = settings.read_settings(source, __version__, scope)
    states = _states(source, environment, scope)
    choose_environment(source, environment, findings)
    config = Config(
        name=name,
        environment=environment or settings.DEFAULT_ENVIRONMENT,
        folder=source.folder,
        project=project_root(source.folder),
        resources=(),
        providers={},
        state=state,
        is_named="name" in source["ftops"],
        is_outline=True,
        files=source.files,
        states=states.sources if states else {},
    )
    _check_paths(config, source, findings)
    if findings:
        raise SpecError(one_for_each_name([_as_shown(finding, source) for finding in findings]))
    return config


def has_environment(path: Path, name: str, variable_files: Sequence[Path]) -> bool:
    """Whether a spec declares an environment, by its name or a pattern; also true if it can't be read."""
    findings: list[Diagnostic] = []
    source = read(path, variable_files, findings, outline=True)
    return bool(findings) or declares(source, name)


def _states(source: Source, environment: str | None, scope: Scope) -> OtherStates | None:
    """The states of other specs that this one declares, for the expressions of this scope."""
    if not source["states"]:
        return None
    from ftops.config.loader.other_states import OtherStates, read_sources

    own = environment or settings.DEFAULT_ENVIRONMENT
    sources = read_sources(source, project_root(source.folder), own, scope)
    states = OtherStates(sources, scope.read_outputs)
    scope.output = states.output
    return states


def _as_shown(finding: Diagnostic, source: Source) -> Diagnostic:
    """The finding; without quotations if no line of its file is shown."""
    return veiled(finding) if finding.place and finding.place.file in source.veiled else finding


def _config(
    source: Source, wanted: str | None, givers: Givers, scope: Scope, *, is_recorded: bool
) -> Config | None:
    """None, with a finding, if the wanted environment isn't declared: other errors may follow from that."""
    findings = scope.findings
    name, state = settings.read_settings(source, __version__, scope)
    before = len(findings)
    environment = choose_environment(source, wanted, findings, is_recorded=is_recorded)
    if environment is None and wanted not in (None, settings.DEFAULT_ENVIRONMENT) and findings[before:]:
        return None
    variation = variation_of(environment, wanted or settings.DEFAULT_ENVIRONMENT)
    variables = resolve_variables(source, environment, givers, findings, required=not scope.destroying)
    scope.variables = variables
    project = project_root(source.folder)
    states = _states(source, wanted, scope)
    providers = settings.Providers(source, environment, project, scope)
    reader = _Resources(source, providers, variation, scope)
    resources = reader.outlines() if scope.destroying else reader.read()
    refactorings = Refactorings()
    if source.lists:
        from ftops.config.loader.refactorings import read_refactorings

        refactorings = read_refactorings(source, reader.linker, scope)
    outputs = () if scope.destroying else _outputs(source, scope, reader.linker)
    config = Config(
        name=name,
        environment=wanted or settings.DEFAULT_ENVIRONMENT,
        folder=source.folder,
        project=project,
        resources=tuple(sorted(resources, key=lambda r: r.address.sort_key)),
        providers=providers.configs(),
        outputs=outputs,
        state=state,
        budget=settings.read_budget(source, environment),
        ttl=variation.ttl,
        drift=settings.read_words(source, "drift"),
        variables=settings.public_variables(variables),
        given=tuple(sorted(name for name, variable in variables.items() if variable.given)),
        states=states.sources if states else {},
        reads=states.reads() if states else (),
        secrets=_secret_values(scope.hidden, findings),
        keys=tuple(sorted(secret.name for secret in scope.keys - scope.asked)),
        refactorings=refactorings,
        promotion=read_promotion(environment),
        environments=named_environments(source),
        unselected=() if wanted else unselected_environments(source),
        is_named="name" in source["ftops"],
        files=source.files,
        warnings=tuple(dict.fromkeys((*source.skipped, *scope.warnings))),
    )
    _check_paths(config, source, findings)
    return config


class _Resources:
    """Makes resources of drafts."""

    def __init__(
        self, source: Source, providers: settings.Providers, variation: Variation, scope: Scope
    ) -> None:
        sets = inputs.read_sets(source["hyperparameters"], scope)
        self.context = inputs.Context(
            source.folder.as_posix(), sets, scope.findings, scope.warnings, scope.environ
        )
        self.sets: Mapping[str, Entry] = source["hyperparameters"]
        self.places: dict[tuple[int, str], Mapping[str, Place]] = {}
        self.declared = expand(source.sections, scope)
        self.linker = Linker(self.declared, scope.findings)
        self.checks = inputs.read_checks(source, scope.findings)
        self.providers = providers
        self.variation = variation
        self.findings = scope.findings

    def outlines(self) -> list[Resource]:
        """The resources without inputs, to be deleted."""
        return [
            Resource(
                draft.address,
                "" if isinstance(draft.block.provider, Unknown) else self._provider(draft),
                {},
                lifecycle=_lifecycle(draft, self.findings),
                place=draft.entry.mark(),
            )
            for draft in self.declared.drafts
        ]

    def read(self) -> list[Resource]:
        drafts = self.declared.drafts
        unlinked = [(draft, self._resource(draft)) for draft in drafts]
        resources = [flattened(one) for one in link_accounts(unlinked, self.providers, self.findings)]
        resources = self.variation.applied(resources, self._catalog_of, self.context.warnings)
        pairs = list(zip(drafts, resources, strict=True))
        formats = {d.address: d.block.format for d, _ in pairs if kind_of(d.address).is_data}
        jobs = ((d, r.inputs) for d, r in pairs if kind_of(d.address).trains)
        check_formats(jobs, formats, self.findings)
        named: dict[tuple[str, str, str], list[Draft]] = {}
        for draft, resource in pairs:
            name = resource.inputs.get(kind_of(draft.address).named_by)
            if isinstance(name, str):
                key = (resource.provider, draft.address.kind, name.casefold())
                named.setdefault(key, []).append(draft)
        inputs.check_unique_names(named, self.findings)
        if any(draft.block.best or draft.block.stop for draft in drafts if kind_of(draft.address).trains):
            from ftops.config.loader.sweeps import check_sweeps

            check_sweeps(self.declared, self.findings)
        if hosted := {resource.address for resource in resources if "hosting" in resource.inputs}:
            for draft, resource in pairs:
                check_always_there(draft, resource, hosted, self.findings)
        return resources

    def _places(self, draft: Draft, sources: Mapping[str, str]) -> Mapping[str, Place]:
        """Those of a set of hyperparameters count where the resource doesn't set them itself. All instances
        of a `for_each` share them."""
        name = sources.get("hyperparameters", "")
        known = self.places.get((id(draft.entry), name))
        if known is None:
            known = Marks(partial(_marks, draft.entry, self.sets.get(name)))
            self.places[id(draft.entry), name] = known
        return known

    def _resource(self, draft: Draft) -> Resource:
        prepared: inputs.PreparedInputs = resolve(kind_of(draft.address).make_inputs)(draft, self.context)
        if self.checks and kind_of(draft.address).is_data:
            inputs.add_checks(prepared.inputs, self.checks)
        provider = self._provider(draft)
        defaults = self.providers.setting(provider, "defaults")
        type_ = self.providers.type_of(provider)
        inputs.complete(draft, prepared.inputs, type_, defaults, self.findings)
        if kind_of(draft.address).trains:
            version = self.providers.setting(provider, "api_version")
            inputs.check_described(draft, prepared.inputs, type_, version, self.findings)
        bare = self.linker.bare_names(draft, prepared.inputs)
        uses = [*draft.uses, *prepared.uses, *bare]
        places = self.linker.check(uses)
        self.linker.model(draft, prepared.inputs)
        self.linker.expand(draft, prepared.inputs)
        depends_on = self.linker.depends_on(draft)
        linked, best = prepared.inputs, [use.reference for use in uses if is_best(use.reference)]
        if best:
            linked = {name: self.linker.with_first_job(value) for name, value in linked.items()}
            jobs = [job for reference in best for job in self.linker.named(reference)]
            depends_on |= {job: places[job] for job in jobs}
        return Resource(
            address=draft.address,
            provider=provider,
            inputs=linked,
            depends_on=tuple(sorted(depends_on, key=lambda a: a.sort_key)),
            lifecycle=_lifecycle(draft, self.findings),
            sources=prepared.sources,
            place=draft.entry.mark(),
            places=self._places(draft, prepared.sources),
            reference_places={**depends_on, **places},
            generated=generated_of(draft),
        )

    def _catalog_of(self, provider: str) -> Catalog:
        from ftops import catalog  # only if an environment has a tier

        type_ = self.providers.type_of(provider) or "emulator"
        return catalog.load(self.providers.project, os.environ).of(PROVIDER_TYPES[type_])

    def _provider(self, draft: Draft) -> str:
        kind = kind_of(draft.address)
        name = self.providers.name_for(draft.block.provider, draft.entry, is_deployed=kind.serves)
        if kind.by_control_plane:
            detail = f"The spec declares {kind.section} there: Azure Resource Manager creates these."
            check_control_plane(self.providers, name, detail, self.findings)
            check_control_version(draft, self.providers, name, self.findings)
        return name


def _marks(entry: Entry, hyperparameters: Entry | None) -> Mapping[str, Place]:
    named = hyperparameters.marks() if hyperparameters else {}
    return {**{f"hyperparameters.{path}": place for path, place in named.items()}, **entry.marks()}


_NO_LIFECYCLE = Lifecycle()


def _lifecycle(draft: Draft, findings: list[Diagnostic]) -> Lifecycle:
    block: LifecycleBlock | None = draft.block.lifecycle
    if block is None:
        return _NO_LIFECYCLE
    model = schema.resource_block(draft.address.kind)
    known = sorted(model.fields.keys() - COMMON_KEYS)
    for index, name in enumerate(block.ignore_changes or ()):
        head, _, rest = name.partition(".")
        inner = model.fields[head].type if head in known else None
        inner = inner.block if isinstance(inner, OrName) else inner
        of_block = (
            sorted(inner.fields) if isinstance(inner, type) and issubclass(inner, Block) and rest else []
        )
        if head not in known or (of_block and rest.partition(".")[0] not in of_block):
            summary = f"{kind_of(draft.address).noun} has no input `{name}`"
            detail = "`ignore_changes` lists the inputs whose changes are ignored."
            path = ("lifecycle", "ignore_changes", index)
            near = did_you_mean(name, [f"{head}.{key}" for key in of_block] or known)
            draft.entry.report(findings, path, summary, detail, near)
    return Lifecycle(
        block.prevent_destroy,
        tuple(sorted(block.ignore_changes or ())),
        block.create_before_destroy,
        block.on_destroy,
    )


def _outputs(source: Source, scope: Scope, linker: Linker) -> tuple[Output, ...]:
    outputs = []
    for entry in sorted(source["outputs"].values(), key=lambda entry: entry.name):
        output, uses = _output(entry, scope)
        linker.check(uses)
        if output is not None:
            outputs.append(replace(output, value=linker.with_first_job(output.value)))
    return tuple(outputs)


def _output(entry: Entry, scope: Scope) -> tuple[Output | None, list[Use]]:
    """An output, which is a value or a mapping with `value`, and its references."""
    settings.check_name(entry, "an output", scope.findings)
    evaluator = Evaluator(entry, scope, INPUTS)
    data = evaluator.evaluate(entry.data)
    if has_unknown(data):
        return None, []
    is_mapping = isinstance(data, dict) and bool({"value", "description", "sensitive"} & data.keys())
    block_data, written = (data, entry.data.get("value")) if is_mapping else ({"value": data}, entry.data)
    is_null = block_data.get("value") is None and written is not None
    if is_null:  # the value of an expression; a value that isn't set is an error
        block_data = {**block_data, "value": UNKNOWN}
    block = read_block(OutputBlock, block_data, entry, scope.findings, own=not is_mapping)
    if block is None:
        return None, evaluator.uses
    value = None if is_null else block.value
    if type(written) is Plain and (finding := not_written_as_expression(written, is_model=False)):
        place = entry.place(("value",)) if is_mapping else entry.value_place()
        scope.findings.append(Diagnostic(*finding, place))
    is_sensitive = block.sensitive or names_secret(value)
    return Output(entry.name, value, block.description, is_sensitive, entry.mark()), evaluator.uses


def _secret_values(
    hidden: Sequence[Hidden], findings: list[Diagnostic]
) -> dict[Secret, str | int | float | bool]:
    """The value of each secret. A finding if two fields need it in different types."""
    values: dict[Secret, str | int | float | bool] = {}
    conflicts = []
    for use in hidden:
        form = _without_quotes(use.form)
        if form is not None:
            known = values.setdefault(use.secret, form)
            if type(known) is not type(form) or known != form:
                conflicts.append(use)
    for use in hidden:
        value = _without_quotes(use.value)
        known = values.setdefault(use.secret, "" if value is None else value)
        if use.form is None and value is not None and render(known) != render(value):
            conflicts.append(use)
    for use in conflicts:
        entry, path = use.place
        detail = "A secret has one type: here it is used as text, elsewhere as a number or boolean."
        hint = "Use two variables, one for each type."
        entry.report(findings, path, f"`{use.secret}` is used with two types", detail, hint)
    return values


def _without_quotes(value: Scalar) -> Scalar:
    return str(value) if isinstance(value, str) else value


def _check_paths(config: Config, source: Source, findings: list[Diagnostic]) -> None:
    """Findings about paths of the config that are outside of the project."""
    refused: list[Path] = []
    places: dict[Path, Path | None] = {}
    for named in config.named_paths():
        if any(named.path.is_relative_to(folder) for folder in refused):
            continue
        if named.path not in places:
            places[named.path] = outside(named.path, config.project)
        where = places[named.path]
        if where is None and (named.is_data or "\0" not in str(named.path)):
            continue
        shown, key = display(named.path), f"`{'.'.join(named.keys)}`"
        entry = source[named.section].get(named.name)
        place = entry.place(named.keys) if entry else Place(shown).veiled()
        detail = f"It is {where}. The project is {config.project}; ftops doesn't access files outside of it."
        if where is None:
            summary, detail = f"{key} isn't a valid file name", "It contains a null character."
            findings.append(Diagnostic(summary, detail, "Remove the `\\0`.", place))
            continue
        refused += [] if named.is_data else [named.path]
        if named.section:
            summary, hint = f"{key} leads out of the project: {shown}", allow_hint()
        else:
            summary, hint = f"{shown} leads out of the project", "Remove the link."
            detail += " A checkout may hold links."
        findings.append(Diagnostic(summary, detail, hint, place))

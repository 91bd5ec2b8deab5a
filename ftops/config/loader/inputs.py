"""Resource inputs: a validated block as the plain data that plans compare and providers use."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from ftops.config.loader.expressions import Evaluator, Scope, Use
from ftops.config.loader.for_each import Draft
from ftops.config.loader.generation import check_generation, recorded_path
from ftops.config.loader.phases import INPUTS
from ftops.config.loader.settings import check_name, nearest_name, read_words, to_suggest
from ftops.config.loader.source import Entry, Keys, Source
from ftops.config.loader.validate import read_block
from ftops.config.schema.block import Block
from ftops.config.schema.field_types import one_of
from ftops.config.schema.hyperparameters import Hyperparameters, JobHyperparameters
from ftops.config.schema.providers import Defaults
from ftops.config.schema.resources import COMMON_KEYS, Dataset, Job
from ftops.core.address import Value
from ftops.core.api_versions import V1
from ftops.core.errors import Diagnostic
from ftops.core.lazy import resolve
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of
from ftops.core.suggestions import did_you_mean

Inputs = dict[str, Value]
_METHODS_OF_KEYS = {name: field.method for name, field in Job.fields.items() if field.method}
_METHODS_OF_HYPERPARAMETERS = {
    name: field.method for name, field in Hyperparameters.fields.items() if field.method
}
_NEEDED: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "reinforcement": {
        "grader": ("The grader scores the answers that the model is trained on.", "Add `grader: {type: …}`."),
        "validation": (
            "Reinforcement needs validation data, which the checkpoints are compared by.",
            "Name another dataset: `validation: …`. `transform` can split one into two.",
        ),
    },
}
"""By method: the inputs that it can't do without, with a detail and a hint."""
_PROVIDED = ("training_type", "tags")
"""Inputs that the provider may set."""
_TRAINING_TYPE = "standard"
_STEPS = ("slim", "convert", "split", "sample")
"""What a step of `transform` can be."""


class NamedSet(NamedTuple):
    """Named hyperparameters; `values` is None if they are invalid."""

    values: Mapping[str, Any] | None
    uses: list[Use]
    entry: Entry | None = None


class Context(NamedTuple):
    """What the inputs of every resource are made with. `folder`: that of the spec."""

    folder: str
    sets: Mapping[str, NamedSet]
    findings: list[Diagnostic]
    warnings: list[Diagnostic]
    environ: Mapping[str, str] = {}


class PreparedInputs(NamedTuple):
    """Inputs, where they come from, and the references in named hyperparameters."""

    inputs: Inputs
    sources: Mapping[str, str]
    uses: list[Use]


def plain_inputs(draft: Draft, context: Context) -> PreparedInputs:
    """The inputs of a kind without rules of its own."""
    return PreparedInputs(set_inputs(draft.block), {}, [])


def dataset_inputs(draft: Draft, context: Context) -> PreparedInputs:
    block: Dataset = draft.block
    inputs: Inputs = {"purpose": block.purpose}
    if block.format is not None:
        inputs["format"] = block.format
    given = [key for key in ("path", "url", "generate") if getattr(block, key) is not None]
    if len(given) != 1:
        summary = "a dataset needs one of `path`, `url` and `generate`"
        detail = f"It has {one_of(tuple(given), 'and') if given else 'none of them'}."
        hint = "Name a file, relative to this one: `path: data/train.jsonl`."
        hint = f"Remove {one_of(tuple(given))}." if given else hint
        draft.entry.report(context.findings, tuple(given[-1:]), summary, detail, hint, key=True)
    if block.path is not None:
        inputs["path"] = relative(block.path, context.folder)
    if block.generate is not None:
        inputs["path"] = recorded_path(draft.address)
        check_generation(block.generate, draft.entry, context.environ, context.findings)
    if block.url is not None:
        inputs["url"] = block.url
    if block.transform is not None:
        inputs["transform"] = [step.as_data() for step in block.transform]
        _check_transform(draft, context.findings)
    if block.checks is not None and block.checks.severity:
        inputs["checks"] = block.checks.as_data()
        check_rules(block.checks.severity, draft.entry, ("checks", "severity"), context.findings)
    return PreparedInputs(inputs, {}, [])


def check_rules(rules: Iterable[str], entry: Entry, path: Keys, findings: list[Diagnostic]) -> None:
    """Findings about grades of rules that don't exist."""
    from ftops.dataset.rules.catalogue import names  # only if a spec sets grades

    known = names()
    for rule in rules:
        if rule not in known:
            summary, hint = f"there is no rule `{rule}`", did_you_mean(rule, known)
            detail = "`severity` grades the findings of rules, so this one would have no effect."
            entry.report(findings, (*path, rule), summary, detail, hint, key=True)


def read_checks(source: Source, findings: list[Diagnostic]) -> dict[str, str]:
    """The grades that the settings give to rules, for every dataset. `read_settings` validates them."""
    grades = read_words(source, "checks", "severity")
    if grades:
        check_rules(grades, source["ftops"]["checks"], ("severity",), findings)
    return grades


def add_checks(inputs: Inputs, shared: Mapping[str, str]) -> None:
    """Adds the grades of the settings, except for rules and groups whose grade the dataset sets."""
    checks: Any = inputs.get("checks") or {}
    own: Mapping[str, str] = checks.get("severity", {})
    left = {rule: g for rule, g in shared.items() if f"{rule.partition('/')[0]}/*" not in own}
    inputs["checks"] = {**checks, "severity": {**left, **own}}


def _check_transform(draft: Draft, findings: list[Diagnostic]) -> None:
    block: Dataset = draft.block
    report = partial(draft.entry.report, findings)
    if block.url is not None:
        detail = "Only a local file can be transformed before it is uploaded."
        report(("transform",), "`transform` needs a `path`", detail, key=True)
    for index, step in enumerate(block.transform or ()):
        path = ("transform", index)
        given = [name for name in _STEPS if getattr(step, name) is not None]
        if len(given) != 1 and not (step.only and not given):
            summary = "a step of `transform` must have one of `slim`, `convert`, `split` and `sample`"
            detail = f"This one has {one_of(tuple(given), 'and') if given else 'none of them'}."
            hint = "Write a separate step for each: `transform: [{convert: tools}, {slim: descriptions}]`."
            report(path, summary, detail, hint)
        if step.only and step.slim is None:
            detail = "It limits `slim` to these functions."
            hint = "Add `slim: functions`, or remove it."
            report((*path, "only"), "`only` needs `slim`", detail, hint)
        if step.split is not None and step.split.fraction >= 1:
            detail = f"It is {step.split.fraction}, which leaves nothing for `valid`."
            report((*path, "split", "fraction"), "`fraction` must be below 1", detail, "Write 0.9 for 90 %.")


def relative(path: str, folder: str) -> str:
    """A path as it is compared: without `./` and `a/..`; relative to the spec if it is below its folder."""
    path = posixpath.normpath(path)
    return posixpath.relpath(path, folder) if path.startswith(folder + "/") else path


def read_sets(entries: Mapping[str, Entry], scope: Scope) -> dict[str, NamedSet]:
    """All named hyperparameters."""
    sets = {}
    for name, entry in entries.items():
        is_valid = check_name(entry, "a set of hyperparameters", scope.findings)
        evaluator = Evaluator(entry, scope, INPUTS)
        data = evaluator.evaluate(entry.data if entry.data is not None else {})
        block = read_block(Hyperparameters, data, entry, scope.findings)
        sets[name] = NamedSet(block.as_data() if block else None, evaluator.uses, entry)
        if not is_valid:  # it is meant where the corrected name is used
            sets.setdefault(nearest_name(name), NamedSet(None, []))
    return sets


def job_inputs(draft: Draft, context: Context) -> PreparedInputs:
    inputs = set_inputs(draft.block)
    sources: dict[str, str] = {}
    uses: list[Use] = []
    own: JobHyperparameters | None = inputs.pop("hyperparameters", None)
    if own is not None:
        values, name = own.as_data(), own.use
        if name is not None:
            sources["hyperparameters"] = values.pop("use")
        if name in context.sets:
            values = {**(context.sets[name].values or {}), **values}
            uses = context.sets[name].uses
        elif name is not None:
            summary = f"there are no hyperparameters named `{name}`"
            detail = "A plain name refers to named hyperparameters."
            nothing = "Declare it under the top-level key `hyperparameters`."
            hint = did_you_mean(name, to_suggest(context.sets), nothing=nothing)
            is_alone = draft.entry.value("hyperparameters", "use") is None
            path = ("hyperparameters",) if is_alone else ("hyperparameters", "use")
            draft.entry.report(context.findings, path, summary, detail, hint)
        values = {key: value for key, value in sorted(values.items()) if value != "auto"}
        if values:
            inputs["hyperparameters"] = values
    for key, does in _OF_SWEEPS.items():
        if key in inputs and draft.address.key is None:
            summary, detail = f"`{key}` needs a `for_each`", f"It {does} the jobs of one."
            draft.entry.report(context.findings, (key,), summary, detail, "Remove it.", key=True)
    for key in ("grader", "response_format", *_OF_SWEEPS):
        if key in inputs:
            inputs[key] = inputs[key].as_data()
    if "integrations" in inputs:
        inputs["integrations"] = [block.as_data() for block in inputs["integrations"]]
    _check_method(draft, inputs, context.findings)
    named = context.sets.get(sources.get("hyperparameters", ""))
    context.warnings.extend(_small_multiplier(draft, inputs, named.entry if named else None))
    if inputs.get("grader"):
        from ftops.config.loader.graders import check_grader  # only if a spec has any

        for finding in check_grader(inputs["grader"], inputs.get("response_format"), draft.entry):
            (context.findings if finding.severity == "error" else context.warnings).append(finding)
    return PreparedInputs(inputs, sources, uses)


def _small_multiplier(draft: Draft, inputs: Mapping[str, Any], named: Entry | None) -> Iterator[Diagnostic]:
    """A warning about a multiplier of the learning rate that looks like the rate itself. `named`: the set
    that the job uses."""
    key = "learning_rate_multiplier"
    multiplier = inputs.get("hyperparameters", {}).get(key)
    is_own = named is None or draft.entry.value("hyperparameters", key) is not None
    if isinstance(multiplier, int | float) and multiplier < _SMALLEST_MULTIPLIER:
        yield Diagnostic(
            f"`learning_rate_multiplier` is only {multiplier:g}, so the model hardly learns anything",
            "It isn't the learning rate, but multiplies that of the base model's training.",
            "Write a value between 0.1 and 10, or leave it to the service: `auto`.",
            draft.entry.place(("hyperparameters", key)) if is_own or named is None else named.place((key,)),
            "warning",
        )


_SMALLEST_MULTIPLIER = 0.001
_OF_SWEEPS: Mapping[str, str] = {"best": "chooses among", "stop": "compares"}


def set_inputs(block: Block) -> dict[str, Any]:
    """The inputs that are set, and those that the provider may set, in the order of the schema."""
    return {
        key: value
        for key, value in block.values().items()
        if key not in COMMON_KEYS and (value is not None or key in _PROVIDED)
    }


def _check_method(draft: Draft, inputs: Mapping[str, Any], findings: list[Diagnostic]) -> None:
    method = inputs["method"]
    entry = draft.entry
    for methods, present, prefix in (
        (_METHODS_OF_KEYS, inputs, ()),
        (_METHODS_OF_HYPERPARAMETERS, inputs.get("hyperparameters", {}), ("hyperparameters",)),
    ):
        for key, belongs in methods.items():
            if key in present and belongs != method:
                detail = f"It belongs to the method {belongs}; the service would reject it."
                hint = f"Remove it, or set `method: {belongs}`."
                summary = f"the method {method} doesn't support `{key}`"
                entry.report(findings, (*prefix, key), summary, detail, hint, key=True)
    for key, (detail, hint) in _NEEDED.get(method, {}).items():
        if key not in inputs:
            entry.report(findings, (), f"`{key}` is missing", detail, hint, key=True)


def check_unique_names(named: Mapping[tuple[str, str, str], list[Draft]], findings: list[Diagnostic]) -> None:
    """Findings about names that several objects of one kind and provider have, apart from letter case."""
    for (_, kind, name), drafts in named.items():
        if len(drafts) > 1:
            *others, place = (draft.entry.place(("name",)) for draft in drafts)
            what = one_of(tuple(str(d.address) for d in drafts), "and")
            where = ", ".join(dict.fromkeys(str(other) for other in others if other != place))
            detail = f"They are {what}; names are not case-sensitive, so each would overwrite the other."
            detail += f" The name is also used at {where}." if where else ""
            hint = "Give each its own `name`; with `for_each`, include `${each.key}` in it."
            findings.append(Diagnostic(f"more than one {kind} has the name `{name}`", detail, hint, place))


def complete(
    draft: Draft, inputs: Inputs, provider_type: str, defaults: Defaults | None, findings: list[Diagnostic]
) -> None:
    """Adds the provider's defaults to the inputs; findings about keys that the provider doesn't support."""
    kind, type_ = kind_of(draft.address), PROVIDER_TYPES.get(provider_type)
    unsupported = type_.unsupported.get(kind.kind) if type_ else None
    if unsupported is None:
        if kind.add_defaults:
            resolve(kind.add_defaults)(inputs, defaults or Defaults())
        return
    for key in unsupported.inputs:
        inputs.pop(key, None)
        if key in draft.block.given:
            summary = f"{kind.noun} of a provider of type {provider_type} doesn't support `{key}`"
            hint = _INSTEAD.get(key, _REMOVE)
            draft.entry.report(findings, (key,), summary, unsupported.why, hint, key=True)


def check_described(
    draft: Draft, inputs: Inputs, provider_type: str, version: str | None, findings: list[Diagnostic]
) -> None:
    """Findings about a method and a suffix that the API version of the provider doesn't take."""
    type_ = PROVIDER_TYPES.get(provider_type)
    if type_ is None or not type_.describes or version is None:
        return
    description, method, suffix = resolve(type_.describes)(version), inputs["method"], inputs.get("suffix")
    hint = f"Set `api_version: {V1}` in the provider, or remove it there"
    if method not in description.methods:
        summary = f"api_version {version} doesn't support the method {method}"
        detail = "Its description has no `method`: the service would refuse it, or train without it."
        draft.entry.report(findings, ("method",), summary, detail, f"{hint}.")
    longest = description.longest_suffix
    if isinstance(suffix, str) and len(suffix) > longest:
        summary = f"with api_version {version}, `suffix` must be at most {longest} characters long"
        detail = f"It has {len(suffix)}."
        draft.entry.report(findings, ("suffix",), summary, detail, f"{hint}; or set a shorter `suffix`.")


_REMOVE = "Remove it."
_TO_DEFAULTS = "Remove it; if the spec is also applied to Azure, set it under `defaults` of that provider."
_INSTEAD: Mapping[str, str] = {
    "url": "Download the file and name it with `path`.",
    **dict.fromkeys(Defaults.fields, _TO_DEFAULTS),
}


def add_job_defaults(inputs: Inputs, defaults: Defaults) -> None:
    inputs["training_type"] = inputs["training_type"] or defaults.training_type or _TRAINING_TYPE

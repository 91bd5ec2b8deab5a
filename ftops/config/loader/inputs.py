"""Inputs of each kind: a checked block as the plain data that plans compare and providers use."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ftops.config import schema
from ftops.config.loader.expressions import Use
from ftops.config.loader.files import Entry, Keys, Source
from ftops.config.loader.for_each import Draft
from ftops.config.loader.hyperparameters import NamedSet, combine
from ftops.config.schema.block import Block
from ftops.config.schema.field_types import one_of
from ftops.core.address import Value
from ftops.core.errors import Diagnostic
from ftops.core.lazy import resolve
from ftops.core.resource_types import kind_of
from ftops.core.suggestions import did_you_mean

Inputs = dict[str, Value]
METHOD_KEYS: Mapping[str, str] = {
    "beta": "dpo",
    "grader": "reinforcement",
    "response_format": "reinforcement",
}
"""Keys of a job that only one method knows."""
METHOD_HYPERPARAMETERS: Mapping[str, str] = {
    "compute_multiplier": "reinforcement",
    "eval_interval": "reinforcement",
    "eval_samples": "reinforcement",
    "reasoning_effort": "reinforcement",
}
_PROVIDED = ("training_type", "tags")
_BLUE_GREEN_ROOM = 9
"""Length of `-` and the 8 hex digits that a blue_green deployment adds to its name."""


class Made(NamedTuple):
    """Inputs, where they come from, and the references that came with named sets."""

    inputs: Inputs
    sources: Mapping[str, str]
    uses: list[Use]


Make = Callable[[Draft, str, Mapping[str, NamedSet], list[Diagnostic]], Made]
"""(draft, folder of the spec, named hyperparameters, findings) → inputs."""


def make_inputs(draft: Draft, folder: str, sets: Mapping[str, NamedSet], findings: list[Diagnostic]) -> Made:
    """The inputs of a draft; findings where its keys don't fit together."""
    make: Make = resolve(kind_of(draft.address).make_inputs)
    return make(draft, folder, sets, findings)


def plain_inputs(
    draft: Draft, _folder: str, _sets: Mapping[str, NamedSet], _findings: list[Diagnostic]
) -> Made:
    """What is set, for kinds that have no rules of their own."""
    return Made(_set_inputs(draft.block), {}, [])


def dataset_inputs(
    draft: Draft, folder: str, _sets: Mapping[str, NamedSet], findings: list[Diagnostic]
) -> Made:
    block: schema.Dataset = draft.block
    inputs: Inputs = {"purpose": block.purpose}
    if block.format is not None:
        inputs["format"] = block.format
    if (block.path is None) == (block.url is None):
        summary = "a dataset needs either `path` or `url`"
        detail = "It has neither." if block.path is None else "It has both."
        hint = "Name a file, relative to this one: `path: data/train.jsonl`."
        findings.append(Diagnostic(summary, detail, hint, draft.entry.place(key=True)))
    if block.path is not None:
        inputs["path"] = _relative(block.path, folder)
    if block.url is not None:
        inputs["url"] = block.url
    if block.transform is not None:
        inputs["transform"] = [step.as_data() for step in block.transform]
        _check_transform(draft, findings)
    if block.checks is not None and block.checks.severity:
        inputs["checks"] = block.checks.as_data()
        check_rules(block.checks.severity, draft.entry, ("checks", "severity"), findings)
    return Made(inputs, {}, [])


def check_rules(rules: Iterable[str], entry: Entry, path: Keys, findings: list[Diagnostic]) -> None:
    """Findings where grades are set for rules that there aren't."""
    from ftops.dataset.rules.catalogue import names  # only where a spec sets grades

    known = names()
    for rule in rules:
        if rule not in known:
            place = entry.place((*path, rule), key=True)
            findings.append(Diagnostic(f"there is no rule `{rule}`", "", did_you_mean(rule, known), place))


def read_checks(source: Source, findings: list[Diagnostic]) -> dict[str, str]:
    """The grades of rules that the settings set for every dataset. Whether they are grades is checked with
    the settings."""
    entry = source["ftops"].get("checks")
    severity = entry.data.get("severity") if entry and isinstance(entry.data, dict) else None
    if entry is None or not isinstance(severity, dict):
        return {}
    check_rules(severity, entry, ("severity",), findings)
    return {str(rule): str(grade) for rule, grade in severity.items() if grade is not None}


def add_checks(inputs: Inputs, shared: Mapping[str, str]) -> None:
    """The grades of the settings, where a dataset sets none for the rule or its group."""
    checks: Any = inputs.get("checks") or {}
    own: Mapping[str, str] = checks.get("severity", {})
    left = {rule: g for rule, g in shared.items() if f"{rule.partition('/')[0]}/*" not in own}
    inputs["checks"] = {**checks, "severity": {**left, **own}}


def _check_transform(draft: Draft, findings: list[Diagnostic]) -> None:
    block: schema.Dataset = draft.block
    place = draft.entry.place
    if block.path is None:
        detail = "Only a local file can be transformed before it is uploaded."
        findings.append(Diagnostic("`transform` needs a `path`", detail, "", place(("transform",), key=True)))
    for index, step in enumerate(block.transform or ()):
        at = ("transform", index)
        given = [name for name in ("slim", "convert", "split") if getattr(step, name) is not None]
        if len(given) != 1:
            summary = "a step of `transform` must have one of `slim`, `convert` and `split`"
            detail = f"This one has {one_of(tuple(given), 'and') if given else 'none of them'}."
            hint = "Write a separate step for each: `transform: [{convert: tools}, {slim: descriptions}]`."
            findings.append(Diagnostic(summary, detail, hint, place(at)))
        if step.only and step.slim is None:
            detail = "It limits `slim` to these functions."
            findings.append(Diagnostic("`only` needs `slim`", detail, "Remove it.", place((*at, "only"))))
        if step.split is not None and step.split.fraction >= 1:
            detail = f"It is {step.split.fraction}, which leaves nothing for `valid`."
            where = place((*at, "split", "fraction"))
            findings.append(Diagnostic("`fraction` must be below 1", detail, "Write 0.9 for 90 %.", where))


def _relative(path: str, folder: str) -> str:
    """A path as it is compared: without `./` and `a/..`, relative to the spec where it is below."""
    path = posixpath.normpath(path)
    return posixpath.relpath(path, folder) if path.startswith(folder + "/") else path


def job_inputs(draft: Draft, _folder: str, sets: Mapping[str, NamedSet], findings: list[Diagnostic]) -> Made:
    block: schema.Job = draft.block
    inputs = _set_inputs(block)
    sources: dict[str, str] = {}
    uses: list[Use] = []
    own = inputs.pop("hyperparameters", None)
    if own is not None:
        values, uses = combine(own, sets, draft.entry, findings)
        if own.use is not None:
            sources["hyperparameters"] = own.use
        if values:
            inputs["hyperparameters"] = values
    _check_method(draft, inputs, findings)
    return Made(inputs, sources, uses)


def _set_inputs(block: Block) -> dict[str, Any]:
    """What is set, and a place for what the provider may set, in the order of the language."""
    return {
        key: value
        for key, value in block.__dict__.items()
        if key not in schema.COMMON_KEYS and (value is not None or key in _PROVIDED)
    }


def _check_method(draft: Draft, inputs: Mapping[str, Any], findings: list[Diagnostic]) -> None:
    method = inputs["method"]
    entry = draft.entry
    for keys, present, prefix in (
        (METHOD_KEYS, inputs, ()),
        (METHOD_HYPERPARAMETERS, inputs.get("hyperparameters", {}), ("hyperparameters",)),
    ):
        for key, belongs in keys.items():
            if key in present and belongs != method:
                detail = f"It belongs to the method {belongs}; the service would reject it."
                hint = f"Remove it, or set `method: {belongs}`."
                place = entry.place((*prefix, key), key=True)
                findings.append(
                    Diagnostic(f"the method {method} doesn't support `{key}`", detail, hint, place)
                )
    if method == "reinforcement" and "grader" not in inputs:
        detail = "The grader scores the answers that the model is trained on."
        hint = "Add `grader: {type: …}`."
        findings.append(Diagnostic("`grader` is missing", detail, hint, entry.place(key=True)))


def deployment_inputs(
    draft: Draft, _folder: str, _sets: Mapping[str, NamedSet], findings: list[Diagnostic]
) -> Made:
    block: schema.Deployment = draft.block
    inputs = _set_inputs(block)
    inputs["sku"] = block.sku.as_data() if block.sku else {}
    name = inputs.setdefault("name", _default_name(draft))
    if isinstance(name, str):
        _check_deployment_name(draft, name, block.replace, findings)
    return Made(inputs, {}, [])


def _default_name(draft: Draft) -> str:
    address = draft.address
    if address.key is None:
        return address.name
    key = re.sub(r"[^A-Za-z0-9._-]+", "-", address.key).strip("-._")
    return f"{address.name}-{key}" if key else address.name


def _check_deployment_name(draft: Draft, name: str, replace: str, findings: list[Diagnostic]) -> None:
    room = 64 - (_BLUE_GREEN_ROOM if replace == "blue_green" else 0)
    if len(name) > room:
        detail = f"It is `{name}`, {len(name)} characters long."
        if replace == "blue_green":
            detail += " With blue_green, `-` and eight characters are added to it; the limit is 64."
        place = draft.entry.place(("name",))
        findings.append(
            Diagnostic(
                f"`name` must be at most {room} characters long", detail, "Set a shorter `name`.", place
            )
        )


def check_unique_names(named: Mapping[tuple[str, str, str], list[Draft]], findings: list[Diagnostic]) -> None:
    """Two objects of one kind and provider can't have the same name: letter case doesn't tell names apart."""
    for (_, kind, name), drafts in named.items():
        if len(drafts) > 1:
            *others, place = (draft.entry.place(("name",)) for draft in drafts)
            what = one_of(tuple(str(d.address) for d in drafts), "and")
            where = ", ".join(dict.fromkeys(str(other) for other in others if other != place))
            detail = f"They are {what}; names are not case-sensitive, so each would overwrite the other."
            detail += f" The name is also used at {where}." if where else ""
            hint = "Give each its own `name`; with `for_each`, include `${each.key}` in it."
            findings.append(Diagnostic(f"more than one {kind} has the name `{name}`", detail, hint, place))

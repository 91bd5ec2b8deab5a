"""Environments: which one is chosen, by its name or a pattern, and how it varies the resources of a spec."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from ftops.config.config import Resource
from ftops.config.loader.expressions import Evaluator, Scope
from ftops.config.loader.phases import FIXED
from ftops.config.loader.promotion import check_promotion
from ftops.config.loader.settings import DEFAULT_ENVIRONMENT, NAME_RULE, check_name, check_provider
from ftops.config.loader.source import Entry, Source
from ftops.config.loader.validate import read_block
from ftops.config.schema.field_types import one_of
from ftops.config.schema.settings import Environment
from ftops.core.address import NAME, Address, Reference, Value
from ftops.core.durations import seconds_of
from ftops.core.errors import Diagnostic
from ftops.core.model_names import base_of
from ftops.core.nested import object_at
from ftops.core.resource_types import is_tuned, kind_of
from ftops.core.serving import Serving, serving_of
from ftops.core.suggestions import did_you_mean, nearest

if TYPE_CHECKING:  # few specs need the catalogue while they are read
    from ftops.catalog import Catalog

_PATTERN = re.compile(r"[a-z][a-z0-9-]*\*[a-z0-9-]*")
_NAME = re.compile(NAME)
_LONGEST_NAME = 64
_LONGEST_SUFFIX = 40
"""What every API version takes."""
_BLUE_GREEN = 9
"""Length of `-` and the 8 hex digits that blue_green adds to a name."""
_DEVELOPER = "developer"
_DEVELOPER_SKU = "DeveloperTier"


def choose_environment(
    source: Source, wanted: str | None, findings: list[Diagnostic], *, is_recorded: bool = False
) -> Entry | None:
    """The environment of that name, or else the one with a pattern that matches it; None for the default one
    if it isn't declared. `is_recorded`: the environment has a state, and needn't be declared any more."""
    environments = source["environments"]
    for entry in environments.values():
        _check(entry, source, findings)
    name = wanted or DEFAULT_ENVIRONMENT
    exact = environments.get(name)
    if exact is not None and not pattern_of(exact):
        return exact
    if name == DEFAULT_ENVIRONMENT:
        return None
    matching = [entry for entry in environments.values() if _matches(pattern_of(entry), name)]
    if len(matching) == 1 and _NAME.fullmatch(name):
        return matching[0]
    if not (is_recorded and _NAME.fullmatch(name)):
        findings.append(_not_chosen(name, environments, matching))
    return None


def declares(source: Source, name: str) -> bool:
    """Whether an environment has this name, or a pattern that matches it."""
    environments = source["environments"]
    return name in environments or any(_matches(pattern_of(one), name) for one in environments.values())


def named_environments(source: Source) -> tuple[str, ...]:
    """The environments with names of their own, and the default one."""
    names = {name for name, entry in source["environments"].items() if not pattern_of(entry)}
    return tuple(sorted({*names, DEFAULT_ENVIRONMENT}))


def unselected_environments(source: Source) -> tuple[str, ...]:
    """The environments with names of their own, unless the spec declares `default`, which is used without
    `--env`."""
    if DEFAULT_ENVIRONMENT in source["environments"]:
        return ()
    return tuple(name for name in named_environments(source) if name != DEFAULT_ENVIRONMENT)


def pattern_of(entry: Entry) -> str:
    """The pattern of an environment that stands for several; empty for any other."""
    pattern = entry.value("pattern")
    return str(pattern) if isinstance(pattern, str) and _PATTERN.fullmatch(pattern) else ""


def _check(entry: Entry, source: Source, findings: list[Diagnostic]) -> None:
    check_name(entry, "an environment", findings)
    data = Evaluator(entry, Scope({}, {}, findings), FIXED).evaluate(entry.data)
    block = read_block(Environment, data if data is not None else {}, entry, findings)
    if block and isinstance(block.provider, str):
        check_provider(block.provider, source["providers"], entry, findings)
    if block is None:
        return
    environments = source["environments"]
    check_promotion(block, entry, environments, named_environments(source), findings)
    if block.pattern is not None and not _PATTERN.fullmatch(block.pattern):
        detail = (
            f"It is `{block.pattern}`. It needs one `*` after a fixed beginning of letters, digits and `-`."
        )
        entry.report(findings, ("pattern",), "`pattern` isn't a pattern of names", detail, "Write `pr-*`.")
    if block.ttl is not None and block.pattern is None:
        detail = (
            "Only previews expire: environments that are named by a pattern. This one has a name of its own."
        )
        hint = "Add `pattern: pr-*`, or remove `ttl`."
        entry.report(findings, ("ttl",), "`ttl` needs a `pattern`", detail, hint, key=True)
    elif block.ttl is not None and not seconds_of(block.ttl):
        entry.report(findings, ("ttl",), "`ttl` must be more than nothing", "", "Write `ttl: 72h`.")


def _matches(pattern: str, name: str) -> bool:
    """The `*` stands for at least one character."""
    head, star, tail = pattern.partition("*")
    return bool(star) and len(name) > len(head + tail) and name.startswith(head) and name.endswith(tail)


def _not_chosen(name: str, environments: Mapping[str, Entry], matching: Sequence[Entry]) -> Diagnostic:
    detail = "`--env`, or FTOPS_ENV, selects one of the environments that the spec declares."
    patterns = {entry.name: pattern for entry in environments.values() if (pattern := pattern_of(entry))}
    asked = patterns.get(name) or (name if name in patterns.values() else "")
    if asked:
        one = asked.replace("*", "123")
        summary, detail = f"`{name}` isn't one environment", f"It stands for all with a name such as `{one}`."
        return Diagnostic(summary, detail, f"Name one of them: `--env {one}`.")
    if not _NAME.fullmatch(name):
        near = nearest(name, environments)
        hint = f"Did you mean `{near}`?" if near else "Choose another name."
        return Diagnostic(f"`{name}` isn't a valid name for an environment", NAME_RULE, hint)
    if matching:
        found = one_of(tuple(pattern_of(entry) for entry in matching), "and")
        hint = "Make the patterns different, or declare an environment of this name."
        place = matching[-1].place(("pattern",))
        return Diagnostic(f"`{name}` matches more than one environment", f"They are {found}.", hint, place)
    known = [*(patterns.get(one, one) for one in environments), DEFAULT_ENVIRONMENT]
    hint = did_you_mean(name, known) if environments else "Declare it under `environments`."
    return Diagnostic(f"there is no environment `{name}`", detail, hint)


class Variation(Struct, frozen=True):
    """How an environment varies the resources of its spec: names begin with `prefix`, jobs learn from
    `sample` examples of each file, and what can be is of the developer tier."""

    prefix: str = ""
    sample: int | None = None
    is_developer: bool = False
    ttl: str = ""
    """How long it lasts after an apply, as written; empty: it doesn't expire."""
    is_promoting: bool = False
    """Whether only its deployments are its own: the rest is as another environment has it."""

    def applied(
        self,
        resources: Sequence[Resource],
        catalog_of: Callable[[str], Catalog],
        warnings: list[Diagnostic],
    ) -> list[Resource]:
        """`catalog_of`: the catalogue of the service of a provider."""
        varied = list(resources)
        if self.is_developer:
            by_address = {resource.address: resource for resource in resources}
            varied = [_of_developer_tier(r, by_address, catalog_of, warnings) for r in varied]
        if self.sample is not None:
            varied = _sampled(varied, self.sample, warnings)
        if self.prefix:
            varied = _prefixed(varied, self.prefix)
        if self.is_promoting:
            taken = {r.address: r for r in resources if not kind_of(r.address).serves}
            varied = [taken.get(r.address, r) for r in varied]
        if self.ttl:
            warnings += map(_protected, (r for r in varied if r.lifecycle.prevent_destroy))
        return varied


def variation_of(environment: Entry | None, name: str) -> Variation:
    """That of an environment of this name. `choose_environment` validates it."""
    if environment is None:
        return Variation()
    data: Any = environment.data if isinstance(environment.data, dict) else {}
    block = read_block(Environment, data, environment, [])
    if block is None:
        return Variation()
    pattern = pattern_of(environment)
    ttl = block.ttl if pattern and block.ttl else ""
    is_developer, is_promoting = block.tier == _DEVELOPER, block.promote is not None
    return Variation(name if pattern else "", block.sample, is_developer, ttl, is_promoting)


def prefixed(prefix: str, name: str, longest: int) -> str:
    """`pr-123-chat`; shortened, with a digest of the whole, if it is too long."""
    whole = f"{prefix}-{name}" if name else prefix
    if len(whole) <= longest:
        return whole
    return f"{whole[: longest - 9]}-{sha256(whole.encode()).hexdigest()[:8]}"


def _prefixed(resources: Iterable[Resource], prefix: str) -> list[Resource]:
    """With other names of deployments and suffixes of models. A file at the service has the token of its
    state in its name."""
    resources = list(resources)
    names: dict[object, str] = {}
    for resource in resources:
        own = resource.inputs.get(kind_of(resource.address).named_by)
        if isinstance(own, str):
            room = _LONGEST_NAME - (_BLUE_GREEN if resource.inputs.get("replace") == "blue_green" else 0)
            names[own] = prefixed(prefix, own, room)

    def renamed(resource: Resource) -> Resource:
        kind, inputs = kind_of(resource.address), dict(resource.inputs)
        if kind.trains:
            inputs["suffix"] = prefixed(prefix, str(inputs.get("suffix") or ""), _LONGEST_SUFFIX)
        for key in filter(None, (kind.named_by, "spillover")):
            if inputs.get(key) in names:
                inputs[key] = names[inputs[key]]
        return replace(resource, inputs=inputs)

    return [renamed(resource) for resource in resources]


def _sampled(resources: Sequence[Resource], count: int, warnings: list[Diagnostic]) -> list[Resource]:
    """With a sample of the data of each job."""
    used = {address for r in resources if kind_of(r.address).trains for address in r.data.values()}

    def sampled(resource: Resource) -> Resource:
        if resource.address not in used:
            return resource
        if "path" not in resource.inputs:
            detail = "The service downloads it, so all of its examples are used."
            warnings.append(_warning(f"no sample is taken of {resource.address}", detail, resource))
            return resource
        steps: Any = resource.inputs.get("transform") or []
        return replace(resource, inputs={**resource.inputs, "transform": [*steps, {"sample": count}]})

    return [sampled(resource) for resource in resources]


def _of_developer_tier(
    resource: Resource,
    by_address: Mapping[Address, Resource],
    catalog_of: Callable[[str], Catalog],
    warnings: list[Diagnostic],
) -> Resource:
    """A job or a deployment of a fine-tuned model of the developer tier, unless the catalogue says that this
    isn't offered for its base model."""
    kind, inputs = kind_of(resource.address), resource.inputs
    trains = kind.trains and "training_type" in inputs
    serves = kind.serves and "sku" in inputs and is_tuned(inputs["model"])
    if not trains and not (serves and serving_of(inputs) is Serving.SERVERLESS):
        return resource
    base = _base_model(inputs.get("model"), by_address)
    model = catalog_of(resource.provider).find(base) if base else None
    wanted = _DEVELOPER if trains else _DEVELOPER_SKU
    offered = None
    if model is not None:
        offered = model.trained_in("") if trains else model.skus_in("")
    if offered is not None and wanted not in offered:
        now = str(inputs["training_type"] if trains else object_at(inputs, "sku").get("name"))
        detail = f"It stays {now}, as the catalogue doesn't list {wanted} for {base}."
        warnings.append(_warning(f"{resource.address} isn't of the developer tier", detail, resource))
        return resource
    changed = {"training_type": wanted} if trains else {"sku": {**object_at(inputs, "sku"), "name": wanted}}
    return replace(resource, inputs={**inputs, **changed})


def _base_model(model: Value, by_address: Mapping[Address, Resource]) -> str:
    """The base model of a model; empty if it isn't known."""
    seen: set[Address] = set()
    while isinstance(model, Reference) and model.address in by_address and model.address not in seen:
        seen.add(model.address)
        inputs = by_address[model.address].inputs
        candidates: Any = inputs.get("candidates") or [None]
        model = inputs.get("model") or candidates[0]
    return base_of(model) if isinstance(model, str) else ""


def _protected(resource: Resource) -> Diagnostic:
    detail = "`prevent_destroy` is set, and this environment has a `ttl`: `ftops gc` refuses to delete it."
    hint = "Set it by a variable: `prevent_destroy: ${var.protect}`."
    return _warning(f"{resource.address} will outlive its environment", detail, resource, hint)


def _warning(summary: str, detail: str, resource: Resource, hint: str = "") -> Diagnostic:
    return Diagnostic(summary, detail, hint, resource.place, "warning")

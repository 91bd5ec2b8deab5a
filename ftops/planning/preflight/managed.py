"""Managed compute rules: what a deployment on GPUs is made from, what an adapter is on, and its quota."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ftops.catalog import CatalogModel
from ftops.core.address import Reference, Value
from ftops.core.errors import Diagnostic
from ftops.core.model_names import base_of
from ftops.core.nested import object_at
from ftops.core.normal_form import squeezed
from ftops.core.plurals import agree
from ftops.core.resource_types import ResourceType, kind_of
from ftops.core.serving import MANAGED_SKU, Serving, serving_of
from ftops.core.suggestions import did_you_mean
from ftops.planning.plan import CREATING, MAKING, Action, Change
from ftops.planning.preflight.context import Situation, text
from ftops.planning.preflight.shortage import Shortage, Take, shortage
from ftops.providers.account_facts import Usage

_ON_GPUS = f"`sku: {{name: {MANAGED_SKU}}}`"


def asset_known(situation: Situation) -> Iterator[Diagnostic]:
    """The service takes the ID of a model in a registry."""
    for change in _served(situation, Serving.MANAGED, CREATING):
        model = text(change.after, "model")
        listed = situation.catalog_of(change.provider).find(model)
        if not model or model.startswith("azureml://") or (listed and listed.managed_compute):
            continue
        yield situation.finding(
            change.address,
            f"the asset of {model} on managed compute isn't known",
            "The service takes the ID of a model in a registry, which the catalogue doesn't have.",
            "write it as `model`: azureml://registries/…/models/…/versions/… (the model's page in the "
            "Foundry portal shows it), or add it to ftops.catalog.yaml",
            at="model",
        )


def target_fits(situation: Situation) -> Iterator[Diagnostic]:
    """The target of an adapter is on managed compute, and serves the base model of the fine-tuned one."""
    for change in _served(situation, Serving.ADAPTER, MAKING):
        declared = _declared_target(situation, change)
        if declared is None:
            continue
        target, inputs = declared
        if serving_of(inputs) is not Serving.MANAGED:
            yield situation.finding(
                change.address,
                f"its target {target} isn't on managed compute",
                f"It is {serving_of(inputs)}. An adapter can only be on GPUs that serve its base model.",
                f"give {target} {_ON_GPUS}, or choose another target",
                at="target",
            )
            continue
        base, served = _base(situation, change), _model(situation, change, inputs)
        if base is not None and served is not None and base.id != served.id:
            yield situation.finding(
                change.address,
                f"its target {target} serves {served.id}",
                f"Its model is fine-tuned from {base.id}. An adapter only fits the model it was made for.",
                f"choose a target that serves {base.id}",
                at="target",
            )


def target_takes_adapters(situation: Situation) -> Iterator[Diagnostic]:
    """A template decides whether adapters can be on a deployment."""
    new = {change.address for change in _served(situation, Serving.MANAGED, CREATING)}
    for change in _served(situation, Serving.ADAPTER, CREATING):
        target = change.after.get("target")
        declared = _declared_target(situation, change)
        if not isinstance(target, Reference) or target.address not in new or declared is None:
            continue
        if serving_of(declared[1]) is Serving.MANAGED and not declared[1].get("deployment_template"):
            yield situation.warning(
                change.address,
                f"{target.address} has no `deployment_template`",
                "Only some templates take adapters, and it isn't documented whether the one that the service "
                "chooses does.",
                f"set `deployment_template` of {target.address}; the Foundry portal shows those of a model",
            )


def target_exists(situation: Situation) -> Iterator[Diagnostic]:
    """A target that the spec doesn't declare exists in the account."""
    for change in _served(situation, Serving.ADAPTER, MAKING):
        target, facts = text(change.after, "target"), situation.managed.get(change.provider)
        if not target.startswith("/") or facts is None or facts.targets is None:
            continue
        name = target.rpartition("/")[2]
        if name.casefold() not in facts.targets and not _is_made(situation, change, name):
            yield situation.finding(
                change.address,
                f"its target {name} doesn't exist",
                f"Account {situation.accounts[change.provider].name} has no such managed deployment.",
                did_you_mean(name, facts.targets, nothing=f"deploy the base model with {_ON_GPUS}"),
                at="target",
            )


def quota(situation: Situation) -> Iterator[Diagnostic]:
    """GPUs of a family."""
    order = situation.order()
    for provider, facts in situation.managed.items():
        takes: dict[str, list[Take]] = {}
        for change in (c for c in situation.changes if c.provider == provider):
            for family, amount in _taken(situation, change).items():
                takes.setdefault(family, []).append(Take(change, amount))
        for family, steps in takes.items():
            usage = next((u for u in facts.usages or () if squeezed(family) in squeezed(u.name)), None)
            found = shortage(steps, usage.limit - usage.used, order) if usage else None
            if found is None or usage is None:
                continue
            yield _shortage(situation, usage, found)


def _shortage(situation: Situation, usage: Usage, found: Shortage) -> Diagnostic:
    return situation.finding(
        found.take.step.address,
        f"not enough quota of managed compute: {usage.title} ({usage.name})",
        f"It needs {found.take.amount:g} more {agree(found.take.amount, 'GPU', 'GPUs')}; "
        f"{max(found.left, 0):g} will be left at that point. "
        f"{usage.used:g} of {usage.limit:g} {agree(usage.used, 'is', 'are')} in use now.",
        "lower sku.capacity, delete a deployment on managed compute, choose another accelerator_type, or "
        "ask for more quota",
        at="sku.capacity",
        severity="error" if found.is_sure else "warning",
    )


def wanted(changes: Iterable[Change]) -> frozenset[str]:
    """The providers at which a plan makes or changes something on managed compute."""
    return frozenset(
        change.provider
        for change in changes
        if change.action in MAKING
        and kind_of(change.address).serves
        and serving_of(change.after) is not Serving.SERVERLESS
    )


def _served(situation: Situation, serving: Serving, actions: frozenset[Action]) -> Iterator[Change]:
    """Deployments that are served in this way, and made or changed."""
    for change in situation.concerned(_serves, actions):
        if serving_of(change.after) is serving:
            yield change


def _serves(kind: ResourceType) -> bool:
    return kind.serves


def _declared_target(situation: Situation, change: Change) -> tuple[str, Mapping[str, Value]] | None:
    """The address and inputs of a target that the spec declares."""
    resource = situation.resources.get(change.address)
    target = resource.inputs.get("target") if resource else change.after.get("target")
    found = situation.resources.get(target.address) if isinstance(target, Reference) else None
    return (str(found.address), found.inputs) if found is not None else None


def _base(situation: Situation, change: Change) -> CatalogModel | None:
    """The base model of an adapter's model, as the catalogue has it."""
    named = situation.named(change.after.get("model"))
    return situation.catalog_of(change.provider).find(named.base) if named and named.base else None


def _model(situation: Situation, change: Change, inputs: Mapping[str, Value]) -> CatalogModel | None:
    """The model of a managed deployment, as the catalogue has it."""
    model, known = text(inputs, "model"), situation.catalog_of(change.provider)
    return known.of_asset(model) or known.find(base_of(model)) if model else None


def _is_made(situation: Situation, change: Change, name: str) -> bool:
    made = _served(situation, Serving.MANAGED, CREATING)
    return any(
        one.provider == change.provider and text(one.after, "name").casefold() == name.casefold()
        for one in made
    )


def _taken(situation: Situation, change: Change) -> dict[str, float]:
    """By family, the GPUs that a step takes or, if negative, frees."""
    signed: list[tuple[Mapping[str, Value], int]] = []
    if change.action in MAKING:
        signed.append((change.after, 1))
    if change.action in (Action.DELETE, Action.UPDATE):
        signed.append((change.before, -1))
    sums: dict[str, float] = {}
    for inputs, sign in signed:
        managed = _model(situation, change, inputs) if serving_of(inputs) is Serving.MANAGED else None
        row = managed.managed_compute if managed else None
        instances = object_at(inputs, "sku").get("capacity", 1)
        family = text(inputs, "accelerator_type") or (row.accelerator_type if row else "")
        count = _per_instance(inputs) or (row.accelerators if row else None)
        if family and count and isinstance(instances, int):
            sums[family] = sums.get(family, 0) + sign * count * instances
    return {family: amount for family, amount in sums.items() if amount}


_IN_TEMPLATE = re.compile(r"(\d+)x(?:a100|h100|mi)", re.IGNORECASE)


def _per_instance(inputs: Mapping[str, Value]) -> int | None:
    """The GPUs of an instance, if the name of the template says so."""
    found = _IN_TEMPLATE.search(text(inputs, "deployment_template"))
    return int(found[1]) if found else None

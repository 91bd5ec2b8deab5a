"""Quota rules: the quota of the account is enough for the deployments, in the order of the plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from ftops.core.address import Value
from ftops.core.errors import Diagnostic
from ftops.core.model_names import ModelName
from ftops.core.resource_types import kind_of
from ftops.planning.plan import Action, Change
from ftops.planning.preflight.context import MAKES, Situation, find, text
from ftops.planning.preflight.running_balance import Order, Shortage, shortage
from ftops.providers.account_facts import OfferedModel, Usage

SLOTS = "OpenAI.FineTuned.Deployments"
_HINT = (
    "lower sku.capacity, delete a deployment that is no longer used, or ask for more quota "
    "(`az cognitiveservices usage list --location {location}` shows what is used)"
)
_LATER_HINT = (
    "apply it in two steps (--target the deletion first), or leave room for both; the quota of a deleted "
    "deployment takes some seconds to come back"
)


class Size(NamedTuple):
    """The size of a deployment."""

    sku: str
    model: ModelName
    capacity: int


Measure = Callable[[Situation, str, Size], tuple[str, float] | None]
"""(situation, provider, size) → the normalised name of the quota, and the amount that the size takes."""


def quota(situation: Situation) -> Iterator[Diagnostic]:
    """Capacity, in thousands of tokens a minute, for each SKU and model."""
    for provider, usage, found in _shortages(situation, _capacity):
        location = situation.accounts[provider].location or "<region>"
        yield _report(situation, usage, found, "new capacity", _HINT.format(location=location))


def slots(situation: Situation) -> Iterator[Diagnostic]:
    """The number of deployments of tuned models."""
    for _, usage, found in _shortages(situation, _slot):
        hint = "delete a deployment of a tuned model that is no longer used"
        if found.step.deposes:
            hint += ", or use `replace: recreate`, which needs no second slot"
        yield _report(situation, usage, found, "more", hint)


def normal(name: str) -> str:
    """The service spells gpt-4.1 as `gpt4.1` in the names of quotas, and SKUs in any case."""
    return re.sub(r"[-_. ]", "", name).casefold()


def size_of(situation: Situation, inputs: Mapping[str, Value]) -> Size | None:
    """The size of a deployment with these inputs; None if it is known only after apply."""
    model = situation.named(inputs.get("model"), text(inputs, "version"))
    sku = inputs.get("sku")
    sku = sku if isinstance(sku, Mapping) else {}
    name, capacity = sku.get("name", "Standard"), sku.get("capacity", 1)
    if model is None or not isinstance(name, str) or not isinstance(capacity, int):
        return None
    return Size(name, model, capacity)


def _shortages(situation: Situation, measure: Measure) -> Iterator[tuple[str, Usage, Shortage]]:
    order = Order(situation.changes)
    for provider, facts in situation.accounts.items():
        quotas = {normal(usage.name): usage for usage in facts.usages or ()}
        takes: dict[str, list[tuple[Change, float]]] = {}
        for change in situation.changes:
            if kind_of(change.address).serves and change.provider == provider:
                for name, amount in _taken(situation, change, measure).items():
                    takes.setdefault(name, []).append((change, amount))
        for name, steps in takes.items():
            usage = quotas.get(name)
            found = shortage(steps, usage.limit - usage.used, order) if usage else None
            if usage and found:
                yield provider, usage, found


def _taken(situation: Situation, change: Change, measure: Measure) -> dict[str, float]:
    """By quota, what one step takes or, if negative, frees."""
    signed: list[tuple[Mapping[str, Value], int]] = []
    if change.action in MAKES or change.action is Action.UPDATE:
        signed.append((change.after, 1))
    if change.action in (Action.DELETE, Action.UPDATE):
        signed.append((change.before, -1))
    sums: dict[str, float] = {}
    for inputs, sign in signed:
        size = size_of(situation, inputs)
        measured = measure(situation, change.provider, size) if size else None
        if measured:
            sums[measured[0]] = sums.get(measured[0], 0) + sign * measured[1]
    return {name: amount for name, amount in sums.items() if amount}


def _capacity(situation: Situation, provider: str, size: Size) -> tuple[str, float] | None:
    name, base = _listed_usage(situation, provider, size), situation.base_name(provider, size.model)
    if not name and base:
        name = f"OpenAI.{size.sku}.{base}{'-finetune' if size.model.tuned else ''}"
    return (normal(name), size.capacity) if name else None


def _slot(_: Situation, __: str, size: Size) -> tuple[str, float] | None:
    return (normal(SLOTS), 1) if size.model.tuned else None


def _listed_usage(situation: Situation, provider: str, size: Size) -> str:
    """The quota's name as the account itself lists it with the model."""
    model: OfferedModel | None
    if not size.model.tuned:
        model = situation.offered(provider, size.model)
    else:
        listed = situation.accounts[provider].models or ()
        base = situation.offered(provider, size.model)
        own = find(listed, size.model.literal) if size.model.literal else None
        model = own or next((m for m in listed if base and m.base.casefold() == base.id.casefold()), None)
    asked = size.sku.casefold()
    return next((s.usage for s in (model.skus or () if model else ()) if s.name.casefold() == asked), "")


def _report(situation: Situation, usage: Usage, found: Shortage, what: str, hint: str) -> Diagnostic:
    used, limit = f"{usage.used:g}", f"{usage.limit:g}"
    left = f"{max(found.left, 0):g}"
    is_changed = found.left != usage.limit - usage.used
    elsewhere = ", and earlier steps of the plan change that" if is_changed else ""
    detail = (
        f"It needs {found.needs:g} {what}; {left} will be left at that point. "
        f"{used} of {limit} are in use now{elsewhere}."
    )
    if found.is_sure:
        summary = f"not enough quota: {usage.title} ({usage.name})"
        return situation.finding(found.step.address, summary, detail, hint)
    detail += " Other steps of the plan free enough, but aren't certain to run first."
    summary = f"quota may run short: {usage.title} ({usage.name})"
    return situation.finding(found.step.address, summary, detail, _LATER_HINT, severity="warning")

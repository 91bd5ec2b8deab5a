"""Limit rules: quota, numbers of files, jobs and deployments, and sizes of files, at each step of a plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from ftops.core.address import Address, Value
from ftops.core.dag import closure, reverse
from ftops.core.errors import Diagnostic
from ftops.core.model_names import ModelName, split
from ftops.core.resource_types import RESOURCE_TYPES, ResourceType, kind_of
from ftops.planning.plan import Action, Change
from ftops.planning.preflight.context import MAKES, Situation, find, text
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
    name = _listed_usage(situation, provider, size)
    found = situation.offered(provider, size.model) or situation.listed(provider, size.model)
    base = found.name if found else split(size.model.base)[0]
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
    return situation.warning(found.step.address, summary, detail, _LATER_HINT)


_MEGABYTE = 1_000_000
_RUNNING_LIMITS: Mapping[str, str] = {
    "standard": "running_jobs",
    "global_standard": "running_global_jobs",
    "developer": "running_developer_jobs",
}


def numbers(situation: Situation) -> Iterator[Diagnostic]:
    """The number of files, jobs (ended ones included) and deployments."""
    order = Order(situation.changes)
    limited = [kind for kind in RESOURCE_TYPES.values() if kind.limit]
    for kind, provider in product(limited, situation.accounts):
        used, limit = _used(situation, provider, kind), situation.limit(provider, kind.limit)
        if used is None or limit is None:
            continue
        takes = [
            (c, 1 if c.action in MAKES else -1)
            for c in situation.changes
            if c.address.kind == kind.kind and c.provider == provider and c.action in (*MAKES, Action.DELETE)
        ]
        found = shortage(takes, limit - used, order)
        if found is not None:
            yield situation.finding(
                found.step.address,
                f"too many {kind.limit}",
                f"The account has {used} of at most {limit}, and the plan adds more than fit.",
                kind.below_limit,
                severity="error" if found.is_sure else "warning",
            )


def file_size(situation: Situation) -> Iterator[Diagnostic]:
    """The size of one file."""
    for change in situation.concerned(lambda kind: kind.is_data):
        size, limit = change.facts.get("bytes"), situation.limit(change.provider, "file_bytes")
        if isinstance(size, int) and limit is not None and size > limit:
            yield situation.finding(
                change.address,
                f"the file is too large: {_megabytes(size)}",
                f"The account accepts files of up to {_megabytes(limit)}.",
                "remove examples, or split them over several jobs that continue from each other's models",
            )


def all_file_sizes(situation: Situation) -> Iterator[Diagnostic]:
    """The size of all files together."""
    for provider, facts in situation.accounts.items():
        used, limit = facts.counts.get("total_file_bytes"), situation.limit(provider, "total_file_bytes")
        new = list(situation.concerned(lambda kind: kind.is_data, provider=provider))
        sizes = [size for c in new if isinstance(size := c.facts.get("bytes"), int)]
        if sizes and used is not None and limit is not None and used + sum(sizes) > limit:
            yield situation.warning(
                new[-1].address,
                "the files may exceed the account's limit for their total size",
                f"The files there have {_megabytes(used)}, the plan adds {_megabytes(sum(sizes))}, and "
                f"the limit is {_megabytes(limit)}.",
                "delete files that no job needs any more",
            )


def running_jobs(situation: Situation) -> Iterator[Diagnostic]:
    """Jobs beyond the number that run at once are queued; beyond the length of the queue they are refused."""
    for provider, facts in situation.accounts.items():
        running = facts.counts.get("running_jobs")
        if running is None:
            continue
        jobs = situation.concerned(lambda kind: kind.trains, provider=provider)
        new = {c.address: text(c.after, "training_type") or "standard" for c in jobs}
        waiting = facts.counts.get("queued_jobs", 0)
        yield from _queue(situation, provider, new, running, waiting)
        at_once, queued = situation.limit(provider, "running_jobs"), situation.limit(provider, "queued_jobs")
        if not new or at_once is None or queued is None:
            continue
        room = at_once + queued - running - waiting
        if len(new) > room:
            yield situation.warning(
                list(new)[max(room, 0)],
                "the job queue of the account will be full",
                f"{running + waiting} jobs are running or queued, and the plan adds {len(new)}. At most "
                f"{at_once} run and {queued} are queued.",
                "apply the jobs in several steps (--target), or cancel jobs that aren't needed",
            )


def _queue(
    situation: Situation, provider: str, new: Mapping[Address, str], running: int, waiting: int
) -> Iterator[Diagnostic]:
    for kind, name in _RUNNING_LIMITS.items():
        limit = situation.limit(provider, name)
        own = [address for address, training_type in new.items() if training_type == kind]
        if not own or limit is None or running + waiting + len(own) <= limit:
            continue
        yield situation.warning(
            own[-1],
            "the job will have to wait in the queue",
            f"{running} jobs of the account are running, {waiting} are queued, and the plan adds {len(own)}. "
            f"At most {limit} jobs of the training type {kind} run at once.",
            "nothing to do; `apply --no-wait` submits the jobs and exits",
        )


def _used(situation: Situation, provider: str, kind: ResourceType) -> int | None:
    facts = situation.accounts[provider]
    if kind.serves:
        return None if facts.deployments is None else len(facts.deployments)
    return facts.counts.get(kind.limit)


def _megabytes(size: int) -> str:
    return f"{size / _MEGABYTE:,.1f} MB"


class Shortage(NamedTuple):
    """The first step for which not enough is left."""

    step: Change
    needs: float
    left: float
    """Just before it, in the order of the plan."""
    is_sure: bool
    """False: there would be enough if other steps ran first."""


class Order:
    """Which steps of a plan wait for which."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self._users = reverse({change.step: change.waits_for for change in changes})
        self._behind: dict[str, set[str]] = {}

    def waits(self, step: str, other: str) -> bool:
        """Whether `step` always comes after `other`."""
        if other not in self._behind:
            self._behind[other] = closure([other], self._users) - {other}
        return step in self._behind[other]


def shortage(takes: Sequence[tuple[Change, float]], left: float, order: Order) -> Shortage | None:
    """The shortage if steps that take these amounts (negative: free) run in this order; None if there is
    enough."""
    now = left
    for number, (step, amount) in enumerate(takes):
        if amount > now and amount > 0:
            frees = ((one.step, -freed) for one, freed in takes[number + 1 :] if freed < 0)
            early = sum(freed for one, freed in frees if not order.waits(one, step.step))
            return Shortage(step, amount, now, is_sure=amount > now + early)
        now -= amount
    return None

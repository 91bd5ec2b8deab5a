"""Limit rules: quota, numbers of files, jobs and deployments, and sizes of files, at each step of a plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from ftops.core.address import Address, Value
from ftops.core.errors import Diagnostic
from ftops.core.model_names import ModelName, split
from ftops.core.plurals import agree
from ftops.core.resource_types import RESOURCE_TYPES, ResourceType, kind_of
from ftops.core.serving import Serving, serving_of
from ftops.planning.plan import CREATING, Action, Change
from ftops.planning.preflight.context import Situation, text
from ftops.planning.preflight.shortage import Shortage, Take, shortage
from ftops.planning.preflight.temporary import Briefly, temporary
from ftops.providers.account_facts import RUNNING_LIMITS, Usage

SLOTS = "OpenAI.FineTuned.Deployments"
_HINT = (
    "lower sku.capacity, delete a deployment that is no longer used, or ask for more quota "
    "(`az cognitiveservices usage list --location {location}` shows what is used)"
)
_LATER_HINT = (
    "apply it in two steps (--target the deletion first), or leave room for both; the quota of a deleted "
    "deployment takes some seconds to come back"
)

_IN_TURN_HINT = "apply in several steps (--target), or leave room for all"
_TEMPORARY_HINT = (
    "; or evaluate what a deployment serves (`model: ${deployment.<name>.model}`), which needs no other one"
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
        hint = _HINT.format(location=location)
        hint = f"choose another sku.name, {hint}" if found.take.is_returned else hint
        yield _report(situation, usage, found, "new capacity", hint)


def slots(situation: Situation) -> Iterator[Diagnostic]:
    """The number of deployments of tuned models."""
    for _, usage, found in _shortages(situation, _slot):
        hint = "delete a deployment of a tuned model that is no longer used"
        if found.take.step.deposes and not found.take.is_returned:
            hint += ", or use `replace: recreate`, which needs no second slot"
        yield _report(situation, usage, found, "more", hint)


def normal(name: str) -> str:
    """The service spells gpt-4.1 as `gpt4.1` in the names of quotas, and SKUs in any case."""
    return re.sub(r"[-_. ]", "", name).casefold()


def size_of(situation: Situation, inputs: Mapping[str, Value]) -> Size | None:
    """The size of a serverless deployment with these inputs; None if it is known only after apply."""
    if serving_of(inputs) is not Serving.SERVERLESS:
        return None
    model = situation.named(inputs.get("model"), text(inputs, "version"))
    sku = inputs.get("sku")
    sku = sku if isinstance(sku, Mapping) else {}
    name, capacity = sku.get("name", "Standard"), sku.get("capacity", 1)
    if model is None or not isinstance(name, str) or not isinstance(capacity, int):
        return None
    return Size(name, model, capacity)


class Ledger(NamedTuple):
    """Something of which an account has only so much."""

    provider: str
    takes: Sequence[Take]
    left: float


def ledgers(situation: Situation) -> Iterator[Ledger]:
    """What the plan takes and frees of all that is limited."""
    for measure in (_capacity, _slot):
        yield from (ledger for _, ledger in _quotas(situation, measure))
    yield from (ledger for _, _, ledger in _counted(situation))
    yield from _stored(situation)


def _shortages(situation: Situation, measure: Measure) -> Iterator[tuple[str, Usage, Shortage]]:
    order = situation.order()
    for usage, ledger in _quotas(situation, measure):
        found = shortage(ledger.takes, ledger.left, order)
        if found:
            yield ledger.provider, usage, found


def _quotas(situation: Situation, measure: Measure) -> Iterator[tuple[Usage, Ledger]]:
    briefly = temporary(situation, situation.order())
    for provider, facts in situation.accounts.items():
        quotas = {normal(usage.name): usage for usage in facts.usages or ()}
        takes: dict[str, list[Take]] = {}
        for change in (change for change in situation.changes if change.provider == provider):
            for name, amount in _taken(situation, change, measure).items():
                takes.setdefault(name, []).append(Take(change, amount))
            for name, amount in _taken_briefly(situation, change, briefly, measure).items():
                takes.setdefault(name, []).append(Take(change, amount, is_returned=True))
        for name, steps in takes.items():
            if usage := quotas.get(name):
                yield usage, Ledger(provider, steps, usage.limit - usage.used)


def _taken_briefly(
    situation: Situation, change: Change, briefly: Briefly, measure: Measure
) -> dict[str, float]:
    """By quota, the most that the temporary deployments of a step take: one exists at a time."""
    most: dict[str, float] = {}
    for inputs in briefly.get(change.step, ()):
        size = size_of(situation, inputs)
        measured = measure(situation, change.provider, size) if size else None
        if measured:
            most[measured[0]] = max(most.get(measured[0], 0), measured[1])
    return most


def _taken(situation: Situation, change: Change, measure: Measure) -> dict[str, float]:
    """By quota, what a deployment takes or, if negative, frees."""
    if not kind_of(change.address).serves:
        return {}
    signed: list[tuple[Mapping[str, Value], int]] = []
    if change.action in CREATING or change.action is Action.UPDATE:
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
    model = situation.deployed(provider, size.model)
    asked = size.sku.casefold()
    return next((s.usage for s in (model.skus or () if model else ()) if s.name.casefold() == asked), "")


_CAPACITY = "sku.capacity"
"""The input that a finding about quota is placed at."""


def _report(situation: Situation, usage: Usage, found: Shortage, what: str, hint: str) -> Diagnostic:
    used, limit = f"{usage.used:g}", f"{usage.limit:g}"
    left = f"{max(found.left, 0):g}"
    take = found.take
    is_changed = found.left != usage.limit - usage.used
    elsewhere = ", and earlier steps of the plan change that" if is_changed else ""
    use = " for a temporary deployment" if take.is_returned else ""
    detail = (
        f"It needs {take.amount:g} {what}{use}; {left} will be left at that point. "
        f"{used} of {limit} {agree(usage.used, 'is', 'are')} in use now{elsewhere}."
    )
    if found.is_sure:
        summary = f"not enough quota: {usage.title} ({usage.name})"
        hint += _TEMPORARY_HINT if take.is_returned else ""
        return situation.finding(take.step.address, summary, detail, hint, at=_CAPACITY)
    summary = f"quota may run short: {usage.title} ({usage.name})"
    if take.amount > found.left:
        detail += " Other steps of the plan free enough, but aren't certain to run first."
        return situation.warning(take.step.address, summary, detail, _LATER_HINT, _CAPACITY)
    detail += f" Temporary deployments of evaluations may need {found.beside:g} at the same time."
    return situation.warning(take.step.address, summary, detail, _IN_TURN_HINT, _CAPACITY)


_MEGABYTE = 1_000_000


def numbers(situation: Situation) -> Iterator[Diagnostic]:
    """The number of files, jobs (ended ones included) and deployments."""
    order = situation.order()
    for kind, used, ledger in _counted(situation):
        found = shortage(ledger.takes, ledger.left, order)
        if found is not None:
            yield situation.finding(
                found.take.step.address,
                f"too many {kind.limit}",
                f"The account has {used} of at most {used + ledger.left:g}, and the plan adds more than fit.",
                kind.below_limit,
                severity="error" if found.is_sure else "warning",
            )


def _counted(situation: Situation) -> Iterator[tuple[ResourceType, int, Ledger]]:
    """By kind: how many there are, and what the plan adds and deletes."""
    briefly = temporary(situation, situation.order())
    limited = [kind for kind in RESOURCE_TYPES.values() if kind.limit]
    for kind, provider in product(limited, situation.accounts):
        used, limit = _used(situation, provider, kind), situation.limit(provider, kind.limit)
        if used is None or limit is None:
            continue
        takes = [
            Take(c, 1 if c.action in CREATING else -1) if c.address.kind == kind.kind else Take(c, 1, True)
            for c in situation.changes
            if c.provider == provider
            and _is_listed(c)
            and (
                (c.address.kind == kind.kind and c.action in (*CREATING, Action.DELETE))
                or (kind.serves and c.step in briefly)
            )
        ]
        yield kind, used, Ledger(provider, takes, limit - used)


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
                at="path",
            )


def all_file_sizes(situation: Situation) -> Iterator[Diagnostic]:
    """The size of all files together."""
    order = situation.order()
    for provider, takes, left in _stored(situation):
        if found := shortage(takes, left, order):
            used = situation.accounts[provider].counts["total_file_bytes"]
            new = sum(take.amount for take in takes if take.amount > 0)
            yield situation.warning(
                found.take.step.address,
                "the files may exceed the account's limit for their total size",
                f"The files there have {_megabytes(used)}, the plan adds {_megabytes(new)}, and "
                f"the limit is {_megabytes(used + left)}.",
                "delete files that no job needs any more",
            )


def _stored(situation: Situation) -> Iterator[Ledger]:
    """Bytes that the plan uploads and deletes."""
    for provider, facts in situation.accounts.items():
        used, limit = facts.counts.get("total_file_bytes"), situation.limit(provider, "total_file_bytes")
        if used is None or limit is None:
            continue
        takes: list[Take] = []
        for change in situation.concerned(lambda kind: kind.is_data, (*CREATING, Action.DELETE), provider):
            gone = change.action is Action.DELETE
            size = facts.file_sizes.get(change.remote_id) if gone else change.facts.get("bytes")
            if isinstance(size, int):
                takes.append(Take(change, -size if gone else size))
        yield Ledger(provider, takes, limit - used)


def running_jobs(situation: Situation) -> Iterator[Diagnostic]:
    """Jobs beyond the number that run at once are queued; apply holds those back that the queue doesn't take
    yet."""
    for provider in situation.accounts:
        new: dict[str, list[Address]] = {}
        for job in situation.concerned(lambda kind: kind.trains, provider=provider):
            new.setdefault(text(job.after, "training_type") or "standard", []).append(job.address)
        load = _load(situation, provider, new)
        if load is not None:
            yield from _held_back(load, new) if load.held_back else _queued(load, new)


class Load(NamedTuple):
    """The jobs of an account, by training type."""

    running: Mapping[str, int]
    at_once: Mapping[str, int]
    """How many can run."""
    queued: int
    queue: int | None
    """How many can be queued; None if that isn't known."""
    queueing: int
    """How many of the plan can't run at once."""

    @property
    def held_back(self) -> int:
        """How many of the plan will have to wait until the queue takes them."""
        return 0 if self.queue is None else max(0, self.queueing - max(0, self.queue - self.queued))


def _load(situation: Situation, provider: str, new: Mapping[str, list[Address]]) -> Load | None:
    """None if the account doesn't tell its jobs."""
    counts = situation.accounts[provider].counts
    if "queued_jobs" not in counts:
        return None
    limits = {kind: situation.limit(provider, RUNNING_LIMITS[kind]) for kind in new if kind in RUNNING_LIMITS}
    at_once = {kind: limit for kind, limit in limits.items() if limit is not None}
    running = {kind: counts.get(RUNNING_LIMITS[kind], 0) for kind in at_once}
    queueing = sum(max(0, len(new[kind]) - max(0, at_once[kind] - running[kind])) for kind in at_once)
    queue = situation.limit(provider, "queued_jobs")
    return Load(running, at_once, counts["queued_jobs"], queue, queueing)


def _held_back(load: Load, new: Mapping[str, list[Address]]) -> Iterator[Diagnostic]:
    jobs = [job for kind in load.at_once for job in new[kind]]
    limits = ", ".join(f"{limit} {kind}" for kind, limit in load.at_once.items())
    yield _waiting(
        jobs,
        load.held_back,
        f"for a place: at most {limits} jobs run at once, and {load.queue} are queued "
        f"(now {sum(load.running.values())} and {load.queued}); apply submits them when there is room",
    )


def _queued(load: Load, new: Mapping[str, list[Address]]) -> Iterator[Diagnostic]:
    for kind, limit in load.at_once.items():
        busy, own = load.running[kind] + load.queued, new[kind]
        if busy + len(own) > limit:
            already = f" ({busy} {agree(busy, 'is', 'are')} there already)" if busy else ""
            what = f"in the queue: at most {limit} of the training type {kind} run at once{already}"
            yield _waiting(own, min(len(own), busy + len(own) - limit), what)


def _waiting(jobs: Sequence[Address], count: int, what: str) -> Diagnostic:
    """One line, without a place: there is nothing to do about it."""
    who = str(jobs[-1]) if len(jobs) == 1 else f"{count} of {len(jobs)} jobs"
    return Diagnostic(f"{who} will wait {what}", severity="warning")


def _is_listed(change: Change) -> bool:
    """Whether it counts for the limits of the account: deployments on managed compute don't."""
    inputs = change.before if change.action is Action.DELETE else change.after
    return not kind_of(change.address).serves or serving_of(inputs) is Serving.SERVERLESS


def _used(situation: Situation, provider: str, kind: ResourceType) -> int | None:
    facts = situation.accounts[provider]
    if kind.serves:
        return None if facts.deployments is None else len(facts.deployments)
    return facts.counts.get(kind.limit)


def _megabytes(size: float) -> str:
    return f"{size / _MEGABYTE:,.1f} MB"

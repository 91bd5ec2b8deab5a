"""Limit rules: the number of files, jobs and deployments of an account, and the size of files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from ftops.core.address import Address
from ftops.core.errors import Diagnostic
from ftops.core.resource_types import RESOURCE_TYPES, ResourceType
from ftops.planning.plan import Action
from ftops.planning.preflight.context import MAKES, Situation
from ftops.planning.preflight.running_balance import Order, shortage

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
            yield situation.finding(
                new[-1].address,
                "the files may exceed the account's limit for their total size",
                f"The files there have {_megabytes(used)}, the plan adds {_megabytes(sum(sizes))}, and "
                f"the limit is {_megabytes(limit)}.",
                "delete files that no job needs any more",
                severity="warning",
            )


def running_jobs(situation: Situation) -> Iterator[Diagnostic]:
    """Jobs beyond the number that run at once are queued; beyond the length of the queue they are refused."""
    for provider, facts in situation.accounts.items():
        running = facts.counts.get("running_jobs")
        if running is None:
            continue
        new = situation.training_types(provider)
        waiting = facts.counts.get("queued_jobs", 0)
        yield from _queue(situation, provider, new, running, waiting)
        yield from _full_queue(situation, provider, new, running + waiting)


def _queue(
    situation: Situation, provider: str, new: Mapping[Address, str], running: int, waiting: int
) -> Iterator[Diagnostic]:
    for kind, name in _RUNNING_LIMITS.items():
        limit = situation.limit(provider, name)
        own = [address for address, training_type in new.items() if training_type == kind]
        if not own or limit is None or running + waiting + len(own) <= limit:
            continue
        yield situation.finding(
            own[-1],
            "the job will have to wait in the queue",
            f"{running} jobs of the account are running, {waiting} are queued, and the plan adds {len(own)}. "
            f"At most {limit} jobs of the training type {kind} run at once.",
            "nothing to do; `apply --no-wait` submits the jobs and exits",
            severity="warning",
        )


def _full_queue(
    situation: Situation, provider: str, new: Mapping[Address, str], busy: int
) -> Iterator[Diagnostic]:
    running, queued = situation.limit(provider, "running_jobs"), situation.limit(provider, "queued_jobs")
    if not new or running is None or queued is None:
        return
    room = running + queued - busy
    if len(new) > room:
        yield situation.finding(
            list(new)[max(room, 0)],
            "the job queue of the account will be full",
            f"{busy} jobs are running or queued, and the plan adds {len(new)}. At most {running} run and "
            f"{queued} are queued.",
            "apply the jobs in several steps (--target), or cancel jobs that aren't needed",
            severity="warning",
        )


def _used(situation: Situation, provider: str, kind: ResourceType) -> int | None:
    facts = situation.accounts[provider]
    if kind.serves:
        return None if facts.deployments is None else len(facts.deployments)
    return facts.counts.get(kind.limit)


def _megabytes(size: int) -> str:
    return f"{size / _MEGABYTE:,.1f} MB"

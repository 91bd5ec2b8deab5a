"""Verdict on a plan: how much care it needs, in a word and a sentence, most serious first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from ftops.core.address import Address, Json
from ftops.core.plurals import plural
from ftops.core.resource_types import kind_of
from ftops.planning.estimate import about
from ftops.planning.plan import Action, Change, Mode, Plan
from ftops.views import money
from ftops.views.policy import denials


class Level(StrEnum):
    """DENIED: the policy denies it. BLOCKED: it can't be applied. DESTRUCTIVE: something is deleted or
    replaced, or trained again. SAFE: it only adds or updates. NONE: nothing changes."""

    DENIED = "denied"
    BLOCKED = "blocked"
    DESTRUCTIVE = "destructive"
    SAFE = "safe"
    NONE = "none"


class Verdict(NamedTuple):
    level: Level
    sentence: str
    """Words and counts of ftops alone: nothing in it comes from a spec or a service."""


def verdict(plan: Plan) -> Verdict:
    """Of a plan."""
    errors = sum(finding.severity == "error" for finding in plan.findings)
    if denied := denials(plan):
        others = [plural(errors - denied, "other error")] if errors > denied else []
        return Verdict(Level.DENIED, ", ".join([f"denied by the policy: {plural(denied, 'error')}", *others]))
    if errors:
        return Verdict(Level.BLOCKED, f"can't be applied: {plural(errors, 'error')}")
    judged = [*_judged(plan)]
    grave = [*_serving(plan), *_trained_again(plan), *_deleted(plan)]
    rest = [*_trained(plan), *_promoted(plan), *_additions(plan), *_hosting(plan)]
    held = [f"{plural(len(plan.held), 'resource')} held by a gate"] * bool(plan.held)
    level = Level.DESTRUCTIVE if grave else Level.NONE if plan.is_empty else Level.SAFE
    return Verdict(level, ", ".join([*judged, *grave, *held, *rest]) or _quiet(plan))


def gitlab_counts(*plans: Plan) -> dict[str, Json]:
    """GitLab's report of type `terraform`, of all these plans. What is replaced is deleted and created; what
    is adopted, resumed or restored counts as updated.

    https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsterraform
    """
    changes = (change for plan in plans for change in plan.changes)
    counts = Counter(word for change in changes for word in _GITLAB[change.action])
    return {word: counts[word] for word in ("create", "update", "delete")}


_GITLAB: Mapping[Action, Sequence[str]] = {
    Action.CREATE: ("create",),
    Action.REPLACE: ("create",),  # the old object's deletion is a step of its own
    Action.DELETE: ("delete",),
    Action.FORGET: ("delete",),
    **dict.fromkeys((Action.UPDATE, Action.ADOPT, Action.RESUME, Action.RESTORE, Action.SWITCH), ("update",)),
}


def _judged(plan: Plan) -> Iterator[str]:
    """What needs care in the policy, whatever the plan does."""
    if plan.policy.changes:
        yield "the policy is changed"
    if plan.policy.overridden:
        yield f"{plural(len(plan.policy.overridden), 'rule')} overridden"


def is_destructive(change: Change) -> bool:
    """Whether a step takes something away, or makes something again."""
    return change.action in (Action.DELETE, Action.REPLACE, Action.FORGET)


def _replaced(plan: Plan) -> dict[Address, Change]:
    return {change.address: change for change in plan.changes if change.action is Action.REPLACE}


def _gone(plan: Plan) -> list[Address]:
    """The resources that are deleted, not replaced."""
    replaced = _replaced(plan)
    deleted = (change.address for change in plan.changes if change.action is Action.DELETE)
    return [address for address in dict.fromkeys(deleted) if address not in replaced]


def _serving(plan: Plan) -> Iterator[str]:
    replaced = [c for address, c in _replaced(plan).items() if kind_of(address).serves]
    gaps = sum(not change.deposes for change in replaced)
    gone = sum(kind_of(address).serves for address in _gone(plan))
    if gone:
        yield f"{plural(gone, 'endpoint')} deleted"
    if gaps:
        yield f"{plural(gaps, 'endpoint')} replaced with an interruption"
    if len(replaced) > gaps:
        yield f"{plural(len(replaced) - gaps, 'endpoint')} replaced without an interruption"


def _trained_again(plan: Plan) -> Iterator[str]:
    again = [address for address in _replaced(plan) if kind_of(address).trains]
    if again:
        yield f"{plural(len(again), 'model')} trained again{_cost(plan, again)}"


def _trained(plan: Plan) -> Iterator[str]:
    new = [c.address for c in plan.changes if c.action is Action.CREATE and kind_of(c.address).trains]
    if new:
        yield f"{plural(len(new), 'model')} trained{_cost(plan, new)}"


def _promoted(plan: Plan) -> Iterator[str]:
    count = sum(change.promoted is not None and kind_of(change.address).trains for change in plan.changes)
    if count:
        yield f"{plural(count, 'model')} promoted"


def _cost(plan: Plan, jobs: list[Address]) -> str:
    costs = [cost.dollars for cost in plan.estimate.training if cost.address in set(jobs)]
    known = [cost for cost in costs if cost is not None]
    if not known:
        return ""
    return f" ({about(sum(known))}{'' if len(known) == len(jobs) else ' and more'})"


def _deleted(plan: Plan) -> Iterator[str]:
    others = [address for address in _gone(plan) if not kind_of(address).serves]
    replaced = [a for a in _replaced(plan) if not (kind_of(a).serves or kind_of(a).trains)]
    forgotten = sum(change.action is Action.FORGET for change in plan.changes)
    if others:
        yield f"{plural(len(others), 'other resource')} deleted"
    if replaced:
        yield f"{plural(len(replaced), 'other resource')} replaced"
    if forgotten:
        yield f"{plural(forgotten, 'resource')} forgotten"


def _additions(plan: Plan) -> Iterator[str]:
    told = [
        c for c in plan.changes if kind_of(c.address).trains and (c.action is Action.CREATE or c.promoted)
    ]
    made = [c for c in plan.changes if c not in told]
    for action, done in _ADDING.items():
        count = sum(change.action is action for change in made)
        if count:
            yield f"{plural(count, 'resource')} {done}"
    if plan.moves:
        yield f"{plural(len(plan.moves), 'resource')} moved"


_ADDING: Mapping[Action, str] = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.ADOPT: "adopted",
    Action.SWITCH: "switched by hosting hours",
}


def _hosting(plan: Plan) -> Iterator[str]:
    if plan.estimate.per_hour:
        yield f"hosting {money.all_hosting(plan.estimate)}"


def _quiet(plan: Plan) -> str:
    recorded = plan.noticed if plan.mode is Mode.REFRESH_ONLY else not plan.is_empty
    return "only records change" if recorded else "no changes"

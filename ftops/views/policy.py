"""What the policy says of a plan beside findings: changed rules, and rules that are overridden."""

from __future__ import annotations

from collections.abc import Iterator

from ftops.config.policy import RULE_GROUP
from ftops.core.errors import Diagnostic
from ftops.core.plurals import plural
from ftops.planning.plan import Overridden, Plan

_SHOWN = 5
"""The number of names in a list."""


def policy_notes(plan: Plan) -> Iterator[str]:
    """A line about changed rules, and one for each rule that is overridden."""
    changes = [f"{change.rule} ({change.what})" for change in plan.policy.changes]
    if changes:
        yield f"the spec changes the policy: {_listed(changes, ', ')}; rules of both versions count"
    for lifted in plan.policy.overridden:
        yield _overridden(lifted)


def is_of_policy(finding: Diagnostic) -> bool:
    return finding.rule.startswith(RULE_GROUP)


def denials(plan: Plan) -> int:
    """The number of errors by rules."""
    return sum(is_of_policy(finding) and finding.severity == "error" for finding in plan.findings)


def _overridden(lifted: Overridden) -> str:
    until = f" until {lifted.until}" if lifted.until else " for this plan"
    place = f" ({lifted.place})" if lifted.place else ""
    denied = _listed(list(lifted.denied), "; ")
    return f"the rule {lifted.rule} is overridden{until}{place}: {lifted.reason}. It denied {denied}"


def _listed(names: list[str], separator: str) -> str:
    more = [plural(len(names) - _SHOWN, "other")] if len(names) > _SHOWN else []
    return separator.join([*names[:_SHOWN], *more])

"""Policy: whether the rules in force permit a plan, and which of them are overridden. Pure.

What violates a rule becomes findings of the plan; with an error among them, it isn't applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from ftops.config.policy import RULE_GROUP as GROUP
from ftops.config.policy import Override, Policy, Rule
from ftops.core.errors import Diagnostic
from ftops.core.suggestions import did_you_mean
from ftops.planning.plan import Overridden
from ftops.planning.policy.conditions import CONDITIONS
from ftops.planning.policy.context import Context, Violation

__all__ = ["CONDITIONS", "Context", "judge"]


def judge(
    policy: Policy, given: Mapping[str, str], context: Context, today: date
) -> tuple[tuple[Diagnostic, ...], tuple[Overridden, ...]]:
    """The findings of all rules, errors first, and the errors that are lifted. `given` are overrides of the
    command line: rule → reason. Overrides end by `today`, whatever the day for which models are judged."""
    found = [finding for rule in policy.rules for finding in _findings(rule, context)]
    denied = {d.rule.removeprefix(GROUP) for d in found if d.severity == "error"}
    refused: list[Diagnostic] = []
    lifted: dict[str, Override] = {}
    for override in (*(Override(rule, reason) for rule, reason in given.items()), *policy.overrides):
        problem = _refusal(override, policy, denied, today)
        if problem is not None:
            refused.append(problem)
        elif override.rule in denied:
            lifted.setdefault(override.rule, override)
    refused += [_ignored(override) for override in policy.ignored]
    overridden = []
    for name, override in sorted(lifted.items()):
        errors = [d for d in found if d.rule == GROUP + name and d.severity == "error"]
        summaries = tuple(sorted({d.summary for d in errors}))
        until = override.until.isoformat() if override.until else ""
        overridden.append(Overridden(name, override.reason, until, str(override.place or ""), summaries))
    kept = (d for d in found if d.severity != "error" or d.rule.removeprefix(GROUP) not in lifted)
    return tuple(sorted(dict.fromkeys([*refused, *kept]), key=_rank)), tuple(overridden)


def _rank(found: Diagnostic) -> tuple[object, ...]:
    return found.severity != "error", found.sort_key, found.rule, found.detail


def _findings(rule: Rule, context: Context) -> Iterator[Diagnostic]:
    for violation in CONDITIONS[rule.condition].judge(rule.settings, context):
        yield _finding(rule, violation)


def _finding(rule: Rule, violation: Violation) -> Diagnostic:
    at = f" ({rule.place})" if rule.place else ""
    unknown = "What isn't known is not accepted." if violation.is_unknown and rule.severity == "error" else ""
    verb = "denies it" if rule.severity == "error" else "warns of it"
    message = rule.message and f"{rule.message.rstrip('.')}."
    said = f"The rule {rule.name}{at} {verb}."
    detail = " ".join(filter(None, (message, said, violation.detail, unknown)))
    hint = ""
    if rule.severity == "error":
        todo = "make it known" if violation.is_unknown else "change it"
        hint = f"{todo}, or change the rule where the policy is kept"
        if rule.overridable:
            hint = f"{todo}; or, with a reason, plan with --override {rule.name}, or add it to `overrides`"
    summary = f"{violation.subject}: {violation.text}"
    return Diagnostic(summary, detail, hint, violation.place, rule.severity, GROUP + rule.name)


def _refusal(override: Override, policy: Policy, denied: set[str], today: date) -> Diagnostic | None:
    """Why an override doesn't count, if so."""
    name, place = override.rule, override.place
    rules = [rule for rule in policy.rules if rule.name == name]
    if not rules and (place is None or name not in policy.known):
        hint = did_you_mean(name, sorted({rule.name for rule in policy.rules}), nothing="there are no rules")
        detail = "An override names a rule in force by its name, or by its condition."
        return Diagnostic(f"there is no rule `{name}` to override", detail, hint, place)
    fixed = next((rule for rule in rules if not rule.overridable), None)
    if fixed is not None:
        detail = f"It isn't `overridable`{f' ({fixed.place})' if fixed.place else ''}."
        return Diagnostic(f"the rule `{name}` can't be overridden", detail, "remove the override", place)
    if override.until is not None and override.until < today:
        severity = "error" if name in denied else "warning"
        summary, detail = f"the override of `{name}` has ended", f"It was until {override.until.isoformat()}."
        return Diagnostic(summary, detail, "remove it, or renew it", place, severity)
    return None


def _ignored(override: Override) -> Diagnostic:
    return Diagnostic(
        f"the override of `{override.rule}` doesn't count",
        "The spec is untrusted, so it can't lift a rule.",
        "",
        override.place,
        "warning",
    )

"""Policy values: where rules come from, which are in force for a plan, and what is overridden. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ftops.core.errors import Place

RULE_GROUP = "policy/"
"""Before the name of a rule, in the ID of its findings."""
POLICY_VARIABLE = "FTOPS_POLICY"
"""Environment variable with the path of a file of rules."""
POLICY_OPTION = "--policy-from"
_canonical = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


class PolicySources(Struct, frozen=True):
    """Where else rules come from, beside the spec."""

    revision: str = ""
    """A revision of Git, of which the rules of the same spec count as well."""
    file: str | None = None
    """A file outside the project; its rules count as well."""
    is_untrusted: bool = False
    """Whether the spec is: it can't override rules."""


SPEC_ALONE = PolicySources()


class Rule(Struct, frozen=True):
    """One rule. `settings` are those of its condition, as `schema.policy` declares them."""

    name: str
    severity: str
    """`error` if it denies, else `warning`."""
    condition: str
    settings: Mapping[str, Any]
    message: str = ""
    overridable: bool = False
    environments: tuple[str, ...] = ()
    """Patterns; none: all environments."""
    place: Place | None = None

    @property
    def effect(self) -> str:
        """What it does, as text: equal for rules that do the same."""
        return _canonical([self.name, self.severity, self.condition, self.settings, self.overridable])

    @property
    def text(self) -> str:
        """All that it says, as text."""
        return _canonical([self.effect, self.message, sorted(self.environments)])

    def is_for(self, environment: str) -> bool:
        return not self.environments or any(fnmatchcase(environment, one) for one in self.environments)


class Override(Struct, frozen=True):
    """A rule that is lifted, and why. `until`: the last day."""

    rule: str
    reason: str
    until: date | None = None
    place: Place | None = None


class RuleChange(Struct, frozen=True):
    """How a rule of the spec differs from that of the base: `added`, `removed` or `changed`."""

    rule: str
    what: str


class Policy(Struct, frozen=True):
    """The rules for one environment, from all sources, sorted.

    `known` are the names of all rules, also those for other environments. `changes` is how the spec's own
    rules differ from the base's. `ignored` are overrides that don't count, because the spec is untrusted.
    """

    rules: tuple[Rule, ...] = ()
    known: frozenset[str] = frozenset()
    changes: tuple[RuleChange, ...] = ()
    overrides: tuple[Override, ...] = ()
    ignored: tuple[Override, ...] = ()

    @property
    def digest(self) -> str:
        """Of what the rules do; empty without rules."""
        effects = [rule.effect for rule in self.rules]
        return f"sha256:{sha256(_canonical(effects).encode()).hexdigest()}" if effects else ""


def in_force(sources: Iterable[Iterable[Rule]], environment: str) -> tuple[Rule, ...]:
    """The rules of all sources for an environment, each once, in an order that doesn't depend on theirs."""
    found: dict[str, Rule] = {}
    for rules in sources:
        for rule in rules:
            if rule.is_for(environment):
                found.setdefault(rule.effect, rule)
    return tuple(found[effect] for effect in sorted(found))


def rule_changes(base: Iterable[Rule], own: Iterable[Rule]) -> tuple[RuleChange, ...]:
    """How the spec's own rules differ from those of the base."""
    before, after = {rule.name: rule.text for rule in base}, {rule.name: rule.text for rule in own}
    found = []
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            what = "added" if name not in before else "removed" if name not in after else "changed"
            found.append(RuleChange(name, what))
    return tuple(found)


def without(policy: Policy, overrides: Iterable[Override]) -> Policy:
    """The policy of an untrusted spec: its overrides don't count."""
    return replace(policy, overrides=(), ignored=tuple(overrides))

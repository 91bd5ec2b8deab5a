"""Rule catalogue: grade, requirement, reason and fix of every rule about data, by its id.

docs/data-rules.md lists them with examples. The sources are the service's documentation of data for
fine-tuning, and what its preprocessing is known to reject.
"""

from __future__ import annotations

from collections.abc import Mapping

from ftops.dataset.rules.about_examples import EXAMPLES
from ftops.dataset.rules.about_files import ACROSS, FILES
from ftops.dataset.rules.rule import Rule

GRADES = ("error", "warning", "note")
OFF = "off"
"""In place of a grade: the rule is disabled."""
SETTINGS = (*GRADES, OFF)

RULES: Mapping[str, Rule] = {**FILES, **EXAMPLES, **ACROSS}


def grade_of(rule: str, severity: Mapping[str, str]) -> str:
    """The grade of a rule: as set for it, as set for its group (`secret/*`), or its own."""
    group = f"{rule.partition('/')[0]}/*"
    return severity.get(rule) or severity.get(group) or RULES[rule].grade


def names() -> tuple[str, ...]:
    """The rules and groups that a severity can be set for."""
    groups = dict.fromkeys(f"{rule.partition('/')[0]}/*" for rule in RULES)
    return (*RULES, *groups)

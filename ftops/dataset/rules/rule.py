"""Rule: its grade, requirement, reason and fix."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple


class Rule(NamedTuple):
    """One rule. Texts are sentences; a finding may have more specific ones."""

    grade: str
    what: str
    why: str
    fix: str


error, warning, note = (partial(Rule, grade) for grade in ("error", "warning", "note"))

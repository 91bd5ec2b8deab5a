"""Fault injection: rules that match requests, and what goes wrong for those.

docs/emulator.md describes the keys of a rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from msgspec import Struct, ValidationError, convert
from msgspec.structs import asdict, replace

from ftops.emulator.account.storage import read_json, write_json

MAX_DELAY = 30.0
_MATCH = re.compile(r"[A-Z*]+ [/*]\S*")
_SHORT = {"before": "drop_before", "after": "drop_after"}
_CHOICES: Mapping[str, tuple[str | None, ...]] = {
    "effect": ("none", "applied", "drop_before", "drop_after", "truncate"),
    "deployment": (None, "fail", "stuck", "unready"),
    "file": (None, "fail"),
    "body": (None, "html", "gateway", "empty"),
}
_JOB_FAILURES = ("validation", "training", "safety")


class Rule(Struct, frozen=True):
    """One fault. ``hits`` counts the requests that have matched."""

    match: str  # a method and a glob for the path
    times: int = 1  # how many matches are affected; -1: all
    after: int = 0  # how many matches pass before
    status: int | None = None
    code: str | None = None
    message: str | None = None
    headers: dict[str, str] = {}
    effect: str = "none"
    delay: float = 0.0  # real seconds
    job: dict[str, Any] | None = None  # {"fail": one of _JOB_FAILURES, "message"?}
    deployment: str | None = None
    file: str | None = None
    body: str | None = None
    hits: int = 0

    def matches(self, method: str, path: str) -> bool:
        expected, _, glob = self.match.partition(" ")
        return fnmatchcase(method, expected.upper()) and fnmatchcase(path.lower(), glob.lower())

    @property
    def fires(self) -> bool:
        """Whether the match that was just counted is affected."""
        return self.hits > self.after and (self.times < 0 or self.hits <= self.after + self.times)

    @property
    def replies(self) -> bool:
        """Whether the client gets an error instead of the real reply."""
        return self.status is not None and self.effect in ("none", "applied")


def parse_rule(value: Mapping[str, Any]) -> Rule:
    """A rule from JSON. Raises ValueError."""
    known = set(Rule.__struct_fields__) - {"hits"}
    if unknown := sorted(set(value) - known):
        raise ValueError(f"unknown keys {unknown} in a fault; known: {sorted(known)}")
    try:
        rule = convert(value, Rule)
    except ValidationError as error:
        raise ValueError(f"not a fault: {error}") from error
    rule = replace(rule, effect=_SHORT.get(rule.effect, rule.effect))
    if not _MATCH.fullmatch(rule.match):
        raise ValueError(f"match must be 'METHOD /path/glob', not {rule.match!r}")
    for name, choices in _CHOICES.items():
        if getattr(rule, name) not in choices:
            raise ValueError(f"{name} must be one of {[choice for choice in choices if choice]}")
    if rule.job is not None and rule.job.get("fail") not in _JOB_FAILURES:
        raise ValueError(f"job.fail must be one of {_JOB_FAILURES}")
    if rule.status is None and (rule.body is not None or rule.effect == "applied"):
        raise ValueError("a body and the effect 'applied' need a status to reply with")
    if not 0 <= rule.delay <= MAX_DELAY:
        raise ValueError(f"delay must be between 0 and {MAX_DELAY:g} seconds")
    return rule


class Faults:
    """The active rules. They are kept on disk, for a restarted server."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rules = convert((read_json(path) or {}).get("rules", []), list[Rule])

    def add(self, rules: list[Rule]) -> None:
        self._rules += rules
        self._save()

    def clear(self) -> None:
        self._rules = []
        self._save()

    def all(self) -> list[dict[str, Any]]:
        return [asdict(rule) for rule in self._rules]

    def take(self, method: str, path: str) -> Rule | None:
        """The first rule that affects this request. Every rule that it matches counts it."""
        counted = [
            replace(rule, hits=rule.hits + 1) if rule.matches(method, path) else rule for rule in self._rules
        ]
        matching = [new for new, old in zip(counted, self._rules, strict=True) if new is not old]
        if matching:
            self._rules = counted
            self._save()
        return next((rule for rule in matching if rule.fires), None)

    def _save(self) -> None:
        write_json(self._path, {"rules": self.all()})

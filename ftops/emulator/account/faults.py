"""Faults on demand: rules that match requests and say what goes wrong, and how often.

A rule is a JSON object::

    {"match": "POST /openai/fine_tuning/jobs", "after": 0, "times": 1, ...}

``match`` is a method and a glob over the path; the first ``after`` matches pass, the next
``times`` are hit (-1: for ever). What happens:

* ``status`` with ``code``, ``message`` and ``headers``: an error reply;
* ``effect``: ``none`` (the error comes instead of the effect), ``applied`` (the effect takes
  place, then the error is the reply), ``drop_before`` or ``drop_after`` (the connection is closed
  before or after the effect; ``before`` and ``after`` for short), ``truncate`` (the effect takes
  place, half of the reply's body is sent);
* ``delay``: real seconds to wait first, at most 30;
* ``job``: ``{"fail": "validation" | "training" | "safety", "message": …}`` for the job that
  the request creates;
* ``deployment``: ``"fail"`` or ``"stuck"`` for the deployment that it creates or deletes;
* ``file``: ``"fail"`` for the file that it uploads or imports, which then ends in ``error``;
* ``body``: with a ``status``, another form of the error: ``"html"`` as a proxy writes it,
  ``"gateway"`` with the status as the code, or ``"empty"``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ftops.emulator.account.storage import read_json, write_json

MAX_DELAY = 30.0
_MATCH = re.compile(r"[A-Z*]+ [/*]\S*")
_EFFECTS = {
    "none": "none",
    "applied": "applied",
    "drop_before": "drop_before",
    "before": "drop_before",
    "drop_after": "drop_after",
    "after": "drop_after",
    "truncate": "truncate",
}
_JOB_FAILURES = ("validation", "training", "safety")
_CHOICES: dict[str, tuple[str | None, ...]] = {
    "deployment": (None, "fail", "stuck"),
    "file": (None, "fail"),
    "body": (None, "html", "gateway", "empty"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault; ``hits`` counts the requests that matched so far."""

    match: str
    times: int = 1
    after: int = 0
    status: int | None = None
    code: str | None = None
    message: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    effect: str = "none"
    delay: float = 0.0
    job: dict[str, Any] | None = None
    deployment: str | None = None
    file: str | None = None
    body: str | None = None
    hits: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Whether the rule is about this request."""
        wanted, _, glob = self.match.partition(" ")
        return fnmatchcase(method, wanted.upper()) and fnmatchcase(path.lower(), glob.lower())

    @property
    def fires(self) -> bool:
        """Whether the match just counted is one to be hit."""
        return self.hits > self.after and (self.times < 0 or self.hits <= self.after + self.times)

    @property
    def replies(self) -> bool:
        """Whether the client gets an error instead of the true reply."""
        return self.status is not None and self.effect in ("none", "applied")


def parsed(value: Mapping[str, Any]) -> Rule:
    """A rule from JSON; ``ValueError`` says what is wrong with it."""
    known = {item.name for item in dataclasses.fields(Rule)} - {"hits"}
    if unknown := sorted(set(value) - known):
        raise ValueError(f"unknown keys {unknown} in a fault; known: {sorted(known)}")
    rule = Rule(**value)
    if not isinstance(rule.match, str) or not _MATCH.fullmatch(rule.match):
        raise ValueError(f"match must be 'METHOD /path/glob', not {rule.match!r}")
    if rule.effect not in _EFFECTS:
        raise ValueError(f"effect must be one of {sorted(_EFFECTS)}, not {rule.effect!r}")
    if rule.job is not None and rule.job.get("fail") not in _JOB_FAILURES:
        raise ValueError(f"job.fail must be one of {_JOB_FAILURES}")
    for name, choices in _CHOICES.items():
        if getattr(rule, name) not in choices:
            raise ValueError(f"{name} must be one of {[choice for choice in choices if choice]}")
    if rule.body is not None and rule.status is None:
        raise ValueError("a body needs a status to reply with")
    if not 0 <= rule.delay <= MAX_DELAY:
        raise ValueError(f"delay must be between 0 and {MAX_DELAY:g} seconds")
    if rule.effect == "applied" and rule.status is None:
        raise ValueError("effect 'applied' needs a status to reply with")
    return dataclasses.replace(rule, effect=_EFFECTS[rule.effect])


class Faults:
    """The rules in force; kept on disk, so that a restarted server goes on with them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        stored = read_json(path) or {}
        self._rules = [Rule(**rule) for rule in stored.get("rules", [])]

    def add(self, rules: list[Rule]) -> None:
        """Put ``rules`` behind the ones in force."""
        self._rules += rules
        self._save()

    def clear(self) -> None:
        """Forget every rule."""
        self._rules = []
        self._save()

    def all(self) -> list[dict[str, Any]]:
        """The rules as JSON, with their hits."""
        return [dataclasses.asdict(rule) for rule in self._rules]

    def take(self, method: str, path: str) -> Rule | None:
        """The first rule that hits this request; every rule that it matches counts it."""
        matching = [rule.matches(method, path) for rule in self._rules]
        if not any(matching):
            return None
        self._rules = [
            dataclasses.replace(rule, hits=rule.hits + 1) if matches else rule
            for rule, matches in zip(self._rules, matching, strict=True)
        ]
        self._save()
        hit = [rule for rule, match in zip(self._rules, matching, strict=True) if match]
        return next((rule for rule in hit if rule.fires), None)

    def _save(self) -> None:
        write_json(self._path, {"rules": self.all()})

"""What rules are judged on: a plan, its spec, and what the accounts said. Values only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from ftops.config.config import Config
from ftops.core.address import Address
from ftops.core.errors import Place
from ftops.core.resource_types import ResourceType, kind_of
from ftops.planning.estimate import Estimate
from ftops.planning.plan import Action, Change, Plan
from ftops.planning.preflight.context import Situation

MAKES = frozenset({Action.CREATE, Action.UPDATE, Action.REPLACE, Action.ADOPT, Action.RESTORE})
"""What a plan does to objects that it then has. RESUME isn't among them: a run before was judged for it."""

Settings = Mapping[str, Any]
"""Those of a condition."""


@dataclass(frozen=True, slots=True)
class Context:
    """One plan. `situation` has its changes, with the accounts as far as they were asked, and the catalogue
    without the project's own file: whoever changes the spec can change that."""

    plan: Plan
    config: Config
    situation: Situation
    estimates: tuple[Estimate, ...] = ()
    """By the project's catalogue, and by the one without its file."""
    sources: Mapping[Address, tuple[str, ...] | None] = field(default_factory=dict)
    """Where the data of each dataset comes from; None if that isn't known."""

    def made(self, is_wanted: Callable[[ResourceType], bool] = lambda kind: True) -> Iterator[Change]:
        """The changes that make, change or take over resources of these kinds."""
        for change in self.plan.changes:
            if (
                change.action in MAKES
                and change.step == str(change.address)
                and is_wanted(kind_of(change.address))
            ):
                yield change

    def used_providers(self, *others: Action) -> list[str]:
        """The providers of changes that make something, or do one of these."""
        return sorted({c.provider for c in self.plan.changes if c.action in MAKES or c.action in others})


class Violation(NamedTuple):
    """What a rule objects to. `subject` is an address or a provider; `is_unknown`: it couldn't be judged."""

    subject: str
    text: str
    detail: str = ""
    place: Place | None = None
    is_unknown: bool = False


def about(
    context: Context, address: Address, text: str, detail: str = "", *, unknown: bool = False
) -> Violation:
    """A violation by a resource."""
    resource = context.situation.resources.get(address)
    return Violation(str(address), text, detail, resource.place if resource else None, unknown)


def about_provider(
    context: Context, name: str, text: str, detail: str = "", *, unknown: bool = False
) -> Violation:
    declared = context.config.providers.get(name)
    return Violation(f"provider {name}", text, detail, declared.place if declared else None, unknown)


def is_permitted(settings: Settings, groups: Iterable[Iterable[str]], spelled: Callable[[str], str]) -> bool:
    """Whether `allow` has a name of each group, and `deny` of none. A group has the names of one thing."""
    named = [{spelled(name) for name in group} for group in groups]
    allow, deny = settings.get("allow"), settings.get("deny") or ()
    if any(_matches(group, deny, spelled) for group in named):
        return False
    return allow is None or all(_matches(group, allow, spelled) for group in named)


def permitted_words(settings: Settings) -> str:
    """What is permitted, for a message."""
    parts = []
    if settings.get("allow") is not None:
        parts.append(f"Allowed: {', '.join(settings['allow']) or 'none'}.")
    if settings.get("deny"):
        parts.append(f"Not allowed: {', '.join(settings['deny'])}.")
    return " ".join(parts)


def _matches(names: Iterable[str], patterns: Iterable[str], spelled: Callable[[str], str]) -> bool:
    spelled_patterns = [spelled(pattern) for pattern in patterns]
    return any(fnmatchcase(name, pattern) for name in names for pattern in spelled_patterns)

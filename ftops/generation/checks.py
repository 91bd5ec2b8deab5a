"""Checks by rules: whether an item is valid, says nothing that it mustn't, and isn't there already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from ftops.core.plurals import plural
from ftops.dataset.rules import sensitive_data
from ftops.evaluation.expectations import schemas_of
from ftops.evaluation.schemas import json_validator
from ftops.generation.items import Drop, Item, dropped
from ftops.generation.plain import Alike, plain
from ftops.generation.recipe import Recipe

LONGEST = 4_000
"""Characters of a request."""
NAMES = ("schema", "personal_data", "avoid", "duplicates")
Fault = tuple[str, str]


def checked(items: Iterable[Item | Drop], recipe: Recipe) -> Iterator[Item | Drop]:
    """Items that pass, with the names of the checks; the others as drops."""
    checks: list[Callable[[Item], Fault | None]] = [
        _Schema(recipe), _sensitive, _Avoided(recipe), _Repeated(),
    ]  # fmt: skip
    for item in items:
        if isinstance(item, Drop):
            yield item
        elif fault := next((found for check in checks if (found := check(item))), None):
            yield dropped(item, *fault)
        else:
            yield replace(item, checks=NAMES)


class _Schema:
    def __init__(self, recipe: Recipe) -> None:
        schemas = schemas_of(recipe.tools)
        self._validators: dict[str, Any] = {name: json_validator(s) for name, s in schemas.items()}

    def __call__(self, item: Item) -> Fault | None:
        if not item.prompt.strip() or len(item.prompt) > LONGEST:
            return "length", f"it has {plural(len(item.prompt), 'character')}"
        if item.target is None:
            return None
        error = next(self._validators[item.target.function].iter_errors(item.target.arguments), None)
        return ("schema", error.message[:200]) if error else None


def _sensitive(item: Item) -> Fault | None:
    """Keys and personal data; the value itself is never shown."""
    hit = next(sensitive_data.hits(item.prompt.encode("utf-8", "replace")), None)
    return ("personal_data", hit.rule) if hit else None


class _Avoided:
    def __init__(self, recipe: Recipe) -> None:
        self._files = recipe.avoid
        self._alike = Alike()
        for prompt in recipe.avoid:
            self._alike.add(prompt)

    def __call__(self, item: Item) -> Fault | None:
        text = plain(item.prompt)
        if text in self._files:
            return "avoided", f"it is in {self._files[text]}"
        near = self._alike.find(text)
        return ("avoided", f"it is nearly the same as one in {self._files[near]}") if near else None


class _Repeated:
    """Requests that are nearly the same are dropped only if they have one answer: `on` instead of `off` is
    what is to be learned."""

    def __init__(self) -> None:
        self._answers: dict[str, Any] = {}
        self._alike: defaultdict[str, Alike] = defaultdict(Alike)

    def __call__(self, item: Item) -> Fault | None:
        text, answer = plain(item.prompt), item.target.key if item.target else ""
        if text in self._answers:
            is_same = self._answers[text] == answer
            return ("duplicate", "") if is_same else ("contradiction", "it has another answer, too")
        if self._alike[answer].find(text):
            return "near_duplicate", ""
        self._answers[text] = answer
        self._alike[answer].add(text)
        return None

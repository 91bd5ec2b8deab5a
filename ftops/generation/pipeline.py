"""Pipeline: enumerates calls, writes requests, and verifies, balances and splits them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ftops.generation.balance import balanced, held_out
from ftops.generation.by_teacher import filled, verified, written_by_teacher
from ftops.generation.checks import checked
from ftops.generation.coverage import Row, covered
from ftops.generation.items import Drop, Item, dropped
from ftops.generation.recipe import Recipe
from ftops.generation.targets import Target, targets_of
from ftops.generation.teaching import Ask
from ftops.generation.templates import written_by_templates

Validate = Callable[[Sequence[Item]], Sequence[str]]
"""What is wrong with each item; empty if nothing is."""


class Made(Struct, frozen=True):
    """`unused` are items that passed, but aren't needed for the shares."""

    training: tuple[Item, ...]
    held_out: tuple[Item, ...]
    drops: tuple[Drop, ...]
    unused: int
    coverage: tuple[Row, ...]


def make(recipe: Recipe, ask: Ask, validate: Validate | None = None) -> Made:
    """What costs nothing is checked first. Raises SpecError if no call of a function can be made."""
    targets = _targets(recipe, ask)
    results = list(checked(_written(recipe, targets, ask), recipe))
    items, drops = _divided(results)
    if validate:
        items, more = _divided(_validated(items, validate))
        drops += more
    if not recipe.phrasings:
        items, more = _divided(verified(items, recipe, ask))
        drops += more
    training, out = held_out(items, recipe)
    examples, share = recipe.settings.examples, recipe.settings.held_out
    chosen = balanced(training, recipe, round(examples * (1 - share)))
    chosen_out = balanced(out, recipe, round(examples * share)) if out else []
    return Made(
        tuple(chosen),
        tuple(chosen_out),
        tuple(drops),
        len(items) - len(chosen) - len(chosen_out),
        tuple(covered(chosen, targets, recipe)),
    )


def rehearse(recipe: Recipe, ask: Ask) -> None:
    """Asks whatever `make` may ask, and makes nothing: to count requests, before they are sent."""
    if not recipe.phrasings:
        items, _ = _divided(_written(recipe, _targets(recipe, ask), ask))
        list(verified(items, recipe, ask))


def _targets(recipe: Recipe, ask: Ask) -> list[Target]:
    return targets_of(recipe.schemas, recipe.choice if recipe.phrasings else filled(recipe, ask))


def _written(recipe: Recipe, targets: Sequence[Target], ask: Ask) -> Iterator[Item | Drop]:
    rejections = recipe.settings.rejections
    for prompt in recipe.rejected:
        yield Item(prompt, rejections.target if rejections else None, "file", prompt, "file")
    if recipe.phrasings:
        yield from written_by_templates(recipe, recipe.phrasings, targets)
    else:
        yield from written_by_teacher(recipe, targets, ask)


def _validated(items: Sequence[Item], validate: Validate) -> Iterator[Item | Drop]:
    for item, fault in zip(items, validate(items), strict=True):
        yield (
            dropped(item, "validator", fault) if fault else replace(item, checks=(*item.checks, "validator"))
        )


def _divided(results: Iterable[Item | Drop]) -> tuple[list[Item], list[Drop]]:
    items: list[Item] = []
    drops: list[Drop] = []
    for result in results:
        if isinstance(result, Item):
            items.append(result)
        else:
            drops.append(result)
    return items, drops

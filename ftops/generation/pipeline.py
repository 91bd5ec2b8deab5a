"""Pipeline: enumerates calls, writes requests, and verifies, balances and splits them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ftops.generation.balance import balanced, held_out
from ftops.generation.checks import checked
from ftops.generation.coverage import Row, covered
from ftops.generation.items import Drop, Item, dropped
from ftops.generation.recipe import Recipe
from ftops.generation.targets import Target, targets_of
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


def make(recipe: Recipe, validate: Validate | None = None) -> Made:
    """Raises SpecError if no call of a function can be made."""
    targets = targets_of(recipe.schemas, recipe.choice)
    results = list(checked(_written(recipe, targets), recipe))
    items = [item for item in results if isinstance(item, Item)]
    drops = [drop for drop in results if isinstance(drop, Drop)]
    if validate:
        faults = validate(items)
        drops += [dropped(i, "validator", f) for i, f in zip(items, faults, strict=True) if f]
        items = [_passed(i, "validator") for i, f in zip(items, faults, strict=True) if not f]
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


def _written(recipe: Recipe, targets: Sequence[Target]) -> Iterator[Item | Drop]:
    rejections = recipe.settings.rejections
    for prompt in recipe.rejected:
        yield Item(prompt, rejections.target if rejections else None, "file", prompt, "file")
    if recipe.phrasings:
        yield from written_by_templates(recipe, recipe.phrasings, targets)


def _passed(item: Item, check: str) -> Item:
    return replace(item, checks=(*item.checks, check))

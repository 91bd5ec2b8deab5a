"""Writing without a model: requests are made of phrasings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import ceil

from ftops.generation.items import CALL, OUTSIDE, Drop, Item
from ftops.generation.phrasings import REJECTED, Phrasings
from ftops.generation.recipe import Recipe, Rejections
from ftops.generation.targets import Target, out_of_range

SOURCE = "templates"


def prompts_of_each(recipe: Recipe, targets: Sequence[Target]) -> dict[str, int]:
    """By function: how many requests are written for each of its calls."""
    write = recipe.settings.write
    functions = [target.function for target in targets]
    return {f: max(write.prompts, ceil(write.each_function / functions.count(f))) for f in set(functions)}


def written_by_templates(
    recipe: Recipe, phrasings: Phrasings, targets: Sequence[Target]
) -> Iterator[Item | Drop]:
    seed = recipe.settings.seed
    fits = {target.key: _has_phrase(phrasings, target, recipe) for target in targets}
    counts = prompts_of_each(recipe, [target for target in targets if fits[target.key]])
    turns: Counter[str] = Counter()
    for target in targets:
        if not fits[target.key]:
            yield Drop("no_phrase", "no phrase says exactly these arguments", function=target.function)
            continue
        schema = recipe.schemas[target.function]
        count, first = counts[target.function], turns[target.function]
        turns[target.function] += 1
        for prompt in phrasings.requests(target, schema, count, seed, first):
            yield Item(prompt, target, CALL, target.key, SOURCE)
    if rejections := recipe.settings.rejections:
        yield from _rejected(recipe, phrasings, rejections, targets)


def _has_phrase(phrasings: Phrasings, target: Target, recipe: Recipe) -> bool:
    return any(phrasings.requests(target, recipe.schemas[target.function], 1, 0))


def _rejected(
    recipe: Recipe, phrasings: Phrasings, rejections: Rejections, targets: Sequence[Target]
) -> Iterator[Item]:
    seed = recipe.settings.seed
    for reason in REJECTED:
        themes = [theme for theme in phrasings.themes if theme.reason == reason]
        wanted = getattr(rejections, reason)
        for number, theme in enumerate(themes):
            count = (wanted + len(themes) - 1 - number) // len(themes)
            for prompt in phrasings.rejected(theme, count, seed):
                yield Item(prompt, rejections.target, reason, f"{reason} {theme.name}", SOURCE)
    if rejections.out_of_range:
        for number, target in enumerate(out_of_range(recipe.schemas, targets)):
            schema = recipe.schemas[target.function]
            for prompt in phrasings.requests(target, schema, recipe.settings.write.prompts, seed, number):
                yield Item(prompt, rejections.target, OUTSIDE, OUTSIDE, SOURCE)

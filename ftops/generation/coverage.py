"""Coverage: how many examples the data has of each function and of each value of its parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from ftops.dataset.files.jsonl_io import canonical
from ftops.generation.balance import values_of
from ftops.generation.items import CALL, Item
from ftops.generation.recipe import Recipe
from ftops.generation.targets import Target


class Row(Struct, frozen=True):
    """Examples of a function (without a parameter), or of a value, as JSON."""

    function: str
    parameter: str
    value: str
    examples: int
    wanted: int

    @property
    def is_hole(self) -> bool:
        return self.examples < max(1, self.wanted)

    @property
    def fails(self) -> bool:
        return self.examples < self.wanted


def covered(items: Sequence[Item], targets: Sequence[Target], recipe: Recipe) -> list[Row]:
    """A row for each function, each followed by those of its values; then one of what is rejected."""
    wanted = recipe.settings.coverage
    counts = Counter(value for item in items if item.kind == CALL for value in values_of(item))
    rows = []
    for function in recipe.schemas:
        rows.append(Row(function, "", "", counts[function, "", ""], wanted.each_function))
        values = dict.fromkeys(
            (name, canonical(value).decode())
            for target in targets
            if target.function == function
            for name, value in target.arguments.items()
        )
        order = list(recipe.schemas[function].get("properties") or ())
        rows += [
            Row(function, name, value, counts[function, name, value], wanted.each_value)
            for name, value in sorted(values, key=lambda pair: order.index(pair[0]))
        ]
    if rejections := recipe.settings.rejections:
        rows.append(Row(rejections.label, "", "", sum(item.kind != CALL for item in items), 0))
    return rows

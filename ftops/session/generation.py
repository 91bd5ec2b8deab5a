"""Generation: the data of datasets is made and recorded; nothing else of ftops asks a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from ftops.config.config import Config, Generated, Resource
from ftops.config.recipes import recipe_of
from ftops.core.errors import FtopsError, UsageError
from ftops.core.project import display
from ftops.core.snippets import command
from ftops.core.suggestions import did_you_mean
from ftops.generation.coverage import Row
from ftops.generation.items import counted
from ftops.generation.pipeline import Made, make
from ftops.generation.recipe import Recipe
from ftops.generation.recording import write_recording
from ftops.generation.validator import validate


class Report(Struct, frozen=True):
    """What was generated for one dataset."""

    name: str
    folder: str
    made: Made

    @property
    def dropped(self) -> dict[str, int]:
        return counted(self.made.drops)

    @property
    def holes(self) -> list[Row]:
        return [row for row in self.made.coverage if row.is_hole]


class Generator:
    """Of one dataset. Nothing is written before `run`."""

    def __init__(self, config: Config, resource: Resource, generated: Generated, allowed: bool) -> None:
        self._config = config
        self._generated = generated
        self._recipe: Recipe = recipe_of(config, resource, generated, display)
        if not self._recipe.phrasings:
            raise UsageError(
                f"{resource.address}: only templates can write requests",
                "models as teachers aren't supported yet.",
                "write `teacher: {templates: phrasings.json}`",
            )
        words = self._recipe.settings.verify.validator
        if words and not allowed:
            raise UsageError(
                f"{resource.address} runs a program: {command(*words)}",
                "a program that a spec names is only started if you allow it.",
                "--allow-validator allows it, if you trust the spec",
            )

    @property
    def name(self) -> str:
        return self._recipe.name

    def run(self) -> Report:
        """Raises SpecError, and FtopsError if there are fewer examples than `coverage` asks for."""
        recipe, config = self._recipe, self._config
        verify, folder = recipe.settings.verify, config.folder / self._generated.folder
        check = (
            partial(validate, verify.validator, verify.timeout, config.folder) if verify.validator else None
        )
        made = make(recipe, check)
        _require_coverage(recipe, made)
        about: Any = "templates"
        write_recording(folder, config.project, recipe, made, [], about)
        return Report(recipe.name, display(folder), made)


def generators(config: Config, name: str, allowed: bool) -> list[Generator]:
    """Of the datasets that are generated, or of the one with this name. `allowed`: validators may run. Raises
    SpecError and UsageError."""
    found = {str(r.address).partition(".")[2]: (r, r.generated) for r in config.resources if r.generated}
    if not found:
        hint = "add `generate: {tools: …, teacher: …}` to a dataset"
        raise UsageError(f"{config.name} has no dataset with `generate`", "", hint)
    if name and name.removeprefix("dataset.") not in found:
        raise UsageError(f"there is no dataset `{name}` with `generate`", "", did_you_mean(name, found))
    wanted = [name.removeprefix("dataset.")] if name else list(found)
    return [
        Generator(config, resource, generated, allowed)
        for resource, generated in (found[each] for each in wanted)
        if generated
    ]


def _require_coverage(recipe: Recipe, made: Made) -> None:
    failed = [row for row in made.coverage if row.fails]
    if not failed:
        return
    shown = "; ".join(_hole(row) for row in failed[:10])
    more = f"; and {len(failed) - 10:,} more" if len(failed) > 10 else ""
    detail = f"Too few: {shown}{more}. {_reasons(made)}"
    raise FtopsError(
        f"dataset {recipe.name}: {len(failed):,} of {len(made.coverage):,} functions and values have too few "
        "examples",
        detail.strip(),
        "write more requests, or lower `coverage`; nothing was written",
    )


def _hole(row: Row) -> str:
    what = f"{row.function}.{row.parameter}={row.value}" if row.parameter else row.function
    return f"{what} has {row.examples} of {row.wanted}"


def _reasons(made: Made) -> str:
    counts: Sequence[str] = [f"{count:,} {reason}" for reason, count in counted(made.drops).items()]
    return f"Dropped: {', '.join(counts)}." if counts else ""

"""Generation: the data of datasets is made and recorded; nothing else of ftops asks a teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

from msgspec import Struct

from ftops.config.config import Config, Generated, Resource
from ftops.config.recipes import recipe_of
from ftops.core.errors import FtopsError, UsageError
from ftops.core.project import display
from ftops.core.snippets import command
from ftops.core.suggestions import did_you_mean
from ftops.evaluation.spending import Expected
from ftops.generation.coverage import Row
from ftops.generation.items import counted
from ftops.generation.pipeline import Made, make, rehearse
from ftops.generation.recipe import Recipe
from ftops.generation.recording import recorded_answers, write_recording
from ftops.generation.validator import validate
from ftops.session.teachers import Teachers


class Options(Struct, frozen=True):
    """Of one run. `allows_validator`: programs that the spec names may run. `prunes`: recorded answers that
    aren't used any more are removed."""

    allows_validator: bool = False
    prunes: bool = False
    concurrency: int = 8


class Report(Struct, frozen=True):
    """What was generated for one dataset."""

    name: str
    folder: str
    made: Made
    wanted: int = 0
    """Examples, if the spec says how many."""
    answers: int = 0
    """Recorded ones, of teachers."""
    spent: float = 0.0
    """Dollars, as far as prices are known."""

    @property
    def dropped(self) -> dict[str, int]:
        return counted(self.made.drops)

    @property
    def holes(self) -> list[Row]:
        return [row for row in self.made.coverage if row.is_hole]


class Generator:
    """Of one dataset. Nothing is asked and written before `run`."""

    def __init__(self, config: Config, resource: Resource, generated: Generated, options: Options) -> None:
        self._config = config
        self._options = options
        self._recipe: Recipe = recipe_of(config, resource, generated, display)
        self._folder = config.folder / generated.folder
        words = self._recipe.settings.verify.validator
        if words and not options.allows_validator:
            raise UsageError(
                f"{resource.address} runs a program: {command(*words)}",
                "a program that a spec names is only started if you allow it.",
                "--allow-validator allows it, if you trust the spec",
            )
        self._recorded, self.edited = recorded_answers(self._folder, config.project)

    @property
    def name(self) -> str:
        return self._recipe.name

    def expected(self) -> list[Expected]:
        """What each step of `run` would ask, at most: requests that aren't written yet may be dropped before
        they are verified. Raises SpecError."""
        teachers = Teachers(self._config, self._recipe, self._recorded)
        rehearse(self._recipe, teachers.count)
        return list(teachers.expected())

    def run(
        self,
        on_answer: Callable[[], object] = lambda: None,
        tell: Callable[[str], object] = lambda text: None,
    ) -> Report:
        """Raises SpecError, and FtopsError if a request fails or there are fewer examples than `coverage`
        asks for."""
        recipe, config = self._recipe, self._config
        verify, options = recipe.settings.verify, self._options
        check = partial(validate, verify.validator, verify.timeout, config.folder)
        with closing(Teachers(config, recipe, self._recorded)) as teachers:
            ask = teachers.asking(on_answer, tell, options.concurrency)
            made = make(recipe, ask, check if verify.validator else None)
        _require_coverage(recipe, made)
        answers = teachers.used if options.prunes else {**self._recorded, **teachers.used}
        write_recording(self._folder, config.project, recipe, made, answers.values(), teachers.about)
        wanted = recipe.settings.examples
        return Report(recipe.name, display(self._folder), made, wanted, len(answers), teachers.spent)


def generators(config: Config, name: str, options: Options) -> list[Generator]:
    """Of the datasets that are generated, or of the one with this name. Raises SpecError and UsageError."""
    found = {str(r.address).partition(".")[2]: (r, r.generated) for r in config.resources if r.generated}
    if not found:
        hint = "add `generate: {tools: …, teacher: …}` to a dataset"
        raise UsageError(f"{config.name} has no dataset with `generate`", "", hint)
    if name and name.removeprefix("dataset.") not in found:
        raise UsageError(f"there is no dataset `{name}` with `generate`", "", did_you_mean(name, found))
    wanted = [name.removeprefix("dataset.")] if name else list(found)
    return [
        Generator(config, resource, generated, options)
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
        f"dataset {recipe.name}: too few examples of {len(failed):,} of {len(made.coverage):,} functions and "
        "values",
        detail.strip(),
        "write more requests, or lower `coverage`; nothing was written",
    )


def _hole(row: Row) -> str:
    what = f"{row.function}.{row.parameter}={row.value}" if row.parameter else row.function
    return f"{what} has {row.examples} of {row.wanted}"


def _reasons(made: Made) -> str:
    counts: Sequence[str] = [f"{count:,} {reason}" for reason, count in counted(made.drops).items()]
    return f"Dropped: {', '.join(counts)}." if counts else ""

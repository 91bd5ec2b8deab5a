"""ftops data stats, show: examples, and their tokens"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import click

from ftops import catalog
from ftops.cli.console import Screen
from ftops.cli.output_options import PATH, screen_options
from ftops.core.address import Address, Json
from ftops.core.errors import Diagnostic, UsageError
from ftops.core.project import display
from ftops.core.resource_types import TRAINING_TYPES
from ftops.core.suggestions import did_you_mean
from ftops.dataset.files.jsonl_io import Example, not_an_example, read
from ftops.dataset.profile.profiler import measure
from ftops.dataset.profile.statistics import Statistics, statistics
from ftops.dataset.profile.tokens import ENCODINGS, NoEncoding, counter
from ftops.planning.cost import estimator
from ftops.planning.estimate import TrainingCost
from ftops.views import example as example_view
from ftops.views import statistics as statistics_view

NOWHERE = Address("job", "none")
"""Of the job whose cost is estimated without a spec."""

model_option = click.option(
    "--model",
    metavar="MODEL",
    help="Count tokens with the encoding of this model, and estimate the cost of training.",
)
epochs_option = click.option(
    "--epochs", type=click.IntRange(1, 50), metavar="N", help="With --model: number of epochs."
)
training_option = click.option(
    "--training-type",
    type=click.Choice(TRAINING_TYPES),
    default="standard",
    help="With --model: training type.",
)


@click.command("stats")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=PATH)
@model_option
@epochs_option
@training_option
@click.option("--encoding", type=click.Choice(ENCODINGS), help="Token encoding (default: that of the model).")
@screen_options
def stats(
    screen: Screen,
    paths: tuple[Path, ...],
    model: str | None,
    epochs: int | None,
    training_type: str,
    encoding: str | None,
) -> int:
    """Count examples, tokens, roles and functions in FILEs, and estimate the cost of training."""
    known = catalog.load(Path.cwd(), os.environ)
    entry = known.find(model) if model else None
    name = encoding or encoding_of(known, model, " Or set --encoding.")
    try:
        counter(name)
    except NoEncoding as error:
        message = ("tokens can't be counted", f"{error}.", "run `pip install bpe-openai`")
        if model or encoding:
            raise UsageError(*message) from error
        screen.warn([Diagnostic(*message, severity="warning")])
        name = ""
    files: dict[str, tuple[Statistics, TrainingCost | None]] = {}
    for path in paths:
        counted = statistics(measure(path, name), entry.example_tokens if entry else None)
        kind = training_type or "standard"
        cost = estimator.training_cost(NOWHERE, counted, entry, model, kind, epochs) if model else None
        files[display(path.absolute())] = (counted, cost)
    rows: list[Json] = [{"file": f, **statistics_view.to_json(*found)} for f, found in files.items()]
    drawn = (statistics_view.draw(f, found, screen.paint, cost) for f, (found, cost) in files.items())
    lines = [line for of_file in drawn for line in ("", *of_file)][1:]
    return screen.result(lambda: {"encoding": name or None, "model": model, "files": rows}, lambda: lines)


@click.command("show")
@click.argument("path", metavar="FILE", type=PATH)
@click.argument("number", metavar="[N]", type=click.IntRange(1), required=False)
@click.option(
    "--line", type=click.IntRange(1), metavar="N", help="Show the example on this line of the file."
)
@click.option("--model", metavar="MODEL", help="Count tokens with the encoding of this model.")
@screen_options
def show(screen: Screen, path: Path, number: int | None, line: int | None, model: str | None) -> int:
    """Show the Nth example of FILE (the first by default): its messages, and which are trained on."""
    if number is not None and line is not None:
        raise UsageError("give either a number or a line", "", "remove one of them")
    counts = None
    with suppress(NoEncoding):
        counts = counter(encoding_of(catalog.load(Path.cwd(), os.environ), model))
    found = example_view.Shown(display(path.absolute()), *_find(path, number or 1, line), counts)
    return screen.result(lambda: example_view.to_json(found), lambda: example_view.draw(found, screen.paint))


def _find(path: Path, number: int, line: int | None) -> tuple[int, int, Example]:
    """(line, number, example)"""
    seen = last = 0
    for each in read(path):
        seen, last = seen + 1, each.number
        if (each.number == line) if line else (seen == number):
            if each.example is None:
                raise not_an_example(str(path), each.number)
            return each.number, seen, each.example
        if line and each.number > line:
            break
    if line:
        raise UsageError(
            f"line {line} of {path} has no example", f"the file ends at line {last}." * (last < line), ""
        )
    raise UsageError(f"{path} has no example {number}", f"it has {seen:,}.", "")


def encoding_of(known: catalog.Catalog, model: str | None, advice: str = "") -> str:
    """The token encoding of a model, or the usual one. Raises UsageError if it isn't known."""
    name = known.encoding(model) if model else ENCODINGS[0]
    if model and not name:
        hint = did_you_mean(model, known.models)
        raise UsageError(f"no encoding of the model {model} is known", "", f"{hint}{advice}")
    return name

"""ftops data stats: examples and their tokens, of files or one by one"""

from __future__ import annotations

import os
from pathlib import Path

import click

from ftops import catalog, dataset
from ftops.cli.commands.data_check import cache_of
from ftops.cli.commands.data_write import check_target
from ftops.cli.console import Screen
from ftops.cli.output_options import FILE, PATH, TABLES, also_tables, screen_options
from ftops.core.address import Address, Json
from ftops.core.errors import Diagnostic, UsageError
from ftops.core.installation import install
from ftops.core.plurals import plural
from ftops.core.project import display
from ftops.core.resource_types import TRAINING_TYPES
from ftops.core.snippets import command as snippet
from ftops.core.suggestions import did_you_mean
from ftops.dataset.files.jsonl_io import Writer
from ftops.dataset.profile.facts import facts
from ftops.dataset.profile.profiler import measure
from ftops.dataset.profile.statistics import Statistics, statistics
from ftops.dataset.profile.tokens import ENCODINGS, NoEncoding, counter
from ftops.planning.cost import estimator
from ftops.planning.estimate import TrainingCost
from ftops.views import statistics as statistics_view
from ftops.views.facts import to_csv, write_parquet

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
@click.option("--out", type=FILE, metavar="FILE", help="With -o csv or -o parquet: the file to write.")
@click.option("--force", is_flag=True, help="With --out: overwrite an existing file.")
@screen_options
@also_tables
def stats(
    screen: Screen,
    paths: tuple[Path, ...],
    model: str | None,
    epochs: int | None,
    training_type: str,
    encoding: str | None,
    out: Path | None,
    force: bool,
) -> int:
    """Count examples, tokens, roles and functions in FILEs, and estimate the cost of training.

    With -o csv or -o parquet: a row for each example, with its tokens, turns, calls and findings.
    """
    if out is not None and screen.format not in TABLES:
        raise UsageError("--out needs -o csv or -o parquet", "", "add one of them, or redirect the output")
    known = catalog.load(Path.cwd(), os.environ)
    entry = known.find(model) if model else None
    name = encoding or encoding_of(known, model, " Or set --encoding.")
    try:
        counter(name)
    except NoEncoding as error:
        message = ("tokens can't be counted", f"{error}.", f"run `{install('bpe-openai')}`")
        if model or encoding:
            raise UsageError(*message) from error
        screen.warn([Diagnostic(*message, severity="warning")])
        name = ""
    if screen.format in TABLES:
        return _facts(screen, paths, name, out, force)
    files: dict[str, tuple[Statistics, TrainingCost | None]] = {}
    for path in paths:
        counted = statistics(measure(path, name), entry.example_tokens if entry else None)
        kind = training_type or "standard"
        cost = estimator.training_cost(NOWHERE, counted, entry, model, kind, epochs) if model else None
        files[display(path.absolute())] = (counted, cost)
        if counted.sums.examples and not counted.sums.messages:
            hint = f"{snippet('ftops', 'data', 'check', path)} says what the file is"
            screen.warn([Diagnostic(f"no example of {path} has messages", "", hint, severity="warning")])
    rows: list[Json] = [{"file": f, **statistics_view.to_json(*found)} for f, found in files.items()]
    drawn = (statistics_view.draw(f, found, screen.paint, cost) for f, (found, cost) in files.items())
    lines = [line for of_file in drawn for line in ("", *of_file)][1:]
    return screen.result(lambda: {"encoding": name or None, "model": model, "files": rows}, lambda: lines)


def _inspected(path: Path) -> dataset.Inspection:
    with cache_of(path) as cache:
        return dataset.inspect(path, cache=cache)


def _facts(screen: Screen, paths: tuple[Path, ...], encoding: str, out: Path | None, force: bool) -> int:
    """A row for each example, as CSV or Parquet."""
    rows = (
        (display(path.absolute()), fact) for path in paths for fact in facts(path, _inspected(path), encoding)
    )
    if out is not None:
        check_target(out, paths, force)
    if screen.format == "parquet":
        if out is None:
            raise UsageError("Parquet isn't text", "", "give a file to write, such as --out examples.parquet")
        count = write_parquet(rows, out)
    elif out is None:
        for line in to_csv(rows):
            screen.raw(line)
        return 0
    else:
        lines = to_csv(rows)
        with Writer(out, force=force) as writer:
            writer.copy(next(lines).encode())
            for line in lines:
                writer.write(line.removesuffix("\n").encode())
        count = writer.count
    screen.note(f"{display(out.absolute())}: {plural(count, 'row')}\n")
    return 0


def encoding_of(known: catalog.Catalog, model: str | None, advice: str = "") -> str:
    """The token encoding of a model, or the usual one. Raises UsageError if it isn't known."""
    name = known.encoding(model) if model else ENCODINGS[0]
    if model and not name:
        hint = did_you_mean(model, known.models)
        raise UsageError(f"no encoding of the model {model} is known", "", f"{hint}{advice}")
    return name

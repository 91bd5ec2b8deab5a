"""ftops data stats"""

from __future__ import annotations

import os
from pathlib import Path

import click

from ftops import catalog
from ftops.cli.console import Screen
from ftops.cli.output_options import screen_options
from ftops.core.address import Address, Json
from ftops.core.errors import Diagnostic, UsageError
from ftops.core.project import display
from ftops.core.suggestions import did_you_mean
from ftops.dataset.profile.profiler import measure
from ftops.dataset.profile.statistics import Statistics, statistics
from ftops.dataset.profile.tokens import ENCODINGS, NoEncoding, counter
from ftops.planning.cost import pricing
from ftops.planning.estimate import TrainingCost
from ftops.views import statistics as view

TRAINING_TYPES = ("standard", "global_standard", "developer")


@click.command("stats")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--model",
    metavar="MODEL",
    help="Count tokens with the encoding of this model, and estimate the cost of training.",
)
@click.option("--epochs", type=click.IntRange(1, 50), metavar="N", help="With --model: number of epochs.")
@click.option(
    "--training-type",
    type=click.Choice(TRAINING_TYPES),
    default="standard",
    help="With --model: training type.",
)
@click.option("--encoding", type=click.Choice(ENCODINGS), help="Token encoding (default: that of the model).")
@screen_options
def command(
    screen: Screen,
    paths: tuple[Path, ...],
    model: str | None,
    epochs: int | None,
    training_type: str,
    encoding: str | None,
) -> int:
    """Count examples, tokens, roles and functions in FILEs, and estimate the cost of training."""
    known = catalog.load(Path.cwd(), os.environ)
    found = known.find(model) if model else None
    coding = encoding or (known.encoding(model) if model else ENCODINGS[0])
    if model and not coding:
        hint = did_you_mean(model, known.models)
        raise UsageError(f"no encoding of the model {model} is known", "", f"{hint} Or set --encoding.")
    try:
        counter(coding)
    except NoEncoding as error:
        told = ("tokens can't be counted", f"{error}.", "pip install bpe-openai")
        if model or encoding:
            raise UsageError(*told) from error
        screen.warn([Diagnostic(*told, severity="warning")])
        coding = ""
    limit = found.example_tokens if found else None
    files: dict[str, tuple[Statistics, TrainingCost | None]] = {}
    for path in paths:
        counted = statistics(measure(path, coding), limit)
        inputs = {"hyperparameters": {"n_epochs": epochs}, "training_type": training_type}
        cost = pricing.training(_NOWHERE, counted, found, model, inputs) if model else None
        files[display(path.absolute())] = (counted, cost)
    if screen.json:
        rows: list[Json] = [{"file": shown, **view.to_json(*each)} for shown, each in files.items()]
        screen.document({"format_version": 1, "encoding": coding or None, "model": model, "files": rows})
        return 0
    drawn = [view.draw(shown, each[0], screen.paint, each[1]) for shown, each in files.items()]
    screen.text("\n".join(drawn))
    return 0


_NOWHERE = Address("job", "none")

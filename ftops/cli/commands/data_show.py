"""ftops data show"""

from __future__ import annotations

import os
from pathlib import Path

import click

from ftops import catalog
from ftops.cli.console import Screen
from ftops.cli.output_options import screen_options
from ftops.core.errors import UsageError
from ftops.core.project import display
from ftops.core.suggestions import did_you_mean
from ftops.dataset.files.jsonl_io import Example, NotAnExample, read
from ftops.dataset.profile.tokens import ENCODINGS, Counter, NoEncoding, counter
from ftops.views import example as view


@click.command("show")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.argument("number", metavar="[N]", type=click.IntRange(1), required=False)
@click.option(
    "--line", type=click.IntRange(1), metavar="N", help="Show the example on this line of the file."
)
@click.option("--model", metavar="MODEL", help="Count tokens with the encoding of this model.")
@screen_options
def command(screen: Screen, path: Path, number: int | None, line: int | None, model: str | None) -> int:
    """Show the Nth example of FILE (the first by default): its messages, and which are trained on."""
    if number is not None and line is not None:
        raise UsageError("give either a number or a line", "", "remove one of them")
    counts = _counter(model)
    found = view.Shown(display(path.absolute()), *_find(path, number or 1, line), counts)
    if screen.json:
        screen.document({"format_version": 1, **view.to_json(found)})
    else:
        screen.text(view.draw(found, screen.paint))
    return 0


def _find(path: Path, number: int, line: int | None) -> tuple[int, int, Example]:
    """(line, number, example)"""
    seen = last = 0
    for each in read(path):
        seen, last = seen + 1, each.number
        if (each.number == line) if line else (seen == number):
            if each.example is None:
                raise NotAnExample(str(path), each.number)
            return each.number, seen, each.example
        if line and each.number > line:
            break
    if line:
        raise UsageError(
            f"line {line} of {path} has no example", f"the file ends at line {last}." * (last < line), ""
        )
    raise UsageError(f"{path} has no example {number}", f"it has {seen:,}.", "")


def _counter(model: str | None) -> Counter | None:
    known = catalog.load(Path.cwd(), os.environ)
    name = known.encoding(model) if model else ENCODINGS[0]
    if model and not name:
        raise UsageError(f"no encoding of the model {model} is known", "", did_you_mean(model, known.models))
    try:
        return counter(name) if name else None
    except NoEncoding:
        return None

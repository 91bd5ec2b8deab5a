"""ftops data slim"""

from __future__ import annotations

from pathlib import Path

import click

from ftops.cli.console import Screen
from ftops.cli.lazy import pass_screen
from ftops.cli.output_files import force_option, told, written_to
from ftops.cli.output_options import look_options
from ftops.core.errors import UsageError
from ftops.core.project import display
from ftops.core.suggestions import did_you_mean
from ftops.dataset.files.jsonl_io import dump, has_mark, read_strictly
from ftops.dataset.profile.tokens import definitions
from ftops.dataset.transforms import transform
from ftops.dataset.transforms.slim import WAYS


@click.command("slim")
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--drop",
    type=click.Choice(list(WAYS)),
    default="descriptions",
    help="What to remove (descriptions).",
)
@click.option("--function", "only", multiple=True, metavar="NAME", help="Only for this function; repeatable.")
@force_option
@look_options
@pass_screen
def command(screen: Screen, source: Path, target: Path, drop: str, only: tuple[str, ...], force: bool) -> int:
    """Write SOURCE to TARGET with shorter function definitions, which makes prompts cheaper.

    Remove the same from requests to the fine-tuned model. `ftops data stats` shows the savings.
    """
    shown = display(source.absolute())
    _check_names(source, shown, only)
    steps = (transform.Slim(drop, only),)
    with written_to(
        target, force=force, mark=source.exists() and has_mark(source), other_than=source
    ) as writer:
        for example in transform.apply(source, shown, steps):
            writer.write(dump(example))
    return told(screen, [writer])


def _check_names(source: Path, shown: str, only: tuple[str, ...]) -> None:
    """Raises UsageError where no example offers a function that is named."""
    missing = set(only)
    known: set[str] = set()
    if missing:
        for _, example in read_strictly(source, shown):
            known |= {str(f.get("name")) for f in definitions(example)}
    for name in sorted(missing - known):
        raise UsageError(f"no example has a function `{name}`", "", did_you_mean(name, known))

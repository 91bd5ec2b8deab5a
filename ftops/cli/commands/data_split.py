"""ftops data split"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from ftops.cli.console import Screen
from ftops.cli.lazy import pass_screen
from ftops.cli.output_files import force_option, told, written_to
from ftops.cli.output_options import look_options
from ftops.core.errors import UsageError
from ftops.core.project import display
from ftops.dataset.files.jsonl_io import has_mark, read_strictly
from ftops.dataset.transforms.split import Split

DEFAULT = ("train=0.9", "valid=0.1")


@click.command("split")
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--part", "parts", multiple=True, metavar="NAME=SHARE", help="A part; repeatable (train=0.9, valid=0.1)."
)
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=1, help="A different seed gives a different split."
)
@click.option("--stratify", is_flag=True, help="Keep the shares of each answer the same in all parts.")
@click.option(
    "--group-by",
    default="prompt",
    metavar="KEY",
    help="What is kept together: prompt (the default), example, or the path of a value: metadata.customer.",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Output folder; that of FILE by default.",
)
@force_option
@look_options
@pass_screen
def command(
    screen: Screen,
    source: Path,
    parts: tuple[str, ...],
    seed: int,
    stratify: bool,
    group_by: str,
    into: Path | None,
    force: bool,
) -> int:
    """Split SOURCE into FILE.train.jsonl and FILE.valid.jsonl.

    The part of an example depends only on the seed and its prompt, not on its line or other examples, so
    examples that are added later don't move others (with --stratify: only a few).
    """
    split = Split(_shares(parts or DEFAULT), seed, group_by, stratify)
    shown = display(source.absolute())
    if not split.knows(example for _, example in read_strictly(source, shown)):
        hint = "give the path of a value that examples have, such as metadata.customer"
        raise UsageError(f"no example has `{group_by}`", "All examples would be in one group.", hint)
    choose = split.chooser(lambda: (example for _, example in read_strictly(source, shown)))
    folder = into or source.parent
    mark = source.exists() and has_mark(source)
    with ExitStack() as stack:
        writers: dict[str, Any] = {
            name: stack.enter_context(
                written_to(folder / f"{source.stem}.{name}.jsonl", force=force, mark=mark, other_than=source)
            )
            for name in split.parts
        }
        for line, example in read_strictly(source, shown):
            writers[choose(example)].write(line.raw)
    return told(screen, list(writers.values()))


def _shares(parts: tuple[str, ...]) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in parts:
        name, equals, share = part.partition("=")
        try:
            number = float(share)
        except ValueError:
            number = 0.0
        if (
            not (equals and name.replace("-", "").replace("_", "").isalnum() and 0 < number <= 1)
            or name in found
        ):
            raise UsageError(
                f"`{part}` isn't a valid part", "", "write --part train=0.8 --part valid=0.1 --part test=0.1"
            )
        found[name] = number
    if abs(sum(found.values()) - 1) > 1e-6:
        total = f"{sum(found.values()):g}"
        raise UsageError(f"they add up to {total}", "", "the shares must add up to 1")
    return found

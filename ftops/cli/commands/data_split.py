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
    help="What stays together: prompt (the default), example, or the way to a value: metadata.customer.",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to write; beside FILE.",
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
    """Divide SOURCE into parts, FILE.train.jsonl and FILE.valid.jsonl.

    An example's part depends on the seed and on what it asks: not on its line, nor on other examples. So
    examples that are added later move none (with --stratify: few).
    """
    split = Split(_shares(parts or DEFAULT), seed, group_by, stratify)
    shown = display(source.absolute())
    if not split.knows(example for _, example in read_strictly(source, shown)):
        hint = "name the way to a value that examples have, such as metadata.customer"
        raise UsageError(f"no example has `{group_by}`", "All would stay together.", hint)
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
                f"`{part}` is no part", "", "write --part train=0.8 --part valid=0.1 --part test=0.1"
            )
        found[name] = number
    if abs(sum(found.values()) - 1) > 1e-6:
        total = f"{sum(found.values()):g}"
        raise UsageError(f"the shares sum up to {total}, not to 1", "", "every example has to have its part")
    return found

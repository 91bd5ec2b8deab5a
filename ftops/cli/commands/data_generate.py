"""ftops data generate"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ftops.cli.addresses import complete_name
from ftops.cli.console import Screen
from ftops.cli.options import approve_option, spec_options
from ftops.cli.spec_args import SpecArguments, read
from ftops.core.address import Json
from ftops.core.plurals import plural

if TYPE_CHECKING:
    from ftops.evaluation.spending import Expected
    from ftops.session.generation import Generator, Report


@click.command("generate")
@approve_option
@spec_options
@click.argument("name", metavar="[NAME]", default="", shell_complete=complete_name("dataset"))
@click.option("--concurrency", type=click.IntRange(1, 256), default=8, help="Requests at a time (8).")
@click.option("--prune", is_flag=True, help="Remove recorded answers that aren't used any more.")
@click.option(
    "--allow-validator", "allowed", is_flag=True, help="Run the programs that `verify.validator` names."
)
def command(
    screen: Screen,
    name: str,
    concurrency: int,
    prune: bool,
    allowed: bool,
    auto_approve: bool,
    spec: SpecArguments,
) -> int:
    """Generate the examples of the datasets of SPEC that have `generate`, or only those of dataset NAME.

    The result is written to data/NAME.generated, to be committed: plan and apply read it, and ask no
    teacher. What a teacher has answered is recorded, too, and isn't asked again. `ftops docs generation`
    explains the keys.
    """
    from ftops.session.generation import Options, generators
    from ftops.views.generation import draw, to_json

    wanted = generators(read(spec), name, Options(allowed, prune, concurrency))
    expected = [generator.expected() for generator in wanted]
    for generator, what in zip(wanted, expected, strict=True):
        _announce(screen, generator, what)
    is_approved = auto_approve or not any(expected)
    if not is_approved and not screen.approve("Send these requests?", "sending requests", "run with -y"):
        return 1
    reports = [_run(screen, generator, what) for generator, what in zip(wanted, expected, strict=True)]
    rows: list[Json] = [to_json(report) for report in reports]
    if screen.json:
        screen.document({"format_version": 1, "generated": rows})
    else:
        screen.text("\n".join(draw(report, screen.paint) for report in reports))
    return 0


def _announce(screen: Screen, generator: Generator, steps: Sequence[Expected]) -> None:
    from ftops.planning.estimate import dollars

    if generator.edited:
        lines = plural(generator.edited, "recorded answer")
        screen.note(f"{generator.name}: {lines} edited by hand or cut off, and not used\n")
    if steps:
        costs = [step.dollars for step in steps if step.dollars is not None]
        price = f"≤ {dollars(sum(costs))}" if len(costs) == len(steps) else "price unknown"
        requests = plural(sum(step.requests for step in steps), "request")
        screen.note(f"{generator.name}: would send {requests} at most ({price})\n")


def _run(screen: Screen, generator: Generator, steps: Sequence[Expected]) -> Report:
    """With a line that counts the answers, on a terminal."""
    count, numbers = screen.counter("Asking"), itertools.count(1)
    return generator.run(
        lambda: count(next(numbers), sum(step.requests for step in steps)),
        lambda text: screen.note(f"{generator.name}: {text}\n"),
    )

"""ftops data generate"""

from __future__ import annotations

import click

from ftops.cli.console import Screen
from ftops.cli.options import spec_options
from ftops.cli.spec_args import SpecArguments, read
from ftops.core.address import Json


@click.command("generate")
@spec_options
@click.argument("name", metavar="[NAME]", default="")
@click.option(
    "--allow-validator", "allowed", is_flag=True, help="Run the programs that `verify.validator` names."
)
def command(screen: Screen, name: str, allowed: bool, spec: SpecArguments) -> int:
    """Generate the examples of the datasets of SPEC that have `generate`, or only those of dataset NAME.

    The result is written to data/NAME.generated, to be committed: plan and apply read it, and generate
    nothing. docs/generation.md explains the keys.
    """
    from ftops.session.generation import generators
    from ftops.views.generation import draw, to_json

    reports = [generator.run() for generator in generators(read(spec), name, allowed)]
    if screen.json:
        rows: list[Json] = [to_json(report) for report in reports]
        screen.document({"format_version": 1, "generated": rows})
    else:
        screen.text("\n".join(draw(report, screen.paint) for report in reports))
    return 0

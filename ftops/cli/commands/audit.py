"""ftops audit"""

from __future__ import annotations

import click

from ftops.cli.console import Screen
from ftops.cli.options import spec_options
from ftops.cli.sessions import looking
from ftops.cli.spec_args import SpecArguments, read_outline
from ftops.views.audit import draw_runs, runs_to_json


@click.command("audit")
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=20,
    metavar="N",
    help="Number of runs to show, newest first (default 20); 0 for all.",
)
@spec_options
def command(screen: Screen, spec: SpecArguments, limit: int) -> int:
    """Show who changed objects or the state, when, with which plan, and the result."""
    config = read_outline(spec)
    with looking(screen, config) as session:
        runs = session.runs()
    shown = runs[-limit:] if limit else runs
    if screen.json:
        screen.document(runs_to_json(shown, config.name, config.environment))
    else:
        screen.text(draw_runs(shown, len(runs) - len(shown), screen.paint))
    return 0

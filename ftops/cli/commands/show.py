"""ftops show"""

from __future__ import annotations

import click

from ftops.cli.lazy import pass_screen
from ftops.cli.options import SpecArguments, spec_options
from ftops.cli.screen import Screen
from ftops.cli.specs import read
from ftops.engine import Session
from ftops.views.state import draw_state, state_to_json


@click.command("show")
@spec_options
@pass_screen
def command(screen: Screen, spec: SpecArguments) -> int:
    """Show everything that is recorded: what was asked for, and what came. Asks no service."""
    config = read(spec)
    with Session.open(config) as session:
        state = session.state
    if screen.json:
        screen.document(state_to_json(state, config.name, config.environment))
    else:
        screen.text(draw_state(state, config.name, screen.paint))
    return 0

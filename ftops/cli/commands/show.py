"""ftops show"""

from __future__ import annotations

from pathlib import Path

import click

from ftops.cli.lazy import pass_screen
from ftops.cli.options import SpecArguments, spec_options
from ftops.cli.planning import plan_document
from ftops.cli.screen import Screen
from ftops.cli.specs import read
from ftops.engine import Session
from ftops.saved import is_plan_file, read_plan
from ftops.views.plan import draw_saved
from ftops.views.state import draw_state, state_to_json


@click.command("show")
@spec_options
@pass_screen
def command(screen: Screen, spec: SpecArguments) -> int:
    """Show everything that is recorded: what was asked for, and what came. Asks no service.

    Where SPEC is a plan that `ftops plan --out` saved, show that; its spec needn't be here.
    """
    if is_plan_file(spec.path):
        return show_plan(screen, spec.path)
    config = read(spec)
    with Session.open(config) as session:
        state = session.state
    if screen.json:
        screen.document(state_to_json(state, config.name, config.environment))
    else:
        screen.text(draw_state(state, config.name, screen.paint))
    return 0


def show_plan(screen: Screen, path: Path) -> int:
    """Shows a plan file."""
    saved = read_plan(path)
    if screen.json:
        screen.document(plan_document(saved.plan, ()))
    else:
        screen.text(draw_saved(saved, screen.paint))
        screen.findings(saved.plan.findings, 0)
    return 0

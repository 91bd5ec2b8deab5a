"""ftops drift"""

from __future__ import annotations

import click

from ftops.cli.console import Screen
from ftops.cli.options import parallelism_option, spec_options
from ftops.cli.spec_args import SpecArguments, read
from ftops.planning.plan import Mode, Options
from ftops.session.session import Session
from ftops.views.drift import draw, to_json

DRIFT = 2


@click.command("drift")
@click.option("--all", "everything", is_flag=True, help="Also show differences that are expected or ignored.")
@parallelism_option
@spec_options
def command(screen: Screen, spec: SpecArguments, everything: bool, parallelism: int) -> int:
    """Show how objects at the service differ from the state. Nothing is changed.

    Exits with 2 if objects were changed or deleted outside ftops. Differences that the service causes
    by its own rules, and those that the spec ignores, don't count.
    """
    with Session.open(read(spec)) as session:
        made = session.plan(
            Options(mode=Mode.REFRESH_ONLY),
            preflight=False,
            parallelism=parallelism,
            on_progress=screen.counter("Refreshing resource"),
        )
    found = any(not drift.is_expected for drift in made.drift)
    if screen.json:
        screen.document(to_json(made))
    else:
        screen.text(draw(made, everything, screen.paint))
    return DRIFT if found else 0

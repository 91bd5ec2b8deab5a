"""ftops results"""

from __future__ import annotations

import click

from ftops.cli.addresses import ADDRESS
from ftops.cli.console import Screen
from ftops.cli.options import spec_options
from ftops.cli.spec_args import SpecArguments, read
from ftops.core.address import Address
from ftops.session.session import Session
from ftops.views.results import draw_results, results_to_json


@click.command("results")
@click.argument("address", type=ADDRESS)
@click.option("--csv", "as_csv", is_flag=True, help="Print the service's CSV file, one line per step.")
@spec_options
def command(screen: Screen, address: Address, spec: SpecArguments, as_csv: bool) -> int:
    """Show the training metrics of job ADDRESS: loss and accuracy by step, read from the service."""
    with Session.open(read(spec)) as session:
        results = session.results(address)
    if screen.json:
        screen.document(results_to_json(address, results))
    elif as_csv:
        screen.raw(results.text)
    else:
        screen.text(draw_results(address, results, screen.paint))
    return 0

"""ftops explain"""

from __future__ import annotations

import os

import click

from ftops.cli.addresses import ADDRESS
from ftops.cli.console import Screen
from ftops.cli.options import parallelism_option, refresh_option, spec_options
from ftops.cli.spec_args import SpecArguments, read_with_data
from ftops.core.address import Address
from ftops.dataset.profile.diff import Compared
from ftops.planning.cost import estimator
from ftops.planning.explain import explain
from ftops.planning.plan import Options
from ftops.session.session import Session
from ftops.views import explanation as view


@click.command("explain")
@click.argument("address", type=ADDRESS)
@refresh_option
@parallelism_option
@spec_options
def command(screen: Screen, address: Address, refresh: bool, parallelism: int, spec: SpecArguments) -> int:
    """Explain why the resource at ADDRESS would change: its cause, the cause of that, and so on, down to
    the examples of a dataset that were added, removed or edited. Nothing is changed."""
    config, warnings = read_with_data(spec)
    with Session.open(config) as session:
        made = session.plan(
            Options(targets=(address,)), refresh=refresh, preflight=False, parallelism=parallelism
        )
        resources = session.graph.resources

    def compare(dataset: Address, before: str) -> Compared | None:
        return estimator.compare(dataset, before, config, resources, os.environ)

    causes = explain(address, made, resources, compare)
    screen.warn(warnings)
    if screen.json:
        screen.document({"format_version": 1, **view.to_json(address, causes)})
    else:
        screen.text(view.draw(address, causes, screen.paint))
    return 0

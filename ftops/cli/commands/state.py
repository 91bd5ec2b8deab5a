"""ftops state list, show"""

from __future__ import annotations

import click

from ftops.cli.addresses import ADDRESS
from ftops.cli.arguments import SpecArguments
from ftops.cli.console import Screen
from ftops.cli.options import spec_options
from ftops.cli.sessions import looking
from ftops.cli.spec_args import read_outline
from ftops.core.address import Address
from ftops.core.errors import FtopsError
from ftops.planning.moves import nothing_recorded
from ftops.state.codec import resource_to_json
from ftops.state.state import ResourceState, State
from ftops.views.state import draw_list, draw_resource, list_to_json


@click.command("list")
@spec_options
def list_(screen: Screen, spec: SpecArguments) -> int:
    """List the address of every object in the state, one per line."""
    state = _recorded(screen, spec)
    if screen.json:
        screen.document(list_to_json(state))
    else:
        screen.text(draw_list(state))
    return 0


@click.command("show")
@click.argument("address", type=ADDRESS)
@spec_options
def show(screen: Screen, address: Address, spec: SpecArguments) -> int:
    """Show everything in the state about the object at ADDRESS."""
    resource = _find(_recorded(screen, spec), address)
    if screen.json:
        screen.document({"format_version": 1, "resource": resource_to_json(resource)})
    else:
        screen.text(draw_resource(resource, screen.paint))
    return 0


def _recorded(screen: Screen, spec: SpecArguments) -> State:
    with looking(screen, read_outline(spec)) as session:
        return session.state


def _find(state: State, address: Address) -> ResourceState:
    resource = state.resources.get(address)
    if resource is not None:
        return resource
    if address in state.pending:
        raise FtopsError(
            f"{address} is not recorded yet",
            "a run was interrupted while it created the object; the next plan looks for it.",
            "run `ftops plan`",
        )
    missing = nothing_recorded(state.resources, address)
    raise FtopsError(missing.summary, missing.detail, missing.hint)

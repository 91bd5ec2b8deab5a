"""ftops import"""

from __future__ import annotations

import click
from msgspec.structs import replace

from ftops.address import Address, Json
from ftops.cli.addresses import ADDRESS
from ftops.cli.lazy import pass_screen
from ftops.cli.locking import lock_option, locked
from ftops.cli.options import SpecArguments, spec_options
from ftops.cli.screen import Screen
from ftops.cli.specs import read_with_data
from ftops.engine import Session
from ftops.plan import Plan, plan_to_json
from ftops.state import ResourceState
from ftops.statefile import resource_to_json
from ftops.views import plan as plan_view


@click.command("import")
@click.argument("address", metavar="ADDRESS", type=ADDRESS)
@click.argument("remote_id", metavar="ID")
@lock_option
@spec_options
@pass_screen
def command(
    screen: Screen, address: Address, remote_id: str, lock_timeout: float, spec: SpecArguments
) -> int:
    """Record the object ID of the service as ADDRESS of the spec, and say what the next plan would change.

    Nothing happens to the object. ID is the id of a file or a job, or the name of a deployment. To review it
    in a pull request, write it into the spec instead: `import: [{to: job.a, id: ftjob-…}]`.
    """
    config, warnings = read_with_data(spec)
    with Session.open(config) as session:
        with locked(screen, session, "import", lock_timeout):
            found = session.import_object(address, remote_id)
        following = _only(address, session.plan(look=False, preflight=False))
    screen.warn(warnings)
    if screen.json:
        changes = plan_to_json(following)["changes"]
        fields: dict[str, Json] = {"resource": resource_to_json(found), "next": changes}
        screen.document({"format_version": 1, **fields, "serial": session.state.serial})
    else:
        screen.text(_told(found, following, screen))
    return 0


def _only(address: Address, made: Plan) -> Plan:
    """What a plan says of one resource."""
    changes = tuple(change for change in made.changes if change.address == address)
    return replace(made, changes=changes, drift=(), outputs=(), warnings=(), entries=())


def _told(found: ResourceState, following: Plan, screen: Screen) -> str:
    paint = screen.paint
    lines = f"{paint('Imported', 'good')} {paint(str(found.address), 'bold')}  ({paint(found.remote_id)})\n"
    if not following.changes:
        return f"{lines}It is as the spec wants it: the next plan leaves it as it is.\n"
    return f"{lines}It differs from the spec. The next plan:\n\n{plan_view.draw(following, paint)}"

"""ftops rollback"""

from __future__ import annotations

import shlex

import click

from ftops.cli.addresses import AddressType
from ftops.cli.console import Screen
from ftops.cli.grouped_help import GroupedCommand
from ftops.cli.options import spec_options
from ftops.cli.output_options import also_markdown
from ftops.cli.planned_change import Course, course_options, plan_or_apply
from ftops.cli.spec_args import SpecArguments, read
from ftops.core.address import Address
from ftops.core.errors import Blocked, Diagnostic
from ftops.planning.plan import Options
from ftops.session.rollback import candidates_of, choose
from ftops.session.session import Session
from ftops.views.pins import candidate_lines, candidates_to_json


@click.command(
    "rollback",
    cls=GroupedCommand,
    examples={
        "ftops rollback deployment.copilot": "Serve the model before the current one.",
        "ftops rollback deployment.copilot --list": "List the models that it can serve.",
    },
)
@click.argument("address", metavar="DEPLOYMENT", type=AddressType("deployment"))
@click.option("--to", default="", metavar="N|MODEL", help="An earlier model, by its number or name.")
@click.option("--list", "is_list", is_flag=True, help="List the models that it has served.")
@click.option("--release", is_flag=True, help="Let it get the model that the spec asks for again.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is recorded and shown.")
@click.option(
    "--override",
    "rule_overrides",
    multiple=True,
    metavar="RULE",
    help="Lift this rule of the policy; needs --reason. Repeatable.",
)
@course_options
@spec_options
@also_markdown
def command(
    screen: Screen,
    address: Address,
    to: str,
    is_list: bool,
    release: bool,
    reason: str,
    rule_overrides: tuple[str, ...],
    course: Course,
    spec: SpecArguments,
) -> int:
    """Let a deployment serve an earlier model again, and pin it to that until it is released.

    Without --to, it is the newest earlier model that still exists. The plan is shown, approved and applied
    like any other; with --out or --save, it is saved. Later plans leave the model as it is, until
    `ftops rollback DEPLOYMENT --release`, or until the spec asks for this model itself.
    """
    if sum((bool(to), is_list, release)) > 1:
        raise click.UsageError("--to, --list and --release can't be combined")
    reason = reason.strip()
    if rule_overrides and not reason:
        raise click.UsageError("--override needs --reason, which is recorded")
    with Session.open(read(spec)) as session:
        candidates, pin = candidates_of(session, address), session.state.pins.get(address)
    if is_list:
        return screen.result(
            lambda: candidates_to_json(address, candidates, pin),
            lambda: candidate_lines(address, candidates, pin, screen.paint, screen.width),
        )
    lifted = dict.fromkeys(rule_overrides, reason)
    arguments = [shlex.quote(str(address))]
    if release:
        if pin is None:
            raise Blocked([Diagnostic(f"{address} isn't pinned", "there is nothing to release.")])
        options = Options(targets=(address,), adopt=True, rule_overrides=lifted, releases=(address,))
        arguments.append("--release")
    else:
        wanted = choose(candidates, address, to, reason, pinned=pin is not None)
        pins = {address: wanted}
        options = Options(targets=(address,), adopt=True, rule_overrides=lifted, pins=pins)
        arguments += ["--to", shlex.quote(wanted.model)]
        arguments += ["--reason", shlex.quote(reason)] if reason else []
    return plan_or_apply(screen, spec, options, course, "rollback", tuple(arguments))

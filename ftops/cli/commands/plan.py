"""ftops plan"""

from __future__ import annotations

from pathlib import Path

import click
from msgspec.structs import replace

from ftops.cli.arguments import SpecArguments
from ftops.cli.lazy import pass_screen
from ftops.cli.options import PlanArguments, plan_options, spec_options
from ftops.cli.planning import make_plan, plan_document, read_for
from ftops.cli.plans import applying, check_out, save_plan
from ftops.cli.screen import Screen
from ftops.engine import Session
from ftops.plan import Mode, Plan
from ftops.views import plan as plan_view

CHANGES = 2
BLOCKED = 3


@click.command("plan")
@plan_options
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 where there are changes.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Save the plan: `ftops apply FILE` does just that, `ftops show FILE` shows it.",
)
@spec_options
@pass_screen
def command(
    screen: Screen, spec: SpecArguments, request: PlanArguments, detailed_exitcode: bool, out: Path | None
) -> int:
    """Show what apply would do, in which order and why. Changes nothing.

    SPEC is a YAML file, or a folder of them; the current folder by default.
    """
    if out is not None:
        check_out(out)
        spec = replace(spec, is_approved=True)
    config, warnings = read_for(spec, request)
    with Session.open(config) as session:
        made = make_plan(session, request, screen)
        if out is not None:
            save_plan(session, made, request, spec, out)
    screen.warn(warnings)
    if screen.json:
        screen.document(plan_document(made, warnings))
    else:
        screen.text(plan_view.draw(made, screen.paint) + _next_step(made, spec, out, screen))
        screen.findings(made.findings, BLOCKED if made.is_blocked else 0)
    if made.is_blocked:
        return BLOCKED
    return CHANGES if detailed_exitcode and plan_view.has_changes(made) else 0


def _next_step(made: Plan, spec: SpecArguments, out: Path | None, screen: Screen) -> str:
    """How to go on, for who sees the first plan of their life."""
    if out is not None:
        return screen.paint(f"Saved to {out}. To do just this: {applying(out)}", "dim") + "\n"
    if not plan_view.has_changes(made) or made.is_blocked or not screen.is_terminal:
        return ""
    names = {Mode.NORMAL: "apply", Mode.DESTROY: "destroy", Mode.REFRESH_ONLY: "apply --refresh-only"}
    name, *flags = names[made.mode].split()
    line = " ".join([spec.command(name), *flags])
    return screen.paint(f"To make it so: {line}", "dim") + "\n"

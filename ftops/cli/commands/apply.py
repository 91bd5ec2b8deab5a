"""ftops apply, ftops destroy"""

from __future__ import annotations

from typing import Any

import click

from ftops.cli.applying import Wish, carry_out
from ftops.cli.lazy import pass_screen
from ftops.cli.options import (
    PlanArguments,
    SpecArguments,
    approve_option,
    offline_option,
    parallelism_option,
    plan_options,
    refresh_option,
    selection_options,
    spec_options,
)
from ftops.cli.screen import Screen
from ftops.plan import Mode
from ftops.planner import Options


@click.command("apply")
@approve_option
@click.option(
    "--wait/--no-wait", default=True, help="Whether to wait for jobs that run for hours; exit with 4 if not."
)
@plan_options
@spec_options
@pass_screen
def apply(screen: Screen, spec: SpecArguments, request: PlanArguments, auto_approve: bool, wait: bool) -> int:
    """Plan, ask, and make it so: upload, train, deploy, delete, in the right order.

    Interrupted at any time, the next apply goes on where this one ended. SPEC is a YAML file, or a
    folder of them; the current folder by default.
    """
    operation = "destroy" if request.options.mode is Mode.DESTROY else "apply"
    return carry_out(screen, Wish(operation, spec, request, auto_approve, wait))


@click.command("destroy")
@approve_option
@selection_options
@refresh_option
@offline_option
@parallelism_option
@spec_options
@pass_screen
def destroy(
    screen: Screen,
    spec: SpecArguments,
    auto_approve: bool,
    targets: tuple[Any, ...],
    excludes: tuple[Any, ...],
    refresh: bool,
    parallelism: int,
    offline: bool,
) -> int:
    """Delete everything that was made for a spec, users before what they use.

    With --target, only that resource and what uses it.
    """
    options = Options(Mode.DESTROY, targets, excludes)
    request = PlanArguments(options, refresh, parallelism, not offline)
    return carry_out(screen, Wish("destroy", spec, request, auto_approve))

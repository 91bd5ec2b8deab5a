"""ftops apply, ftops destroy"""

from __future__ import annotations

from typing import Any

import click
from msgspec.structs import replace

from ftops.cli.apply_flow import ApplyOptions, carry_out
from ftops.cli.console import Screen
from ftops.cli.grouped_help import GroupedCommand
from ftops.cli.options import (
    PlanArguments,
    approve_option,
    check_limit,
    check_reason,
    destroy_selection_options,
    limit_option,
    offline_option,
    parallelism_option,
    plan_options,
    policy_options,
    refresh_option,
    spec_options,
)
from ftops.cli.output_options import also_markdown
from ftops.cli.plans import checked_digest, refuse_options, saved_plan, spec_of
from ftops.cli.sessions import lock_option
from ftops.cli.spec_args import SpecArguments
from ftops.planning.plan import Mode, Options


@click.command(
    "apply",
    cls=GroupedCommand,
    examples={
        "ftops apply": "Show the plan, ask, and apply it.",
        "ftops apply -y --target job.copilot": "Train one job, without asking.",
    },
)
@approve_option
@click.option(
    "--wait/--no-wait",
    default=True,
    help="Wait for jobs until they end; with --no-wait, exit with 4 while jobs are running.",
)
@click.option(
    "--expect-digest",
    metavar="v2:sha256:…",
    callback=checked_digest,
    help="Apply only the plan with this digest, without asking for approval.",
)
@lock_option
@plan_options
@limit_option
@spec_options
@also_markdown
def apply(
    screen: Screen,
    spec: SpecArguments,
    request: PlanArguments,
    auto_approve: bool,
    wait: bool,
    expect_digest: str | None,
    lock_timeout: float,
    limit: int | None,
) -> int:
    """Plan, ask for approval, and apply: upload, train, deploy and delete, in dependency order.

    If apply is interrupted, the next apply continues where it stopped. SPEC is a YAML file, or a
    folder of them; the current folder by default. It can also be a plan that was saved with
    `ftops plan --out FILE`, or the digest of one that was saved with `ftops plan --save`: exactly
    this plan is applied, without asking, or refused if it is stale.
    """
    check_limit(screen, limit)
    saved = saved_plan(spec)
    if saved is None:
        spec = replace(spec, is_approved=expect_digest is not None)
    else:
        refuse_options(request)
        spec, auto_approve = spec_of(saved, spec), True
        request = PlanArguments(saved.options, saved.refreshed, request.parallelism, preflight=False)
    operation = "destroy" if request.options.mode is Mode.DESTROY else "apply"
    return carry_out(
        screen,
        ApplyOptions(operation, spec, request, auto_approve, wait, expect_digest, saved, lock_timeout, limit),
    )


@click.command(
    "destroy",
    cls=GroupedCommand,
    examples={
        "ftops destroy": "Show what would be deleted, ask, and delete it.",
        "ftops destroy --target deployment.copilot": "Delete one deployment.",
    },
)
@approve_option
@destroy_selection_options
@refresh_option
@offline_option
@parallelism_option
@lock_option
@limit_option
@policy_options
@spec_options
@also_markdown
def destroy(
    screen: Screen,
    spec: SpecArguments,
    auto_approve: bool,
    targets: tuple[Any, ...],
    excludes: tuple[Any, ...],
    refresh: bool,
    parallelism: int,
    offline: bool,
    lock_timeout: float,
    limit: int | None,
    rule_overrides: tuple[str, ...],
    reason: str,
) -> int:
    """Delete everything that was created for a spec, in reverse dependency order.

    With --target, delete only that resource and its dependents.
    """
    check_limit(screen, limit)
    check_reason(rule_overrides, reason)
    lifted = dict.fromkeys(rule_overrides, reason.strip())
    options = Options(Mode.DESTROY, targets, excludes, rule_overrides=lifted)
    request = PlanArguments(options, refresh and not offline, parallelism, not offline)
    return carry_out(
        screen,
        ApplyOptions("destroy", spec, request, auto_approve, lock_timeout=lock_timeout, limit=limit),
    )

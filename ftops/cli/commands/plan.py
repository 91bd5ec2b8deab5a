"""ftops plan"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click
from msgspec.structs import replace

from ftops.cli.console import Screen
from ftops.cli.grouped_help import GroupedCommand
from ftops.cli.options import (
    PlanArguments,
    as_of_option,
    check_limit,
    check_many,
    limit_option,
    many_options,
    out_option,
    plan_options,
    save_option,
    spec_options,
)
from ftops.cli.output_options import FILE, GITLAB_COUNTS, also_markdown_and_reports
from ftops.cli.plan_flow import (
    BLOCKED,
    CHANGES,
    REFRESHING,
    Planned,
    made_now,
    plan_document,
    planned,
    unasked,
)
from ftops.cli.plans import check_out
from ftops.cli.spec_args import SpecArguments
from ftops.cli.untrusted import untrusted_option
from ftops.core.errors import UsageError
from ftops.planning.plan import Mode, Plan
from ftops.planning.saved.plan_digest import plan_digest
from ftops.views import plan as plan_view
from ftops.views.paint import path_word


@click.command(
    "plan",
    cls=GroupedCommand,
    examples={
        "ftops plan --env prod": "Plan the environment prod of the spec in this folder.",
        "ftops plan --out plan.bin": "Save the plan; `ftops apply plan.bin` applies exactly it.",
    },
)
@plan_options
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if there are changes.")
@out_option
@save_option
@click.option(
    "--state",
    "copy",
    type=FILE,
    metavar="FILE",
    help="Plan with this copy of the state, from `ftops state pull`.",
)
@click.option(
    "--read-only",
    is_flag=True,
    help="Another identity will apply the plan: don't check what this one may change.",
)
@as_of_option
@limit_option
@untrusted_option
@spec_options
@also_markdown_and_reports
@many_options
def command(
    screen: Screen,
    spec: SpecArguments,
    request: PlanArguments,
    detailed_exitcode: bool,
    out: Path | None,
    is_kept: bool,
    copy: Path | None,
    read_only: bool,
    as_of: date | None,
    limit: int | None,
    is_untrusted: bool,
    everything: bool,
    revision: str | None,
) -> int:
    """Show what apply would change, in which order and why. Nothing is changed.

    SPEC is a YAML file, or a folder of them; the current folder by default. With --all, it is a folder, and
    every spec in it and below it is planned.
    """
    check_many(everything, revision, is_untrusted)
    if everything:
        _refuse_for_all(request, out, copy)
    check_limit(screen, limit)
    if is_kept and copy is not None:
        raise click.UsageError("--save needs the state itself: it can't be combined with --state")
    is_saved = out is not None or is_kept
    if is_saved and as_of is not None:
        raise click.UsageError("a plan with --as-of can't be saved: it is as if it were another day")
    request = replace(request, as_of=as_of, read_only=read_only)
    if out is not None:
        check_out(out)
    if is_saved:
        spec = replace(spec, is_approved=True)
    if is_untrusted:
        if is_saved:
            raise UsageError(
                "an untrusted plan can't be saved",
                "what it left out would be missing when it is applied.",
                "plan again without --untrusted",
            )
        if request.options.mode is Mode.REFRESH_ONLY:
            raise click.UsageError("--refresh-only can't be combined with --untrusted")
        spec, request = replace(spec, is_untrusted=True), unasked(request)
    spec = replace(spec, is_offline=request.offline)
    if everything:
        from ftops.cli.many_plans import plan_all

        code = plan_all(screen, spec, request, revision, is_kept, limit)
        return code if code != CHANGES or detailed_exitcode else 0
    paint = None if screen.format not in ("", "text") or is_untrusted else screen.paint
    made = planned(spec, request, screen.counter(REFRESHING), copy, out, is_kept, paint)
    show_plan(screen, made, spec, out, is_kept, limit)
    return made.exit_code if made.plan.is_blocked or detailed_exitcode else 0


def show_plan(
    screen: Screen, made: Planned, spec: SpecArguments, out: Path | None, is_kept: bool, limit: int | None
) -> None:
    """In the format that was asked for, with the command that comes next."""
    _show(screen, made, limit, _next_step(made.plan, spec, out, is_kept, screen))


def _refuse_for_all(request: PlanArguments, out: Path | None, copy: Path | None) -> None:
    """Raises UsageError for an option that is about one spec."""
    options = request.options
    given = {
        "--out": out,
        "--state": copy,
        "--target": options.targets,
        "--exclude": options.excludes,
        "--replace": options.replaces,
        "--override-gate": options.overrides,
        "--override": options.rule_overrides,
    }
    if name := next((name for name, value in given.items() if value), None):
        raise click.UsageError(f"{name} is about one spec: it can't be combined with --all")


def _show(screen: Screen, made: Planned, limit: int | None, next_step: str) -> None:
    """In the format that was asked for. `next_step` ends the text."""
    plan, warnings = made.plan, made.warnings
    screen.warn(warnings)
    if screen.json:
        screen.document(plan_document(plan, warnings))
    elif screen.format == GITLAB_COUNTS:
        from ftops.views.verdict import gitlab_counts

        screen.line(gitlab_counts(plan))
        screen.findings(plan.findings, BLOCKED if plan.is_blocked else 0)
    elif screen.report:
        screen.reported((*plan.findings, *warnings))
    elif screen.markdown:
        from ftops.views import markdown

        screen.text(markdown.draw(plan, made_now(), limit, warnings).text)
    else:
        screen.text(plan_view.draw(plan, screen.paint))
        screen.lines(made.running)
        screen.whole(next_step)
        screen.findings(plan.findings, BLOCKED if plan.is_blocked else 0)


def _next_step(plan: Plan, spec: SpecArguments, out: Path | None, is_kept: bool, screen: Screen) -> str:
    """The line below a plan: how to apply it."""
    if (out is not None or is_kept) and plan.is_blocked:
        return screen.paint("Not saved: this plan can't be applied", "bold") + "\n"
    if is_kept:
        where = f"Saved{f' to {out} and' if out else ''} beside the state."
        return screen.paint(f"{where} To apply it: ftops apply {plan_digest(plan)}", "dim") + "\n"
    if out is not None:
        command_line = f"ftops apply {path_word(out)}"
        return screen.paint(f"Saved to {out}. To apply it: {command_line}", "dim") + "\n"
    if not plan_view.has_changes(plan) or plan.is_blocked or not screen.is_terminal:
        return ""
    names = {Mode.NORMAL: "apply", Mode.DESTROY: "destroy", Mode.REFRESH_ONLY: "apply --refresh-only"}
    name, *flags = names[plan.mode].split()
    line = " ".join([spec.command(name), *flags])
    return screen.paint(f"To apply it: {line}", "dim") + "\n"

"""Planned change: commands that make a special plan, and apply it like `apply` or save it like `plan`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from msgspec import Struct
from msgspec.structs import replace

from ftops.cli.apply_flow import ApplyOptions, carry_out
from ftops.cli.commands.plan import show_plan
from ftops.cli.console import Screen
from ftops.cli.options import (
    PlanArguments,
    approve_option,
    check_limit,
    limit_option,
    out_option,
    parallelism_option,
    save_option,
)
from ftops.cli.output_options import Command, decorate
from ftops.cli.plan_flow import REFRESHING, planned
from ftops.cli.plans import check_out
from ftops.cli.sessions import lock_option
from ftops.cli.spec_args import SpecArguments
from ftops.planning.plan import Options


class Course(Struct, frozen=True):
    """What is done with the plan: it is saved, or applied once it is approved."""

    approved: bool
    wait: bool
    out: Path | None
    is_kept: bool
    lock_timeout: float
    limit: int | None
    parallelism: int

    @property
    def is_saved(self) -> bool:
        return self.out is not None or self.is_kept


def course_options(function: Command) -> Command:
    """-y, --no-wait, --out, --save, --lock-timeout, --limit and --parallelism, as one `course`."""

    def packed(
        *args: Any,
        auto_approve: bool,
        wait: bool,
        out: Path | None,
        is_kept: bool,
        lock_timeout: float,
        limit: int | None,
        parallelism: int,
        **rest: Any,
    ) -> Any:
        course = Course(auto_approve, wait, out, is_kept, lock_timeout, limit, parallelism)
        return function(*args, course=course, **rest)

    return decorate(wraps(function)(packed), _COURSE)


def plan_or_apply(
    screen: Screen,
    spec: SpecArguments,
    options: Options,
    course: Course,
    operation: str,
    arguments: tuple[str, ...],
) -> int:
    """The exit code. `arguments` are the words of the command line beside those of the spec."""
    check_limit(screen, course.limit)
    request = PlanArguments(options, True, course.parallelism)
    if course.is_saved:
        if course.out is not None:
            check_out(course.out)
        spec = replace(spec, is_approved=True)
        screen.command = "plan"  # whose document it prints
        counter = screen.counter(REFRESHING)
        made = planned(spec, request, counter, out=course.out, is_kept=course.is_kept)
        show_plan(screen, made, spec, course.out, course.is_kept, course.limit)
        return made.exit_code if made.plan.is_blocked else 0
    return carry_out(
        screen,
        ApplyOptions(
            operation,
            spec,
            request,
            course.approved,
            course.wait,
            lock_timeout=course.lock_timeout,
            limit=course.limit,
            arguments=arguments,
        ),
    )


_COURSE: tuple[Callable[[Command], Command], ...] = (
    approve_option,
    click.option(
        "--wait/--no-wait",
        default=True,
        help="Wait for jobs until they end; with --no-wait, exit with 4 while jobs are running.",
    ),
    out_option,
    save_option,
    lock_option,
    limit_option,
    parallelism_option,
)

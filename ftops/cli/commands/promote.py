"""ftops promote"""

from __future__ import annotations

import shlex

import click
from msgspec.structs import replace

from ftops.cli.addresses import AddressType
from ftops.cli.console import Screen
from ftops.cli.grouped_help import GroupedCommand
from ftops.cli.options import check_reason, policy_options, spec_options, spec_words
from ftops.cli.output_options import also_markdown
from ftops.cli.planned_change import Course, course_options, plan_or_apply
from ftops.cli.spec_args import SpecArguments, read
from ftops.config.config import Config
from ftops.config.graph import build
from ftops.core.address import Address
from ftops.core.dag import closure, reverse
from ftops.core.errors import UsageError
from ftops.core.resource_types import kind_of
from ftops.core.suggestions import did_you_mean
from ftops.planning.plan import Options
from ftops.planning.targeting import matching


@click.command(
    "promote",
    cls=GroupedCommand,
    examples={
        "ftops promote job.copilot --from staging --to prod": "Deploy in prod what staging has trained.",
    },
)
@click.argument("address", metavar="JOB", type=AddressType("job"))
@click.option("--from", "source", metavar="NAME", help="The environment that has trained it.")
@click.option("--to", "target", metavar="NAME", help="The environment that takes it; the same as --env.")
@course_options
@policy_options
@spec_options
@also_markdown
def command(
    screen: Screen,
    address: Address,
    source: str | None,
    target: str | None,
    course: Course,
    spec: SpecArguments,
    rule_overrides: tuple[str, ...],
    reason: str,
) -> int:
    """Deploy the model of a job that another environment has trained, without training it again.

    `ftops promote job.copilot --from staging --to prod` plans that job, and what depends on it, asks for
    approval, and applies. With --out or --save, the plan is saved instead, like that of `ftops plan`. For
    every job and every plan of an environment, declare it: `environments: {prod: {promote: staging}}`.
    """
    check_reason(rule_overrides, reason)
    if target and spec.environment not in (None, target):
        raise click.UsageError(f"--to {target} and --env {spec.environment} are different environments")
    if target and not spec.environment:
        words = spec_words(spec.path, target, spec.variables, spec.variable_files)
        spec = replace(spec, environment=target, words=words)
    config = read(spec)
    source = _source(config, source)
    jobs = _jobs(config, address)
    users = closure(jobs, reverse(build(config).dependencies))
    options = Options(
        targets=tuple(sorted(users, key=lambda one: one.sort_key)),
        adopt=True,
        rule_overrides=dict.fromkeys(rule_overrides, reason.strip()),
        promotes=dict.fromkeys(jobs, source),
    )
    arguments = (shlex.quote(str(address)), "--from", shlex.quote(source))
    return plan_or_apply(screen, spec, options, course, "promote", arguments)


def _source(config: Config, given: str | None) -> str:
    """Raises UsageError."""
    declared = config.promotion.source if config.promotion else None
    source = given or declared
    if source is None:
        raise UsageError("--from is missing", "", "name the environment that has trained the model")
    if declared and given not in (None, declared):
        raise UsageError(
            f"{config.environment} takes its models from {declared}, not from {given}",
            "",
            f"leave out --from, or change `promote` of {config.environment} in the spec",
        )
    if source == config.environment:
        raise UsageError(f"{source} can't take a model from itself", "", "name another environment with --to")
    if source not in config.environments:
        raise UsageError(f"there is no environment {source}", "", did_you_mean(source, config.environments))
    return source


def _jobs(config: Config, address: Address) -> list[Address]:
    """The job, or all instances of a `for_each`. Raises UsageError."""
    jobs = [one for one in config.by_address if kind_of(one).trains]
    found = sorted(matching([address], jobs), key=lambda one: one.sort_key)
    if not found:
        hint = did_you_mean(str(address), map(str, jobs), nothing="the spec declares no jobs")
        raise UsageError(f"the spec declares no {address}", "only jobs can be promoted.", hint)
    return found

"""ftops data, ftops state, ftops job, ftops answers, ftops ci: groups of commands"""

from __future__ import annotations

import click

from ftops.cli.command_table import ANSWERS, CI, DATA, JOB, STATE
from ftops.cli.console import Screen
from ftops.cli.lazy import LazyGroup, show_help_without_command
from ftops.cli.output_options import screen_options


@click.group("data", cls=LazyGroup, rows=DATA)
@screen_options
def data(screen: Screen) -> None:
    """Inspect, check, convert and generate examples. Only `generate` may contact a service."""
    show_help_without_command(screen)


@click.group("state", cls=LazyGroup, rows=STATE)
@screen_options
def state(screen: Screen) -> None:
    """Inspect or edit the state. Objects at the service aren't changed."""
    show_help_without_command(screen)


@click.group("job", cls=LazyGroup, rows=JOB)
@screen_options
def job(screen: Screen) -> None:
    """Pause, resume or cancel a job in progress. What it has trained so far is billed."""
    show_help_without_command(screen)


@click.group("answers", cls=LazyGroup, rows=ANSWERS)
@screen_options
def answers(screen: Screen) -> None:
    """List or delete the answers of models that evaluations have cached."""
    show_help_without_command(screen)


@click.group("ci", cls=LazyGroup, rows=CI)
@screen_options
def ci(screen: Screen) -> None:
    """Show plans and findings at GitHub, GitLab, Azure DevOps, Gitea or Forgejo."""
    show_help_without_command(screen)

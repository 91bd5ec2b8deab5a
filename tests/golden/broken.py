"""A command with a bug."""

from __future__ import annotations

import click

from ftops.cli.console import Screen
from ftops.cli.output_options import screen_options


@click.command("graph")
@screen_options
def command(screen: Screen) -> int:
    return 1 // 0

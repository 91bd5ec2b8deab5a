"""A command with a bug."""

from __future__ import annotations

import click

from ftops.cli.output_options import look_options


@click.command("graph")
@look_options
def command() -> int:
    return 1 // 0

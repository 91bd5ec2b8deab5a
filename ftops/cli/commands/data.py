"""ftops data"""

from __future__ import annotations

import click

from ftops.cli.command_table import DATA
from ftops.cli.lazy import LazyGroup


@click.group("data", cls=LazyGroup, rows=DATA, sections={"Commands": DATA})
def command() -> None:
    """Look into files of examples, and check them. Asks no service."""

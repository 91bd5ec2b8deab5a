"""ftops data"""

from __future__ import annotations

import click

from ftops.cli.command_table import DATA
from ftops.cli.lazy import LazyGroup


@click.group("data", cls=LazyGroup, rows=DATA, sections={"Commands": DATA})
def command() -> None:
    """Inspect and check files of examples. No service is contacted."""

"""ftops data"""

from __future__ import annotations

import click

from ftops.cli.lazy import LazyGroup
from ftops.cli.table import DATA


@click.group("data", cls=LazyGroup, rows=DATA, sections={"Commands": DATA})
def command() -> None:
    """Look into files of examples, and check them. Asks no service."""

"""ftops schema"""

from __future__ import annotations

import click

from ftops.cli.console import Screen
from ftops.cli.output_options import screen_options
from ftops.config.schema import json_schema


@click.command("schema")
@screen_options
def command(screen: Screen) -> int:
    """Print the JSON Schema of the spec language, for editors that complete and check YAML."""
    screen.document(json_schema())
    return 0

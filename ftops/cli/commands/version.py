"""ftops version"""

from __future__ import annotations

import click

from ftops import __version__
from ftops.cli.console import Screen
from ftops.cli.output_options import screen_options


@click.command("version")
@screen_options
def command(screen: Screen) -> int:
    """Print the version."""
    show(screen)
    return 0


def show(screen: Screen) -> None:
    """The plain forms of the command line never get here: see ftops.__main__."""
    if screen.json:
        screen.document({"format_version": 1, "version": __version__})
    else:
        screen.text(f"ftops {__version__}\n")

"""ftops emulator"""

from __future__ import annotations

import click

from ftops.emulator.server.main import run


@click.command(
    "emulator",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> int:
    """Run the built-in emulator. For its options, see `ftops emulator --help`."""
    code = run(list(arguments))
    return code if isinstance(code, int) else 0

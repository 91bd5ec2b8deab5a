"""Fast path: runs commands without options before click is loaded, which takes longer than they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ftops.cli.console import Screen
from ftops.cli.error_exit import ended


def _check(screen: Screen, arguments: Sequence[str]) -> int:
    from ftops.cli.check_flow import check

    return check(screen, [Path(argument) for argument in arguments])


COMPLETE = "_FTOPS_COMPLETE"
"""A variable by which a shell asks what could stand next: click answers."""
COMMANDS: Mapping[tuple[str, str], Callable[[Screen, Sequence[str]], int]] = {("data", "check"): _check}


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int | None:
    """The exit code; None where the command line isn't one of these."""
    command = COMMANDS.get((argv[0], argv[1])) if len(argv) > 1 else None
    arguments = argv[2:]
    if command is None or COMPLETE in environ or any(not a or a.startswith("-") for a in arguments):
        return None
    screen = Screen(argv, environ)
    screen.command = " ".join(argv[:2])
    return ended(screen, lambda: command(screen, arguments))

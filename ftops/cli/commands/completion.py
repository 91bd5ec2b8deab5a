"""ftops completion"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ftops.cli.console import Screen
from ftops.cli.lazy import pass_screen
from ftops.cli.switches import COMPLETE

PROGRAM = "ftops"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_screen
def command(screen: Screen, shell: str) -> int:
    """Print a script that completes commands, options and addresses.

    \b
    bash   in ~/.bashrc:  eval "$(ftops completion bash)"
    zsh    in ~/.zshrc:   eval "$(ftops completion zsh)"
    fish   once:          ftops completion fish > ~/.config/fish/completions/ftops.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - one of the choices above
    with click.Context(command) as ctx:
        script = kind(ctx.command, {}, PROGRAM, COMPLETE).source()
    screen.raw(f"{script}\n")
    return 0

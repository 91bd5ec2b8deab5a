"""ftops completion"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ftops.cli.console import Screen
from ftops.cli.output_options import screen_options
from ftops.cli.switches import COMPLETE


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@screen_options
def command(screen: Screen, shell: str) -> int:
    """Print a script that completes commands, options and addresses.

    \b
    bash   in ~/.bashrc:  eval "$(ftops completion bash)"
    zsh    in ~/.zshrc:   eval "$(ftops completion zsh)"
    fish   once:          ftops completion fish > ~/.config/fish/completions/ftops.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - one of the choices above
    script = kind(command, {}, "ftops", COMPLETE).source()
    if screen.json:
        screen.document({"format_version": 1, "shell": shell, "script": script})
    else:
        screen.raw(f"{script}\n")
    return 0

"""ftops completion, emulator, schema, version: they read no spec"""

from __future__ import annotations

import click

from ftops import __version__
from ftops.cli.completion import SHELLS
from ftops.cli.console import Screen
from ftops.cli.output_options import screen_options
from ftops.cli.switches import COMPLETE


@click.command("completion")
@click.argument("shell", type=click.Choice([*SHELLS]))
@screen_options
def completion(screen: Screen, shell: str) -> int:
    """Print a script that completes commands, options and addresses.

    \b
    bash   in ~/.bashrc:  eval "$(ftops completion bash)"
    zsh    in ~/.zshrc:   eval "$(ftops completion zsh)"
    fish   once:          ftops completion fish > ~/.config/fish/completions/ftops.fish
    """
    script = SHELLS[shell](completion, {}, "ftops", COMPLETE).source()
    return screen.result(lambda: {"shell": shell, "script": script}, lambda: [script])


@click.command(
    "emulator",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def emulator(arguments: tuple[str, ...]) -> int:
    """Run the built-in emulator. For its options, see `ftops emulator --help`."""
    from ftops.emulator.server.main import run

    code = run(list(arguments))
    return code if isinstance(code, int) else 0


@click.command("schema")
@click.option("--plan", "of_plan", is_flag=True, help="That of the document of `ftops plan -o json`.")
@screen_options
def schema(screen: Screen, of_plan: bool) -> int:
    """Print the JSON Schema of the spec language, for editors that complete and check YAML."""
    if of_plan:
        from ftops.views.plan_schema import plan_schema

        screen.document(plan_schema())
        return 0
    from ftops.config.schema import json_schema

    screen.document(json_schema())
    return 0


@click.command("version")
@screen_options
def version(screen: Screen) -> int:
    """Print the version."""
    return screen.result(lambda: {"version": __version__}, lambda: [f"ftops {__version__}"])

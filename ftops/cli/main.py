"""Entry point: runs one command line, from its arguments to its exit code."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import click

from ftops.cli.console import Screen
from ftops.cli.error_exit import ended
from ftops.cli.lazy import LazyGroup
from ftops.cli.output_options import look_options
from ftops.cli.switches import COMPLETE
from ftops.core.errors import Diagnostic

NAME = "ftops"
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=LazyGroup, context_settings=_SETTINGS, invoke_without_command=True)
@click.option("-V", "--version", is_flag=True, help="Print the version.")
@look_options
@click.pass_context
def root(ctx: click.Context, version: bool) -> int:
    """Terraform for fine-tuned models: datasets, fine-tuning jobs and deployments on Azure OpenAI,
    declared in YAML, planned, reviewed and applied.

    Start with `ftops init`, then `ftops plan` and `ftops apply`.
    """
    if version:
        from ftops.cli.commands.version import show

        show(ctx.obj)
        ctx.exit(0)
    if ctx.invoked_subcommand is None:
        ctx.obj.text(ctx.get_help() + "\n")
    return 0


def run(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> int:
    """Runs one command. Prints every error; raises none."""
    environ = os.environ if environ is None else environ
    if COMPLETE in environ:
        return _complete(environ[COMPLETE])
    screen = Screen(argv, environ)
    return ended(screen, lambda: _run(argv, screen))


def _run(argv: Sequence[str], screen: Screen) -> int:
    try:
        return _invoke(argv, screen)
    except click.exceptions.NoArgsIsHelpError as error:
        screen.text(f"{error.ctx.get_help() if error.ctx else error.format_message()}\n")
        return 0
    except click.ClickException as error:
        screen.fail([_usage_diagnostic(error, screen.command, argv)], 1)
        return 1


def _invoke(argv: Sequence[str], screen: Screen) -> int:
    """Without click's own error handling: its exit codes are not ours."""
    try:
        with root.make_context(NAME, list(argv), obj=screen) as ctx:
            code = root.invoke(ctx)
            return code if isinstance(code, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code


def _complete(instruction: str) -> int:
    from click.shell_completion import shell_complete

    return shell_complete(root, {}, NAME, COMPLETE, instruction)


def _usage_diagnostic(error: click.ClickException, command: str, argv: Sequence[str]) -> Diagnostic:
    """What click found wrong, in our words: no capital, no full stop, and where help is."""
    from ftops.cli.foreign_terms import one_dash_hint, option_hint

    ctx = error.ctx if isinstance(error, click.UsageError) else None
    path = ctx.command_path if ctx else f"{NAME} {command}".rstrip()
    known = {o for p in ctx.command.get_params(ctx) for o in p.opts if o.startswith("-")} if ctx else set()
    if isinstance(error, click.NoSuchOption):
        summary, advice = f"unknown option `{error.option_name}`", option_hint(error.option_name, known)
    else:
        summary, _, advice = error.format_message().strip().partition(". ")
    advice = one_dash_hint(argv, known) or advice
    hint = f"{advice} See `{path} --help`." if advice else f"see `{path} --help`"
    return Diagnostic(summary[:1].lower() + summary[1:].rstrip("."), "", hint)

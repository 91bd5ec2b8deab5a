"""Entry point: runs one command line, prints every error, and chooses the exit code."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence

import click

from ftops.cli.command_table import SECTIONS
from ftops.cli.console import INTERRUPTED, OutputClosed, Screen
from ftops.cli.diagnostics import diagnostics_of
from ftops.cli.lazy import LazyGroup, show_help_without_command
from ftops.cli.output_options import screen_options
from ftops.cli.switches import COMPLETE, DEBUG, is_on
from ftops.core.errors import Diagnostic, FtopsError

NAME = "ftops"
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=LazyGroup, sections=SECTIONS, context_settings=_SETTINGS)
@click.option("-V", "--version", is_flag=True, help="Print the version.")
@screen_options
def root(screen: Screen, version: bool) -> int:
    """Terraform for fine-tuned models: datasets, fine-tuning jobs and deployments on Azure OpenAI,
    declared in YAML, planned, reviewed and applied.

    Start with `ftops init`, then `ftops plan` and `ftops apply`.
    """
    if version:
        from ftops.cli.commands import tools  # for --version with other options; else see ftops.__main__

        ctx = click.get_current_context()
        ctx.exit(ctx.invoke(tools.version))
    show_help_without_command(screen)
    return 0


def run(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> int:
    """The exit code of one command line. Prints every error; raises none."""
    environ = os.environ if environ is None else environ
    if COMPLETE in environ:
        from ftops.cli.completion import answer

        return answer(root, NAME, COMPLETE, environ[COMPLETE])
    screen = Screen(argv, environ)
    if not is_on(DEBUG, environ):
        logging.getLogger().addHandler(logging.NullHandler())  # what SDKs log is also in their errors
    try:
        return _invoke(argv, screen)
    except OutputClosed:
        return 1
    except FtopsError as error:
        return _fail(screen, error.diagnostics, error.exit_code)
    except KeyboardInterrupt:
        return _fail(screen, [Diagnostic("interrupted")], INTERRUPTED)
    except click.ClickException as error:
        return _fail(screen, [_usage_diagnostic(error, screen.command, argv)])
    except RecursionError as error:
        return _fail(screen, diagnostics_of(error))
    except BrokenPipeError as error:
        is_help = not {"-h", "--help", "help"}.isdisjoint(argv)  # click prints it, past the screen
        return 1 if is_help else _fail(screen, diagnostics_of(error))
    except Exception as error:  # noqa: BLE001 - the last line of defence says that it is one
        code = _fail(screen, diagnostics_of(error))
        if is_on(DEBUG, os.environ):
            import traceback

            traceback.print_exc()
        return code
    finally:
        screen.close()


def _fail(screen: Screen, diagnostics: Sequence[Diagnostic], exit_code: int = 1) -> int:
    screen.keeps_going = True  # the exit code counts, even if nobody reads the output
    screen.fail(diagnostics, exit_code)
    return exit_code


def _invoke(argv: Sequence[str], screen: Screen) -> int:
    """Without click's own error handling: its exit codes are not ours."""
    try:
        with root.make_context(NAME, list(argv), obj=screen) as ctx:
            code = root.invoke(ctx)
            return code if isinstance(code, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code


def _usage_diagnostic(error: click.ClickException, command: str, argv: Sequence[str]) -> Diagnostic:
    """An error of click in our style: no capital, no full stop, and a hint that leads to the help."""
    from ftops.cli.foreign_terms import one_dash_hint, option_hint

    ctx = error.ctx if isinstance(error, click.UsageError) else None
    path = ctx.command_path if ctx else f"{NAME} {command}".rstrip()
    known = set(_options(ctx)) if ctx else set()
    if isinstance(error, click.NoSuchOption):
        before_command = ctx is not None and ctx.parent is None
        advice = option_hint(error.option_name, known, before_command=before_command)
        summary = f"unknown option `{error.option_name}`"
    else:
        summary, _, advice = error.format_message().strip().partition(". ")
        advice = " ".join(advice.split())
    if summary.startswith("Missing argument 'ADDRESS"):
        advice = _ADDRESS
    advice = one_dash_hint(argv, known) or advice or _choice_hint(error)
    end = "" if advice.endswith((".", "?")) else "."
    hint = f"{advice}{end} See `{path} --help`." if advice else f"see `{path} --help`"
    return Diagnostic(summary[:1].lower() + summary[1:].rstrip("."), "", hint)


_ADDRESS = "Write one, such as job.NAME."
_NO_CHOICE = re.compile(r"'(.*)' is not one of ")


def _choice_hint(error: click.ClickException) -> str:
    """The nearest of the words that an option takes."""
    from ftops.core.suggestions import nearest

    given = _NO_CHOICE.match(error.message)
    param = error.param if isinstance(error, click.BadParameter) else None
    if given is None or param is None or not isinstance(param.type, click.Choice):
        return ""
    near = nearest(given[1], param.type.choices)
    return f"Did you mean `{near}`?" if near else ""


def _options(ctx: click.Context) -> Iterator[str]:
    """The options of a command, also those that say no."""
    for parameter in ctx.command.get_params(ctx):
        yield from (o for o in (*parameter.opts, *parameter.secondary_opts) if o.startswith("-"))

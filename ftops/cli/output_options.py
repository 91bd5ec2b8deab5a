"""Options of every command: output format, colours and working directory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]
PATH = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)
MARKDOWN = "markdown"
REPORTS = ("github", "gitlab", "sarif", "junit", "concise")
"""Formats of findings for CI; see `views.annotations`."""
GITLAB_COUNTS = "gitlab-terraform"
"""GitLab's report of type `terraform`: the widget of a merge request shows what a plan creates, updates and
deletes."""
TABLES = ("csv", "parquet")
CALENDAR = "ics"
"""iCalendar."""
_FORMATS = "more_formats"
_FILES = "suffixes_of_files"
CHDIR = "ftops.chdir"
"""The -C options of a command line, in the meta of its context: hints repeat them."""


def decorate(function: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    """Adds options; help lists them in this order."""
    for option in reversed(options):
        function = option(function)
    return function


def screen_options(function: Command) -> Command:
    """-o, --no-color, -C: of every command. Its first argument is the Screen."""
    output = click.option(
        "-o",
        "--output",
        type=_Output(["text", "json", *getattr(function, _FORMATS, ())], getattr(function, _FILES, ())),
        expose_value=False,
        callback=_set_output,
        help=getattr(function, "output_help", "Text (the default) or JSON."),
    )
    return decorate(click.pass_obj(function), (output, *_OPTIONS))


def also_markdown(function: Command) -> Command:
    """-o markdown, for commands that can draw it. Goes below the other decorators."""
    return _also(function, (MARKDOWN,), "Text (the default), JSON or Markdown.")


def also_reports(function: Command) -> Command:
    """-o github and others, for commands that find something. Goes below the other decorators."""
    listed = "text (the default), JSON, annotations for GitHub, code quality for GitLab, SARIF, JUnit"
    return _also(function, REPORTS, f"The findings as {listed} or one line each.")


def also_markdown_and_reports(function: Command) -> Command:
    """Both, and counts of a plan. Goes below the other decorators."""
    text = (
        "Text (the default), JSON, Markdown, the findings as annotations for GitHub and others, or counts "
        "for GitLab."
    )
    return _also(function, (MARKDOWN, *REPORTS, GITLAB_COUNTS), text)


def also_markdown_and_calendar(function: Command) -> Command:
    """-o markdown and -o ics, for commands that list days. Goes below the other decorators."""
    return _also(function, (MARKDOWN, CALENDAR), "Text (the default), JSON, Markdown or iCalendar.")


def also_csv_and_markdown(function: Command) -> Command:
    """-o csv and -o markdown: a table. Goes below the other decorators."""
    return _also(function, ("csv", MARKDOWN), "Text (the default), JSON, CSV or Markdown.")


def also_tables(function: Command) -> Command:
    """-o csv and -o parquet: a row for each example. Goes below the other decorators."""
    return _also(function, TABLES, "Text (the default), JSON, or a row for each example as CSV or Parquet.")


def also_files(*suffixes: str) -> Callable[[Command], Command]:
    """-o FILE, for commands that write a file whose form goes by its suffix. Goes below the other
    decorators."""

    def decorator(function: Command) -> Command:
        setattr(function, _FILES, suffixes)
        named = " or ".join(f"a file that ends with {suffix}" for suffix in suffixes)
        return _also(function, (), f"Text (the default), JSON, or {named}.")

    return decorator


class _Output(click.Choice[str]):
    """A format, or the name of a file with one of these suffixes."""

    def __init__(self, choices: Sequence[str], suffixes: Sequence[str]) -> None:
        super().__init__([*choices, *(f"FILE{suffix}" for suffix in suffixes)])
        self._suffixes = tuple(suffixes)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if self._suffixes and isinstance(value, str) and value.lower().endswith(self._suffixes):
            return value
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            from ftops.core.suggestions import nearest  # only if there is an error

            near = _SHORT.get(str(value).lower()) or nearest(str(value), self.choices)
            if near not in self.choices:
                raise
            self.fail(f"{error.message.rstrip('.')}. Did you mean `{near}`?", param, ctx)


_SHORT = {"md": MARKDOWN}
"""What is written for a format elsewhere, and isn't near to its name."""


def _also(function: Command, formats: Sequence[str], text: str) -> Command:
    setattr(function, _FORMATS, tuple(formats))
    setattr(function, "output_help", text)  # noqa: B010
    return function


def _set_output(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None and ctx.obj is not None:
        ctx.obj.json = value == "json"
        ctx.obj.markdown = value == MARKDOWN
        ctx.obj.format = value
        ctx.obj.report = value if value in REPORTS else ""


def _set_color(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and ctx.obj is not None:
        ctx.obj.use_color(no_color=True)


def _change_folder(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    if value is None:
        return
    ctx.meta[CHDIR] = (*ctx.meta.get(CHDIR, ()), str(value))
    logical = Path(os.environ.get("PWD", ""))
    follows = logical.is_absolute() and os.path.realpath(logical) == os.getcwd()  # noqa: PTH109
    try:
        os.chdir(value)
        if follows:  # as a shell does: links on the way stay visible
            os.environ["PWD"] = os.path.normpath(logical / value)
    except OSError as error:
        if not ctx.resilient_parsing:
            raise click.UsageError(f"can't change to {value}: {error.strerror}", ctx) from error


_OPTIONS = (
    click.option(
        "--no-color",
        is_flag=True,
        expose_value=False,
        callback=_set_color,
        help="Disable colours, like NO_COLOR=1 in the environment.",
    ),
    click.option(
        "-C",
        "--chdir",
        type=PATH,
        expose_value=False,
        is_eager=True,
        callback=_change_folder,
        metavar="DIR",
        help="Change to this folder first.",
    ),
)

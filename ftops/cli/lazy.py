"""Lazy command group: imports a command only when it is run, and refuses empty arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from ftops.cli.command_table import COMMANDS, Row
from ftops.cli.console import Screen
from ftops.core.suggestions import did_you_mean


class LazyGroup(click.Group):
    """Its commands are the rows of a table; `sections` are the same by the titles that help shows."""

    def __init__(
        self,
        rows: Mapping[str, Row] = COMMANDS,
        sections: Mapping[str, Mapping[str, Row]] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(invoke_without_command=True, **settings)
        self._rows = rows
        self._sections = sections or {"Commands": rows}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = self._rows.get(cmd_name)
        if row is None:
            return None
        module, _, attribute = row.target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        if not ctx.resilient_parsing:
            _refuse_empty(self, ctx, args)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self._rows and not ctx.resilient_parsing:
            from ftops.cli.foreign_terms import DELETING, command_hint

            group = "" if ctx.parent is None else str(ctx.info_name)
            hint = command_hint(name, group) or did_you_mean(name, self._rows.keys() - DELETING)
            raise click.UsageError(f"unknown command `{name}`. {hint}", ctx)
        if ctx.obj is not None:
            ctx.obj.command = f"{ctx.obj.command} {name}".lstrip()
        found, command, rest = super().resolve_command(ctx, args)
        if command is not None and not ctx.resilient_parsing and not isinstance(command, LazyGroup):
            own = command.context_class(command, info_name=name, parent=ctx)
            _refuse_empty(command, own, rest)
        return found, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, rows in self._sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, row.help) for name, row in rows.items()], col_spacing=4)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = [
            CompletionItem(name, help=row.help)
            for name, row in self._rows.items()
            if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


def show_help_without_command(screen: Screen) -> None:
    """For the callback of a group: `ftops state` shows the same as `ftops state --help`."""
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is None:
        screen.text(f"{ctx.get_help()}\n")


def _refuse_empty(command: click.Command, ctx: click.Context, args: Sequence[str]) -> None:
    """Raises UsageError for an empty argument or value of an option, which usually comes from a shell
    variable that isn't set. What follows `--`, and what a command doesn't parse itself, may be empty."""
    if any(parameter.type is click.UNPROCESSED for parameter in command.params):
        return
    empty = _empty_word(command, args[: args.index("--")] if "--" in args else args)
    if empty:
        raise click.UsageError(f"{empty} is empty. Is the shell variable set?", ctx)


def _empty_word(command: click.Command, words: Sequence[str]) -> str:
    """The option whose value is empty, or that it is an argument; else empty itself."""
    options = {
        name
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.is_flag
        for name in parameter.opts
    }
    takes_next = ""
    for word in words:
        option, equals, value = word.partition("=")
        if takes_next:
            if not word:
                return f"the value of `{takes_next}`"
            takes_next = ""
        elif not word:
            return "an argument"
        elif option in options and equals and not value:
            return f"the value of `{option}`"
        elif word in options:
            takes_next = word
        elif isinstance(command, click.Group) and not word.startswith("-"):
            return ""  # the rest belongs to the command
    return ""

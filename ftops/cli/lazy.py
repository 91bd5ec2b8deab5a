"""Lazy command group: imports a command only when it is run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from ftops.cli.command_table import COMMANDS, SECTIONS, Row
from ftops.cli.empty import HINT, empty_word, refuse_empty
from ftops.core.suggestions import did_you_mean


class LazyGroup(click.Group):
    """Its commands are the rows of a table; `sections` are the same by the titles that help shows."""

    def __init__(
        self,
        rows: Mapping[str, Row] = COMMANDS,
        sections: Mapping[str, Mapping[str, Row]] = SECTIONS,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self._rows = rows
        self._sections = sections

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
        if not ctx.resilient_parsing and (empty := empty_word(self, args)):
            raise click.UsageError(f"{empty} is empty. {HINT}", ctx)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self._rows and not ctx.resilient_parsing:
            from ftops.cli.foreign_terms import command_hint

            hint = command_hint(name) or did_you_mean(name, self._rows)
            raise click.UsageError(f"unknown command `{name}`. {hint}", ctx)
        if ctx.obj is not None:
            ctx.obj.command = f"{ctx.obj.command} {name}".lstrip()
        found, command, rest = super().resolve_command(ctx, args)
        if command is not None and not ctx.resilient_parsing:
            refuse_empty(command, ctx, name, rest)
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


def pass_screen(function: Any) -> Any:
    """Gives a command the Screen as its first argument."""
    return click.pass_obj(function)

"""Generated pages of the documentation: the commands of click, and the list of decisions.

`python -m tools.pages` writes them; a test compares them with the code.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

import click

from ftops.cli.grouped_help import GroupedCommand
from ftops.cli.main import NAME, root

DOCS = Path(__file__).parent.parent / "docs"
EVERYWHERE = frozenset({"--output", "--no-color", "--chdir", "--env", "--var", "--var-file"})
"""Options of every command, which docs/cli.md describes."""

_COMMANDS = """\
# Commands

Generated from the commands themselves by `python -m tools.pages`; don't edit it. What they have in common is
on the page [the command line](cli.md): exit codes, approval, and
[the options of every command](cli.md#options-of-every-command).
"""
_DECISIONS = """\
# Decisions

Notes on decisions about the design, the newest first: what was decided, why, and what was rejected. The list
is written by `python -m tools.pages`.
"""


def commands(group: click.Group = root, path: str = NAME) -> Iterator[tuple[str, click.Command]]:
    """Every command, with what is typed to call it."""
    ctx = click.Context(group, info_name=path)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None  # noqa: S101 - it is listed
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def commands_page() -> str:
    """The text of docs/commands.md."""
    return "\n".join([_COMMANDS, *(_section(path, command) for path, command in commands())])


def decisions_page() -> str:
    """The text of docs/decisions/README.md."""
    notes = sorted((DOCS / "decisions").glob("2*.md"), key=lambda path: path.name)
    lines = [_DECISIONS]
    dated = {date: [*map(_link, paths)] for date, paths in groupby(notes, lambda path: path.name[:10])}
    for date in sorted(dated, reverse=True):
        lines += [f"## {date}\n", *dated[date], ""]
    return "\n".join(lines)


PAGES: Mapping[Path, Callable[[], str]] = {
    DOCS / "commands.md": commands_page,
    DOCS / "decisions" / "README.md": decisions_page,
}


def _section(path: str, command: click.Command) -> str:
    ctx = click.Context(command, info_name=path)
    examples = command.examples if isinstance(command, GroupedCommand) else {}
    shown = [f"- `{line}`: {_escaped(what)}" for line, what in examples.items()]
    usage = " ".join((path, *command.collect_usage_pieces(ctx)))
    options = [o for o in command.params if isinstance(o, click.Option) and not _is_usual(o)]
    rows = [_row(option, record) for option in options if (record := option.get_help_record(ctx))]
    table = ["| option | |", "|---|---|", *rows, ""] if rows else []
    shown += [""] * bool(shown)
    head = [f"## {path}", "", "```text", usage, "```", "", _prose(command.help or ""), ""]
    return "\n".join([*head, *shown, *table])


def _is_usual(option: click.Option) -> bool:
    """Whether docs/cli.md says all about it: some commands have formats of their own."""
    formats = option.type.choices if isinstance(option.type, click.Choice) else ()
    return not EVERYWHERE.isdisjoint(option.opts) and tuple(formats) in ((), ("text", "json"))


def _row(option: click.Option, record: tuple[str, str]) -> str:
    """Choices are in the text: a Git host and the site escape `|` in code within tables differently."""
    names, text = record
    if isinstance(option.type, click.Choice):
        choices = "|".join(map(str, option.type.choices))
        names = names.replace(f"[{choices}]", option.type.name.upper())
        text = f"{text} One of {', '.join(f'`{choice}`' for choice in option.type.choices)}."
    return f"| `{names}` | {_escaped(text).replace('|', '&#124;')} |"


def _prose(text: str) -> str:
    """Paragraphs; those that click doesn't wrap become code."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        f"```text\n{paragraph[2:]}\n```" if paragraph.startswith("\b\n") else _escaped(paragraph)
        for paragraph in paragraphs
    )


def _escaped(text: str) -> str:
    """Text with characters that mean something in Markdown; limits of values and code spans become code."""
    parts = re.sub(r"  \[(.*)\]$", r" (`\1`)", text).split("`")
    parts[::2] = [re.sub(r"([*\[])", r"\\\1", part).replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)


def _link(note: Path) -> str:
    heading = note.read_text(encoding="utf-8").partition("\n")[0]
    title = re.sub(r"^# |\d{4}-\d\d-\d\d: | \(\d{4}-\d\d-\d\d\)$", "", heading)
    return f"- [{title}]({note.name})"


if __name__ == "__main__":
    for page, text in PAGES.items():
        page.write_text(text(), encoding="utf-8")

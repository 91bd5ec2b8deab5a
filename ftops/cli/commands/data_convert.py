"""ftops data convert"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from ftops.cli.console import Screen
from ftops.cli.lazy import pass_screen
from ftops.cli.output_files import force_option, told, written_to
from ftops.cli.output_options import look_options
from ftops.core.errors import UsageError
from ftops.core.project import display
from ftops.dataset.files import jsonl_io
from ftops.dataset.transforms import tabular, transform

TABLES = (".csv", ".tsv", ".parquet", ".pq")


@click.command("convert")
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--to", type=click.Choice(["tools", "functions"]), help="Format of function calling.")
@click.option("--bom/--no-bom", "mark", default=None, help="Write a byte order mark, or remove it.")
@click.option("--system", metavar="TEXT", help="Table: the system message.")
@click.option("--user", metavar="TEXT", help="Table: the user message, such as '{question}'.")
@click.option("--assistant", metavar="TEXT", help="Table: the assistant message.")
@click.option(
    "--map",
    "mapping",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Table: all messages, as a YAML file.",
)
@click.option(
    "--delimiter", default="", metavar="CHAR", help="Delimiter of a CSV file; by default it is detected."
)
@force_option
@look_options
@pass_screen
def command(
    screen: Screen,
    source: Path,
    target: Path,
    to: str | None,
    mark: bool | None,
    system: str | None,
    user: str | None,
    assistant: str | None,
    mapping: Path | None,
    delimiter: str,
    force: bool,
) -> int:
    """Convert SOURCE to TARGET: functions to tools or back, with or without a byte order
    mark, or a CSV or Parquet table as conversations.

    In message templates, {column} is replaced by the value of a column.
    """
    is_table = source.suffix.lower() in TABLES
    said = _said(system, user, assistant, mapping)
    if is_table != bool(said):
        raise UsageError(
            "a table needs message templates" if is_table else f"{source} isn't a table",
            "--user, --assistant and --map convert CSV and Parquet files to conversations.",
            "such as --user '{question}' --assistant '{answer}'" if is_table else "remove these options",
        )
    if len(delimiter) > 1:
        raise UsageError(f"`{delimiter}` isn't a valid delimiter", "", "--delimiter takes one character")
    if not is_table and to is None and mark is None:
        raise UsageError("nothing to convert", "", "give --to tools, --to functions, --bom or --no-bom")
    steps = (transform.Convert(to),) if to else ()
    raws: Iterator[bytes]
    if is_table:
        raws = (jsonl_io.dump(example) for example in tabular.chats(source, said, delimiter))
    elif steps:
        raws = map(jsonl_io.dump, transform.apply(source, display(source.absolute()), steps))
    else:
        raws = _as_they_are(source)
    keeps = mark if mark is not None else (not is_table and jsonl_io.has_mark(source))
    with written_to(target, force=force, mark=keeps, other_than=source) as writer:
        for raw in raws:
            writer.write(raw)
    return told(screen, [writer])


def _said(
    system: str | None, user: str | None, assistant: str | None, mapping: Path | None
) -> tuple[tabular.Said, ...]:
    given = {"system": system, "user": user, "assistant": assistant}
    messages = tuple(tabular.Said(role, text) for role, text in given.items() if text is not None)
    if mapping is None:
        if messages and (user is None or assistant is None):
            raise UsageError(
                "a conversation needs a user and an assistant message",
                "",
                "give --user and --assistant, or --map",
            )
        return messages
    if messages:
        raise UsageError(
            "--map can't be combined with other templates", "", "remove --system, --user and --assistant"
        )
    return tabular.mapping(mapping)


def _as_they_are(source: Path) -> Iterator[bytes]:
    return (line.raw for line in jsonl_io.read(source))

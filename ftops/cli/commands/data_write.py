"""ftops data convert, split, slim: they read a file of examples, and write others"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import click
from msgspec.structs import replace

from ftops.cli.console import Screen
from ftops.cli.output_options import FILE, also_files, screen_options
from ftops.cli.written_files import check_folder, named_file
from ftops.core.address import Json
from ftops.core.errors import Diagnostic, UsageError
from ftops.core.plurals import plural
from ftops.core.project import display
from ftops.core.snippets import command as snippet
from ftops.core.suggestions import did_you_mean
from ftops.dataset.files.jsonl_io import BOM, Writer, dump, has_mark, read, read_strictly, refuse_to_replace
from ftops.dataset.formats import offering, tables
from ftops.dataset.profile.tokens import definitions
from ftops.dataset.transforms import sources, tabular, transform
from ftops.dataset.transforms.parts import Split
from ftops.dataset.transforms.transform import WAYS
from ftops.views import diagnostics
from ftops.views.paint import clean
from ftops.views.values import size

JSON_LINES = ".jsonl"
MAX_KEYS = 20
"""Keys that are left out and listed."""
PARTS = ("train=0.9", "valid=0.1")

force_option = click.option("--force", is_flag=True, help="Overwrite existing files.")


@click.command("convert")
@click.argument("source", type=FILE)
@click.argument("target", metavar="[TARGET]", type=FILE, required=False)
@click.option("--to", type=click.Choice(["tools", "functions"]), help="Format of function calling.")
@click.option("--bom/--no-bom", "mark", default=None, help="Write a byte order mark, or remove it.")
@click.option("--system", metavar="TEXT", help="Table: the system message.")
@click.option("--user", metavar="TEXT", help="Table: the user message, such as '{question}'.")
@click.option("--assistant", metavar="TEXT", help="Table: the assistant message.")
@click.option("--map", "mapping", type=FILE, metavar="FILE", help="Table: all messages, as a YAML file.")
@click.option("--delimiter", default="", metavar="CHAR", help="Delimiter of a CSV file (default: detected).")
@click.option("--skip-empty", is_flag=True, help="Leave out rows with an empty question, answer or cell.")
@force_option
@screen_options
@also_files(JSON_LINES)
def convert(
    screen: Screen,
    source: Path,
    target: Path | None,
    to: str | None,
    mark: bool | None,
    system: str | None,
    user: str | None,
    assistant: str | None,
    mapping: Path | None,
    delimiter: str,
    skip_empty: bool,
    force: bool,
) -> int:
    """Convert SOURCE to TARGET: functions to tools or back, with or without a byte order mark; Alpaca,
    ShareGPT, prompts with completions, a JSON document, or a CSV or Parquet table to conversations.

    In message templates, {column} is replaced by the value of a column.
    """
    target = target_of(screen, target)
    is_table = sources.is_table(source)
    templates = _templates({"system": system, "user": user, "assistant": assistant}, mapping)
    is_foreign = not templates and sources.is_foreign(source, delimiter)
    if not (is_table or is_foreign) and to is None and mark is None:
        is_foreign = sources.has_others_keys(source)
    if templates and not is_table and sources.has_conversations(source):
        detail = "--user, --assistant and --map make conversations of rows, or of objects with other keys."
        raise UsageError(f"{source} has conversations", detail, "remove these options")
    if templates or (to is None and mark is None and not is_foreign and sources.has_rows(source)):
        is_table = True
    if is_table and not (templates or is_foreign):
        raise _untold(source, target, delimiter)
    if len(delimiter) > 1:
        raise UsageError(f"`{delimiter}` isn't a valid delimiter", "", "--delimiter takes one character")
    if not (is_table or is_foreign) and to is None and mark is None:
        hint = "give --to tools, --to functions, --bom or --no-bom; `ftops data check` says what the file is"
        detail = "The examples have a format of the service, or none that is known."
        raise UsageError("nothing to convert", detail, hint)
    reader = sources.Reader(delimiter, skip_empty)
    warnings: list[Diagnostic] = []
    raws: Iterator[bytes]
    if templates:
        raws = map(dump, reader.chats(source, templates))
    elif is_foreign or to:
        steps = [{"convert": to}] if to else []
        read_examples = reader.read if is_foreign else read_strictly
        shown = display(source.absolute())
        raws = map(dump, transform.apply(source, shown, steps, read_examples, warnings.append))
    else:
        raws = (line.raw.removeprefix(BOM) for line in read(source))
    is_made = is_table or is_foreign
    with writer_of(source, target, force, bool(mark) if is_made else mark) as writer:
        for raw in raws:
            writer.write(raw)
        if is_table and not (writer.count or reader.skipped):
            raise _no_rows(source)
    return _report(screen, [writer], warnings, reader)


def _untold(source: Path, target: Path, delimiter: str) -> UsageError:
    """The error for a table whose columns don't say what its rows are."""
    columns, rows = sources.table_of(source, delimiter)
    if next(rows, None) is None:
        return _no_rows(source)
    if len(columns) < 2:
        why = "a conversation needs a question and an answer"
        return UsageError(f"{source} has only the column {clean(columns[0])}", "", f"add a column: {why}")
    words = snippet("ftops", "data", "convert", source, target, *tables.templates(columns))
    named = f"the columns are {', '.join(map(clean, columns[:MAX_KEYS]))}"
    return UsageError("a table needs message templates", f"{named}.", f"such as {words}")


def _no_rows(source: Path) -> UsageError:
    return UsageError(f"{source} has no rows", "", "check the export; its first line has the columns")


def _templates(given: Mapping[str, str | None], mapping: Path | None) -> tuple[tabular.Template, ...]:
    """Of the messages that are made of a row."""
    messages = tuple(tabular.Template(role, text) for role, text in given.items() if text is not None)
    if mapping is None:
        if messages and (given["user"] is None or given["assistant"] is None):
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


@click.command("split")
@click.argument("source", metavar="FILE", type=FILE)
@click.option(
    "--part",
    "parts",
    multiple=True,
    metavar="NAME=SHARE",
    help="A part, and its share of the examples. Repeatable (default: train=0.9, valid=0.1).",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=1,
    metavar="N",
    help="A different seed gives a different split.",
)
@click.option("--stratify", is_flag=True, help="Keep the distribution of answers the same in all parts.")
@click.option(
    "--group-by",
    default="conversation",
    metavar="KEY",
    help="What is kept together: conversation (the default: the same system message and first turn), prompt, "
    "example, or the path of a value, such as metadata.customer.",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Output folder (default: that of FILE).",
)
@force_option
@screen_options
def split(
    screen: Screen,
    source: Path,
    parts: tuple[str, ...],
    seed: int,
    stratify: bool,
    group_by: str,
    into: Path | None,
    force: bool,
) -> int:
    """Split FILE into one file for each part: data.jsonl into data.train.jsonl and data.valid.jsonl.

    The part of an example depends only on the seed and the start of its conversation, not on its line or
    other examples, so examples that are added later don't move others (with --stratify: only a few).
    """
    rule = Split(_shares(parts or PARTS), seed, group_by, stratify)
    shown = display(source.absolute())
    if not rule.knows(example for _, example in read_strictly(source, shown)):
        hint = "give the path of a value that examples have, such as metadata.customer"
        if rule.needs_messages:
            hint = f"{snippet('ftops', 'data', 'check', source)} says what the file is"
        raise UsageError(f"no example has {rule.group}", "All examples would be in one group.", hint)
    choose = rule.chooser(lambda: (example for _, example in read_strictly(source, shown)))
    folder = into or source.parent
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(writer_of(source, folder / f"{source.stem}.{name}.jsonl", force))
            for name in rule.parts
        }
        for line, example in read_strictly(source, shown):
            writers[choose(example)].write(line.raw)
    hint = "Give it a larger share, or another --seed, or keep less together with --group-by."
    empty = [Diagnostic(f"the part {n} has no examples", "", hint) for n, w in writers.items() if not w.count]
    return _report(screen, list(writers.values()), empty)


def _shares(parts: Sequence[str]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for part in parts:
        name, _, share = part.partition("=")
        try:
            number = float(share)
        except ValueError:
            number = 0.0
        if name in shares or not (name.replace("-", "").replace("_", "").isalnum() and 0 < number <= 1):
            raise UsageError(
                f"`{part}` isn't a valid part", "", "write --part train=0.8 --part valid=0.1 --part test=0.1"
            )
        shares[name] = number
    if abs(sum(shares.values()) - 1) > 1e-6:
        total = f"{sum(shares.values()):g}"
        raise UsageError(f"the shares add up to {total}", "", "make them add up to 1")
    return shares


@click.command("slim")
@click.argument("source", type=FILE)
@click.argument("target", metavar="[TARGET]", type=FILE, required=False)
@click.option(
    "--drop",
    type=click.Choice(list(WAYS)),
    default="descriptions",
    help="What to remove (default: descriptions).",
)
@click.option(
    "--function", "only", multiple=True, metavar="NAME", help="Only from this function. Repeatable."
)
@force_option
@screen_options
@also_files(JSON_LINES)
def slim(
    screen: Screen, source: Path, target: Path | None, drop: str, only: tuple[str, ...], force: bool
) -> int:
    """Write SOURCE to TARGET with shorter function definitions, which makes prompts cheaper.

    Send the same shorter definitions in requests to the fine-tuned model. `ftops data stats` shows the
    savings.
    """
    target = target_of(screen, target)
    shown = display(source.absolute())
    _check_names(source, shown, only)
    warnings: list[Diagnostic] = []
    steps = [{"slim": drop, "only": only}]
    with writer_of(source, target, force) as writer:
        for example in transform.apply(source, shown, steps, unchanged=warnings.append):
            writer.write(dump(example))
    return _report(screen, [writer], warnings)


def _check_names(source: Path, shown: str, only: Sequence[str]) -> None:
    """Raises UsageError if no example offers a function that is named."""
    missing = set(only)
    known: set[str] = set()
    if missing:
        for _, example in read_strictly(source, shown):
            known |= {str(f.get("name")) for f in definitions(offering(example))}
    for name in sorted(missing - known):
        raise UsageError(f"no example has a function `{name}`", "", did_you_mean(name, known))


def target_of(screen: Screen, target: Path | None) -> Path:
    """The file to write: the argument, or that of -o. Raises UsageError."""
    named = named_file(screen.format, target)
    if named is None:
        raise UsageError("no file to write to", "", "give its name after that of the source")
    return named


def check_target(target: Path, sources: Sequence[Path], force: bool) -> None:
    """Before anything is read. Raises UsageError if the target can't be written, or is a source."""
    check_folder(target)
    if any(target.exists() and source.exists() and target.samefile(source) for source in sources):
        raise UsageError(f"{target} is the input file", "", "choose another name with --out")
    refuse_to_replace(target, force)


def writer_of(source: Path, target: Path, force: bool, mark: bool | None = None) -> Writer:
    """A writer of `target`, by default with a byte order mark if the source has one. Raises UsageError if the
    target exists, or is the source."""
    if not source.exists():
        raise UsageError(f"can't read {source}: no such file", "", "check the path")
    if target.name == "-":
        raise UsageError("can't write to standard output", "", "give the name of a file")
    if target.exists() and target.samefile(source) and not force:
        raise UsageError(f"{target} is the input file", "", "--force overwrites it after it is read")
    return Writer(target, force=force, mark=has_mark(source) if mark is None else mark)


def _report(
    screen: Screen,
    writers: Sequence[Writer],
    warnings: Sequence[Diagnostic] = (),
    reader: sources.Reader | None = None,
) -> int:
    """Shows what was written, and what was left out."""
    warnings = [replace(warning, severity="warning") for warning in warnings]
    screen.warn(warnings)
    files = {display(w.path.absolute()): w for w in writers}
    lines = [f"{name}: {plural(w.count, 'example')}, {size(w.bytes)}" for name, w in files.items()]
    rows: list[Json] = [{"file": n, "examples": w.count, "bytes": w.bytes} for n, w in files.items()]
    document: dict[str, Json] = {"files": rows, "diagnostics": [diagnostics.to_json(w) for w in warnings]}
    if reader and reader.skipped:
        lines.append(f"left out {plural(reader.skipped, 'row')} with an empty question, answer or cell")
    if reader and reader.left_out:
        keys = sorted(map(clean, reader.left_out))
        more = f" and {len(keys) - MAX_KEYS} more" if len(keys) > MAX_KEYS else ""
        lines.append(f"left out keys that the format doesn't have: {', '.join(keys[:MAX_KEYS])}{more}")
    if reader:
        document |= {"skipped": reader.skipped, "left_out": sorted(reader.left_out)}
    return screen.result(lambda: document, lambda: lines)

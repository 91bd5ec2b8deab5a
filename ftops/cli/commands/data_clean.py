"""ftops data clean: mends a file of examples as far as that needs no guessing, and lists what it did"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import click

from ftops import dataset
from ftops.cli.commands.data_write import JSON_LINES, force_option, writer_of
from ftops.cli.console import Screen
from ftops.cli.output_options import FILE, also_files, screen_options
from ftops.cli.written_files import named_file
from ftops.core.address import Json
from ftops.core.errors import UsageError
from ftops.core.plurals import plural
from ftops.core.project import display
from ftops.core.snippets import command as snippet
from ftops.dataset.files.jsonl_io import Writer
from ftops.dataset.rules.catalogue import GRADES, grade_of
from ftops.dataset.transforms.clean import Change, Consecutive, clean
from ftops.views.paint import clean as harmless

SHOWN = 20
"""Changes that are listed one by one as text."""


@click.command("clean")
@click.argument("source", metavar="FILE", type=FILE)
@click.argument("target", metavar="[NEW]", type=FILE, required=False)
@click.option(
    "--merge-assistants", "merges", is_flag=True, help="Merge consecutive assistant messages into one."
)
@click.option("--keep-last", is_flag=True, help="Keep only the last of consecutive assistant messages.")
@click.option("--keep-duplicates", is_flag=True, help="Keep examples that are the same as earlier ones.")
@click.option("--dry-run", is_flag=True, help="Only list what would be done; needs no NEW.")
@force_option
@screen_options
@also_files(JSON_LINES)
def command(
    screen: Screen,
    source: Path,
    target: Path | None,
    merges: bool,
    keep_last: bool,
    keep_duplicates: bool,
    dry_run: bool,
    force: bool,
) -> int:
    """Write FILE to NEW without what is certainly wrong, and list what was done, line by line.

    Removes duplicates, nulls, empty messages, blank lines, and byte order marks and carriage returns between
    lines. What needs a decision stays as it is; `ftops data check` says what that is.
    """
    if merges and keep_last:
        raise UsageError("--merge-assistants and --keep-last can't be combined", "", "choose one of them")
    target = named_file(screen.format, target)
    if target is None and not dry_run:
        raise UsageError("no file to write to", "", "give NEW, or --dry-run to see what would be done")
    consecutive = Consecutive.MERGE if merges else Consecutive.KEEP_LAST if keep_last else Consecutive.LEAVE
    changes: list[Change] = []
    kept = removed = 0
    with nullcontext() if target is None or dry_run else writer_of(source, target, force) as writer:
        for cleaned in clean(source, consecutive, keep_duplicates=keep_duplicates):
            changes += cleaned.changes
            kept += cleaned.raw is not None
            removed += cleaned.raw is None
            if isinstance(writer, Writer) and cleaned.raw is not None:
                writer.write(cleaned.raw)
    left = _left(target) if target and not dry_run else Counter[str]()
    new = display(target.absolute()) if target and not dry_run else ""
    document: dict[str, Json] = {
        "file": display(source.absolute()),
        "new": new or None,
        "kept": kept,
        "removed": removed,
        "changes": [_to_json(change) for change in changes],
        "left": dict(left),
    }
    return screen.result(lambda: document, lambda: _draw(changes, kept, removed, new, left))


def _left(target: Path) -> Counter[str]:
    """The findings in the new file, by grade."""
    found = Counter[str]()
    for rule, count in dataset.inspect(target).counts.items():
        found[grade_of(rule, dataset.NO_SETTINGS)] += count
    return found


def _draw(changes: list[Change], kept: int, removed: int, new: str, left: Counter[str]) -> Iterator[str]:
    for change in changes[:SHOWN]:
        yield f"line {change.line}: {_text(change)}"
    if len(changes) > SHOWN:
        kinds = Counter(change.kind for change in changes[SHOWN:])
        counted = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
        yield f"and {len(changes) - SHOWN:,} more: {counted}; -o json lists all"
    if changes:
        yield ""
    lines = len({change.line for change in changes})
    done = f"{plural(lines, 'line')} changed or removed" if changes else "nothing to clean"
    yield f"{new or 'nothing was written'}: {plural(kept, 'line')}, {removed:,} removed; {done}"
    grave = {grade: left[grade] for grade in GRADES[:2] if left[grade]}
    if grave:
        found = ", ".join(plural(count, grade) for grade, count in grave.items())
        yield f"left: {found}; see {snippet('ftops', 'data', 'check', new)}"


def _text(change: Change) -> str:
    return harmless(f"{change.text} {change.other}" if change.other else change.text)


def _to_json(change: Change) -> dict[str, Json]:
    found: dict[str, Json] = {"line": change.line, "kind": change.kind, "text": _text(change)}
    return found | ({"other": change.other} if change.other else {})

"""Output files of `ftops data` commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ftops.cli.console import Screen
from ftops.core.address import Json
from ftops.core.errors import UsageError
from ftops.core.project import display
from ftops.dataset.files.jsonl_io import Writer
from ftops.views.values import plural, size

force_option = click.option("--force", is_flag=True, help="Overwrite existing files.")


def written_to(target: Path, *, force: bool, mark: bool = False, other_than: Path) -> Writer:
    """A writer of `target`. Raises UsageError where it exists, or is the input file."""
    if not other_than.exists():
        raise UsageError(f"can't read {other_than}: no such file", "", "check the path")
    if target.exists() and target.samefile(other_than) and not force:
        raise UsageError(f"{target} is the input file", "", "--force overwrites it after it is read")
    return Writer(target, force=force, mark=mark)


def told(screen: Screen, writers: Sequence[Writer]) -> int:
    """Says what was written."""
    if screen.json:
        files: list[Json] = [
            {"file": display(w.path.absolute()), "examples": w.count, "bytes": w.bytes} for w in writers
        ]
        screen.document({"format_version": 1, "files": files})
    else:
        for writer in writers:
            what = f"{plural(writer.count, 'example')}, {size(writer.bytes)}"
            screen.text(f"{display(writer.path.absolute())}: {what}\n")
    return 0

"""Written files: which file a command writes, and how."""

from __future__ import annotations

from pathlib import Path

import click

from ftops.core.confined_files import content
from ftops.core.errors import UsageError
from ftops.core.private_files import replace_file
from ftops.views.html import generator


def named_file(format: str, out: Path | None) -> Path | None:
    """The file that `-o` or `--out` names. Raises UsageError if they name two."""
    named = Path(format) if format not in ("", "text", "json") else None
    if out is not None and named is not None and out != named:
        raise click.UsageError(f"-o {named} and {out} are two files")
    return out or named


def write_text(path: Path, text: str) -> int:
    """In place of what was there, as a whole. Returns the number of bytes. Raises UsageError."""
    content = text.encode(errors="backslashreplace")
    try:
        replace_file(path, content, is_private=False)
    except OSError as error:
        hint = "check the path and the disk"
        raise UsageError(f"can't write {path}: {error.strerror}", "", hint) from error
    return len(content)


def is_page_of(command: str, path: Path) -> bool:
    """Whether a file is a page that this command has written: then it can replace it."""
    try:
        beginning = content(path, limit=1000).decode(errors="replace")
    except OSError:
        return False
    return generator(command) in beginning


def check_folder(path: Path) -> None:
    """Raises UsageError if there is no folder to write a file into."""
    if not path.parent.is_dir():
        raise UsageError(f"can't write {path}", f"there is no folder {path.parent}.", "create it first")

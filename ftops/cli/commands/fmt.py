"""ftops fmt"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import NamedTuple

import click

from ftops.cli.console import Screen
from ftops.cli.output_options import screen_options
from ftops.config.loader.files import keys_of, veiled
from ftops.config.schema import sections
from ftops.core.address import Json
from ftops.core.confined_files import SPEC_BYTES, Refused, content, real
from ftops.core.errors import FtopsError, SpecError
from ftops.core.private_files import replace_file
from ftops.core.project import SPEC_SUFFIXES, display, project_root, spec_folder
from ftops.yaml.formatter import format_text

_STYLES = {"+++": "bold", "---": "bold", "+": "create", "-": "delete", "@": "hint"}


class Formatted(NamedTuple):
    """A file before and after; `path` is None for standard input."""

    path: Path | None
    shown: str
    before: str
    after: str
    is_veiled: bool = False
    """Whether its lines are hidden: it may be a variable file, with secrets in it."""

    @property
    def is_changed(self) -> bool:
        return self.before != self.after


@click.command("fmt")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Show the changes.")
@click.argument("path", metavar="[SPEC]", default=".", type=click.Path(allow_dash=True))
@screen_options
def command(screen: Screen, path: str, check: bool, diff: bool) -> int:
    """Format the files of a spec. Comments are kept, and the meaning of a spec never changes.

    SPEC is a YAML file, a folder of them, or `-`: standard input to standard output.
    """
    if path == "-":
        return _stream(screen, check, diff)
    named = Path(path)
    root = project_root(spec_folder(named)) if named.is_dir() else None
    files = [_formatted(file, root) for file in _files(named)]
    changed = [file for file in files if file.is_changed]
    if not check:
        for file in changed:
            _replace(file)
    _report(screen, changed, diff)
    return 1 if check and changed else 0


def _stream(screen: Screen, check: bool, diff: bool) -> int:
    before = sys.stdin.read()
    file = Formatted(None, "<stdin>", before, format_text(before, "<stdin>"))
    if screen.json or diff:
        _report(screen, [file] if file.is_changed else [], diff)
    elif not check:
        screen.raw(file.after)
    return 1 if check and file.is_changed else 0


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise FtopsError(f"can't read {path}: no such file or folder", "", "check the path")
    if not path.is_dir():
        yield path
        return
    yield from sorted(
        child for child in path.iterdir() if child.suffix in SPEC_SUFFIXES and not child.is_dir()
    )


def _formatted(path: Path, root: Path | None) -> Formatted:
    """`root` is the project of a folder that was named; a file in it whose keys aren't sections of a spec may
    be a variable file."""
    shown = display(path.absolute())
    try:
        before = content(path, root, limit=SPEC_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't UTF-8 text"
        hint = error.hint if isinstance(error, Refused) else ""
        raise FtopsError(f"can't read {shown}: {reason}", "", hint) from error
    keys = keys_of(before)
    is_veiled = root is not None and not (keys and keys.issubset(sections()))
    try:
        return Formatted(path, shown, before, format_text(before, shown), is_veiled)
    except SpecError as error:
        if is_veiled:
            raise SpecError([veiled(finding) for finding in error.diagnostics]) from None
        raise


def _replace(file: Formatted) -> None:
    """Atomically, so that a crash doesn't leave half a spec; a link stays a link."""
    assert file.path is not None  # noqa: S101 - standard input is never replaced
    try:
        replace_file(real(file.path), file.after.encode(), is_private=False)
    except OSError as error:
        raise FtopsError(f"can't write {file.shown}: {error.strerror}") from error


def _report(screen: Screen, changed: list[Formatted], diff: bool) -> None:
    if screen.json:
        rows: list[Json] = [
            {"file": f.shown, "diff": "".join(_diff_lines(f))} if diff else {"file": f.shown} for f in changed
        ]
        screen.document({"format_version": 1, "changed": rows})
    elif diff:
        for line in (line for f in changed for line in _diff_lines(f)):
            style = next((style for prefix, style in _STYLES.items() if line.startswith(prefix)), "")
            screen.whole(f"{screen.paint(line.rstrip(chr(10)), style)}\n")
    else:
        screen.text("".join(f"{f.shown}\n" for f in changed))


def _diff_lines(file: Formatted) -> Iterator[str]:
    if file.is_veiled:
        yield f"{file.shown}: its lines aren't shown, because it may be a variable file\n"
        return
    old, new = file.before.splitlines(keepends=True), file.after.splitlines(keepends=True)
    for line in unified_diff(old, new, file.shown, f"{file.shown} (formatted)"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"

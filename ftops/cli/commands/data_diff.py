"""ftops data diff"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from msgspec import Struct

from ftops.cli.console import Screen
from ftops.cli.output_options import FILE, screen_options
from ftops.core.errors import Diagnostic, UsageError
from ftops.core.plurals import plural
from ftops.core.private_files import write_private
from ftops.core.project import project_root
from ftops.core.snippets import command as command_line
from ftops.dataset.checks import checker
from ftops.dataset.profile.diff import SHOWN, Compared, Pairs, difference, overlap
from ftops.dataset.profile.edits import edits
from ftops.dataset.profile.example_digest import rows
from ftops.dataset.profile.profile_store import at_commit, measure_bytes
from ftops.dataset.profile.profiler import Measured, excerpts, measure
from ftops.dataset.profile.tokens import ENCODINGS, NoEncoding
from ftops.views import datadiff as view

GIT = "git:"
DIFFERENT = 2


class Version(Struct, frozen=True):
    """One side of a comparison: a file, or the content of one at a commit."""

    name: str
    path: Path
    content: bytes | None = None

    def measured(self) -> Measured:
        if self.content is not None:
            return measure_bytes(self.content, ENCODINGS[0])
        try:
            return measure(self.path, ENCODINGS[0])
        except NoEncoding:
            return measure(self.path)

    @property
    def source(self) -> Path | bytes:
        return self.path if self.content is None else self.content

    def excerpts(self, numbers: set[int]) -> dict[int, str]:
        return excerpts(self.source, numbers)


@click.command("diff")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option(
    "--valid", type=FILE, metavar="FILE", help="Warn about examples of NEW that are also in this file."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if they differ.")
@screen_options
def command(screen: Screen, old: str, new: str, valid: Path | None, detailed_exitcode: bool) -> int:
    """Compare two files of examples by content: which examples were added, removed and edited.

    OLD and NEW are files. git:REV:FILE is a file at a commit, such as git:HEAD:data/train.jsonl.
    """
    before, after = _version(old), _version(new)
    old_data, new_data = before.measured(), after.measured()
    screen.warn([*_unread(before, old_data), *(_unread(after, new_data) if new != old else ())])
    found = difference(old_data, new_data)
    pairs, grown = _shared(after, new_data, valid) if valid else ((), ())
    new_lines = {r.line for r in found.added} | {r.line for _, r in found.edited}
    new_lines |= {r.line for r, _ in (*found.new_duplicates, *pairs, *grown)}
    compared = Compared(
        found,
        old_data.sums,
        new_data.sums,
        before.excerpts({r.line for r in found.removed} | {r.line for r, _ in found.edited}),
        after.excerpts(new_lines),
        edits(before.source, after.source, found.edited[:SHOWN]),
        pairs,
        grown,
        str(valid or ""),
    )
    screen.result(
        lambda: {"old": old, "new": new, **view.to_json(compared)},
        lambda: view.draw(compared, screen.paint, columns=screen.width),
    )
    return DIFFERENT if detailed_exitcode and not found.is_empty else 0


def _unread(version: Version, measured: Measured) -> Iterator[Diagnostic]:
    """The warning that lines aren't compared."""
    if count := measured.sums.unreadable:
        summary = f"{plural(count, 'line')} of {version.name} can't be read"
        hint = f"{command_line('ftops', 'data', 'check', version.path)} says what is wrong"
        yield Diagnostic(summary, "Only examples are compared.", hint, severity="warning")


def _shared(version: Version, measured: Measured, valid: Path) -> tuple[Pairs, Pairs]:
    """Examples that another file has too, and conversations of which it has a beginning or a continuation."""
    other = Version(str(valid), valid).measured()
    ours, theirs = ({row.line: row for row in rows(side.rows)} for side in (measured, other))
    with TemporaryDirectory() as folder:
        path = version.path
        if version.content is not None:
            path = Path(folder) / "version.jsonl"
            write_private(path, version.content)
        pairs = tuple(
            (ours[a], theirs[b]) for a, b in checker.grown(path, valid) if a in ours and b in theirs
        )
    return overlap(measured, other), pairs


def _version(name: str) -> Version:
    if not name.startswith(GIT) or Path(name).exists():
        return Version(name, Path(name))
    revision, colon, path = name.removeprefix(GIT).partition(":")
    if not (revision and colon and path):
        raise UsageError(f"`{name}` isn't a valid version", "", "write git:HEAD:data/train.jsonl")
    content = at_commit(project_root(Path.cwd()), Path(path).absolute(), revision)
    if content is None:
        hint = "check the revision, and the path from the current folder, which must be in the project"
        raise UsageError(f"there is no {path} at {revision}", "or Git isn't available.", hint)
    return Version(name, Path(path), content)

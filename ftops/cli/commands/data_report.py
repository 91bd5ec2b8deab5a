"""ftops data report: what is in one file or two, as an HTML page"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import click

from ftops import catalog
from ftops.catalog.values import CatalogModel
from ftops.cli.commands.data_check import cache_of, chosen_severity, severity_option
from ftops.cli.commands.data_read import NOWHERE, encoding_of, epochs_option, model_option, training_option
from ftops.cli.commands.data_write import check_target
from ftops.cli.console import Screen
from ftops.cli.output_options import FILE, also_files, screen_options
from ftops.cli.written_files import is_page_of, named_file, write_text
from ftops.core.address import Json
from ftops.core.errors import Diagnostic, UsageError
from ftops.core.installation import install
from ftops.core.project import display
from ftops.dataset.profile.diff import SHOWN, Compared, difference
from ftops.dataset.profile.edits import edits
from ftops.dataset.profile.profiler import excerpts
from ftops.dataset.profile.report import SEED, FileReport, gather
from ftops.dataset.profile.tokens import ENCODINGS, NoEncoding, counter
from ftops.planning.cost import estimator
from ftops.views.html import DATA_PAGE
from ftops.views.report.advice import Reported, advice, verdict
from ftops.views.report.page import Report, to_html
from ftops.views.values import size

EPOCHS = (1, 2, 3, 4, 5)
"""Numbers of epochs whose cost is shown, beside the one that is given or that the service would choose."""


@click.command("report")
@click.argument("paths", metavar="FILE [NEW]", nargs=-1, required=True, type=FILE)
@click.option(
    "--out", type=FILE, metavar="FILE", help="The page (default: data-report.html); the same as -o FILE."
)
@click.option("--valid", type=FILE, metavar="FILE", help="Show what of the examples is also in this file.")
@model_option
@epochs_option
@training_option
@severity_option
@click.option("--seed", type=int, default=SEED, metavar="N", help="Another seed shows other examples.")
@click.option("--force", is_flag=True, help="Overwrite any file; an earlier page is always replaced.")
@screen_options
@also_files(".html")
def command(
    screen: Screen,
    paths: tuple[Path, ...],
    out: Path | None,
    valid: Path | None,
    model: str | None,
    epochs: int | None,
    training_type: str,
    settings: tuple[str, ...],
    seed: int,
    force: bool,
) -> int:
    """Write a page about FILE: whether it is ready to train, what to do first, pictures, examples.

    With NEW, both versions are side by side, with what changed. The page loads nothing; secrets are masked.
    """
    if len(paths) > 2:
        raise UsageError(f"{len(paths)} files are too many", "", "give one file, or an old and a new version")
    page = named_file(screen.format, out) or Path("data-report.html")
    check_target(page, [*paths, *([valid] if valid else [])], force or is_page_of(DATA_PAGE, page))
    known = catalog.load(Path.cwd(), os.environ) if model else None
    asked = _Asked(
        encoding=_countable(screen, encoding_of(known, model) if known else ENCODINGS[0]),
        model=model or "",
        entry=known.find(model) if known and model else None,
        epochs=epochs,
        training_type=training_type,
        valid=(valid, display(valid.absolute())) if valid else None,
        seed=seed,
        grades=chosen_severity(settings),
        is_compared=len(paths) > 1,
    )
    files = [asked.of(path) for path in paths]
    compared = _compared(paths, [reported.file for reported in files]) if len(files) == 2 else None
    written = write_text(page, to_html(Report(tuple(files), seed, model or "", compared)))
    said = {reported.file.name: verdict(advice(reported)) for reported in files}
    rows: list[Json] = [{"file": file, "verdict": one.grade, "text": one.text} for file, one in said.items()]
    lines = [f"{file}: {one.text}" for file, one in said.items()]
    return screen.result(
        lambda: {"page": str(page), "bytes": written, "files": rows},
        lambda: [*lines, f"{display(page.absolute())}: {size(written)}; open it in a browser"],
    )


class _Asked(NamedTuple):
    """What is asked about each file. `encoding`: empty if tokens can't be counted; `entry`: the model in the
    catalogue; `valid`: a file of validation data, and its name."""

    encoding: str
    model: str
    entry: CatalogModel | None
    epochs: int | None
    training_type: str
    valid: tuple[Path, str] | None
    seed: int
    grades: Mapping[str, str]
    is_compared: bool

    def of(self, path: Path) -> Reported:
        """Raises FtopsError if the file can't be read."""
        with cache_of(path) as cache:
            found = gather(
                path,
                display(path.absolute()),
                self.encoding,
                self.entry.example_tokens if self.entry else None,
                valid=self.valid,
                is_compared=self.is_compared,
                seed=self.seed,
                grades=self.grades,
                cache=cache,
            )
        numbers = dict.fromkeys((self.epochs, *EPOCHS)) if self.model else ()
        what = (NOWHERE, found.statistics, self.entry, self.model, self.training_type)
        costs = tuple(estimator.training_cost(*what, number) for number in numbers)
        return Reported(found, costs, self.grades)


def _countable(screen: Screen, encoding: str) -> str:
    """The encoding, or none if tokens can't be counted here."""
    try:
        counter(encoding)
    except NoEncoding as error:
        message = ("tokens can't be counted", f"{error}.", f"run `{install('bpe-openai')}`")
        screen.warn([Diagnostic(*message, severity="warning")])
        return ""
    return encoding


def _compared(paths: tuple[Path, ...], files: list[FileReport]) -> Compared:
    """How the second file differs from the first."""
    (old, new), (before, after) = files, paths
    found = difference(old.measured, new.measured)
    new_lines = [r.line for r in found.added[:SHOWN]] + [r.line for _, r in found.edited[:SHOWN]]
    return Compared(
        found,
        old.measured.sums,
        new.measured.sums,
        excerpts(before, [r.line for r in (*found.removed[:SHOWN], *(r for r, _ in found.edited[:SHOWN]))]),
        excerpts(after, new_lines),
        edits(before, after, found.edited[:SHOWN]),
    )

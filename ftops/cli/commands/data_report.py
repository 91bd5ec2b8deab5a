"""ftops data report: what is in one file or two, as an HTML page"""

from __future__ import annotations

import os
from pathlib import Path

import click

from ftops import catalog
from ftops.cli.commands.data_check import cache_of, chosen_severity, severity_option
from ftops.cli.commands.data_read import NOWHERE, encoding_of, epochs_option, model_option, training_option
from ftops.cli.commands.data_write import check_target
from ftops.cli.console import Screen
from ftops.cli.output_options import FILE, also_files, screen_options
from ftops.cli.written_files import named_file, write_text
from ftops.core.address import Json
from ftops.core.errors import Diagnostic, UsageError
from ftops.core.project import display
from ftops.dataset.profile.diff import Compared, difference
from ftops.dataset.profile.profiler import excerpts
from ftops.dataset.profile.report import SEED, FileReport, gather
from ftops.dataset.profile.tokens import ENCODINGS, NoEncoding, counter
from ftops.planning.cost import estimator
from ftops.views.report.advice import Reported, advice, verdict
from ftops.views.report.page import Report, to_html
from ftops.views.values import size

EPOCHS = (1, 2, 3, 4, 5)
"""Numbers of epochs whose cost is shown, beside the one that is given or that the service would choose."""


@click.command("report")
@click.argument("paths", metavar="FILE [NEW]", nargs=-1, required=True, type=FILE)
@click.option(
    "--out", type=FILE, metavar="FILE", help="The page (default: report.html); the same as -o FILE."
)
@click.option("--valid", type=FILE, metavar="FILE", help="Show what of the examples is also in this file.")
@model_option
@epochs_option
@training_option
@severity_option
@click.option("--seed", type=int, default=SEED, metavar="N", help="Another seed shows other examples.")
@click.option("--force", is_flag=True, help="Overwrite an existing page.")
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
    page = named_file(screen.format, out) or Path("report.html")
    check_target(page, [*paths, *([valid] if valid else [])], force)
    known = catalog.load(Path.cwd(), os.environ) if model else None
    entry = known.find(model) if known and model else None
    name = _countable(screen, encoding_of(known, model) if known else ENCODINGS[0])
    grades = chosen_severity(settings)
    other = (valid, display(valid.absolute())) if valid else None
    limit = entry.example_tokens if entry else None
    files = []
    for path in paths:
        shown, is_compared = display(path.absolute()), len(paths) > 1
        with cache_of(path) as cache:
            found = gather(
                path,
                shown,
                name,
                limit,
                valid=other,
                is_compared=is_compared,
                seed=seed,
                grades=grades,
                cache=cache,
            )
        numbers = dict.fromkeys((epochs, *EPOCHS)) if model else ()
        what = (NOWHERE, found.statistics, entry, model or "", training_type)
        costs = tuple(estimator.training_cost(*what, number) for number in numbers)
        files.append(Reported(found, costs, grades))
    compared = _compared(paths, [reported.file for reported in files]) if len(files) == 2 else None
    written = write_text(page, to_html(Report(tuple(files), seed, model or "", compared)))
    said = {reported.file.name: verdict(advice(reported)) for reported in files}
    rows: list[Json] = [{"file": file, "verdict": one.grade, "text": one.text} for file, one in said.items()]
    lines = [f"{file}: {one.text}" for file, one in said.items()]
    return screen.result(
        lambda: {"page": str(page), "bytes": written, "files": rows},
        lambda: [*lines, f"{display(page.absolute())}: {size(written)}; open it in a browser"],
    )


def _countable(screen: Screen, encoding: str) -> str:
    """The encoding, or none if tokens can't be counted here."""
    try:
        counter(encoding)
    except NoEncoding as error:
        message = ("tokens can't be counted", f"{error}.", "pip install bpe-openai")
        screen.warn([Diagnostic(*message, severity="warning")])
        return ""
    return encoding


def _compared(paths: tuple[Path, ...], files: list[FileReport]) -> Compared:
    """How the second file differs from the first."""
    (old, new), (before, after) = files, paths
    found = difference(old.measured, new.measured)
    new_lines = [r.line for r in found.added[:10]] + [r.line for _, r in found.edited[:10]]
    return Compared(
        found,
        old.measured.sums,
        new.measured.sums,
        excerpts(before, [r.line for r in found.removed[:10]]),
        excerpts(after, new_lines),
    )

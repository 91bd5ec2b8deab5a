"""ftops report: all that is known of a spec, as one HTML page"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftops.cli.console import Screen
from ftops.cli.options import addresses_argument, spec_options
from ftops.cli.output_options import FILE, also_files
from ftops.cli.spec_args import SpecArguments, read
from ftops.cli.written_files import check_folder, is_page_of, named_file, write_text
from ftops.core.address import Address
from ftops.core.errors import UsageError
from ftops.core.project import display
from ftops.dataset.files.jsonl_io import refuse_to_replace
from ftops.session.session import Session
from ftops.views.html import SPEC_PAGE
from ftops.views.paint import clean
from ftops.views.values import size

if TYPE_CHECKING:
    from ftops.session.report.values import Report

_PAGE = Path("report.html")


def _html(report: Report) -> str:
    from ftops.views.spec_report.page import report_to_html

    return report_to_html(report)


_CARD = ".md"
_FORMS: Mapping[str, Callable[[Report], str]] = {".html": _html}
"""What is written to a file about a spec, by its suffix."""
_SUFFIXES = (*_FORMS, _CARD)


@click.command("report")
@addresses_argument()
@click.option("--out", type=FILE, metavar="FILE", help=f"The page (default: {_PAGE}); the same as -o FILE.")
@click.option("--offline", is_flag=True, help="Ask no service: curves and dates of accounts are left out.")
@click.option("--force", is_flag=True, help="Overwrite any file; an earlier page is always replaced.")
@spec_options
@also_files(*_SUFFIXES)
def command(
    screen: Screen,
    addresses: tuple[Address, ...],
    out: Path | None,
    offline: bool,
    force: bool,
    spec: SpecArguments,
) -> int:
    """Write a page about a spec: its graph, what exists, trainings with their curves, sweeps, evaluations,
    data, costs and where everything comes from.

    With ADDRESS, only these resources and what they need; without a key, all instances of a `for_each`. The
    page loads nothing and has no scripts. Nothing is recorded, and no lock is taken.

    With -o FILE.md, it is a model card instead, of the model of the one job at ADDRESS.
    """
    from ftops.session.report.gathering import gather
    from ftops.views.spec_report.document import report_to_json

    target = _target(screen, out)
    if target is not None:
        _check(target, force)
    with Session.open(read(spec)) as session:
        screen.warn(session.look_elsewhere())
        if target is not None and target.suffix.lower() == _CARD:
            return _write_card(screen, session, addresses, target, offline=offline)
        report = gather(session, addresses, offline=offline)
    lines = [f"warning: {warning}" for warning in report.warnings]
    if target is not None:
        written = write_text(target, _form(target)(report))
        lines.append(f"{display(target.absolute())}: {size(written)}; open it in a browser")
    return screen.result(lambda: report_to_json(report), lambda: lines)


def _write_card(
    screen: Screen, session: Session, addresses: tuple[Address, ...], target: Path, *, offline: bool
) -> int:
    from ftops.session.report.card import gather_card
    from ftops.views.model_card import metadata, model_card

    card = gather_card(session, addresses, offline=offline)
    write_text(target, model_card(card))
    lines = [f"warning: {warning}" for warning in card.report.warnings]
    lines.append(f"{display(target.absolute())}: the model card of {clean(card.model)}")
    return screen.result(
        lambda: {"address": str(card.job.address), "model": card.model, "metadata": metadata(card)},
        lambda: lines,
    )


def _target(screen: Screen, out: Path | None) -> Path | None:
    """The file to write; None if the facts are only printed."""
    return named_file(screen.format, out) or (None if screen.json else _PAGE)


def _form(target: Path) -> Callable[[Report], str]:
    """Raises UsageError for another suffix."""
    form = _FORMS.get(target.suffix.lower())
    if form is None:
        known = ", ".join(_SUFFIXES)
        raise UsageError(f"can't tell what to write to {target}", f"known endings are {known}.", "rename it")
    return form


def _check(target: Path, force: bool) -> None:
    """Before anything is read. Raises UsageError."""
    if target.suffix.lower() != _CARD:
        _form(target)
    check_folder(target)
    refuse_to_replace(target, force or is_page_of(SPEC_PAGE, target))

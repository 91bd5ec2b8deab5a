"""ftops data check"""

from __future__ import annotations

from pathlib import Path

import click

from ftops import dataset
from ftops.address import Json
from ftops.cli.lazy import pass_screen
from ftops.cli.look import look_options
from ftops.cli.screen import Screen
from ftops.cli.specs import display
from ftops.dataset import Inspection
from ftops.views import diagnostics as view
from ftops.views.values import plural


@click.command("check")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@look_options
@pass_screen
def command(screen: Screen, paths: tuple[Path, ...]) -> int:
    """Check every example of FILEs of JSON Lines. Asks no service."""
    found = {display(path.absolute()): dataset.inspect(path, display(path.absolute())) for path in paths}
    code = int(any(d.severity == "error" for i in found.values() for d in i.diagnostics))
    if screen.json:
        rows: list[Json] = [_row(shown, inspection) for shown, inspection in found.items()]
        screen.document({"format_version": 1, "files": rows, "exit_code": code})
        return code
    for shown, inspection in found.items():
        drawn = view.draw(inspection.diagnostics, screen.paint)
        screen.text(f"{drawn}\n" if drawn else "")
        findings = plural(len(inspection.diagnostics), "finding")
        screen.text(f"{shown}: {plural(inspection.examples, 'example')}, {findings}\n")
    return code


def _row(shown: str, inspection: Inspection) -> dict[str, Json]:
    return {
        "file": shown,
        "digest": inspection.digest,
        "bytes": inspection.bytes,
        "examples": inspection.examples,
        "diagnostics": [view.to_json(d) for d in inspection.diagnostics],
    }

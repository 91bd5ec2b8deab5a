"""ftops data check"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import click

from ftops import dataset
from ftops.address import Json
from ftops.cli.excerpts import with_lines
from ftops.cli.lazy import pass_screen
from ftops.cli.look import look_options
from ftops.cli.screen import Screen
from ftops.dataset.inspection import MAX_SHOWN, Inspection
from ftops.dataset.rules import GRADES, SETTINGS, grade_of, names
from ftops.errors import Diagnostic, FtopsError, UsageError
from ftops.suggest import did_you_mean
from ftops.views import diagnostics as view
from ftops.views.values import plural

_SPECS = (".yaml", ".yml")


class Checked(NamedTuple):
    """One file, and what is said of it."""

    shown: str
    inspection: Inspection
    severity: Mapping[str, str]
    diagnostics: tuple[Diagnostic, ...]


@click.command("check")
@click.argument("paths", metavar="[FILE|SPEC]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--env", "environment", metavar="NAME", help="The environment of a spec.")
@click.option("--format", type=click.Choice(dataset.FORMATS), help="What the examples of FILEs should be.")
@click.option(
    "--severity",
    "settings",
    multiple=True,
    metavar="RULE=GRADE",
    help="Count a rule as error, warning, note or off; RULE may be a group such as secret/*. Repeatable.",
)
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option("--rules", is_flag=True, help="List all rules and their grades.")
@look_options
@pass_screen
def command(
    screen: Screen,
    paths: tuple[Path, ...],
    environment: str | None,
    format: str | None,
    settings: tuple[str, ...],
    strict: bool,
    rules: bool,
) -> int:
    """Check every example of FILEs of JSON Lines, or of the datasets of SPECs. Asks no service.

    Exits with 1 where there is an error. docs/data-rules.md explains every rule.
    """
    severity = _severity(settings)
    if rules:
        return _list_rules(screen, severity)
    checked, beyond = _check_all(paths or (Path(),), environment, format or "", severity)
    bad = ("error", "warning") if strict else ("error",)
    told = [*(d for one in checked for d in one.diagnostics), *beyond]
    code = int(any(d.severity in bad for d in told))
    if screen.json:
        files: list[Json] = [_to_json(one) for one in checked]
        more: list[Json] = [view.to_json(d) for d in beyond]
        screen.document({"format_version": 1, "files": files, "diagnostics": more, "exit_code": code})
        return code
    drawn = view.draw(with_lines(told), screen.paint)
    screen.text(f"{drawn}\n" if drawn else "")
    screen.text("".join(f"{_summary(one)}\n" for one in checked))
    return code


def _check_all(
    paths: tuple[Path, ...], environment: str | None, format: str, severity: Mapping[str, str]
) -> tuple[list[Checked], list[Diagnostic]]:
    """Files, and what was found beyond single files."""
    files: list[Checked] = []
    beyond: list[Diagnostic] = []
    for path in paths:
        if path.suffix in _SPECS or path.is_dir():
            of_spec, found = _check_spec(path, environment, severity)
            files += of_spec
            beyond += found
        else:
            files.append(_checked(path.as_posix(), dataset.inspect(path, format=format), severity))
    return files, beyond


def _check_spec(
    path: Path, environment: str | None, severity: Mapping[str, str]
) -> tuple[list[Checked], list[Diagnostic]]:
    from ftops.cli.options import SpecArguments  # only for specs
    from ftops.cli.specs import display, read
    from ftops.engine import inspect_data

    config = read(SpecArguments(path, environment))
    files, beyond = inspect_data(config, display, severity)
    if not files:
        raise FtopsError(f"{config.name} declares no dataset with a `path`", "", "name a file of examples")
    return [_checked(display(one.file), one.inspection, one.severity) for one in files], beyond


def _checked(shown: str, inspection: Inspection, severity: Mapping[str, str]) -> Checked:
    return Checked(shown, inspection, severity, tuple(inspection.diagnostics(shown, severity)))


def _severity(settings: tuple[str, ...]) -> dict[str, str]:
    known = names()
    chosen = {}
    for setting in settings:
        rule, equals, grade = setting.partition("=")
        if not equals or grade not in SETTINGS:
            raise UsageError(
                f"--severity {setting} is no RULE=GRADE", "", f"grades are {', '.join(SETTINGS)}"
            )
        if rule not in known:
            raise UsageError(f"there is no rule {rule}", "", did_you_mean(rule, known))
        chosen[rule] = grade
    return chosen


def _list_rules(screen: Screen, severity: Mapping[str, str]) -> int:
    from ftops.dataset.rules import RULES

    graded = [(rule, grade_of(rule.id, severity)) for rule in RULES.values()]
    if screen.json:
        rows: list[Json] = [
            {"rule": r.id, "severity": grade, "what": r.what, "why": r.why, "fix": r.fix}
            for r, grade in graded
        ]
        screen.document({"format_version": 1, "rules": rows})
    else:
        width = max(len(rule.id) for rule, _ in graded)
        lines = (f"{rule.id:{width}}  {grade:7}  {rule.what}\n" for rule, grade in graded)
        screen.text("".join(lines))
    return 0


def _summary(one: Checked) -> str:
    grades = dict.fromkeys(GRADES, 0)
    for rule, count in one.inspection.counts.items():
        grade = grade_of(rule, one.severity)
        if grade in grades:
            grades[grade] += count
    found = ", ".join(plural(count, grade) for grade, count in grades.items() if count)
    inspection = one.inspection
    if not inspection.digest:
        return f"{one.shown}: {found}"
    size = f"{inspection.bytes / 1e6:,.1f} MB"
    examples = plural(inspection.examples, "example")
    return f"{one.shown}: {inspection.format}, {examples}, {size}: {found or 'nothing found'}"


def _to_json(one: Checked) -> dict[str, Json]:
    inspection = one.inspection
    return {
        "file": one.shown,
        "format": inspection.format,
        "digest": inspection.digest,
        "content_digest": inspection.content,
        "bytes": inspection.bytes,
        "examples": inspection.examples,
        "counts": dict(sorted(inspection.counts.items())),
        "shown_of_each_rule": MAX_SHOWN,
        "diagnostics": [view.to_json(d) for d in one.diagnostics],
    }

"""ftops data check: checks data files, and the datasets of specs"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import click
from msgspec.structs import replace

from ftops import dataset
from ftops.cli.console import Screen
from ftops.cli.diagnostics import with_lines
from ftops.cli.output_options import PATH, also_reports, screen_options
from ftops.config.data_sources import Inspected, Source
from ftops.core.address import Json
from ftops.core.confined_files import real
from ftops.core.errors import Diagnostic, FtopsError, UsageError
from ftops.core.plurals import plural
from ftops.core.project import CACHE, FOLDER, SPEC_SUFFIXES, project_root, user_cache
from ftops.core.snippets import command as snippet
from ftops.core.suggestions import did_you_mean
from ftops.dataset.rules.catalogue import GRADES, RULES, SETTINGS, grade_of, names
from ftops.dataset.rules.findings import MAX_SHOWN
from ftops.dataset.transforms.clean import MENDED, mended
from ftops.views import diagnostics as view
from ftops.views.paint import clean
from ftops.views.values import size


class Checked(NamedTuple):
    """The data of a file or a dataset, and its diagnostics."""

    data: Inspected
    diagnostics: list[Diagnostic]


severity_option = click.option(
    "--severity",
    "settings",
    multiple=True,
    metavar="RULE=GRADE",
    help="Set the severity of a rule: error, warning, note or off. RULE can be a group such as "
    "secret/*. Repeatable.",
)


@click.command("check")
@click.argument("paths", metavar="[FILE|SPEC]...", nargs=-1, type=PATH)
@click.option("--env", "environment", metavar="NAME", help="The environment of a spec.")
@click.option("--format", type=click.Choice(dataset.FORMATS), help="Expected format of the examples.")
@severity_option
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option("--rules", is_flag=True, help="List all rules and their severities.")
@screen_options
@also_reports
def command(
    screen: Screen,
    paths: tuple[Path, ...],
    environment: str | None,
    format: str | None,
    settings: tuple[str, ...],
    strict: bool,
    rules: bool,
) -> int:
    """Check every example in JSON Lines FILEs, or in the datasets of SPECs. No service is contacted.

    Exits with 1 if there is an error. `ftops docs data-rules` explains every rule.
    """
    severity = chosen_severity(settings)
    if rules:
        return _list_rules(screen, severity)
    files, findings = _check_all(paths or (Path(),), environment, format or "", severity)
    shown = [*(d for file in files for d in file.diagnostics), *findings]
    code = int(any(d.severity in (("error", "warning") if strict else ("error",)) for d in shown))
    if screen.report:
        screen.reported(shown)
        return code
    rows: list[Json] = [_to_json(file) for file in files]
    more: list[Json] = [view.to_json(d) for d in findings]
    drawn = view.draw(with_lines(shown), screen.paint, screen.width)
    lines = [drawn] * bool(drawn) + [line for file in files for line in (_summary(file), *_mends(file))]
    screen.result(lambda: {"files": rows, "diagnostics": more, "exit_code": code}, lambda: lines)
    return code


def chosen_severity(settings: tuple[str, ...]) -> dict[str, str]:
    """Rule → grade, as --severity sets them. Raises UsageError."""
    known = names()
    chosen = {}
    for setting in settings:
        rule, equals, grade = setting.partition("=")
        if not equals or grade not in SETTINGS:
            raise UsageError(
                f"--severity {setting} needs the form RULE=GRADE", "", f"the grades are {', '.join(SETTINGS)}"
            )
        if rule not in known:
            raise UsageError(f"there is no rule {rule}", "", did_you_mean(rule, known))
        chosen[rule] = grade
    return chosen


def _list_rules(screen: Screen, severity: Mapping[str, str]) -> int:
    grades = {id: grade_of(id, severity) for id in RULES}
    rows: list[Json] = [
        {"rule": id, "severity": grades[id], "what": rule.what, "why": rule.why, "fix": rule.fix}
        for id, rule in RULES.items()
    ]
    width = max(map(len, RULES))
    lines = (f"{id:{width}}  {grades[id]:7}  {rule.what}" for id, rule in RULES.items())
    return screen.result(lambda: {"rules": rows}, lambda: lines)


def _check_all(
    paths: Sequence[Path], environment: str | None, format: str, severity: Mapping[str, str]
) -> tuple[list[Checked], list[Diagnostic]]:
    """Files, and findings that concern several of them."""
    files: list[Checked] = []
    findings: list[Diagnostic] = []
    for path in paths:
        if path.suffix in SPEC_SUFFIXES or path.is_dir():
            of_spec, more = _check_spec(path, environment, severity)
            files += of_spec
            findings += more
        else:
            with cache_of(path) as cache:
                inspection = dataset.inspect(path, format=format, cache=cache)
            data = Inspected(Source(path, path.as_posix()), inspection, severity)
            files.append(Checked(data, list(map(_without_spec, data.diagnostics()))))
    return files, findings


def _without_spec(diagnostic: Diagnostic) -> Diagnostic:
    """The hint for a missing file is another one if no spec names it."""
    if diagnostic.rule != "file/missing" or diagnostic.place is None:
        return diagnostic
    hint = "Give files, or a spec whose datasets are checked."
    if dataset.is_pattern(diagnostic.place.file):
        hint = "Remove the quotes so that the shell expands it, or use the pattern in a spec."
    return replace(diagnostic, hint=hint)


def cache_of(path: Path) -> dataset.Cache:
    """The cache of inspections in the project of the file; the user's, if no spec was used in the project."""
    root = project_root(real(path).parent)
    return dataset.Cache.of(root) if (root / FOLDER).is_dir() else dataset.Cache(user_cache() / CACHE)


def _check_spec(
    path: Path, environment: str | None, severity: Mapping[str, str]
) -> tuple[list[Checked], list[Diagnostic]]:
    from ftops.cli.spec_args import SpecArguments, read
    from ftops.config.data_files import inspect_data
    from ftops.core.project import display

    config = read(SpecArguments(path, environment), connecting=False)
    files, findings = inspect_data(config, display, severity)
    if not (files or findings):
        raise FtopsError(f"{config.name} declares no dataset with a `path`", "", "give a file of examples")
    return [Checked(data, list(data.diagnostics())) for data in files], findings


def _summary(file: Checked) -> str:
    inspection, grades = file.data.inspection, Counter[str]()
    for rule, count in inspection.counts.items():
        grades[grade_of(rule, file.data.severity)] += count
    found = ", ".join(plural(grades[grade], grade) for grade in GRADES if grades[grade])
    name = clean(file.data.source.shown)
    if not inspection.digest:
        return f"{name}: {found}"
    examples = (
        f"{inspection.format}, {plural(inspection.examples, 'example')}, " if inspection.examples else ""
    )
    return f"{name}: {examples}{size(inspection.bytes)}: {found or 'nothing found'}"


def _mends(file: Checked) -> Iterator[str]:
    """The command that mends some of the findings."""
    source = file.data.source
    if source.where is not None or not Path(source.shown).is_file():
        return
    with suppress(OSError):  # the file went away
        found = mended(Path(source.shown), file.data.inspection)
        if not found:
            return
        options = sorted({option for rule in found for option in MENDED[rule]})
        words = snippet("ftops", "data", "clean", source.shown, "clean.jsonl", *options)
        yield f"{clean(words)} mends {', '.join(found)}"


def _to_json(file: Checked) -> dict[str, Json]:
    inspection = file.data.inspection
    return {
        "file": file.data.source.shown,
        "format": inspection.format,
        "digest": inspection.digest,
        "content_digest": inspection.content,
        "bytes": inspection.bytes,
        "examples": inspection.examples,
        "counts": dict(sorted(inspection.counts.items())),
        "shown_of_each_rule": MAX_SHOWN,
        "diagnostics": [view.to_json(d) for d in file.diagnostics],
    }

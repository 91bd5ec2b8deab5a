"""Check flow of data files and of the datasets of specs. Doesn't import click, so that it starts faster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from ftops import dataset
from ftops.cli.console import Screen
from ftops.cli.diagnostics import with_lines
from ftops.core.address import Json
from ftops.core.confined_files import real
from ftops.core.errors import Diagnostic, FtopsError
from ftops.core.project import CACHE, FOLDER, ignore, own_folder, project_root
from ftops.dataset.rules.catalogue import GRADES, grade_of
from ftops.dataset.rules.findings import MAX_SHOWN, Inspection
from ftops.views import diagnostics as view
from ftops.views.paint import clean
from ftops.views.values import plural, size

_SPECS = (".yaml", ".yml")


class Checked(NamedTuple):
    """One file, and what is said of it."""

    shown: str
    inspection: Inspection
    severity: Mapping[str, str]
    diagnostics: tuple[Diagnostic, ...]


def check(
    screen: Screen,
    paths: Sequence[Path],
    *,
    environment: str | None = None,
    format: str = "",
    severity: Mapping[str, str] = dataset.NO_SETTINGS,
    strict: bool = False,
) -> int:
    """Checks and says what was found; the exit code. `severity` are grades by rule."""
    checked, beyond = _check_all(paths or (Path(),), environment, format, severity)
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
    paths: Sequence[Path], environment: str | None, format: str, severity: Mapping[str, str]
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
            with _cache(path) as cache:
                inspection = dataset.inspect(path, format=format, cache=cache)
            shown = path.as_posix()
            told = tuple(map(_without_spec, inspection.diagnostics(shown, severity)))
            files.append(Checked(shown, inspection, severity, told))
    return files, beyond


def _without_spec(diagnostic: Diagnostic) -> Diagnostic:
    """A file that isn't there was named by hand."""
    if diagnostic.rule != "file/missing" or diagnostic.place is None:
        return diagnostic
    hint = "Give files, or a spec whose datasets are checked."
    if dataset.is_pattern(diagnostic.place.file):
        hint = "Remove the quotes so that the shell expands it, or use the pattern in a spec."
    return replace(diagnostic, hint=hint)


@contextmanager
def _cache(path: Path) -> Iterator[dataset.Cache | None]:
    """What is known of unchanged files, kept in the file's project; None where it is in none."""
    root = project_root(real(path).parent)
    if not ((root / ".git").exists() or (root / FOLDER).is_dir()):
        yield None
        return
    with suppress(OSError):
        ignore(root)
    with dataset.Cache(own_folder(root, CACHE)) as cache:
        yield cache


def _check_spec(
    path: Path, environment: str | None, severity: Mapping[str, str]
) -> tuple[list[Checked], list[Diagnostic]]:
    from ftops.cli.arguments import SpecArguments
    from ftops.cli.spec_args import read
    from ftops.config.data_files import inspect_data
    from ftops.core.project import display

    config = read(SpecArguments(path, environment))
    files, beyond = inspect_data(config, display, severity)
    if not files:
        raise FtopsError(f"{config.name} declares no dataset with a `path`", "", "give a file of examples")
    found = [Checked(f.source.shown, f.inspection, f.severity, tuple(f.diagnostics())) for f in files]
    return found, beyond


def _summary(one: Checked) -> str:
    grades = dict.fromkeys(GRADES, 0)
    for rule, count in one.inspection.counts.items():
        grade = grade_of(rule, one.severity)
        if grade in grades:
            grades[grade] += count
    found = ", ".join(plural(count, grade) for grade, count in grades.items() if count)
    inspection = one.inspection
    name = clean(one.shown)
    if not inspection.digest:
        return f"{name}: {found}"
    examples = plural(inspection.examples, "example")
    return f"{name}: {inspection.format}, {examples}, {size(inspection.bytes)}: {found or 'nothing found'}"


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

"""ftops validate, graph: they read the spec, and no state"""

from __future__ import annotations

import os
from collections import Counter
from typing import NamedTuple

import click
from msgspec.structs import replace

from ftops.cli.console import Screen
from ftops.cli.options import check_many, many_options, spec_options
from ftops.cli.output_options import also_reports
from ftops.cli.spec_args import SpecArguments, read, read_with_data
from ftops.cli.untrusted import left_out, untrusted_option
from ftops.config.config import Config
from ftops.config.graph import build
from ftops.config.sweeps import Stops
from ftops.core.address import Json
from ftops.core.errors import Diagnostic, SpecError
from ftops.core.plurals import plural
from ftops.views import graph as graph_view
from ftops.views.diagnostics import to_json
from ftops.views.paint import clean


class _Checked(NamedTuple):
    """A valid spec, and the warnings about it."""

    config: Config
    warnings: tuple[Diagnostic, ...]

    @property
    def kinds(self) -> dict[str, int]:
        return dict(sorted(Counter(resource.address.kind for resource in self.config.resources).items()))

    def to_json(self) -> dict[str, Json]:
        return {
            "valid": True,
            "spec": self.config.name,
            "resources": {**self.kinds},
            "exit_code": 0,
            "diagnostics": [to_json(d) for d in self.warnings],
            "left_out": list[Json](left_out(self.config)),
        }

    def lines(self, screen: Screen) -> list[str]:
        counts = ", ".join(plural(count, kind) for kind, count in self.kinds.items())
        valid = f"{screen.paint('Valid', 'good')}: {self.config.name} declares {counts or 'nothing'}."
        return [valid, *left_out(self.config)]


@click.command("validate")
@untrusted_option
@spec_options
@also_reports
@many_options
def validate(
    screen: Screen, spec: SpecArguments, is_untrusted: bool, everything: bool, revision: str | None
) -> int:
    """Check a spec and every example of its data. No service is contacted, and no state is needed."""
    check_many(everything, revision, is_untrusted)
    spec = replace(spec, is_untrusted=is_untrusted)
    if everything:
        return _validate_all(screen, spec, revision)
    try:
        checked = _check(spec)
    except SpecError as error:
        screen.fail(error.diagnostics, 1, valid=False)
        return 1
    if screen.report:
        screen.reported(checked.warnings)
        return 0
    screen.warn(checked.warnings)
    return screen.result(checked.to_json, lambda: checked.lines(screen))


def _check(spec: SpecArguments) -> _Checked:
    """Raises SpecError."""
    config, warnings = read_with_data(spec, connecting=False)
    return _Checked(config, (*warnings, *_by_catalogue(config, build(config).stops)))


def _validate_all(screen: Screen, spec: SpecArguments, revision: str | None) -> int:
    from ftops.cli.many_specs import for_each, select, worst

    selection = select(spec, revision, connecting=False)
    outcomes = for_each(selection.specs, _check, screen.counter("Checking spec"))
    code = worst([outcome.exit_code if outcome.result is None else 0 for outcome in outcomes])
    if screen.json:
        rows: list[Json] = []
        for outcome in outcomes:
            failed: list[Json] = [*map(to_json, outcome.failed)]
            invalid: dict[str, Json] = {"valid": False, "exit_code": 1, "diagnostics": failed}
            row = invalid if outcome.result is None else outcome.result.to_json()
            rows.append({"path": outcome.spec.path.as_posix(), **row})
        screen.document({"format_version": 1, "specs": rows, **selection.to_json(), "exit_code": code})
    elif screen.report:
        found = [outcome.result.warnings if outcome.result else outcome.failed for outcome in outcomes]
        screen.reported([finding for findings in found for finding in findings])
    else:
        for outcome in outcomes:
            screen.words = outcome.spec.words
            screen.lines([screen.paint(clean(outcome.spec.path.as_posix()), "bold")])
            if outcome.result is None:
                screen.fail(outcome.failed, 1)
            else:
                screen.warn(outcome.result.warnings)
                screen.lines(outcome.result.lines(screen))
        screen.lines(selection.lines("checked"))
    return code


def _by_catalogue(config: Config, stops: Stops) -> tuple[Diagnostic, ...]:
    """What the catalogue tells of the models, and of the budgets of sweeps. Raises SpecError if it has
    errors."""
    from ftops.planning.preflight import check_spec

    found = check_spec(config, os.environ)
    if any(one.severity == "error" for one in found):
        raise SpecError(found)
    if not any(stop.budget for stop in stops.values()):
        return found
    from ftops.planning.cost.estimator import too_small_budgets  # only if a sweep has one

    return (*found, *too_small_budgets(config, stops, os.environ))


@click.command("graph")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(graph_view.FORMS)),
    default="text",
    show_default=True,
    help="Text, Mermaid for Markdown, or Graphviz.",
)
@spec_options
def graph(screen: Screen, spec: SpecArguments, form: str) -> int:
    """Show the dependency graph. Arrows point from a resource to what it needs."""
    config = read(spec, connecting=False)
    built = build(config)
    return screen.result(
        lambda: graph_view.to_json(built, config.reads),
        lambda: graph_view.FORMS[form](built, config.reads, screen.paint),
        whole=form != "text",
    )

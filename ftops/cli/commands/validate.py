"""ftops validate, graph: they read the spec, and no state"""

from __future__ import annotations

import os
from collections import Counter

import click
from msgspec.structs import replace

from ftops.cli.console import Screen
from ftops.cli.options import spec_options
from ftops.cli.output_options import also_reports
from ftops.cli.spec_args import SpecArguments, read, read_with_data
from ftops.cli.untrusted import left_out, untrusted_option
from ftops.config.config import Config
from ftops.config.graph import build
from ftops.core.address import Json
from ftops.core.errors import Diagnostic, SpecError
from ftops.core.plurals import plural
from ftops.views import graph as graph_view
from ftops.views.diagnostics import to_json


@click.command("validate")
@untrusted_option
@spec_options
@also_reports
def validate(screen: Screen, spec: SpecArguments, is_untrusted: bool) -> int:
    """Check a spec and every example of its data. No service is contacted, and no state is needed."""
    try:
        config, warnings = read_with_data(replace(spec, is_untrusted=is_untrusted), connecting=False)
        build(config)
        warnings += _by_catalogue(config)
    except SpecError as error:
        screen.fail(error.diagnostics, 1, valid=False)
        return 1
    if screen.report:
        screen.reported(warnings)
        return 0
    screen.warn(warnings)
    kinds = dict(sorted(Counter(resource.address.kind for resource in config.resources).items()))
    counts = ", ".join(plural(count, kind) for kind, count in kinds.items())
    valid = f"{screen.paint('Valid', 'good')}: {config.name} declares {counts or 'nothing'}."
    left = left_out(config)
    return screen.result(
        lambda: {
            "valid": True,
            "spec": config.name,
            "resources": kinds,
            "exit_code": 0,
            "diagnostics": [to_json(d) for d in warnings],
            "left_out": list[Json](left),
        },
        lambda: [valid, *left],
    )


def _by_catalogue(config: Config) -> tuple[Diagnostic, ...]:
    """What the catalogue tells of the models. Raises SpecError if it has errors."""
    from ftops.planning.preflight import check_spec

    found = check_spec(config, os.environ)
    if any(one.severity == "error" for one in found):
        raise SpecError(found)
    return found


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
    built = build(read(spec, connecting=False))
    return screen.result(
        lambda: graph_view.to_json(built), lambda: graph_view.FORMS[form](built, screen.paint)
    )

"""ftops graph"""

from __future__ import annotations

import click

from ftops.cli.console import Screen
from ftops.cli.options import spec_options
from ftops.cli.spec_args import SpecArguments, read
from ftops.config.graph import build
from ftops.views import graph as graph_view


@click.command("graph")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid", "dot"]),
    default="text",
    show_default=True,
    help="Text, Mermaid for Markdown, or Graphviz.",
)
@spec_options
def command(screen: Screen, spec: SpecArguments, form: str) -> int:
    """Show the dependency graph. Arrows point from a resource to what it needs."""
    graph = build(read(spec))
    if screen.json:
        screen.document(graph_view.to_json(graph))
    elif form == "mermaid":
        screen.text(graph_view.draw_mermaid(graph))
    elif form == "dot":
        screen.text(graph_view.draw_dot(graph))
    else:
        screen.text(graph_view.draw_text(graph, screen.paint))
    return 0

"""Dependency graph as text, Mermaid, Graphviz or JSON. Arrows point to dependencies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from ftops.config.config import OutputsRead
from ftops.config.graph import Graph
from ftops.core.address import Address, Json
from ftops.core.resource_types import kind_of
from ftops.views.paint import Painter, clean

Reads = Sequence[OutputsRead]


def draw_text(graph: Graph, reads: Reads, paint: Painter) -> Iterator[str]:
    """Outputs of other specs that were read, then each resource and its dependencies, in the order of
    creation."""
    for read in reads:
        rest = paint(f"  {', '.join(sorted(read.values))} of {read.title}", "dim")
        yield f"{paint(f'state.{read.name}', 'bold')}{rest}"
    for address in graph.order:
        needs = ", ".join(str(a) for a in graph.dependencies[address])
        after = paint(f"  needs {needs}", "dim") if needs else ""
        yield f"{paint(str(address), 'bold')}{after}"


def draw_mermaid(graph: Graph, reads: Reads, paint: Painter) -> Iterator[str]:
    """For Markdown: GitHub draws it."""
    ids = {address: f"n{number}" for number, address in enumerate(graph.order)}
    yield "graph LR"
    for address, node in ids.items():
        opening, closing = kind_of(address).brackets
        label = clean(str(address)).replace('"', "#quot;")
        yield f'  {node}{opening}"{label}"{closing}'
    yield from (f"  {ids[a]} --> {ids[b]}" for a, b in _edges(graph))


def draw_dot(graph: Graph, reads: Reads, paint: Painter) -> Iterator[str]:
    """For Graphviz: `ftops graph --format dot | dot -Tsvg`."""
    yield from ("digraph ftops {", "  rankdir = LR", "  node [shape = box]")
    yield from (f"  {_quoted(address)}" for address in graph.order)
    yield from (f"  {_quoted(a)} -> {_quoted(b)}" for a, b in _edges(graph))
    yield "}"


FORMS: Mapping[str, Callable[[Graph, Reads, Painter], Iterator[str]]] = {
    "text": draw_text,
    "mermaid": draw_mermaid,
    "dot": draw_dot,
}
"""By the value of `--format`."""


def to_json(graph: Graph, reads: Reads) -> dict[str, Json]:
    """The document of `graph -o json`."""
    return {
        "states": [
            {
                "name": read.name,
                "spec": read.spec,
                "environment": read.environment,
                "outputs": sorted(read.values),
            }
            for read in reads
        ],
        "nodes": [{"address": str(a), "kind": a.kind} for a in graph.order],
        "edges": [{"from": str(a), "to": str(b)} for a, b in _edges(graph)],
    }


def _edges(graph: Graph) -> Iterator[tuple[Address, Address]]:
    for address in graph.order:
        for needed in graph.dependencies[address]:
            yield address, needed


def _quoted(address: Address) -> str:
    return json.dumps(clean(str(address)), ensure_ascii=False)

"""Dependency graph: resources by address, their dependencies, and a topological order."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ftops.config.config import Config, Resource
from ftops.config.sweeps import Stops, Sweeps, sweeps_of
from ftops.core.address import SCALARS, Address, Json, references
from ftops.core.dag import find_cycle, sort
from ftops.core.errors import Diagnostic, Place, SpecError


class Graph(Struct, frozen=True):
    """`order`: every address after its dependencies, otherwise sorted."""

    resources: Mapping[Address, Resource]
    dependencies: Mapping[Address, tuple[Address, ...]]
    order: tuple[Address, ...]
    sweeps: Sweeps = {}
    stops: Stops = {}

    @property
    def facts(self) -> dict[Address, Mapping[str, Json]]:
        """What is known of each resource before it exists."""
        return {address: resource.facts for address, resource in self.resources.items()}


def build(config: Config) -> Graph:
    """The graph of a config. Raises SpecError if resources depend on each other in a cycle."""
    resources = config.by_address
    dependencies = {address: dependencies_of(resource) for address, resource in resources.items()}
    order = sort(dependencies, lambda address: address.sort_key)
    if len(order) < len(resources):
        raise SpecError([_cycle_diagnostic(find_cycle(dependencies), resources)])
    return Graph(resources, dependencies, tuple(order), *sweeps_of(resources))


def dependencies_of(resource: Resource) -> tuple[Address, ...]:
    """The addresses in references and `depends_on`, sorted."""
    addresses = set(resource.depends_on)
    for value in resource.inputs.values():
        if not isinstance(value, SCALARS):
            addresses.update(reference.address for reference in references(value))
    return tuple(sorted(addresses, key=lambda address: address.sort_key))


def _cycle_diagnostic(cycle: list[Address], resources: Mapping[Address, Resource]) -> Diagnostic:
    edges = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
    lines = [f"  {a} needs {b}{_at(resources[a].reference_places.get(b))}" for a, b in edges]
    first = resources[cycle[0]]
    if len(cycle) == 1:
        return Diagnostic(
            f"{cycle[0]} depends on itself",
            "It can't be created before itself.",
            "remove the reference, or name another resource",
            first.reference_places.get(cycle[0], first.place),
        )
    return Diagnostic(
        "dependency cycle between resources",
        "none of them can be created first:\n" + "\n".join(lines),
        "remove one of these references",
        first.reference_places.get(edges[0][1], first.place),
    )


def _at(place: Place | None) -> str:
    return f" ({place.file}:{place.line})" if place else ""

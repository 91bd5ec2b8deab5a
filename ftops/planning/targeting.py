"""Targeting: the resources that --target and --exclude select, with those that belong to them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ftops.config.graph import Graph
from ftops.core.address import Address
from ftops.core.dag import closure, reverse
from ftops.state.state import PendingOperation, ResourceState


def matching(patterns: Iterable[Address], addresses: Iterable[Address]) -> set[Address]:
    """The addresses that match; a pattern without a key matches all instances."""
    wanted = set(patterns)
    return {a for a in addresses if a in wanted or Address(a.kind, a.name) in wanted} if wanted else set()


def selected(
    targets: Collection[Address],
    excludes: Collection[Address],
    graph: Graph,
    recorded: Mapping[Address, ResourceState],
    deposed: Iterable[Address],
    pending: Mapping[Address, PendingOperation],
    *,
    destroying: bool,
) -> frozenset[Address]:
    """Targets with their dependencies (to destroy: with their dependents), without what is excluded and its
    dependents (dependencies)."""
    everything = {*graph.resources, *recorded, *deposed, *pending}
    if not (targets or excludes):
        return frozenset(everything)
    needs = {
        a: {
            *graph.dependencies.get(a, ()),
            *(n for r in (recorded, pending) if a in r for n in r[a].dependencies),
        }
        for a in everything
    }
    users = reverse(needs)
    with_it, against_it = (users, needs) if destroying else (needs, users)
    chosen = everything
    if targets:
        chosen = closure(matching(targets, everything), with_it)
        chosen |= closure(chosen - graph.resources.keys(), users) - graph.resources.keys()
    if excludes:
        left_out = closure(matching(excludes, everything), against_it)
        chosen = chosen - left_out
    return frozenset(chosen)

"""DAG: topological order, reverse edges, closure and cycles of a dependency mapping. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)


def sort(waits_for: Mapping[K, Collection[K]], key: Callable[[K], Any]) -> list[K]:
    """Every node after all that it waits for; among those free to go, the smallest `key` first.

    Nodes on a cycle, and those that wait for one, are left out. What is waited for but not a node
    counts as there already.
    """
    progress = sorter(waits_for)
    with suppress(CycleError):
        progress.prepare()
    free: list[tuple[Any, K]] = []
    order: list[K] = []
    while progress.is_active():
        for node in progress.get_ready():
            heappush(free, (key(node), node))
        _, node = heappop(free)
        order.append(node)
        progress.done(node)
    return order


def sorter(waits_for: Mapping[K, Collection[K]]) -> TopologicalSorter[K]:
    """To be prepared. Nodes that become free together are told of in the order of the mapping."""
    progress = TopologicalSorter(dict.fromkeys(waits_for, ()))
    for node, waits in waits_for.items():
        progress.add(node, *(waited for waited in waits if waited in waits_for))
    return progress


def reverse(waits_for: Mapping[K, Iterable[K]]) -> dict[K, list[K]]:
    """Who waits for each node."""
    followers: dict[K, list[K]] = {}
    for node, waits in waits_for.items():
        for waited in waits:
            followers.setdefault(waited, []).append(node)
    return followers


def closure(start: Iterable[K], edges: Mapping[K, Iterable[K]]) -> set[K]:
    """`start` and everything that can be reached from it."""
    reached = set(start)
    todo = list(reached)
    while todo:
        for node in edges.get(todo.pop(), ()):
            if node not in reached:
                reached.add(node)
                todo.append(node)
    return reached


def find_cycle(waits_for: Mapping[K, Collection[K]]) -> list[K]:
    """The first cycle that is met from the first nodes on; each waits for the one after it. Empty: there is
    none."""
    # Of a cycle, graphlib says who comes before whom: asked about the edges the other way round, it tells
    # what waits for what.
    backwards = TopologicalSorter(dict.fromkeys(waits_for, ()))
    for node, waits in waits_for.items():
        for waited in waits:
            if waited in waits_for:
                backwards.add(waited, node)
    try:
        backwards.prepare()
    except CycleError as error:
        return list(error.args[1][:-1])
    return []

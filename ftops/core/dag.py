"""DAG: topological order, reverse edges, closure and cycles of a dependency mapping. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)


def sort(waits_for: Mapping[K, Collection[K]], key: Callable[[K], Any]) -> list[K]:
    """Every node after its dependencies; among nodes that are ready, the smallest `key` first.

    Nodes on a cycle, and their dependents, are left out. Dependencies that aren't nodes are ignored.
    """
    followers = reverse(waits_for)
    missing = {node: sum(1 for w in {*waits} if w in waits_for) for node, waits in waits_for.items()}
    free = [(key(node), node) for node, count in missing.items() if not count]
    heapify(free)
    order: list[K] = []
    while free:
        _, node = heappop(free)
        order.append(node)
        for follower in {*followers.get(node, ())}:
            missing[follower] -= 1
            if not missing[follower]:
                heappush(free, (key(follower), follower))
    return order


def reverse(waits_for: Mapping[K, Iterable[K]]) -> dict[K, list[K]]:
    """The dependents of each node."""
    followers: dict[K, list[K]] = {}
    for node, waits in waits_for.items():
        for waited in waits:
            followers.setdefault(waited, []).append(node)
    return followers


def closure(start: Iterable[K], edges: Mapping[K, Iterable[K]]) -> set[K]:
    """`start` and all nodes that can be reached from it."""
    reached = set(start)
    todo = list(reached)
    while todo:
        for node in edges.get(todo.pop(), ()):
            if node not in reached:
                reached.add(node)
                todo.append(node)
    return reached


def find_cycle(waits_for: Mapping[K, Collection[K]]) -> list[K]:
    """The first cycle, in which each node waits for the next one; empty if there is none."""
    # graphlib lists a cycle in the order of work. With reversed edges, it lists what waits for what.
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

"""DAG: topological order, reverse edges, closure and cycles of a dependency mapping. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)


def sort(waits_for: Mapping[K, Collection[K]], key: Callable[[K], Any]) -> list[K]:
    """Every node after all that it waits for; among those free to go, the smallest `key` first.

    Nodes on a cycle, and those that wait for one, are left out. What is waited for but not a node
    counts as there already.
    """
    missing = {node: sum(1 for w in waits if w in waits_for) for node, waits in waits_for.items()}
    followers = reverse(waits_for)
    free = [(key(node), node) for node, count in missing.items() if not count]
    heapify(free)
    order: list[K] = []
    while free:
        _, node = heappop(free)
        order.append(node)
        for follower in followers.get(node, ()):
            missing[follower] -= 1
            if not missing[follower]:
                heappush(free, (key(follower), follower))
    return order


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


def find_cycle(dependencies: Mapping[K, Collection[K]], sorted_nodes: Collection[K]) -> list[K]:
    """One cycle among the nodes that could not be sorted."""
    rest = {
        n: [d for d in ds if d in dependencies and d not in sorted_nodes] for n, ds in dependencies.items()
    }
    node = next(n for n in rest if n not in sorted_nodes)
    path: dict[K, None] = {}
    while node not in path:
        path[node] = None
        node = rest[node][0]
    nodes = list(path)
    return nodes[nodes.index(node) :]

"""Layered layout of a DAG (Sugiyama): layers by the longest path, edges over several layers go through dummy
nodes, and crossings are reduced by barycentres. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

_SWEEPS = 8


class Place(NamedTuple):
    """Of a node: its layer, and its position within the layer. The middles of all layers are at 0."""

    layer: int
    position: float


class Layout(NamedTuple):
    """`places` by node; `routes` by edge (needed, dependent): the places that it goes through."""

    places: tuple[Place, ...]
    routes: Mapping[tuple[int, int], tuple[Place, ...]]

    @property
    def layers(self) -> int:
        return 1 + max((place.layer for place in self.places), default=-1)

    @property
    def rows(self) -> float:
        """Positions of the tallest layer."""
        ends = [place.position for route in self.routes.values() for place in route]
        ends += [place.position for place in self.places]
        return max(ends, default=0.0) - min(ends, default=0.0) + 1


def layered(needs: Sequence[Sequence[int]]) -> Layout:
    """A layout of nodes 0 … n-1, of which each `needs` others with a smaller number."""
    depth: list[int] = []
    for needed in needs:
        depth.append(1 + max((depth[one] for one in needed), default=-1))
    layers: list[list[int]] = [[] for _ in range(1 + max(depth, default=-1))]
    for node, layer in enumerate(depth):
        layers[layer].append(node)
    up: dict[int, list[int]] = {node: [] for node in range(len(needs))}
    paths: dict[tuple[int, int], list[int]] = {}
    number = len(needs)
    for node, needed in enumerate(needs):
        for start in dict.fromkeys(needed):
            path = [start]
            for layer in range(depth[start] + 1, depth[node]):
                layers[layer].append(number)
                up[number] = [path[-1]]
                path.append(number)
                number += 1
            up[node].append(path[-1])
            paths[start, node] = [*path, node]
    order = _ordered(layers, up)
    places = {
        node: Place(layer, position - (len(nodes) - 1) / 2)
        for layer, nodes in enumerate(order)
        for position, node in enumerate(nodes)
    }
    routes = {edge: tuple(places[node] for node in path) for edge, path in paths.items()}
    return Layout(tuple(places[node] for node in range(len(needs))), routes)


def _ordered(layers: Sequence[Sequence[int]], up: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """Each layer sorted by the mean position of its neighbours, from left to right and back."""
    down: dict[int, list[int]] = {node: [] for node in up}
    for node, needed in up.items():
        for one in needed:
            down[one].append(node)
    best = order = [list(layer) for layer in layers]
    fewest = _crossings(order, up)
    for sweep in range(_SWEEPS):
        neighbours = up if sweep % 2 == 0 else down
        rows = range(1, len(order)) if sweep % 2 == 0 else range(len(order) - 2, -1, -1)
        order = [list(layer) for layer in order]
        for row in rows:
            fixed = order[row - 1 if sweep % 2 == 0 else row + 1]
            at = {node: (place - (len(fixed) - 1) / 2) for place, node in enumerate(fixed)}
            own = {node: (place - (len(order[row]) - 1) / 2) for place, node in enumerate(order[row])}
            order[row].sort(key=lambda node: _mean([at[n] for n in neighbours[node]], own[node]))
        crossings = _crossings(order, up)
        if crossings < fewest:
            best, fewest = order, crossings
    return best


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _crossings(order: Sequence[Sequence[int]], up: Mapping[int, Sequence[int]]) -> int:
    """Pairs of edges between neighbouring layers that cross, counted as inversions."""
    total = 0
    for before, layer in pairwise(order):
        at = {node: place for place, node in enumerate(before)}
        ends = [place for node in layer for place in sorted(at[one] for one in up[node])]
        total += _inversions(ends)[1]
    return total


def _inversions(values: Sequence[int]) -> tuple[list[int], int]:
    """Sorted, and the number of pairs that weren't (merge sort)."""
    if len(values) < 2:
        return list(values), 0
    middle = len(values) // 2
    (left, a), (right, b) = _inversions(values[:middle]), _inversions(values[middle:])
    merged: list[int] = []
    count, i = a + b, 0
    for value in right:
        while i < len(left) and left[i] <= value:
            merged.append(left[i])
            i += 1
        merged.append(value)
        count += len(left) - i
    return merged + left[i:], count

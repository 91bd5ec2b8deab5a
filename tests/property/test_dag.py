"""Orders and cycles of any dependency mapping, against the rule written out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from hypothesis import given
from hypothesis import strategies as st

from ftops.core.dag import find_cycle, sort
from ftops.core.dag_executor import Call, DagExecutor, Inline, NodeResult, Outcome, RealTime

NODES = st.integers(0, 11)
GRAPHS = st.dictionaries(NODES, st.lists(NODES, max_size=4), max_size=12)
"""With cycles, nodes that wait for themselves, for one node twice, and for what is no node."""


def _key(node: int) -> int:
    return (node * 7) % 5  # with ties


def by_the_rule(waits_for: Mapping[int, Collection[int]]) -> list[int]:
    """At each step the smallest of the nodes that wait for none of those left."""
    order: list[int] = []
    while True:
        left = waits_for.keys() - set(order)
        free = [node for node in left if not left.intersection(waits_for[node])]
        if not free:
            return order
        order.append(min(free, key=lambda node: (_key(node), node)))


def cycle_by_the_rule(waits_for: Mapping[int, Collection[int]], order: Collection[int]) -> list[int]:
    """From the first node that can't be sorted along the first such dependency, till one is met again."""
    path: list[int] = []
    node = next(node for node in waits_for if node not in order)
    while node not in path:
        path.append(node)
        node = next(d for d in waits_for[node] if d in waits_for and d not in order)
    return path[path.index(node) :]


@given(GRAPHS)
def test_order_and_cycle(waits_for: dict[int, list[int]]) -> None:
    order = sort(waits_for, _key)
    assert order == by_the_rule(waits_for)
    expected = cycle_by_the_rule(waits_for, order) if len(order) < len(waits_for) else []
    assert find_cycle(waits_for) == expected


class Recording:
    """Work that writes down in which order its nodes are begun."""

    def __init__(self, failing: Collection[int]) -> None:
        self.begun: list[int] = []
        self._failing = failing

    def begin(self, nodes: Collection[int]) -> Iterable[tuple[int, Call]]:
        self.begun += nodes
        return [(node, lambda: None) for node in nodes]

    def outcomes(self, results: Collection[tuple[int, object]]) -> Iterable[tuple[int, Outcome]]:
        return [
            (node, NodeResult.FAILED if node in self._failing else NodeResult.DONE) for node, _ in results
        ]

    def concurrency_key(self, node: int) -> str | None:
        return None

    def notice(self, node: int, note: object) -> None: ...

    def stopping(self, running: int) -> None: ...

    def skipped(self, node: int, because: int) -> None: ...


@given(GRAPHS, st.sets(NODES))
def test_the_executor_takes_nodes_as_they_become_free(
    waits_for: dict[int, list[int]], failing: set[int]
) -> None:
    """One slot: first come, first served, in the order of the mapping; what a failure holds up is skipped."""
    graph = {node: [w for w in waits if w < node] for node, waits in waits_for.items()}
    work = Recording(failing)
    fates = DagExecutor(graph, work, Inline(), RealTime(), slots=1).run()
    queue = [node for node in graph if not any(w in graph for w in graph[node])]
    done: set[int] = set()
    for node in queue:
        if node not in failing:
            done.add(node)
            queue += [n for n in graph if node in graph[n] and done >= {w for w in graph[n] if w in graph}]
    assert work.begun == queue
    ends = {n: NodeResult.DONE if n in done else NodeResult.FAILED for n in queue}
    assert fates == {node: ends.get(node, NodeResult.SKIPPED) for node in graph}

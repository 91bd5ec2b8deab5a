"""Orders and cycles of any dependency mapping, against the rule written out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.core.dag import find_cycle, sort
from ftops.core.dag_executor import Call, DagExecutor, Inline, NodeResult, Outcome, RealTime, Requeue
from tests.support.cloud import VirtualTime

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
    """Work that writes down in which order its nodes are begun. Of `spared` nodes only the end counts."""

    def __init__(self, failing: Collection[int], spared: Collection[int] = ()) -> None:
        self.begun: list[int] = []
        self._failing = failing
        self._spared = spared

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

    def needs(self, node: int, other: int) -> bool:
        return other not in self._spared

    def skipped(self, node: int, because: int) -> None: ...


@given(GRAPHS, st.sets(NODES), st.sets(NODES))
def test_what_only_waits_for_an_end_goes_on_after_a_failure(
    waits_for: dict[int, list[int]], failing: set[int], spared: set[int]
) -> None:
    graph = {node: [w for w in waits if w < node] for node, waits in waits_for.items()}
    work = Recording(failing, spared)
    fates = DagExecutor(graph, work, Inline(), RealTime()).run()
    expected: dict[int, NodeResult] = {}
    for node in sorted(graph):
        needed = [expected[w] for w in graph[node] if w in graph and w not in spared]
        made = NodeResult.FAILED if node in failing else NodeResult.DONE
        expected[node] = made if set(needed) <= {NodeResult.DONE} else NodeResult.SKIPPED
    assert fates == expected
    for number, node in enumerate(work.begun):
        assert not set(graph[node]) & set(work.begun[number:])


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


class InLine(Recording):
    """Work on nodes of one key, each of which has to be tried a number of times, at the next of which another
    may have its turn."""

    def __init__(self, tries: Mapping[int, int], lines_up: bool) -> None:
        super().__init__(())
        self.left = dict(tries)
        self.done: set[int] = set()
        self._lines_up = lines_up

    def concurrency_key(self, node: int) -> str | None:
        return None if node % 3 == 0 else "key"

    def outcomes(self, results: Collection[tuple[int, object]]) -> Iterable[tuple[int, Outcome]]:
        for node, _ in results:
            if self.left.get(node, 0):
                self.left[node] -= 1
                yield node, Requeue(1.0, holds_concurrency_key=True, lines_up=self._lines_up)
            else:
                self.done.add(node)
                yield node, NodeResult.DONE


@pytest.mark.parametrize("lines_up", [True, False])
@given(graph=GRAPHS, tries=st.dictionaries(NODES, st.integers(1, 3)), slots=st.sampled_from([1, 10]))
def test_nodes_of_one_key_have_their_turns_in_order(
    lines_up: bool, graph: dict[int, list[int]], tries: dict[int, int], slots: int
) -> None:
    """The first of those that are ready; while it only holds its key, none overtakes it."""
    graph = {node: [w for w in graph[node] if w < node and w in graph] for node in sorted(graph)}

    class Checked(InLine):
        def begin(self, nodes: Collection[int]) -> Iterable[tuple[int, Call]]:
            keyed = [node for node in nodes if self.concurrency_key(node)]
            assert len(keyed) <= 1
            for node in keyed:
                is_again = bool(self.begun) and self.left.get(node, 0) < tries.get(node, 0)
                ready = [n for n in graph if n not in self.done and self.done.issuperset(graph[n])]
                first = min(n for n in ready if self.concurrency_key(n))
                assert node == first or (is_again and not lines_up)
            return super().begin(nodes)

    work = Checked(tries, lines_up)
    fates = DagExecutor(graph, work, Inline(), VirtualTime(), slots).run()
    assert set(fates.values()) <= {NodeResult.DONE}
    assert work.done == graph.keys()

"""DAG executor: works on the nodes of a dependency mapping concurrently. Knows no plan and no provider.

A node takes one or more turns. A turn is a short call on an executor, and its outcome is done, failed, or
requeue. A node that waits for its next turn takes no slot. Nodes with the same concurrency key run one at a
time, those that are ready in the order of the mapping; a node that waits may hold its key or release it.

The thread that calls `run` makes all decisions: it calls `begin` and `outcomes` with all nodes at hand, so
that a journal can be written in batches.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from enum import Enum
from functools import partial
from heapq import heappop, heappush
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Generic, Protocol, TypeVar

from msgspec import Struct, field

from ftops.core.dag import reverse

K = TypeVar("K", bound=Hashable)


class NodeResult(Enum):
    """How a node ended. LEFT: in progress at the service, not waited for. HELD: a condition for it isn't
    fulfilled. WAITING: there was no room for it yet. SKIPPED: a dependency that it needs failed, or was left,
    held or skipped."""

    DONE = "done"
    HELD = "held"
    WAITING = "waiting"
    FAILED = "failed"
    LEFT = "left"
    SKIPPED = "skipped"
    NOT_STARTED = "not started"


class Requeue(Struct, frozen=True):
    """Another turn after `delay` seconds. `waiting`: it is in progress at the service, so a run that stops
    can leave it. `lines_up`: it holds its concurrency key during the delay, and then the first of those that
    want the key has the turn, which may be another node."""

    delay: float
    holds_concurrency_key: bool = False
    waiting: bool = False
    lines_up: bool = False


Outcome = NodeResult | Requeue
Call = Callable[[], object]
Delivery = tuple[object, object]
Deliveries = SimpleQueue[Delivery]
_Turns = SimpleQueue[tuple[Call, Callable[[object], None]] | None]


class Executor(Protocol):
    """Runs turns; calls `deliver` from any thread, once for each turn."""

    def submit(self, turn: Call, deliver: Callable[[object], None]) -> None: ...


class Clock(Protocol):
    """`now` in seconds, monotonic. `take` waits for a delivery for at most `seconds`; None: no limit."""

    def now(self) -> float: ...

    def take(self, queue: Deliveries, seconds: float | None) -> Delivery | None: ...


class Work(Protocol[K]):
    """What the nodes do."""

    def begin(self, nodes: Collection[K]) -> Iterable[tuple[K, Call]]:
        """The next turn of each of these nodes."""

    def outcomes(self, results: Collection[tuple[K, object]]) -> Iterable[tuple[K, Outcome]]:
        """The outcomes of these turns. A result is what a turn returned, or the exception that it raised."""

    def concurrency_key(self, node: K) -> str | None:
        """Nodes of one key are worked on one at a time."""
        return None

    def notice(self, node: K, note: object) -> None:
        """A note from a running turn."""
        return

    def stopping(self, running: int) -> None:
        """A stop was requested; this number of turns is still running."""
        return

    def needs(self, node: K, other: K) -> bool:
        """Whether the node needs another one to be done, or only waits for its end."""
        return True

    def skipped(self, node: K, because: K) -> None:
        """The node is skipped because another one failed or was left."""
        return


class DagExecutor(Struct, Generic[K]):
    """One run. `stop()` may be called from a signal handler; after it, no turn is started."""

    waits_for: Mapping[K, Collection[K]]
    work: Work[K]
    executor: Executor
    clock: Clock
    slots: int = 10
    fates: dict[K, NodeResult] = field(default_factory=dict)
    stopping: bool = False
    _announced: bool = False
    _awaited: dict[K, int] = field(default_factory=dict)
    """How many nodes each still waits for."""
    _followers: dict[K, list[K]] = field(default_factory=dict)
    _ready: deque[K] = field(default_factory=deque)
    _timers: list[tuple[float, int, K]] = field(default_factory=list)
    _rank: dict[K, int] = field(default_factory=dict)
    _holders: dict[str, K] = field(default_factory=dict)
    _lines: dict[str, list[tuple[int, K]]] = field(default_factory=dict)
    """By key, a heap of the nodes that want it."""
    _lining_up: set[K] = field(default_factory=set)
    _waiting: set[K] = field(default_factory=set)
    _running: int = 0
    _ticket: int = 0
    _delivered: Deliveries = field(default_factory=SimpleQueue)

    def run(self) -> Mapping[K, NodeResult]:
        """Runs until every node has a result or, after a stop, until no turn is running."""
        self._followers = reverse(self.waits_for)
        self._rank = {node: number for number, node in enumerate(self.waits_for)}
        nodes = self.waits_for.keys()
        self._awaited = {node: len(nodes & set(waits)) for node, waits in self.waits_for.items()}
        self._make_ready([node for node, count in self._awaited.items() if not count])
        while self._unfinished():
            self._announce_stop()
            self._start()
            self._collect(self.clock.take(self._delivered, self._patience()))
        self._announce_stop()
        for node in self.waits_for:
            self.fates.setdefault(node, NodeResult.LEFT if node in self._waiting else NodeResult.NOT_STARTED)
        return self.fates

    def stop(self) -> None:
        self.stopping = True
        self._delivered.put((None, None))

    def say(self, node: K, note: object) -> None:
        """Passes a note to `Work.notice`, from any thread."""
        self._deliver(node, _Note(note))

    def _deliver(self, node: K, result: object) -> None:
        self._delivered.put((node, result))

    def _announce_stop(self) -> None:
        if self.stopping and not self._announced:
            self._announced = True
            self.work.stopping(self._running)

    def _unfinished(self) -> bool:
        if self._running:
            return True
        return not self.stopping and len(self.fates) < len(self.waits_for)

    def _patience(self) -> float | None:
        if self._timers and not self.stopping and self._running < self.slots:
            return max(0.0, self._timers[0][0] - self.clock.now())
        return None

    def _start(self) -> None:
        if self.stopping:
            return
        self._wake()
        self._hand_out_keys()
        room = min(len(self._ready), self.slots - self._running)
        chosen = [self._ready.popleft() for _ in range(room)]
        if not chosen:
            return
        self._running += len(chosen)
        for node, turn in self.work.begin(chosen):
            self._waiting.discard(node)
            self.executor.submit(turn, partial(self._deliver, node))

    def _wake(self) -> None:
        now = self.clock.now()
        while self._timers and self._timers[0][0] <= now:
            node = heappop(self._timers)[2]
            if node in self._lining_up:
                self._lining_up.discard(node)
                self._release_key(node)
            self._make_ready([node])

    def _make_ready(self, nodes: Iterable[K]) -> None:
        """Those that want a concurrency key line up for it."""
        for node in nodes:
            key = self.work.concurrency_key(node)
            # One that waits for the service and has released its key only reads.
            if key is None or self._holders.get(key) == node or node in self._waiting:
                self._ready.append(node)
            else:
                heappush(self._lines.setdefault(key, []), (self._rank[node], node))

    def _hand_out_keys(self) -> None:
        for key in [key for key in self._lines if key not in self._holders]:
            _, node = heappop(self._lines[key])
            if not self._lines[key]:
                del self._lines[key]
            self._holders[key] = node
            self._ready.appendleft(node)

    def _release_key(self, node: K) -> None:
        key = self.work.concurrency_key(node)
        if key is not None and self._holders.get(key) == node:
            del self._holders[key]

    def _collect(self, delivery: Delivery | None) -> None:
        results: list[tuple[K, object]] = []
        while delivery is not None:
            node, result = delivery
            delivery = None if self._delivered.empty() else self._delivered.get()  # only this thread takes
            if isinstance(result, _Note):
                self.work.notice(node, result.note)  # type: ignore[arg-type]
            elif node is not None:
                results.append((node, result))  # type: ignore[arg-type]
        if results:
            self._running -= len(results)
            for node, verdict in self.work.outcomes(results):
                self._apply(node, verdict)

    def _apply(self, node: K, verdict: Outcome) -> None:
        if isinstance(verdict, Requeue):
            if verdict.lines_up:
                self._lining_up.add(node)
            elif not verdict.holds_concurrency_key:
                self._release_key(node)
            if verdict.waiting:
                self._waiting.add(node)
            self._ticket += 1
            heappush(self._timers, (self.clock.now() + verdict.delay, self._ticket, node))
            return
        self._release_key(node)
        self.fates[node] = verdict
        self._follow(node)

    def _follow(self, node: K) -> None:
        """What waited only for the node is ready; what needs it and can't have it is skipped, and so on,
        without recursion: chains may be long."""
        ended = [node]
        while ended:
            current = ended.pop()
            is_done = self.fates[current] is NodeResult.DONE
            for follower in dict.fromkeys(self._followers.get(current, ())):
                if follower in self.fates:
                    continue
                if is_done or not self.work.needs(follower, current):
                    self._awaited[follower] -= 1
                    if not self._awaited[follower]:
                        self._make_ready([follower])
                else:
                    self.fates[follower] = NodeResult.SKIPPED
                    self.work.skipped(follower, node)
                    ended.append(follower)


class _Note(Struct, frozen=True):
    note: object


def attempt(turn: Call) -> object:
    """What the turn returns, or the exception that it raises."""
    try:
        return turn()
    except Exception as error:  # noqa: BLE001 - the owner distinguishes expected exceptions
        return error


class Inline:
    """Runs each turn immediately, in the calling thread."""

    def submit(self, turn: Call, deliver: Callable[[object], None]) -> None:
        deliver(attempt(turn))


class Threads:
    """Daemon threads, started when needed: the process can exit without waiting for them. They end once all
    turns are done and nothing refers to this object any more."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._idle = threading.Semaphore(0)
        self._started = 0
        self._turns: _Turns = SimpleQueue()

    def submit(self, turn: Call, deliver: Callable[[object], None]) -> None:
        self._turns.put((turn, deliver))
        if not self._idle.acquire(blocking=False) and self._started < self._size:
            self._started += 1
            work = partial(_work, self._turns, self._idle)
            threading.Thread(target=work, daemon=True, name=f"ftops-{self._started}").start()

    def __del__(self) -> None:
        self._turns.put(None)


def _work(turns: _Turns, idle: threading.Semaphore) -> None:
    """One thread. It refers neither to its owner nor, while it waits, to what it has done."""
    while (task := turns.get()) is not None:
        turn, deliver = task
        deliver(attempt(turn))
        del task, turn, deliver
        idle.release()
    turns.put(None)  # for the next thread


class RealTime:
    """The system's monotonic clock."""

    def now(self) -> float:
        return monotonic()

    def take(self, queue: Deliveries, seconds: float | None) -> Delivery | None:
        try:
            return queue.get(timeout=seconds)
        except Empty:
            return None

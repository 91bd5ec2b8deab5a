"""State + providers → Observed: what the service shows of what is recorded. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from msgspec import Struct, field

from ftops.address import Address
from ftops.errors import Temporary
from ftops.providers.base import Local, Provider
from ftops.state import Observed, Operation, PendingOperation, RemoteObject, ResourceState, State
from ftops.walk import Again, Clock, Executor, Fate, Inline, RealTime, Threads, Turn, Verdict, Walk

MAX_ATTEMPTS = 5
"""Tries of one read that keeps failing temporarily."""

Key = tuple[Address, str]
"""An address and what of it is read: `` the current object, `?` a pending create, else a deposed one."""


def refresh(
    state: State,
    providers: Callable[[str], Provider],
    *,
    everything: bool = True,
    parallelism: int = 10,
    clock: Clock | None = None,
    retry_base: float = 1.0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Observed:
    """Reads every recorded object; with `everything=False` only looks for those of pending creates.
    `retry_base` is the seconds before a second try; it doubles with each.

    Raises the ProviderError of the first read that fails for good.
    """
    reads = _Reads(state, providers, everything, on_progress, retry_base)
    nodes: Mapping[Key, Collection[Key]] = dict.fromkeys(reads.turns, ())
    if nodes:
        walk: Walk[Key] = Walk(nodes, reads, reads.executor(parallelism), clock or RealTime(), parallelism)
        walk.run()
    return reads.observed(everything)


class _Reads(Struct):
    """The reads of one refresh, as work to be walked."""

    state: State
    providers: Callable[[str], Provider]
    everything: bool
    on_progress: Callable[[int, int], None]
    retry_base: float
    turns: dict[Key, Turn] = field(default_factory=dict)
    results: dict[Key, RemoteObject | None] = field(default_factory=dict)
    attempts: dict[Key, int] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        state = self.state
        known = frozenset(r.remote_id for r in (*state.resources.values(), *state.deposed.values()))
        for address, operation in state.pending.items():
            if operation.operation is Operation.CREATE:
                self.turns[address, "?"] = self._find(operation, known)
        if self.everything:
            for address, resource in state.resources.items():
                self.turns[address, ""] = self._read(resource)
            for (address, key), resource in state.deposed.items():
                self.turns[address, key] = self._read(resource)

    def executor(self, parallelism: int) -> Executor:
        local = all(isinstance(self.providers(name), Local) for name in self.used)
        return Inline() if local else Threads(parallelism)

    def observed(self, refreshed: bool) -> Observed:
        objects: dict[Address, RemoteObject | None] = {}
        deposed: dict[Key, RemoteObject | None] = {}
        found: dict[Address, RemoteObject] = {}
        for (address, key), remote in self.results.items():
            if key == "?":
                if remote is not None:
                    found[address] = remote
            elif key:
                deposed[address, key] = remote
            else:
                objects[address] = remote
        return Observed(refreshed, objects, deposed, found)

    def _find(self, operation: PendingOperation, known: frozenset[str]) -> Turn:
        self.used.add(operation.provider)
        provider = self.providers(operation.provider)
        return lambda: provider.find(operation, known)

    def _read(self, resource: ResourceState) -> Turn:
        self.used.add(resource.provider)
        provider = self.providers(resource.provider)
        return lambda: provider.read(resource)

    # what the walk asks

    def begin(self, nodes: Collection[Key]) -> Iterable[tuple[Key, Turn]]:
        return [(node, self.turns[node]) for node in nodes]

    def settle(self, results: Collection[tuple[Key, object]]) -> Iterable[tuple[Key, Verdict]]:
        return [(node, self._judge(node, result)) for node, result in results]

    def lane(self, node: Key) -> str | None:
        return None

    def notice(self, node: Key, note: object) -> None:
        return None

    def stopping(self, running: int) -> None:
        return None

    def skipped(self, node: Key, because: Key) -> None:
        return None

    def _judge(self, node: Key, result: object) -> Verdict:
        if isinstance(result, Temporary):
            attempt = self.attempts[node] = self.attempts.get(node, 0) + 1
            if attempt < MAX_ATTEMPTS:
                wait = self.retry_base * 2 ** (attempt - 1)
                return Again(wait if result.retry_after is None else min(result.retry_after, 60.0))
        if isinstance(result, Exception):
            raise result
        self.results[node] = result if isinstance(result, RemoteObject) else None
        self.on_progress(len(self.results), len(self.turns))
        return Fate.DONE

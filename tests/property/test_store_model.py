"""Two runs and a store that fails in every way: whatever happens, in whatever order,

- what was acknowledged is read back, by everybody, in order and once;
- who was let in last is the only one who can write;
- nothing is created twice in the cloud.

Time is virtual, and every party's clock shows another one. The same rules are driven twice: by hypothesis,
which looks for a short history that breaks one, and by dice, for thousands of histories more
(FTOPS_HISTORIES sets how many).
"""

from __future__ import annotations

import os
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ftops.core.address import Address
from ftops.core.errors import StateError
from ftops.state.backends.base import LockInfo
from ftops.state.backends.bucket import BucketJournal, BucketStore
from ftops.state.backends.bucket_lock import BucketLock, Pace
from ftops.state.entries import Begun, Failed, Recorded
from ftops.state.live_state import LiveState
from ftops.state.state import Operation, PendingOperation, ResourceState, State, Status
from tests.support.buckets import FAULTS, MemoryBucket, Wire, land

HISTORIES = int(os.environ.get("FTOPS_HISTORIES", "1500"))
STEPS = 40
NAMES = ("job-a", "job-b", "job-c")
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Client:
    """One process after the other on one machine; a machine's clocks are wrong in their own way."""

    world: World
    skew: float
    wire: Wire
    store: BucketStore
    lock: BucketLock | None = None
    journal: BucketJournal | None = None
    live: LiveState | None = None
    runs: int = 0
    is_paused: bool = False
    is_waiting: bool = False
    """In a call that is tried again: the lease's thread waits for it."""

    def wait(self, seconds: float) -> None:
        self.is_waiting = True
        self.world.advance(seconds)
        self.is_waiting = False

    def forget(self) -> None:
        """The process is gone, and gives nothing back."""
        self.lock = self.journal = self.live = None
        self.is_paused = False


@dataclass
class World:
    """A bucket, a cloud, two clients, and what they were promised."""

    by_content: bool = False
    seconds: float = 1000.0
    faults: deque[str] = field(default_factory=deque)
    acknowledged: list[str] = field(default_factory=list)
    """Remote ids in the order in which they were recorded and acknowledged."""
    cloud: dict[str, str] = field(default_factory=dict)
    """Token → name of the resource it was made for."""
    writer: Client | None = None
    """Who was let in last."""
    found: frozenset[str] = frozenset()
    """What was recorded then."""

    def __post_init__(self) -> None:
        self.bucket = MemoryBucket(lambda: self.seconds + 500_000, self.by_content)
        self.clients = [self._client(0.0), self._client(-4000.0)]
        self.reader = BucketStore(self.bucket, "spec", "env", keep=3)

    def _client(self, skew: float) -> Client:
        wire = Wire(self.bucket, lambda: self.faults.popleft() if self.faults else "")
        pace = Pace(
            tick=0,
            now=lambda: self.seconds + skew,
            pause=lambda seconds: client.wait(seconds),
            utc_now=lambda: START + timedelta(seconds=self.seconds + skew * 1000),
        )
        client = Client(self, skew, wire, BucketStore(wire, "spec", "env", keep=3, pace=pace))
        return client

    # what may happen

    def enter(self, client: Client) -> None:
        """A run begins: it takes the lock, reads, and settles what was left pending."""
        if client.lock is not None:
            return
        client.runs += 1
        holder = LockInfo(f"{client.skew}-{client.runs}", "who", "host", 1, "apply", "now")
        lock = client.store.lock(holder)
        try:
            lock.__enter__()
        except StateError:
            return
        client.lock, self.writer = lock, client
        self.found = frozenset(r.remote_id for r in self.reader.read().resources.values())
        try:
            state = client.store.read()
            state = state if state.lineage else State("lineage")
            client.journal = client.store.open_journal(state)
        except StateError:
            self.leave(client)
            return
        client.live = LiveState(state)
        for operation in list(state.pending.values()):
            found = operation.token if operation.token in self.cloud else ""
            self._append(client, _recorded(operation) if found else Failed(operation.address))

    def make(self, client: Client, name: str) -> None:
        """Intent, sync, create, record: as apply does it."""
        begun = self._begin(client, name)
        if begun is not None:
            self._create(client, begun)

    def _begin(self, client: Client, name: str) -> PendingOperation | None:
        if client.live is None or client.is_paused:
            return None
        address = Address("job", name)
        if address in client.live.resources or address in client.live.pending:
            return None
        token = f"{name}/{len(self.cloud)}/{client.runs}/{client.skew}"
        operation = PendingOperation(address, Operation.CREATE, "p", token, {})
        self._append(client, Begun(operation))
        return operation if self.sync(client) else None

    def race(self, client: Client, name: str, seconds: float, asleep: bool) -> None:
        """Between the intent and the call time passes, and the other run makes the same."""
        begun = self._begin(client, name)
        if begun is None:
            return
        client.is_paused = asleep
        self.advance(seconds)
        other = self._other(client)
        self.enter(other)
        self.make(other, name)
        client.is_paused = False
        self._create(client, begun)
        self.sync(client)

    def _create(self, client: Client, operation: PendingOperation) -> None:
        try:
            assert client.lock is not None
            client.lock.check()
        except StateError:
            return
        self.cloud[operation.token] = operation.address.name
        self._append(client, _recorded(operation))

    def sync(self, client: Client) -> bool:
        """Whether what was appended is acknowledged."""
        if client.journal is None or client.live is None:
            return False
        try:
            client.journal.sync()
        except StateError:
            return False
        self._acknowledge(client)
        return True

    def fold(self, client: Client) -> None:
        """The run ends well."""
        if client.journal is None or client.live is None:
            return
        try:
            client.journal.fold(client.live.freeze())
        except StateError:
            pass
        else:
            self._acknowledge(client)
        self.leave(client)

    def leave(self, client: Client) -> None:
        """The run ends, however it did."""
        if client.lock is not None:
            client.lock.__exit__(None, None, None)
        client.forget()

    def kill(self, client: Client) -> None:
        client.forget()

    def pause(self, client: Client) -> None:
        """A laptop is closed, or opened again: no beat meanwhile."""
        client.is_paused = not client.is_paused

    def oversleep(self, client: Client) -> None:
        """A process stands still for so long that another run takes over, and then goes on."""
        client.is_paused = True
        self.advance(70)
        self.enter(self._other(client))
        client.is_paused = False

    def take_away(self, client: Client) -> None:
        """force-unlock, from the other machine."""
        other = self._other(client)
        if other.lock is not None:
            try:
                client.store.force_unlock(other.lock.info.id)
            except StateError:
                return

    def advance(self, seconds: float) -> None:
        """Time passes, and whoever is awake keeps their lease alive."""
        end = self.seconds + seconds
        while self.seconds < end:
            self.seconds = min(end, self.seconds + 7)
            for client in self.clients:
                if client.lock is not None and not client.is_paused and not client.is_waiting:
                    client.lock.beat()

    def fail(self, faults: list[str]) -> None:
        self.faults.extend(faults)

    def arrive(self) -> None:
        for client in self.clients:
            land(client.wire.late)

    def _other(self, client: Client) -> Client:
        return next(c for c in self.clients if c is not client)

    def _append(self, client: Client, entry: Any) -> None:
        assert client.live is not None and client.journal is not None
        client.live.add(entry)
        client.journal.append([entry])

    def _acknowledge(self, client: Client) -> None:
        assert client.live is not None
        known = {r.remote_id: None for r in client.live.resources.values()}
        new = [i for i in known if i not in self.acknowledged]
        if self.writer is not client:  # then it was written before the other came in
            assert self.found >= set(new), "a run that was replaced could still write"
        self.acknowledged += new

    # what must hold

    def check(self) -> None:
        state = self.reader.read()
        recorded = {r.remote_id for r in state.resources.values()}
        assert recorded >= set(self.acknowledged), "an acknowledged write is lost"
        made = list(self.cloud.values())
        assert len(made) == len(set(made)), f"made twice: {made}"
        for version in self.reader.versions():
            assert self.reader.read_version(version.id).serial == version.serial

    def end(self) -> None:
        """After all of it, the next run gets in, and everything is in its place."""
        self.faults.clear()
        self.arrive()
        for client in self.clients:
            self.kill(client)
        self.advance(70)
        client = self.clients[0]
        self.enter(client)
        assert client.live is not None, "a lease that nobody holds was not freed"
        for name in NAMES:
            self.make(client, name)
        self.fold(client)
        self.check()
        state = self.reader.read()
        assert {a.name for a in state.resources} == set(NAMES)
        assert not state.pending
        named = {"head.json", *(s.name for s in self.reader.load().manifest.snapshots)}  # type: ignore[union-attr]
        assert set(self.bucket.things) == named, "litter stays behind"


def _recorded(operation: PendingOperation) -> Recorded:
    remote_id = operation.token
    return Recorded(ResourceState(operation.address, "p", remote_id, Status.READY, token=operation.token))


class Model(RuleBasedStateMachine):
    """The rules, for hypothesis."""

    clients = st.integers(0, 1)

    def __init__(self) -> None:
        super().__init__()
        self.world = World(by_content=True)

    @rule(c=clients)
    def enter(self, c: int) -> None:
        self.world.enter(self.world.clients[c])

    @rule(c=clients, name=st.sampled_from(NAMES))
    def make(self, c: int, name: str) -> None:
        self.world.make(self.world.clients[c], name)

    @rule(c=clients, name=st.sampled_from(NAMES), seconds=st.sampled_from((1, 61, 70)), asleep=st.booleans())
    def race(self, c: int, name: str, seconds: int, asleep: bool) -> None:
        self.world.race(self.world.clients[c], name, seconds, asleep)

    @rule(c=clients)
    def sync(self, c: int) -> None:
        self.world.sync(self.world.clients[c])

    @rule(c=clients, how=st.sampled_from(("fold", "leave", "kill", "pause", "oversleep", "take_away")))
    def end_or_disturb(self, c: int, how: str) -> None:
        getattr(self.world, how)(self.world.clients[c])

    @rule(seconds=st.sampled_from((1, 20, 59, 70)))
    def advance(self, seconds: int) -> None:
        self.world.advance(seconds)

    @rule(faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=6))
    def fail(self, faults: list[str]) -> None:
        self.world.fail(faults)

    @rule()
    def arrive(self) -> None:
        self.world.arrive()

    @invariant()
    def holds(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        self.world.end()


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=150, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
)

Happening = Callable[[World, Client, random.Random], object]
HAPPENINGS: tuple[tuple[int, Happening], ...] = (
    (6, lambda w, c, r: w.enter(c)),
    (12, lambda w, c, r: w.make(c, r.choice(NAMES))),
    (4, lambda w, c, r: w.race(c, r.choice(NAMES), r.choice((1, 61, 70)), r.random() < 0.5)),
    (3, lambda w, c, r: w.sync(c)),
    (2, lambda w, c, r: w.fold(c)),
    (1, lambda w, c, r: w.leave(c)),
    (3, lambda w, c, r: w.kill(c)),
    (2, lambda w, c, r: w.pause(c)),
    (4, lambda w, c, r: w.oversleep(c)),
    (2, lambda w, c, r: w.take_away(c)),
    (5, lambda w, c, r: w.advance(r.choice((1, 20, 59, 70)))),
    (8, lambda w, c, r: w.fail([r.choice(FAULTS) for _ in range(r.randint(1, 6))])),
    (3, lambda w, c, r: w.arrive()),
)


@pytest.mark.parametrize("part", range(8))
def test_thousands_of_histories(part: int) -> None:
    weights = [weight for weight, _ in HAPPENINGS]
    for seed in range(part, HISTORIES, 8):
        dice = random.Random(seed)
        world = World(by_content=bool(seed % 2))
        try:
            for _, happening in dice.choices(HAPPENINGS, weights, k=STEPS):
                happening(world, dice.choice(world.clients), dice)
                world.check()
            world.end()
        except (AssertionError, StateError) as error:
            raise AssertionError(f"history {seed}: {error}") from error

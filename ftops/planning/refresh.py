"""Refresh: State + providers → Observed, the recorded objects as the service shows them. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.core.address import NO_SECRETS, Address, Secrets
from ftops.core.dag_executor import (
    Call,
    Clock,
    DagExecutor,
    Executor,
    Inline,
    NodeResult,
    Outcome,
    RealTime,
    Requeue,
    Threads,
    Work,
)
from ftops.core.errors import FtopsError, Permanent, Temporary
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.retry import Backoff, of_reads
from ftops.providers.base import (
    OTHER_ACCOUNT,
    Discovers,
    Existing,
    Explains,
    Provider,
    Unfinished,
    all_instant,
    is_instant,
    visible_after,
)
from ftops.providers.redaction import Redaction, redaction, with_secrets
from ftops.providers.visibility import LOOK_AGAIN, invisible_for, look_again_after
from ftops.state.state import (
    Observed,
    Operation,
    PendingOperation,
    RemoteObject,
    ResourceState,
    Source,
    State,
    Status,
)

Key = tuple[Address, str]
"""An address and what is read: `` the current object, `?` that of a pending create, `=` one to import, else
a deposed one."""
K = TypeVar("K", bound=Hashable)
OnProgress = Callable[[int, int], None]
"""Told how many reads are done, and how many there are."""


class Reader(Struct, frozen=True):
    """Reads from the services. `secrets` are filled into what is searched, and removed from what is read."""

    providers: Callable[[str], Provider]
    parallelism: int = 10
    clock: Clock = field(default_factory=RealTime)
    retry_base: float = 1.0
    """Seconds before the second try; doubles with each."""
    secrets: Secrets = NO_SECRETS

    def gather(
        self,
        calls: Mapping[K, tuple[str, Call]],
        retry: Backoff | None = None,
        on_progress: OnProgress = lambda done, total: None,
    ) -> dict[K, Any]:
        """The results of reads, each at the provider named with it, in the order of `calls`. Temporary
        failures are retried. Raises the error of the first read that fails for good."""
        retry = retry or of_reads(self.retry_base)
        looks = {key: call for key, (_, call) in calls.items()}
        reads = _Reads(looks, on_progress, retry, redaction(self.secrets))
        if calls:
            local = all_instant(self.providers, (name for name, _ in calls.values()))
            executor: Executor = Inline() if local else Threads(self.parallelism)
            DagExecutor(dict.fromkeys(calls, ()), reads, executor, self.clock, self.parallelism).run()
        return {key: reads.results[key] for key in calls}


def refresh(
    state: State,
    reader: Reader,
    *,
    everything: bool = True,
    imports: Iterable[ResourceState] = (),
    digests: Mapping[str, str] = {},
    on_progress: OnProgress = lambda done, total: None,
) -> Observed:
    """Reads every recorded object; with `everything=False` only searches those of pending creates. `imports`
    are read, too; `digests` are those of files whose content was read already, by id.

    Raises the ProviderError of the first read that fails for good.
    """
    records = (*state.resources.values(), *state.deposed.values())
    known = frozenset(r.remote_id for r in records if not r.is_off)
    intents = {
        address: replace(operation, inputs=with_secrets(operation.inputs, reader.secrets))
        for address, operation in state.pending.items()
        if operation.operation is Operation.CREATE
    }
    calls = _finds(reader, intents, known)
    if everything:
        calls |= _reads(reader, state)
    for resource in imports:
        look = _import(reader.providers, resource, digests.get(resource.remote_id))
        calls[resource.address, "="] = resource.provider, look
    observed = _observed(reader.gather(calls, on_progress=on_progress), everything)
    found = observed.found
    while twice := _found_twice(intents, found):  # the later ones search again without what was found
        known |= {remote.remote_id for remote in found.values()}
        again = _observed(reader.gather(_finds(reader, {a: intents[a] for a in twice}, known)), everything)
        found = {**{a: remote for a, remote in found.items() if a not in twice}, **again.found}
    return replace(observed, found=found)


def _reads(reader: Reader, state: State) -> dict[Key, tuple[str, Call]]:
    """Reads of all recorded objects."""
    names = {resource.provider for resource in state.resources.values()}
    local = {name: all_instant(reader.providers, [name]) for name in names}

    def read(resource: ResourceState) -> Call:
        if local.get(resource.provider):
            return partial(reader.providers(resource.provider).read, resource)
        return _read(reader, resource)

    there = {a: r for a, r in state.resources.items() if not r.is_off}
    calls: dict[Key, tuple[str, Call]] = {(a, ""): (r.provider, read(r)) for a, r in there.items()}
    for key, resource in state.deposed.items():
        if resource.is_off:
            continue
        provider = reader.providers(resource.provider)
        calls[key] = resource.provider, _if_usable(provider, resource, read(resource))
    return calls


def missing(records: Mapping[Source, ResourceState], reader: Reader) -> list[Source]:
    """The records whose object isn't in the account of their provider. An object of the same name may be a
    different one: its token tells. Raises ProviderError."""
    records = {source: record for source, record in records.items() if not record.is_off}
    found = reader.gather({s: (r.provider, _there(_read(reader, r))) for s, r in records.items()})
    gone = [source for source in records if not isinstance(found[source], RemoteObject)]
    named = {s: r for s, r in records.items() if s not in gone and RESOURCE_TYPES[r.address.kind].named_by}
    lists = {(r.provider, r.address.kind) for r in named.values()}
    looks = {(name, kind): (name, _tokens(reader.providers(name), kind)) for name, kind in lists}
    tokens = reader.gather(looks)
    return gone + [
        source
        for source, record in named.items()
        if (known := tokens[record.provider, record.address.kind]) is not None
        and known.get(record.remote_id.casefold(), "") not in (record.token, None)
    ]


def _tokens(provider: Provider, kind: str) -> Call:
    """The tokens of all objects of a kind, by id; None for those that can't carry one, and if there is no
    list."""

    def call() -> object:
        if not isinstance(provider, Discovers):
            return None
        found = provider.existing(kind)
        return {one.remote.remote_id.casefold(): one.token if one.carries_token else None for one in found}

    return call


def _there(look: Call) -> Call:
    """The same read; an object whose id belongs to another account doesn't exist."""

    def call() -> object:
        try:
            return look()
        except Permanent as error:
            if error.code == OTHER_ACCOUNT:
                return None
            raise

    return call


def _if_usable(provider: Provider, resource: ResourceState, call: Call) -> Call:
    """The same read; a replaced object whose model is deleted can't be restored."""

    def look() -> object:
        remote = call()
        if not isinstance(remote, RemoteObject) or not isinstance(provider, Discovers):
            return remote
        existing = Existing(resource.address.kind, remote, resource.address.name)
        if remote.status is not Status.READY or provider.model_exists(existing):
            return remote
        return replace(remote, status=Status.TAINTED, message="its model was deleted")

    return look


def _found_twice(
    intents: Mapping[Address, PendingOperation], found: Mapping[Address, RemoteObject]
) -> set[Address]:
    """Pending creates that found the object of an earlier one: without a token on it, equal objects can't be
    told apart."""
    owners: dict[tuple[str, str, str], Address] = {}
    for address, remote in found.items():
        intent = intents[address]
        owners.setdefault((intent.account or intent.provider, address.kind, remote.remote_id), address)
    return set(found) - set(owners.values())


def _finds(
    reader: Reader, intents: Mapping[Address, PendingOperation], known: frozenset[str]
) -> dict[Key, tuple[str, Call]]:
    return {(a, "?"): (o.provider, _find(reader, o, known)) for a, o in intents.items()}


def _find(reader: Reader, operation: PendingOperation, known: frozenset[str]) -> Call:
    """Searches again for as long as the object may not be visible yet."""
    provider, clock = reader.providers(operation.provider), reader.clock
    lag = visible_after(provider)
    # Without a start time, the operation may have been started just now.
    until = clock.now() + (
        invisible_for(operation.started_at, lag, datetime.now(UTC)) if operation.started_at else lag
    )

    def call() -> RemoteObject | None:
        found = provider.find_by_token(operation, known)
        left = until - clock.now()
        if found is None and left > 0:
            raise Unfinished(min(left, LOOK_AGAIN))
        return found

    return call


def _read(reader: Reader, resource: ResourceState) -> Call:
    """Reads an object; if it is gone and the provider knows why, the result is the cause."""
    provider, clock = reader.providers(resource.provider), reader.clock
    until = clock.now() + invisible_for(resource.created_at, visible_after(provider), datetime.now(UTC))
    look = patient(provider, partial(provider.read, resource), clock, reader.retry_base, until)

    def call() -> RemoteObject | str | None:
        remote = look()
        if remote is not None or not isinstance(provider, Explains):
            return remote
        return provider.why_gone(resource) or None

    return call


def patient(
    provider: Provider,
    look: Callable[[], RemoteObject | None],
    clock: Clock,
    pause: float,
    until: float = 0.0,
) -> Callable[[], RemoteObject | None]:
    """The read. Raises Unfinished before an object counts as gone: it is read again after `pause` seconds,
    and until the time by which it has to be visible. Objects that exist only in the state are read once."""
    if is_instant(provider):
        return look
    missed = False

    def call() -> RemoteObject | None:
        nonlocal missed
        remote = look()
        if remote is not None:
            return remote
        wait = look_again_after(until - clock.now(), pause, missed_before=missed)
        missed = True
        if wait is not None:
            raise Unfinished(wait)
        return None

    return call


def _import(providers: Callable[[str], Provider], resource: ResourceState, known: str | None) -> Call:
    """Reads an object to import. A file is downloaded: only its content shows if it is the declared one."""
    provider, kind = providers(resource.provider), resource.address.kind

    def call() -> RemoteObject | None:
        remote = provider.read(resource)
        if remote is None or not isinstance(provider, Discovers):
            return remote
        if "content" not in resource.inputs:
            if RESOURCE_TYPES[kind].reusable:  # only lists show the fingerprint that ftops wrote on it
                same = (e for e in provider.existing(kind) if e.remote.remote_id == remote.remote_id)
                remote = replace(remote, fingerprint=next((e.fingerprint for e in same), ""))
            return remote
        digest = sha256()
        if known is None and not provider.content(remote.remote_id, digest.update):
            return remote
        content = known or f"sha256:{digest.hexdigest()}"
        return replace(remote, inputs={**remote.inputs, "content": content})

    return call


def _observed(results: Mapping[Key, RemoteObject | str | None], refreshed: bool) -> Observed:
    """By the part of `Observed` that each is for."""
    parts: dict[str, Any] = {"objects": {}, "deposed": {}, "found": {}, "imported": {}}
    causes: dict[Address, str] = {}
    for (address, key), result in results.items():
        part = {"": "objects", "?": "found", "=": "imported"}.get(key, "deposed")
        if isinstance(result, str) and part == "objects":
            causes[address] = result
        remote = None if isinstance(result, str) else result
        if remote is not None or part != "found":
            parts[part][(address, key) if part == "deposed" else address] = remote
    return Observed(refreshed, **parts, causes=causes)


class _Reads(Work[K]):
    """Reads, to be executed all at once."""

    def __init__(
        self, calls: Mapping[K, Call], on_progress: OnProgress, retry: Backoff, clean: Redaction
    ) -> None:
        self.calls, self.on_progress, self.retry, self.clean = calls, on_progress, retry, clean
        self.results: dict[K, Any] = {}
        self.failures: Counter[K] = Counter()

    def begin(self, nodes: Collection[K]) -> Iterable[tuple[K, Call]]:
        return [(node, self.calls[node]) for node in nodes]

    def outcomes(self, results: Collection[tuple[K, object]]) -> Iterable[tuple[K, Outcome]]:
        return [(node, self._outcome(node, result)) for node, result in results]

    def _outcome(self, node: K, result: object) -> Outcome:
        if isinstance(result, Temporary):
            self.failures[node] += 1
            wait = self.retry.wait(self.failures[node], result.retry_after)
            if wait is not None:
                return Requeue(wait)
        if isinstance(result, Unfinished):
            return Requeue(result.seconds)
        if isinstance(result, Exception):
            raise self.clean.error(result) if isinstance(result, FtopsError) else result
        self.results[node] = self.clean.remote(result) if isinstance(result, RemoteObject) else result
        self.on_progress(len(self.results), len(self.calls))
        return NodeResult.DONE

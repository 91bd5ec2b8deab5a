"""Refresh: State + providers → Observed, the recorded objects as the service shows them. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar

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
    Instant,
    NotVisibleYet,
    Provider,
    all_instant,
    visible_after,
)
from ftops.providers.redaction import NOTHING_SECRET, Redaction, redaction, with_secrets
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


def refresh(
    state: State,
    providers: Callable[[str], Provider],
    *,
    everything: bool = True,
    imports: Iterable[ResourceState] = (),
    digests: Mapping[str, str] = {},
    parallelism: int = 10,
    clock: Clock | None = None,
    retry_base: float = 1.0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    secrets: Secrets = NO_SECRETS,
) -> Observed:
    """Reads every recorded object; with `everything=False` only searches those of pending creates. `imports`
    are read, too; `digests` are those of files whose content was read already, by id. `retry_base` is the
    seconds before a second try; it doubles with each. `secrets` are filled into what is searched, and removed
    from what is read.

    Raises the ProviderError of the first read that fails for good.
    """
    clock = clock or RealTime()
    known = frozenset(r.remote_id for r in (*state.resources.values(), *state.deposed.values()))
    intents = {
        address: replace(operation, inputs=with_secrets(operation.inputs, secrets))
        for address, operation in state.pending.items()
        if operation.operation is Operation.CREATE
    }
    calls = _finds(providers, intents, known, clock)
    if everything:
        calls |= _reads(providers, state, clock, retry_base)
    for resource in imports:
        look = _import(providers, resource, digests.get(resource.remote_id))
        calls[resource.address, "="] = resource.provider, look
    clean = redaction(secrets)
    results = gather(calls, providers, parallelism, clock, of_reads(retry_base), on_progress, clean=clean)
    observed = _observed(results, everything)

    def search(again: Collection[Address], known: frozenset[str]) -> Mapping[Address, RemoteObject]:
        finds = _finds(providers, {a: intents[a] for a in again}, known, clock)
        found = gather(finds, providers, parallelism, clock, of_reads(retry_base), clean=clean)
        return _observed(found, everything).found

    return replace(observed, found=_one_each(observed.found, intents, known, search))


def _reads(
    providers: Callable[[str], Provider], state: State, clock: Clock, retry_base: float
) -> dict[Key, tuple[str, Call]]:
    """Reads of all recorded objects."""
    local = {name: all_instant(providers, [name]) for name in {r.provider for r in state.resources.values()}}

    def read(resource: ResourceState) -> Call:
        provider = providers(resource.provider)
        if local.get(resource.provider):
            return lambda: provider.read(resource)
        return _read(provider, resource, clock, retry_base)

    calls: dict[Key, tuple[str, Call]] = {(a, ""): (r.provider, read(r)) for a, r in state.resources.items()}
    for key, resource in state.deposed.items():
        calls[key] = resource.provider, _if_usable(providers(resource.provider), resource, read(resource))
    return calls


def missing(
    records: Mapping[Source, ResourceState],
    providers: Callable[[str], Provider],
    *,
    parallelism: int = 10,
    clock: Clock | None = None,
    retry_base: float = 1.0,
    secrets: Secrets = NO_SECRETS,
) -> list[Source]:
    """The records whose object isn't in the account of their provider. An object of the same name may be a
    different one: its token tells. Raises ProviderError."""
    clock = clock or RealTime()
    calls = {
        source: (record.provider, _there(_read(providers(record.provider), record, clock, retry_base)))
        for source, record in records.items()
    }
    found = gather(calls, providers, parallelism, clock, of_reads(retry_base), clean=redaction(secrets))
    gone = [source for source in records if not isinstance(found[source], RemoteObject)]
    named = {s: r for s, r in records.items() if s not in gone and RESOURCE_TYPES[r.address.kind].named_by}
    lists = {(r.provider, r.address.kind) for r in named.values()}
    looks = {(name, kind): (name, _tokens(providers(name), kind)) for name, kind in lists}
    tokens = gather(looks, providers, parallelism, clock, of_reads(retry_base))
    return gone + [
        source
        for source, record in named.items()
        if (known := tokens[record.provider, record.address.kind]) is not None
        and known.get(record.remote_id.casefold(), "") != record.token
    ]


def _tokens(provider: Provider, kind: str) -> Call:
    """The tokens of all objects of a kind, by id; None if they can't be listed."""

    def call() -> object:
        if not isinstance(provider, Discovers):
            return None
        return {found.remote.remote_id.casefold(): found.token for found in provider.existing(kind)}

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


def _one_each(
    found: Mapping[Address, RemoteObject],
    intents: Mapping[Address, PendingOperation],
    known: frozenset[str],
    search: Callable[[Collection[Address], frozenset[str]], Mapping[Address, RemoteObject]],
) -> Mapping[Address, RemoteObject]:
    """The object of each pending create. If two found the same one, the second searches again without it."""
    while twice := _found_twice(intents, found):
        known |= {remote.remote_id for remote in found.values()}
        found = {**{a: remote for a, remote in found.items() if a not in twice}, **search(twice, known)}
    return found


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


def gather(
    calls: Mapping[K, tuple[str, Call]],
    providers: Callable[[str], Provider],
    parallelism: int,
    clock: Clock,
    retry: Backoff,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    clean: Redaction = NOTHING_SECRET,
) -> dict[K, Any]:
    """The results of reads, each at the provider named with it. Temporary failures are retried. Raises the
    error of the first read that fails for good."""
    reads = _Reads({key: call for key, (_, call) in calls.items()}, on_progress, retry, clean)
    if calls:
        local = all_instant(providers, (name for name, _ in calls.values()))
        executor: Executor = Inline() if local else Threads(parallelism)
        DagExecutor(dict.fromkeys(calls, ()), reads, executor, clock, parallelism).run()
    return reads.results


def _finds(
    providers: Callable[[str], Provider],
    intents: Mapping[Address, PendingOperation],
    known: frozenset[str],
    clock: Clock,
) -> dict[Key, tuple[str, Call]]:
    return {(a, "?"): (o.provider, _find(providers, o, known, clock)) for a, o in intents.items()}


def _find(
    providers: Callable[[str], Provider], operation: PendingOperation, known: frozenset[str], clock: Clock
) -> Call:
    """Searches again for as long as the object may not be visible yet."""
    provider = providers(operation.provider)
    lag = visible_after(provider)
    # Without a start time, the operation may have been started just now.
    until = clock.now() + (
        invisible_for(operation.started_at, lag, datetime.now(UTC)) if operation.started_at else lag
    )

    def call() -> RemoteObject | NotVisibleYet | None:
        found = provider.find_by_token(operation, known)
        left = until - clock.now()
        return NotVisibleYet(min(left, LOOK_AGAIN)) if found is None and left > 0 else found

    return call


def _read(provider: Provider, resource: ResourceState, clock: Clock, pause: float) -> Call:
    """Reads an object; if it is gone and the provider knows why, the result is the cause."""
    new_for = invisible_for(resource.created_at, visible_after(provider), datetime.now(UTC))
    look = patient(provider, lambda: provider.read(resource), clock, pause, clock.now() + new_for)

    def call() -> RemoteObject | NotVisibleYet | str | None:
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
) -> Callable[[], RemoteObject | NotVisibleYet | None]:
    """The read, repeated after `pause` seconds before an object counts as gone, and `until` the time by which
    it has to be visible. Objects that exist only in the state are read once."""
    if isinstance(provider, Instant):
        return look
    missed = False

    def call() -> RemoteObject | NotVisibleYet | None:
        nonlocal missed
        remote = look()
        if remote is not None:
            return remote
        wait = look_again_after(until - clock.now(), pause, missed_before=missed)
        missed = True
        return None if wait is None else NotVisibleYet(wait)

    return call


def _import(providers: Callable[[str], Provider], resource: ResourceState, known: str | None) -> Call:
    """Reads an object to import. A file is downloaded: only its content shows if it is the declared one."""
    provider = providers(resource.provider)

    def call() -> RemoteObject | None:
        remote = provider.read(resource)
        if remote is None or not isinstance(provider, Discovers):
            return remote
        if "content" not in resource.inputs:
            return _with_note(remote, provider, resource.address.kind)
        digest = sha256()
        if known is None and not provider.content(remote.remote_id, digest.update):
            return remote
        content = known or f"sha256:{digest.hexdigest()}"
        return replace(remote, inputs={**remote.inputs, "content": content})

    return call


def _with_note(remote: RemoteObject, provider: Discovers, kind: str) -> RemoteObject:
    """With the fingerprint that ftops has written on an object: only lists show it."""
    if not RESOURCE_TYPES[kind].reusable:
        return remote
    notes = (e.fingerprint for e in provider.existing(kind) if e.remote.remote_id == remote.remote_id)
    return replace(remote, fingerprint=next(notes, ""))


def _observed(results: Mapping[Key, RemoteObject | str | None], refreshed: bool) -> Observed:
    objects: dict[Address, RemoteObject | None] = {}
    deposed: dict[Key, RemoteObject | None] = {}
    found: dict[Address, RemoteObject] = {}
    imported: dict[Address, RemoteObject | None] = {}
    causes: dict[Address, str] = {}
    for (address, key), result in results.items():
        remote = None if isinstance(result, str) else result
        if isinstance(result, str) and not key:
            causes[address] = result
        if key == "?":
            if remote is not None:
                found[address] = remote
        elif key == "=":
            imported[address] = remote
        elif key:
            deposed[address, key] = remote
        else:
            objects[address] = remote
    return Observed(refreshed, objects, deposed, found, imported, causes)


class _Reads(Work[K]):
    """Reads, to be executed all at once."""

    def __init__(
        self,
        calls: Mapping[K, Call],
        on_progress: Callable[[int, int], None],
        retry: Backoff,
        clean: Redaction,
    ) -> None:
        self.calls = calls
        self.on_progress = on_progress
        self.retry = retry
        self.clean = clean
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
        if isinstance(result, NotVisibleYet):
            return Requeue(result.seconds)
        if isinstance(result, Exception):
            raise self.clean.error(result) if isinstance(result, FtopsError) else result
        self.results[node] = self.clean.remote(result) if isinstance(result, RemoteObject) else result
        self.on_progress(len(self.results), len(self.calls))
        return NodeResult.DONE

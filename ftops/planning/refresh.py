"""State + providers → Observed: what the service shows of what is recorded. Reads only."""

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
"""An address and what of it is read: `` the current object, `?` a pending create, `=` an object to import,
else a deposed one."""
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
    """Reads every recorded object; with `everything=False` only looks for those of pending creates.
    `imports` are read besides: no more than their id and what the spec says is known of them, and of files
    whose content was read already, by id, the `digests` of that. `retry_base` is the seconds before a second
    try; it doubles with each. `secrets` are filled into what is looked for, and taken out of what is seen.

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

    return replace(observed, found=_told_apart(observed.found, intents, known, search))


def _reads(
    providers: Callable[[str], Provider], state: State, clock: Clock, retry_base: float
) -> dict[Key, tuple[str, Call]]:
    """A look at every recorded object."""
    local = {name: all_instant(providers, [name]) for name in {r.provider for r in state.resources.values()}}

    def read(resource: ResourceState) -> Call:
        provider = providers(resource.provider)
        if local.get(resource.provider):
            return lambda: provider.read(resource)
        return _read(provider, resource, clock, retry_base)

    calls: dict[Key, tuple[str, Call]] = {(a, ""): (r.provider, read(r)) for a, r in state.resources.items()}
    for key, resource in state.deposed.items():
        calls[key] = resource.provider, _of_use(providers(resource.provider), resource, read(resource))
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
    """Those that don't exist where their provider leads to. An object that a name stands for may be another
    one there: what ftops has written on it tells. Raises ProviderError."""
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
    """The notes of ftops on all objects of a kind, by id; None if they can't be listed."""

    def call() -> object:
        if not isinstance(provider, Discovers):
            return None
        return {found.remote.remote_id.casefold(): found.token for found in provider.existing(kind)}

    return call


def _there(look: Call) -> Call:
    """The same look; an object whose id is that of another account isn't there."""

    def call() -> object:
        try:
            return look()
        except Permanent as error:
            if error.code == OTHER_ACCOUNT:
                return None
            raise

    return call


def _told_apart(
    found: Mapping[Address, RemoteObject],
    intents: Mapping[Address, PendingOperation],
    known: frozenset[str],
    search: Callable[[Collection[Address], frozenset[str]], Mapping[Address, RemoteObject]],
) -> Mapping[Address, RemoteObject]:
    """What intents found, each object once. The others look again, past what was found."""
    while twice := _found_twice(intents, found):
        known |= {remote.remote_id for remote in found.values()}
        found = {**{a: remote for a, remote in found.items() if a not in twice}, **search(twice, known)}
    return found


def _of_use(provider: Provider, resource: ResourceState, call: Call) -> Call:
    """The same look; if what a replaced object made is deleted already, it can't be restored."""

    def look() -> object:
        remote = call()
        if not isinstance(remote, RemoteObject) or not isinstance(provider, Discovers):
            return remote
        existing = Existing(resource.address.kind, remote, resource.address.name)
        if remote.status is not Status.READY or provider.model_exists(existing):
            return remote
        return replace(remote, status=Status.TAINTED, message="what it made is gone")

    return look


def _found_twice(
    intents: Mapping[Address, PendingOperation], found: Mapping[Address, RemoteObject]
) -> set[Address]:
    """Intents that found an object which an earlier one found, too: without a note on it, two that are alike
    can't be told apart, and it is only one of them."""
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
    """What reads come to. Each goes to the provider named with it; what fails for a while is tried again.
    Raises the error of the first that fails for good."""
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
    """As long as what was begun may not show yet, it isn't said to be missing."""
    provider = providers(operation.provider)
    lag = visible_after(provider)
    # Without a moment, it may have been begun just now.
    until = clock.now() + (
        invisible_for(operation.started_at, lag, datetime.now(UTC)) if operation.started_at else lag
    )

    def call() -> RemoteObject | NotVisibleYet | None:
        found = provider.find_by_token(operation, known)
        left = until - clock.now()
        return NotVisibleYet(min(left, LOOK_AGAIN)) if found is None and left > 0 else found

    return call


def _read(provider: Provider, resource: ResourceState, clock: Clock, pause: float) -> Call:
    """Of what is gone, why that is, where the provider can tell."""
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
    """The look, made again after `pause` seconds before it says that an object is gone, and for as long as it
    may not be shown: `until`, by the clock. Of what exists in the state alone, one look says it all."""
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
    """A file is read whole: nothing else tells whether it holds what the spec wants."""
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
    """With what ftops has written on an object: only a list shows that."""
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

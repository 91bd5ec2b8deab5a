"""State: what is recorded of objects, as the fold of a journal of entries. No I/O.

An entry is written before the effect it announces (`Begun`) or right after the effect it reports
(`Recorded`, `Removed`, `Failed`); others rearrange what is recorded and have no effect outside (`Moved`,
`Reassigned`, `ProviderReplaced`, `DigestKeySet`). Each has a serial, one more than the entry before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from hashlib import sha256
from typing import ClassVar, NamedTuple, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.core.address import Address, Json, Value

STATE_VERSION = 1


class Status(StrEnum):
    """PENDING: accepted, still working. READY. TAINTED: exists, but has to be replaced."""

    PENDING = "pending"
    READY = "ready"
    TAINTED = "tainted"


class Operation(StrEnum):
    """What a pending operation set out to do. A delete needs no intent: it creates nothing."""

    CREATE = "create"
    UPDATE = "update"


OWNER_DIGITS = 6
"""Leading hex digits of a token that say which state it is of."""


def owner_mark(lineage: str) -> str:
    """What the tokens of a state begin with, so that its objects can be told from those of others."""
    return sha256(lineage.encode()).hexdigest()[:OWNER_DIGITS]


class RemoteObject(Struct, frozen=True):
    """An object as the service shows it.

    `attributes` are computed attributes; `inputs` those declared inputs that the service reports back,
    in the spelling of the spec. `resume` is opaque to the engine: what a provider needs to go on
    waiting for a long-running operation in another process. It holds no secret.
    """

    remote_id: str
    status: Status
    attributes: Mapping[str, Json] = field(default_factory=dict)
    inputs: Mapping[str, Json] = field(default_factory=dict)
    message: str = ""
    resume: str = ""
    requeue_after: float | None = None
    """Seconds until it is worth asking again; only while PENDING. None: the engine chooses."""
    holds_concurrency_key: bool = False
    """While PENDING: other writes to the same account have to wait."""
    fingerprint: str = ""
    """What ftops has written on it, where that was looked for: what it is made from."""


class ResourceState(Struct, frozen=True):
    """One recorded object: what was asked (`inputs`, references filled in) and what came (`outputs`).

    A secret stays an expression. `identities` maps input attributes that are compared by what they
    mean, not by their id, to that meaning: a job's `training` to the digest of the data.
    """

    address: Address
    provider: str
    remote_id: str
    status: Status
    inputs: Mapping[str, Value] = field(default_factory=dict)
    outputs: Mapping[str, Json] = field(default_factory=dict)
    identities: Mapping[str, str] = field(default_factory=dict)
    dependencies: tuple[Address, ...] = ()
    fingerprint: str = ""
    token: str = ""
    message: str = ""
    resume: str = ""
    prevent_destroy: bool = False
    retain: bool = False
    shared: bool = False
    """Adopted from another state, which may delete it: here it is only ever forgotten."""
    created_at: str = ""
    """When this state's run created it: UTC, ISO 8601. Empty for what was adopted, imported or recorded by an
    older version."""
    schema_version: int = 1
    account: str = ""
    """Where the object lives (`ftops.config.accounts`); empty in the records of older states."""
    always_written: ClassVar = ("schema_version",)


class PendingOperation(Struct, frozen=True):
    """An intent that is on record without a result: the process ended in between.

    It holds all that is recorded of the object beside what the service says: who finds the object after a
    crash records the same as who made it. `facts` are attributes that were known beforehand.
    """

    address: Address
    operation: Operation
    provider: str
    token: str
    inputs: Mapping[str, Value]
    identities: Mapping[str, str] = field(default_factory=dict)
    dependencies: tuple[Address, ...] = ()
    fingerprint: str = ""
    started_at: str = ""
    """UTC, ISO 8601."""
    facts: Mapping[str, Json] = field(default_factory=dict)
    prevent_destroy: bool = False
    retain: bool = False
    account: str = ""
    always_written: ClassVar = ("identities", "dependencies", "fingerprint", "started_at")


R = TypeVar("R", ResourceState, PendingOperation)


class Begun(Struct, frozen=True, tag_field="entry", tag="begun"):
    """About to do something to an object. On disk before the call is made."""

    operation: PendingOperation


class Recorded(Struct, frozen=True, tag_field="entry", tag="recorded"):
    """The current object of an address, whole. Ends its pending create or update.

    `deposes` is the key under which the object recorded before is kept until it is deleted.
    """

    resource: ResourceState
    deposes: str = ""


class Removed(Struct, frozen=True, tag_field="entry", tag="removed"):
    """An object is gone or forgotten: the current one, or the deposed one of that key."""

    address: Address
    deposed: str = ""


class Failed(Struct, frozen=True, tag_field="entry", tag="failed"):
    """A pending operation came to nothing: the service refused it. Nothing was created."""

    address: Address
    message: str = ""
    always_written: ClassVar = ("message",)


class OutputsRecorded(Struct, frozen=True, tag_field="entry", tag="outputs"):
    """The spec's outputs after an apply, whole."""

    outputs: Mapping[str, Json]


class Moved(Struct, frozen=True, tag_field="entry", tag="moved"):
    """Objects that got other addresses, all at once: (from, to). What depends on them follows."""

    moves: tuple[tuple[Address, Address], ...]


class Reassignment(NamedTuple):
    """One object that is recorded under another address: the current one of `source`, or its deposed one of
    that key. `deposes` is the key under which the current object of the target is kept."""

    source: Address
    key: str
    target: Address
    deposes: str = ""


class Reassigned(Struct, frozen=True, tag_field="entry", tag="reassigned"):
    """Objects that other addresses want, all at once: two may exchange theirs. What depends on a current
    object follows it."""

    objects: tuple[Reassignment, ...]


class Home(NamedTuple):
    """Where an object is on record: a provider of the spec, and the account behind it."""

    provider: str
    account: str


class ProviderReplaced(Struct, frozen=True, tag_field="entry", tag="provider_replaced"):
    """What is on record at one home is on record at another from now on."""

    before: Home
    after: Home


class DigestKeySet(Struct, frozen=True, tag_field="entry", tag="digest_key"):
    """With what digests of secrets are keyed from now on: 64 hex digits. Set while nothing is recorded."""

    key: str


Rearrangement = Moved | Reassigned | ProviderReplaced | DigestKeySet
Entry = Begun | Recorded | Removed | Failed | OutputsRecorded | Rearrangement


class State(Struct, frozen=True):
    """Everything recorded for one spec in one environment.

    `deposed` holds replaced objects that still exist, by address and key. `digest_key` is what digests of
    secrets in it are keyed with (64 hex digits); empty in a state that began without encryption.
    """

    lineage: str
    serial: int = 0
    resources: Mapping[Address, ResourceState] = field(default_factory=dict)
    deposed: Mapping[tuple[Address, str], ResourceState] = field(default_factory=dict)
    pending: Mapping[Address, PendingOperation] = field(default_factory=dict)
    outputs: Mapping[str, Json] = field(default_factory=dict)
    digest_key: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.resources or self.deposed or self.pending)


Source = tuple[Address, str]
"""An address, and the key of its deposed object; empty for the current one."""


def recorded_objects(
    resources: Mapping[Address, ResourceState], deposed: Mapping[Source, ResourceState]
) -> Iterator[tuple[Source, ResourceState]]:
    """Every object on record, and where it stands."""
    for address, record in resources.items():
        yield (address, ""), record
    yield from deposed.items()


class Adoptable(Struct, frozen=True):
    """An object of the account that is what a plan would make. `token` is the one that it carries."""

    remote: RemoteObject
    token: str = ""
    shared: bool = True


class Observed(Struct, frozen=True):
    """What the service shows of what is recorded; None: it is gone.

    `found` are the objects that pending creates turned out to have made, `imported` those that the spec
    wants to be managed from now on, `adoptable` those that need not be made. `refreshed` is False where only
    these were looked for.
    """

    refreshed: bool = False
    objects: Mapping[Address, RemoteObject | None] = field(default_factory=dict)
    deposed: Mapping[tuple[Address, str], RemoteObject | None] = field(default_factory=dict)
    found: Mapping[Address, RemoteObject] = field(default_factory=dict)
    imported: Mapping[Address, RemoteObject | None] = field(default_factory=dict)
    causes: Mapping[Address, str] = field(default_factory=dict)
    """Why an object is gone, where its provider can tell: `expired`."""
    adoptable: Mapping[Address, Adoptable] = field(default_factory=dict)


class LiveState:
    """The one mutable state of a run: entries go in at constant cost each, values come out.

    Owned by a single thread.
    """

    def __init__(self, state: State) -> None:
        self.lineage = state.lineage
        self.serial = state.serial
        self.resources = dict(state.resources)
        self.deposed = dict(state.deposed)
        self.pending = dict(state.pending)
        self.outputs: Mapping[str, Json] = state.outputs
        self.digest_key = state.digest_key

    def add(self, entry: Entry) -> None:
        self.serial += 1
        match entry:
            case Begun(operation):
                self.pending[operation.address] = operation
            case Recorded(resource, deposes):
                self._record(resource, deposes)
            case Removed(address, ""):
                self.resources.pop(address, None)
                self.pending.pop(address, None)
            case Removed(address, key):
                self.deposed.pop((address, key), None)
            case Failed(address, _):
                self.pending.pop(address, None)
            case OutputsRecorded(outputs):
                self.outputs = outputs
            case Moved(moves):
                self._move(dict(moves))
            case Reassigned(objects):
                self._reassign(objects)
            case ProviderReplaced(before, after):
                self._replace_provider(before, after)
            case DigestKeySet(key):
                self.digest_key = key

    def freeze(self) -> State:
        return State(
            self.lineage,
            self.serial,
            dict(self.resources),
            dict(self.deposed),
            dict(self.pending),
            self.outputs,
            self.digest_key,
        )

    def _record(self, resource: ResourceState, deposes: str) -> None:
        address = resource.address
        old = self.resources.get(address)
        if deposes and old is not None:
            self.deposed[address, deposes] = old
        self.resources[address] = resource
        self.pending.pop(address, None)

    def _move(self, names: Mapping[Address, Address]) -> None:
        self.resources = {names.get(a, a): _renamed(r, names) for a, r in self.resources.items()}
        self.deposed = {(names.get(a, a), key): _renamed(r, names) for (a, key), r in self.deposed.items()}
        self.pending = {names.get(a, a): _renamed(p, names) for a, p in self.pending.items()}

    def _reassign(self, objects: tuple[Reassignment, ...]) -> None:
        taken = [
            self.deposed.pop((one.source, one.key)) if one.key else self.resources.pop(one.source)
            for one in objects
        ]
        for one in objects:
            if one.target in self.resources:
                self.deposed[one.target, one.deposes] = self.resources.pop(one.target)
        names = {one.source: one.target for one in objects if not one.key}
        self.resources = {a: _depending(r, names) for a, r in self.resources.items()}
        self.deposed = {key: _depending(r, names) for key, r in self.deposed.items()}
        self.pending = {a: _depending(p, names) for a, p in self.pending.items()}
        for one, resource in zip(objects, taken, strict=True):
            self.resources[one.target] = replace(_depending(resource, names), address=one.target)

    def _replace_provider(self, before: Home, after: Home) -> None:
        self.resources = {a: _given(r, before, after) for a, r in self.resources.items()}
        self.deposed = {key: _given(r, before, after) for key, r in self.deposed.items()}
        self.pending = {a: _given(p, before, after) for a, p in self.pending.items()}


def _renamed(one: R, names: Mapping[Address, Address]) -> R:
    """An object or a pending operation under the address that it has now, as all that it depends on."""
    address = names.get(one.address, one.address)
    found = _depending(one, names)
    return found if address == one.address else replace(found, address=address)


def _depending(one: R, names: Mapping[Address, Address]) -> R:
    """The same with all that it depends on under the addresses that these have now."""
    if names.keys().isdisjoint(one.dependencies):
        return one
    dependencies = {names.get(a, a) for a in one.dependencies}
    return replace(one, dependencies=tuple(sorted(dependencies, key=lambda a: a.sort_key)))


def _given(one: R, before: Home, after: Home) -> R:
    if (one.provider, one.account) != before:
        return one
    return replace(one, provider=after.provider, account=after.account)


def fold(state: State, entries: Iterable[Entry]) -> State:
    """The state after these entries."""
    live = LiveState(state)
    for entry in entries:
        live.add(entry)
    return live.freeze()


def resource_from(operation: PendingOperation, remote: RemoteObject) -> ResourceState:
    """What to record once the object of an operation is known."""
    return ResourceState(
        address=operation.address,
        provider=operation.provider,
        remote_id=remote.remote_id,
        status=remote.status,
        inputs=operation.inputs,
        outputs={**operation.facts, **remote.attributes},
        identities=operation.identities,
        dependencies=operation.dependencies,
        fingerprint=operation.fingerprint,
        token=operation.token,
        message=remote.message,
        resume=remote.resume,
        prevent_destroy=operation.prevent_destroy,
        retain=operation.retain,
        account=operation.account,
        created_at=operation.started_at,
    )


def observed_as(resource: ResourceState, remote: RemoteObject) -> ResourceState:
    """The recorded resource brought up to date with what the service shows."""
    known = (resource.remote_id, resource.status, resource.message, resource.resume)
    if known == (remote.remote_id, remote.status, remote.message, remote.resume) and all(
        resource.outputs.get(name) == value for name, value in remote.attributes.items()
    ):
        return resource
    return replace(
        resource,
        remote_id=remote.remote_id,
        status=remote.status,
        outputs={**resource.outputs, **remote.attributes},
        message=remote.message,
        resume=remote.resume,
    )

"""State: the recorded objects, as the fold of a journal of entries. No I/O.

An entry is written before a call to a provider (`Begun`) or right after it (`Recorded`, `Removed`, `Failed`).
Others only change the state (`Moved`, `Reassigned`, `ProviderReplaced`, `DigestKeySet`, `Granted`,
`GrantEnded`, `ExpirySet`, `Pinned`, `Released`). Each has a serial, one more than the previous entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from hashlib import sha256
from typing import Any, ClassVar, NamedTuple, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.core.address import Address, Json, Value
from ftops.core.resource_types import kind_of

STATE_VERSION = 1
MOST_SERVED = 20
"""Models of a deployment that are remembered."""


class Status(StrEnum):
    """PENDING: the service is still working on it. TAINTED: it exists, but has to be replaced."""

    PENDING = "pending"
    READY = "ready"
    TAINTED = "tainted"


class Operation(StrEnum):
    """What a pending operation does. Deletions aren't recorded in advance, because they create nothing."""

    CREATE = "create"
    UPDATE = "update"


OWNER_DIGITS = 6
"""Leading hex digits of a token that identify its state."""


def owner_mark(lineage: str) -> str:
    """The prefix of a state's tokens, which identifies its objects."""
    return sha256(lineage.encode()).hexdigest()[:OWNER_DIGITS]


class RemoteObject(Struct, frozen=True):
    """An object as the service shows it.

    `attributes` are computed. `inputs` are those that the service reports, in the spelling of the spec. With
    `resume` a provider can continue to wait for a long-running operation in another process; it contains no
    secret.
    """

    remote_id: str
    status: Status
    attributes: Mapping[str, Json] = field(default_factory=dict)
    inputs: Mapping[str, Json] = field(default_factory=dict)
    message: str = ""
    resume: str = ""
    requeue_after: float | None = None
    """Seconds until the next poll, while PENDING. None: the engine chooses."""
    holds_concurrency_key: bool = False
    """While PENDING, other writes to the same account have to wait."""
    fingerprint: str = ""
    """The fingerprint that ftops has stored on the object, if it was read."""
    paused: str = ""
    """While PENDING: that it is paused, since when, and what can be done."""
    continues: bool = True
    """Whether the service itself goes on with it after a pause."""
    is_stuck: bool = False
    """While PENDING: that it will probably never be ready, and is to be deleted and created once more."""


class ResourceState(Struct, frozen=True):
    """A recorded object: its `inputs`, with references resolved but secrets as expressions, and its
    `outputs`.

    `identities` maps inputs that are compared by content to that: a job's `training` to the digest of the
    data.
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
    is_off: bool = False
    """It has no object now, because of its hosting hours. `remote_id` and `outputs` are those that it had, if
    it ever had any; `inputs` are what it is created with."""
    shared: bool = False
    """Adopted from another state, which may delete it. This state only forgets it."""
    created_at: str = ""
    """When a run created it (UTC, ISO 8601); empty if it was adopted or imported, or is older."""
    schema_version: int = 1
    account: str = ""
    """The account of the object (`ftops.config.accounts`); empty in older states."""
    always_written: ClassVar = ("schema_version",)


class PendingOperation(Struct, frozen=True):
    """An operation that has started and has no result yet.

    It contains all that is recorded of the object except what the service returns, so that a run that finds
    the object after a crash can record it. `facts` are attributes that were known in advance.
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
    """An operation starts. Durable before the call is made."""

    operation: PendingOperation


class Recorded(Struct, frozen=True, tag_field="entry", tag="recorded"):
    """The current object of an address. Ends its pending operation. `deposes` is the key under which the
    previous object is kept until it is deleted."""

    resource: ResourceState
    deposes: str = ""


class Removed(Struct, frozen=True, tag_field="entry", tag="removed"):
    """An object was deleted or forgotten: the current one, or the deposed one with this key."""

    address: Address
    deposed: str = ""


class Failed(Struct, frozen=True, tag_field="entry", tag="failed"):
    """The service refused a pending operation. Nothing was created."""

    address: Address
    message: str = ""
    always_written: ClassVar = ("message",)


class OutputsRecorded(Struct, frozen=True, tag_field="entry", tag="outputs"):
    """All outputs of the spec after an apply."""

    outputs: Mapping[str, Json]


class Moved(Struct, frozen=True, tag_field="entry", tag="moved"):
    """Objects get other addresses, all at once: (from, to). Dependencies on them are updated."""

    moves: tuple[tuple[Address, Address], ...]


class Reassignment(NamedTuple):
    """An object gets another address: the current one of `source`, or its deposed one with `key`. `deposes`
    is the key under which the current object of the target is kept."""

    source: Address
    key: str
    target: Address
    deposes: str = ""


class Reassigned(Struct, frozen=True, tag_field="entry", tag="reassigned"):
    """Objects are reused under other addresses, all at once: two may be exchanged. Dependencies on current
    objects are updated."""

    objects: tuple[Reassignment, ...]


class Home(NamedTuple):
    """A provider of the spec, and its account."""

    provider: str
    account: str


class ProviderReplaced(Struct, frozen=True, tag_field="entry", tag="provider_replaced"):
    """Objects of a provider and account belong to another one from now on."""

    before: Home
    after: Home


class DigestKeySet(Struct, frozen=True, tag_field="entry", tag="digest_key"):
    """The key for digests of secrets, as 64 hex digits. Set before anything else is recorded."""

    key: str


class Grant(Struct, frozen=True):
    """An approval of a plan, which lasts until the plan is done. Times are UTC, ISO 8601.

    `addresses` are those that the plan changes. `record` is the plan with the spec that it was made from, as
    `planning.saved.grant_record` writes it. `budget` is what its jobs may cost, failed ones included, in US
    dollars; None: no limit. `spent` is what those cost that were started, as estimated.
    """

    digest: str
    at: str
    expires: str
    addresses: tuple[Address, ...]
    record: str
    who: str = ""
    run: str = ""
    pull_request: str = ""
    commit: str = ""
    budget: float | None = None
    spent: float = 0.0


class Granted(Struct, frozen=True, tag_field="entry", tag="granted"):
    """A run starts whose plan was approved, or it continues. Durable before anything else of it."""

    grant: Grant


class GrantEnded(Struct, frozen=True, tag_field="entry", tag="grant_ended"):
    """The plan is done, or the approval doesn't count any more: `done` or `superseded`."""

    digest: str
    why: str


class ExpirySet(Struct, frozen=True, tag_field="entry", tag="expiry"):
    """When the environment expires, from now on (UTC, ISO 8601); empty: it doesn't. Durable before anything
    else of a run."""

    at: str


class Served(Struct, frozen=True):
    """A fine-tuned model that a deployment has served. `at` is when that began (UTC, ISO 8601), `evaluated`
    what its gates were shown then."""

    model: str
    trained_by: Address
    at: str = ""
    evaluated: str = ""


class Pin(Struct, frozen=True):
    """A deployment serves this model, whatever the spec says, until the pin is released. `at` is UTC, ISO
    8601; `evaluated` what its gates were shown when it was first served."""

    address: Address
    model: str
    trained_by: Address
    at: str
    who: str = ""
    reason: str = ""
    evaluated: str = ""


class Pinned(Struct, frozen=True, tag_field="entry", tag="pinned"):
    """A deployment goes back to an earlier model. Durable before anything is changed."""

    pin: Pin


class Released(Struct, frozen=True, tag_field="entry", tag="released"):
    """A pin ends: `asked`, `declared` (the spec asks for the model), `undeclared` or `destroyed`."""

    address: Address
    why: str


Rearrangement = Moved | Reassigned | ProviderReplaced | DigestKeySet
Entry = (
    Begun
    | Recorded
    | Removed
    | Failed
    | OutputsRecorded
    | Rearrangement
    | Granted
    | GrantEnded
    | ExpirySet
    | Pinned
    | Released
)


class State(Struct, frozen=True):
    """Everything recorded for a spec in an environment.

    `deposed` are replaced objects that still exist, by address and key. `digest_key` is the key for digests
    of secrets (64 hex digits); empty if the state wasn't encrypted at first. `grants` are approvals that
    haven't ended, by digest. `expires_at` is when `ftops gc` may delete all of it (UTC,
    ISO 8601); empty: never. `pins` are in effect; `served` are the models of each deployment, the newest
    last.
    """

    lineage: str
    serial: int = 0
    resources: Mapping[Address, ResourceState] = field(default_factory=dict)
    deposed: Mapping[tuple[Address, str], ResourceState] = field(default_factory=dict)
    pending: Mapping[Address, PendingOperation] = field(default_factory=dict)
    outputs: Mapping[str, Json] = field(default_factory=dict)
    digest_key: str = ""
    grants: Mapping[str, Grant] = field(default_factory=dict)
    expires_at: str = ""
    pins: Mapping[Address, Pin] = field(default_factory=dict)
    served: Mapping[Address, tuple[Served, ...]] = field(default_factory=dict)
    always_written: ClassVar = ("serial", "resources", "deposed", "pending", "outputs")

    @property
    def is_empty(self) -> bool:
        return not (self.resources or self.deposed or self.pending)


Source = tuple[Address, str]
"""An address, and the key of its deposed object; empty for its current object."""


def recorded_objects(
    resources: Mapping[Address, ResourceState], deposed: Mapping[Source, ResourceState]
) -> Iterator[tuple[Source, ResourceState]]:
    for address, record in resources.items():
        yield (address, ""), record
    yield from deposed.items()


class Adoptable(Struct, frozen=True):
    """An object of the account that can be used instead of creating one. `token` is stored on the object."""

    remote: RemoteObject
    token: str = ""
    shared: bool = True


class Promotable(Struct, frozen=True):
    """A record of another environment that can be used instead of creating the object. `remote` is what the
    service shows of it; None if it wasn't asked.

    `judged` are the evaluations of the model that come along, `data` the numbers of examples of recorded
    datasets, by content."""

    record: ResourceState
    remote: RemoteObject | None
    environment: str
    judged: tuple[ResourceState, ...] = ()
    data: Mapping[str, int] = field(default_factory=dict)


class Observed(Struct, frozen=True):
    """The recorded objects as the service shows them; None if one is gone.

    `found` are objects of pending operations, `imported` those that the spec imports, `adoptable` those that
    can be reused. `refreshed` is False if only these were read.
    """

    refreshed: bool = False
    objects: Mapping[Address, RemoteObject | None] = field(default_factory=dict)
    deposed: Mapping[tuple[Address, str], RemoteObject | None] = field(default_factory=dict)
    found: Mapping[Address, RemoteObject] = field(default_factory=dict)
    imported: Mapping[Address, RemoteObject | None] = field(default_factory=dict)
    causes: Mapping[Address, str] = field(default_factory=dict)
    """Why an object is gone, if the provider knows: `expired`."""
    adoptable: Mapping[Address, Adoptable] = field(default_factory=dict)
    promotable: Mapping[Address, Promotable] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    """Remote ids of jobs that aren't deleted → what needs their models; empty if that isn't told."""
    moment: datetime | None = None
    """When that was, for hosting hours. None: they don't count."""


class LiveState:
    """The mutable state of a run, owned by a single thread. Adding an entry takes constant time."""

    def __init__(self, state: State) -> None:
        self.lineage = state.lineage
        self.serial = state.serial
        self.resources = dict(state.resources)
        self.deposed = dict(state.deposed)
        self.pending = dict(state.pending)
        self.outputs: Mapping[str, Json] = state.outputs
        self.digest_key = state.digest_key
        self.grants = dict(state.grants)
        self.expires_at = state.expires_at
        self.pins = dict(state.pins)
        self.served = dict(state.served)

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
                names = dict(moves)
                self._update(lambda record: _renamed(record, names))
                self._rename_pins(names)
            case Reassigned(objects):
                self._reassign(objects)
            case ProviderReplaced(before, after):
                self._update(lambda record: _rehomed(record, before, after))
            case DigestKeySet(key):
                self.digest_key = key
            case Granted(grant):
                self.grants[grant.digest] = grant
            case GrantEnded(digest, _):
                self.grants.pop(digest, None)
            case ExpirySet(at):
                self.expires_at = at
            case Pinned(pin):
                self.pins[pin.address] = pin
            case Released(address, _):
                self.pins.pop(address, None)

    def freeze(self) -> State:
        records = (dict(self.resources), dict(self.deposed), dict(self.pending))
        outputs, grants = self.outputs, dict(self.grants)
        kept = (self.expires_at, dict(self.pins), dict(self.served))
        return State(self.lineage, self.serial, *records, outputs, self.digest_key, grants, *kept)

    def _record(self, resource: ResourceState, deposes: str) -> None:
        address = resource.address
        old = self.resources.get(address)
        if deposes and old is not None:
            self.deposed[address, deposes] = old
        self.resources[address] = resource
        self.pending.pop(address, None)
        if resource.status is Status.READY and kind_of(address).serves:
            self._serve(resource)

    def _serve(self, resource: ResourceState) -> None:
        """Remembers the model, if a job has made it and the deployment didn't serve it already."""
        model, rows = resource.inputs.get("model"), self.served.get(resource.address, ())
        if not isinstance(model, str) or (rows and rows[-1].model == model):
            return
        needs = resource.dependencies
        job = next((need for need in needs if kind_of(need).trains), None)
        known = next((row for row in reversed(rows) if row.model == model), None)
        results = (self.resources[need] for need in needs if need in self.resources)
        evaluated = ", ".join(scores(r) for r in results if kind_of(r.address).is_record)
        if known is not None:  # pinned: the spec's job is another one by now
            row = replace(known, at=resource.created_at)
        elif job is not None:
            row = Served(model, job, resource.created_at, evaluated)
        else:
            return
        self.served[resource.address] = (*rows, row)[-MOST_SERVED:]

    def _rename_pins(self, names: Mapping[Address, Address]) -> None:
        if not self.pins and not self.served:
            return

        def now(address: Address) -> Address:
            return names.get(address, address)

        pins = (
            replace(pin, address=now(pin.address), trained_by=now(pin.trained_by))
            for pin in self.pins.values()
        )
        self.pins = {pin.address: pin for pin in pins}
        self.served = {
            now(address): tuple(replace(row, trained_by=now(row.trained_by)) for row in rows)
            for address, rows in self.served.items()
        }

    def _update(self, update: Callable[[Any], Any]) -> None:
        """Updates all records, their addresses included."""
        self.resources = {one.address: one for one in map(update, self.resources.values())}
        self.deposed = {(r.address, k): r for (_, k), old in self.deposed.items() for r in [update(old)]}
        self.pending = {one.address: one for one in map(update, self.pending.values())}

    def _reassign(self, objects: tuple[Reassignment, ...]) -> None:
        taken = [
            self.deposed.pop((source, key)) if key else self.resources.pop(source)
            for source, key, *_ in objects
        ]
        for _, _, target, deposes in objects:
            if target in self.resources:
                self.deposed[target, deposes] = self.resources.pop(target)
        names = {source: target for source, key, target, _ in objects if not key}
        self._update(lambda record: _depending(record, names))
        self._rename_pins(names)
        for (_, _, target, _), resource in zip(objects, taken, strict=True):
            self.resources[target] = replace(_depending(resource, names), address=target)


def _renamed(record: R, names: Mapping[Address, Address]) -> R:
    """With new names of its own address and of its dependencies."""
    address = names.get(record.address, record.address)
    record = _depending(record, names)
    return record if address == record.address else replace(record, address=address)


def _depending(record: R, names: Mapping[Address, Address]) -> R:
    """With new names of its dependencies."""
    if names.keys().isdisjoint(record.dependencies):
        return record
    dependencies = {names.get(a, a) for a in record.dependencies}
    return replace(record, dependencies=tuple(sorted(dependencies, key=lambda a: a.sort_key)))


def _rehomed(record: R, before: Home, after: Home) -> R:
    is_affected = (record.provider, record.account) == before
    return replace(record, provider=after.provider, account=after.account) if is_affected else record


def scores(evaluation: ResourceState) -> str:
    """`evaluation.exam 0.97 vs 0.81`: the shares of right answers, of the model and its baseline."""
    outputs: Mapping[str, Any] = evaluation.outputs
    score, baseline = outputs.get("score"), outputs.get("baseline_score")
    if score is None:
        return f"{evaluation.address}: {outputs.get('verdict') or 'no score'}"
    return f"{evaluation.address} {score:g}" + (f" vs {baseline:g}" if baseline is not None else "")


def fold(state: State, entries: Iterable[Entry]) -> State:
    live = LiveState(state)
    for entry in entries:
        live.add(entry)
    return live.freeze()


def resource_from(operation: PendingOperation, remote: RemoteObject) -> ResourceState:
    """The record of an operation's object."""
    noted = ResourceState(
        **carried_over(operation, ResourceState),
        remote_id=remote.remote_id,
        status=remote.status,
        outputs=operation.facts,
        created_at=operation.started_at,
    )
    return observed_as(noted, remote)


def carried_over(source: Struct, kind: type[Struct]) -> dict[str, Any]:
    """The fields of a value that another kind of value has, too."""
    return {name: getattr(source, name) for name in _shared_fields(type(source), kind)}


@cache
def _shared_fields(source: type[Struct], kind: type[Struct]) -> tuple[str, ...]:
    return tuple(name for name in source.__struct_fields__ if name in kind.__struct_fields__)


def observed_as(resource: ResourceState, remote: RemoteObject) -> ResourceState:
    """The record, updated by what the service shows."""
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


_OF_AN_OBJECT = frozenset({"provisioning_state", "created_at", "expires"})
"""Outputs that end with an object."""


def switched_off(resource: ResourceState) -> ResourceState:
    """The record of a deployment whose object was deleted because of its hosting hours."""
    outputs = {name: value for name, value in resource.outputs.items() if name not in _OF_AN_OBJECT}
    gone = {"status": Status.READY, "token": "", "message": "", "resume": "", "created_at": ""}
    return replace(resource, outputs=outputs, is_off=True, **gone)

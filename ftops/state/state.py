"""State: values of what is recorded for a spec, and of what the service shows. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from hashlib import sha256
from typing import Any, ClassVar

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.core.address import Address, Json, Value

STATE_VERSION = 1


class Status(StrEnum):
    """PENDING: the service is still working on it. TAINTED: it exists, but has to be replaced."""

    PENDING = "pending"
    READY = "ready"
    TAINTED = "tainted"


class Operation(StrEnum):
    """What a pending operation does. Deletions aren't recorded in advance, because they create nothing."""

    CREATE = "create"
    UPDATE = "update"


INTERRUPTED = "interrupted"
"""Among the outputs of an object that an interrupted run has left unfinished: it hasn't failed."""
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

    @property
    def said_status(self) -> str:
        """The word of the service for its status; the status itself if it has none. A job that a rule
        of its sweep has stopped is merely cancelled there; it has none that a budget keeps from starting."""
        if self.stopped and self.status is Status.READY:
            return "not started: budget" if self.is_off else "stopped early"
        return str(self.outputs.get("status") or self.status.value)

    @property
    def stopped(self) -> Mapping[str, Any]:
        """Of a job that the rule of its sweep stops: which rule, why, at which step, and what that saves. It
        is recorded before the job is cancelled, so that the job counts as finished from then on."""
        found: Any = self.outputs.get("stopped")
        return found or {}

    @property
    def said_message(self) -> str:
        """Why it has its status: what the service says, or why a rule of its sweep has stopped the job."""
        if not self.stopped:
            return self.message
        return f"{'not started' if self.is_off else 'stopped early'}: {self.stopped.get('reason')}"

    @property
    def not_started(self) -> str:
        """Why the budget of its sweep keeps this job from starting; empty if it was started. It has no run at
        the service."""
        return str(self.stopped.get("reason")) if self.is_off and self.stopped else ""


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


def scores(evaluation: ResourceState) -> str:
    """`evaluation.exam 0.97 vs 0.81`: the shares of right answers, of the model and its baseline."""
    outputs: Mapping[str, Any] = evaluation.outputs
    score, baseline = outputs.get("score"), outputs.get("baseline_score")
    if score is None:
        return f"{evaluation.address}: {outputs.get('verdict') or 'no score'}"
    return f"{evaluation.address} {score:g}" + (f" vs {baseline:g}" if baseline is not None else "")


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
    """The record, updated by what the service shows. A job that was to be stopped and has a result is
    finished like any other."""
    known = (resource.remote_id, resource.status, resource.message, resource.resume)
    status, outputs = remote.status, resource.outputs
    if "stopped" in outputs:
        if status is Status.READY and remote.attributes.get("fine_tuned_model"):
            outputs = {name: value for name, value in outputs.items() if name != "stopped"}
        status = Status.READY if status is Status.TAINTED else status
    if known == (remote.remote_id, status, remote.message, remote.resume) and all(
        outputs.get(name) == value for name, value in remote.attributes.items()
    ):
        return resource
    return replace(
        resource,
        remote_id=remote.remote_id,
        status=status,
        outputs={**outputs, **remote.attributes},
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

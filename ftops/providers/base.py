"""What the engine asks of a provider. A provider holds no retries, no sleeps and no logs: it makes one
attempt, then returns, or raises `Temporary` or `Permanent` (ftops.core.errors).

`create`, `update` and `delete` start something and return; where the object isn't ready yet the
engine calls `read` again later, from the resource that it has recorded in the meantime.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from msgspec import Struct, field

from ftops.core.address import Address, Json
from ftops.state.state import PendingOperation, RemoteObject, ResourceState

if TYPE_CHECKING:
    from ftops.providers.account_facts import AccountFacts


OTHER_ACCOUNT = "OtherAccount"
"""The code of a refusal to touch what is recorded in another account."""


class Progress(Struct, frozen=True):
    """Something to show while an object is in the making. `percent` is 0 to 100."""

    message: str
    percent: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


class Request(Struct, frozen=True):
    """What to create or to make of an object: inputs with every reference and secret filled in.

    `token` is unique to the intent; the object has to carry it so that `find_by_token` can recognise it.
    `known` are the remote ids that the state has on record: an object of these is never the answer
    of `find_by_token`.
    """

    address: Address
    inputs: Mapping[str, Json]
    token: str
    folder: Path
    """Paths in inputs are relative to it."""
    fingerprint: str = ""
    """What the object is made from (ftops.planning.desired). Where the service can keep it, the object
    carries it."""
    report: Callable[[Progress], None] = lambda progress: None
    """May be called from any thread, any number of times."""


class Provider(Protocol):
    """One configured account. Methods are called from several threads at once."""

    def create(self, request: Request) -> RemoteObject:
        """Starts to make the object. Where the reply may be lost after the effect took place, raises
        Temporary(effect_unknown=True); the engine then calls `find_by_token` before it tries again."""

    def read(self, resource: ResourceState) -> RemoteObject | None:
        """The object as it is now; None where it is gone."""

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        """Changes the object in place to the inputs asked."""

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        """Deletes the object. None: it is gone (or was gone already). An object: it is going, ask
        `read` until that says None."""

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        """The object that a pending create made, by its token, or None."""

    def concurrency_key(self, address: Address) -> str | None:
        """Writes in one lane are made one at a time; None: as many at once as there are slots."""

    def close(self) -> None:
        """Gives back connections and processes."""


@runtime_checkable
class ReportsProgress(Protocol):
    """A provider that can tell how far a pending object has come."""

    def progress(self, resource: ResourceState, seen: str) -> tuple[list[Progress], str]:
        """What is new since `seen` (opaque, empty at first), oldest first, and the next `seen`."""


@runtime_checkable
class Connects(Protocol):
    """A provider that other programs can talk to as well."""

    def connection(self) -> Mapping[str, Json]:
        """`url`; `api_key` and `api_version` where there are any. Starts the service where needed. What
        each is for other programs, and which names there are besides, stands in `session.CONNECTION`."""


@runtime_checkable
class Inspects(Protocol):
    """A provider that can say before an apply what its account offers and allows."""

    def inspect(self, kinds: Collection[str]) -> AccountFacts:
        """What matters for making resources of these kinds. What can't be seen is left unknown; raises
        ProviderError only where there is no account to ask at all."""


class Existing(Struct, frozen=True):
    """An object that an account holds, as the list of its kind shows it.

    `remote.inputs` are all inputs that the service reports, in the spelling of the spec. `name` is what
    people call it. `fingerprint`, `digest` and `token` are what ftops has written on it, if it made it:
    `digest` is the first 16 hex digits of that of a file's content.
    """

    kind: str
    remote: RemoteObject
    name: str
    created_at: float = 0.0
    """Seconds since the epoch."""
    fingerprint: str = ""
    digest: str = ""
    token: str = ""


@runtime_checkable
class Discovers(Protocol):
    """A provider that can list what its account holds, whoever made it."""

    def existing(self, kind: str) -> list[Existing]:
        """Every object of a kind, newest first. Raises ProviderError."""

    def content(self, remote_id: str, take: Callable[[bytes], object]) -> bool:
        """Hands the content of a file to `take`, piece by piece. False: the service doesn't give it out."""

    def model_exists(self, found: Existing) -> bool:
        """Whether what a finished object has made is still there: the model of a job may be deleted."""


@runtime_checkable
class Explains(Protocol):
    """A provider that may know why an object is gone."""

    def why_gone(self, resource: ResourceState) -> str:
        """Of an object that `read` has just found gone: `expired` where the service deletes such objects by
        itself and it was time; empty where somebody must have done it."""


@runtime_checkable
class Lags(Protocol):
    """A provider whose service may show a new object only after a while."""

    visible_after: float
    """Seconds after which it shows for sure."""


def visible_after(provider: Provider) -> float:
    """Seconds for which an object has to be looked for that was just created, or that a lost reply may have
    created."""
    return provider.visible_after if isinstance(provider, Lags) else 0.0


@runtime_checkable
class TimesOut(Protocol):
    """A provider that limits how long its pending objects are waited for."""

    timeouts: Mapping[str, float]
    """Seconds by kind of resource; a kind that isn't there is waited for without a limit."""


def timeout(provider: Provider, kind: str) -> float:
    """Seconds after which a step no longer waits for a pending object."""
    return provider.timeouts.get(kind, inf) if isinstance(provider, TimesOut) else inf


class NotVisibleYet(Struct, frozen=True):
    """What a search or a read came to that found nothing so far: look again after these seconds."""

    seconds: float


@runtime_checkable
class Instant(Protocol):
    """A provider whose calls take no time: the engine makes them without a thread."""

    instant: bool


def all_instant(providers: Callable[[str], Provider], names: Iterable[str]) -> bool:
    """Whether all providers of these names are: nothing is waited for then, and nobody is asked."""
    return all(isinstance(providers(name), Instant) for name in frozenset(names))

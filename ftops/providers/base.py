"""Provider protocol: what the engine asks of a provider.

A provider has no retries, sleeps or logs: it makes one attempt, then returns, or raises `Temporary` or
`Permanent` (ftops.core.errors). `create`, `update` and `delete` start an operation and return. If the object
isn't ready, the engine records it and calls `read` later.
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
    from ftops.evaluation.kept_answers import KeptAnswers
    from ftops.providers.account_facts import AccountFacts, ManagedFacts


OTHER_ACCOUNT = "OtherAccount"
"""The code of an error: the resource is recorded in another account."""


class Progress(Struct, frozen=True):
    """Something to show about a pending object. `percent` is 0 to 100, `steps` the number of all steps of a
    training; both are None if they aren't known."""

    message: str
    percent: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    steps: int | None = None

    def percent_of(self, steps: int | None) -> float | None:
        """Its percentage; if the service doesn't say it, that of a training with so many steps."""
        done = self.metrics.get("step")
        if self.percent is not None or done is None or not steps:
            return self.percent
        return round(min(100.0, 100 * done / steps), 1)


NOTHING_SAID = Progress("")


class PollResult(Struct, frozen=True):
    """The result of a read of a pending object. `seen` is opaque: what was read of its progress."""

    remote: RemoteObject
    lines: tuple[Progress, ...]
    seen: str
    is_cancelled: bool = False
    """Whether it was asked to end before."""


def no_answers(model: str) -> KeptAnswers:
    """Of a request that asks no model."""
    raise NotImplementedError(model)


class Request(Struct, frozen=True):
    """An object to create or update: inputs with every reference and secret filled in.

    `token` is unique to the intent. The object must carry it, so that `find_by_token` can recognise it.
    """

    address: Address
    inputs: Mapping[str, Json]
    token: str
    folder: Path
    """Paths in inputs are relative to it."""
    fingerprint: str = ""
    """Identifies what the object is made from (ftops.planning.desired). If the service stores metadata, the
    object carries it."""
    account: str = ""
    """The name of its account (ftops.config.accounts)."""
    kept_answers: Callable[[str], KeptAnswers] = no_answers
    """The kept answers of a model, by its identity."""
    switched_off: Mapping[str, str] = {}
    """By name, the models of the account's deployments that hosting hours have switched off."""
    report: Callable[[Progress], None] = lambda progress: None
    """May be called from any thread, any number of times."""


class Provider(Protocol):
    """One configured account. Methods are called from several threads at once."""

    def create(self, request: Request) -> RemoteObject:
        """Starts to create the object. Raises Unfinished if it did only a part of that. If the request may
        have taken effect without a reply, raises Temporary(effect_unknown=True): the engine calls
        `find_by_token` before it tries again."""

    def read(self, resource: ResourceState) -> RemoteObject | None:
        """The object as it is now; None if it doesn't exist."""

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        """Changes the object in place to the requested inputs."""

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        """Deletes the object. None: it doesn't exist any more. An object: its deletion is in progress until
        `read` returns None."""

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        """The object with the token of a pending create, or None. `known` are recorded remote IDs: none of
        these is the result."""

    def concurrency_key(self, address: Address) -> str | None:
        """Writes with one key run one at a time; None: as many at once as there are slots."""

    def close(self) -> None:
        """Releases connections and processes."""


@runtime_checkable
class ReportsProgress(Protocol):
    """A provider that reports the progress of pending objects."""

    def progress(self, resource: ResourceState, seen: str) -> tuple[list[Progress], str]:
        """What is new since `seen` (opaque, empty at first), oldest first, and the new `seen`."""


@runtime_checkable
class Connects(Protocol):
    """A provider whose service other programs can call."""

    def connection(self) -> Mapping[str, Json]:
        """`url`, and `api_key` and `api_version` if there are any; `openai_url` only together with
        `openai_key`, so that no key of another service is sent there. Starts the service if needed.
        `session.connection` has the environment variables for these and other names."""


@runtime_checkable
class Inspects(Protocol):
    """A provider that reports what its account offers and allows, before an apply."""

    def inspect(self, kinds: Collection[str]) -> AccountFacts:
        """The facts that matter for resources of these kinds. What can't be read stays unknown; raises
        ProviderError only if there is no account at all."""


@runtime_checkable
class InspectsManaged(Protocol):
    """A provider that also reports what its account has on managed compute."""

    def inspect_managed(self, location: str) -> ManagedFacts:
        """Asked only if a plan creates or changes something there. What can't be read stays unknown."""


@runtime_checkable
class ValidatesGraders(Protocol):
    """A provider whose service says whether it accepts a grader."""

    def validate_grader(self, grader: Mapping[str, Json]) -> str:
        """Why the service refuses it; empty if it accepts it, or can't be asked. One attempt; raises
        ProviderError if the reply says nothing about the grader."""


@runtime_checkable
class Controls(Protocol):
    """A provider whose long operations can be paused, resumed and cancelled."""

    def control(self, resource: ResourceState, verb: str) -> RemoteObject:
        """The object after `pause`, `resume` or `cancel`. Raises Permanent if it can't be done."""


class Existing(Struct, frozen=True):
    """An object in an account, as the list of its kind shows it.

    `remote.inputs` are all inputs that the service reports, in the spelling of the spec. `name` is for
    people. `fingerprint`, `digest` and `token` are what ftops wrote on it, if it created it: `digest` is the
    first 16 hex digits of the digest of a file's content.
    """

    kind: str
    remote: RemoteObject
    name: str
    created_at: float = 0.0
    """Seconds since the epoch."""
    fingerprint: str = ""
    digest: str = ""
    token: str = ""
    carries_token: bool = True
    """Whether an object of its type has a place for one."""


@runtime_checkable
class Discovers(Protocol):
    """A provider that lists all objects of its account, whoever created them."""

    def existing(self, kind: str) -> list[Existing]:
        """Every object of a kind, newest first. Raises ProviderError."""

    def content(self, remote_id: str, take: Callable[[bytes], object]) -> bool:
        """Passes the content of a file to `take`, in chunks. False: the service doesn't return it."""

    def model_exists(self, found: Existing) -> bool:
        """Whether the model of a finished job still exists."""


@runtime_checkable
class Queues(Protocol):
    """A provider whose service lets only so many objects of a kind wait until it works on them."""

    def queued(self, kind: str) -> int:
        """How many objects of the account wait now, whoever created them. Raises ProviderError."""


@runtime_checkable
class Explains(Protocol):
    """A provider that may know why an object doesn't exist any more."""

    def why_gone(self, resource: ResourceState) -> str:
        """Of an object that `read` no longer found: `expired` if the service itself deletes such objects and
        it was time; empty if somebody must have deleted it."""


def visible_after(provider: Provider) -> float:
    """Seconds to keep looking for an object that was just created, or that may have been created: the
    attribute `visible_after` of a provider whose service shows new objects late."""
    seconds: float = getattr(provider, "visible_after", 0.0)
    return seconds


def timeout(provider: Provider, kind: str) -> float:
    """Seconds after which a step no longer waits for a pending object: by kind in the attribute `timeouts`
    of a provider; no limit for other kinds."""
    limits: Mapping[str, float] = getattr(provider, "timeouts", {})
    return limits.get(kind, inf)


def own_limit(provider: Provider, name: str) -> int | None:
    """A limit that the provider itself knows: by name (docs/catalog.md) in its attribute `limits`."""
    limits: Mapping[str, int] = getattr(provider, "limits", {})
    return limits.get(name)


class Unfinished(Exception):
    """A call has to be made again after these seconds: a search found nothing yet, or one call can only do a
    part of a `create`. Nothing is recorded before the last part returns.

    `is_progress`: the call got something done, so that earlier errors don't count any more.
    """

    def __init__(
        self,
        seconds: float,
        said: Progress = NOTHING_SAID,
        *,
        is_progress: bool = False,
        holds_concurrency_key: bool = False,
    ) -> None:
        super().__init__(said.message)
        self.seconds = seconds
        self.said = said
        self.is_progress = is_progress
        self.holds_concurrency_key = holds_concurrency_key


def is_instant(provider: Provider) -> bool:
    """Whether the calls of a provider take no time, so that the engine makes them without threads: whether
    it has an attribute `instant`."""
    return hasattr(provider, "instant")


def all_instant(providers: Callable[[str], Provider], names: Iterable[str]) -> bool:
    """Whether all providers with these names are instant."""
    return all(is_instant(providers(name)) for name in frozenset(names))

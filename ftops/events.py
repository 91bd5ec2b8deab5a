"""What apply tells the outside. Each event is a value; views draw them, `-o json` prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from ftops.address import Address, Json


@dataclass(frozen=True, slots=True)
class Event:
    """`at` is UTC in ISO 8601, to the millisecond."""

    at: str


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    spec: str
    environment: str
    changes: int


@dataclass(frozen=True, slots=True)
class ChangeStarted(Event):
    step: str
    address: Address
    action: str


@dataclass(frozen=True, slots=True)
class ChangeProgress(Event):
    """`percent` is 0 to 100, None where it isn't known; `elapsed` in seconds."""

    step: str
    address: Address
    message: str
    elapsed: float
    percent: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChangeRetried(Event):
    """A temporary error; the next try comes after `wait` seconds."""

    step: str
    address: Address
    message: str
    attempt: int
    wait: float


@dataclass(frozen=True, slots=True)
class ChangeFinished(Event):
    step: str
    address: Address
    action: str
    remote_id: str
    elapsed: float


@dataclass(frozen=True, slots=True)
class ChangeLeft(Event):
    """Still in progress at the service when the run ended; the next apply goes on with it."""

    step: str
    address: Address
    action: str
    remote_id: str


@dataclass(frozen=True, slots=True)
class ChangeFailed(Event):
    step: str
    address: Address
    action: str
    message: str
    detail: str
    hint: str
    elapsed: float


@dataclass(frozen=True, slots=True)
class ChangeSkipped(Event):
    step: str
    address: Address
    action: str
    because: str


@dataclass(frozen=True, slots=True)
class StopRequested(Event):
    """Nothing new is started from here on."""

    running: int


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    result: str
    """`done`, `failed`, `in-progress` or `interrupted`."""
    created: int
    updated: int
    replaced: int
    deleted: int
    adopted: int
    failed: int
    skipped: int
    elapsed: float


def to_json(event: Event) -> dict[str, Json]:
    """One line of `apply -o json`: the event's name under `event`, then its fields."""
    name = "".join(f"_{c.lower()}" if c.isupper() else c for c in type(event).__name__)
    fields = {k: v for k, v in asdict(event).items() if k != "address"}
    address = getattr(event, "address", None)
    if address is not None:
        fields["address"] = str(address)
    return {"event": name.lstrip("_"), **fields}

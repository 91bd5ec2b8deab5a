"""What apply tells the outside. Each event is a value; views draw them, `-o json` prints them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import asdict

from ftops.config.sweeps import Choice, choice_to_json
from ftops.core.address import Address, Json


class Event(Struct, frozen=True):
    """`at` is UTC in ISO 8601, to the millisecond."""

    at: str


class RunStarted(Event, frozen=True):
    spec: str
    environment: str
    changes: int


class StepEvent(Event, frozen=True):
    step: str
    address: Address


class ActionEvent(StepEvent, frozen=True):
    action: str


class ChangeStarted(ActionEvent, frozen=True):
    """Its first call is made."""


class ChangeProgress(StepEvent, frozen=True):
    """`percent` is 0 to 100, `steps` the number of all steps of a training; both are None where they aren't
    known. `elapsed` is in seconds."""

    message: str
    elapsed: float
    percent: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    steps: int | None = None


class ChangeRetried(StepEvent, frozen=True):
    """A temporary error; the next try comes after `wait` seconds."""

    message: str
    attempt: int
    wait: float


class ChangeFinished(ActionEvent, frozen=True):
    remote_id: str
    elapsed: float
    message: str = ""
    """Its result, if it has one: the verdict of an evaluation."""


class ChangeStopped(ActionEvent, frozen=True):
    """A rule of its sweep has stopped a job, or kept it from being started. What isn't known is None."""

    remote_id: str
    elapsed: float
    rule: str
    reason: str
    at_step: int | None = None
    tokens_saved: int | None = None
    dollars_saved: float | None = None


class BestChosen(Event, frozen=True):
    """Which job of a sweep is the best, and how the others compare with it."""

    choice: Choice


class ChangeLeft(ActionEvent, frozen=True):
    """Still in progress at the service when the run ended; the next apply goes on with it."""

    remote_id: str
    message: str = ""
    """Why nothing is waited for, if it isn't what was asked."""


class ChangeFailed(ActionEvent, frozen=True):
    message: str
    detail: str
    hint: str
    elapsed: float


class ChangeHeld(ActionEvent, frozen=True):
    """A gate didn't pass: `reasons` says why. Nothing was changed."""

    reasons: str
    hint: str


class ChangeSkipped(ActionEvent, frozen=True):
    because: str


class PlacesAwaited(Event, frozen=True):
    """How many objects of a kind could be created if their accounts had room for them."""

    kind: str
    count: int


class StopRequested(Event, frozen=True):
    """Nothing new is started from here on."""

    running: int


class RunFinished(Event, frozen=True):
    result: str
    """`done`, `failed`, `held`, `in-progress` or `interrupted`."""
    created: int
    updated: int
    replaced: int
    deleted: int
    adopted: int
    failed: int
    skipped: int
    elapsed: float
    moved: int = 0
    """Resources that are recorded under another address."""
    resumed: int = 0
    restored: int = 0
    forgotten: int = 0
    switched: int = 0
    """Deployments that were created or deleted because of their hosting hours."""
    settings: int = 0
    """Settings that were recorded; nothing changes at the service by that."""
    held: int = 0
    """What a gate kept from being made."""
    waiting: int = 0
    """What wasn't created yet, because its account had no room for it."""
    stopped: int = 0
    """Jobs that a rule of their sweep has stopped."""
    not_started: int = 0
    """Jobs that the budget of their sweep has no room for."""
    left: int = 0
    """What is still in progress at the service."""


def to_json(event: Event) -> dict[str, Json]:
    """One line of `apply -o json`: the event's name under `event`, then its fields."""
    name = "".join(f"_{c.lower()}" if c.isupper() else c for c in type(event).__name__)
    fields = {k: str(v) if k == "address" else v for k, v in asdict(event).items()}
    if isinstance(event, BestChosen):
        fields = {"at": event.at, **choice_to_json(event.choice)}
    return {"event": name.lstrip("_"), **fields}

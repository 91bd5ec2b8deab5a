"""Training run: what the service says of a job, while it trains and afterwards. Values only; no calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from msgspec import Struct, field

from ftops.core.address import Json
from ftops.providers.base import Progress
from ftops.state.state import ResourceState, Status

_TRAINING_STARTED = "training started"


class JobEvent(Struct, frozen=True):
    """One event. `at` is UTC in ISO 8601, empty if the service doesn't say it; `step` and `steps` are those
    that the event names."""

    id: str
    at: str
    level: str
    message: str
    progress: Progress
    step: int | None = None
    steps: int | None = None


class SavedCheckpoint(Struct, frozen=True):
    """A checkpoint that can be deployed, with its metrics by the service's names."""

    step: int
    model: str
    metrics: Mapping[str, float] = field(default_factory=dict)


class TrainingRun(Struct, frozen=True):
    """A job as it is now. `status` is the service's word. `events` are the newest ones that were read, the
    oldest first; `checkpoints` by step."""

    remote_id: str
    status: str
    state: Status
    message: str = ""
    created_at: str = ""
    finished_at: str = ""
    tokens: int | None = None
    events: tuple[JobEvent, ...] = ()
    checkpoints: tuple[SavedCheckpoint, ...] = ()
    ahead: int | None = None
    """While it waits: how many jobs of the account wait that were created earlier. None: not known."""
    poll_after: float | None = None
    """Seconds until it makes sense to look again; None if the job has ended."""
    hyperparameters: Mapping[str, Json] = field(default_factory=dict)
    """As the service reports them now: what it chooses may be known only when the job has ended."""

    @property
    def step(self) -> int | None:
        """The last step that an event names."""
        return next((e.step for e in reversed(self.events) if e.step is not None), None)

    @property
    def steps(self) -> int | None:
        """The number of all steps, if an event names it."""
        return next((e.steps for e in reversed(self.events) if e.steps is not None), None)

    @property
    def started_at(self) -> str:
        """When training started; empty if no event that was read says it."""
        return next((e.at for e in self.events if e.message.lower().startswith(_TRAINING_STARTED)), "")

    @property
    def metrics(self) -> Mapping[str, float]:
        """The newest value of each metric, of events and checkpoints."""
        known = [(e.step or 0, e.progress.metrics) for e in self.events]
        known += [(c.step, c.metrics) for c in self.checkpoints]
        merged: dict[str, float] = {}
        for _, metrics in sorted(known, key=lambda pair: pair[0]):
            merged |= metrics
        return merged


@runtime_checkable
class WatchesTraining(Protocol):
    """A provider that shows how a job trains. Both raise ProviderError."""

    def training_run(self, resource: ResourceState) -> TrainingRun | None:
        """The job now; None if the service doesn't have it any more."""

    def job_events(self, resource: ResourceState, seen: str) -> list[JobEvent]:
        """Events after `seen`, the ID of one; all with an empty one. The oldest first."""


def recorded_run(resource: ResourceState) -> TrainingRun:
    """What the state has of a job that can't be asked for."""
    outputs = resource.outputs
    tokens = outputs.get("trained_tokens")
    return TrainingRun(
        resource.remote_id,
        resource.said_status,
        resource.status,
        resource.message or str(resource.stopped.get("reason") or ""),
        str(outputs.get("created_at") or resource.created_at or ""),
        str(outputs.get("finished_at") or ""),
        tokens if isinstance(tokens, int) else None,
    )


def newest(events: Iterable[JobEvent], seen: str) -> str:
    """The ID of the newest event, or what was seen before."""
    return next((event.id for event in reversed(tuple(events))), seen)

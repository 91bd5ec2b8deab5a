"""Dispatch: a provider that passes each call to its handler for the kind of resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from ftops.core.address import Address, Value
from ftops.core.errors import Permanent
from ftops.core.nested import object_at
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.evaluation.answers import Answer, Question
from ftops.providers.base import Controls, Existing, Explains, Progress, ReportsProgress, Request
from ftops.providers.dataplane.client import DataPlane
from ftops.providers.dataplane.completions import ask
from ftops.providers.dataplane.datasets import Datasets
from ftops.providers.dataplane.evaluations import Evaluations
from ftops.providers.dataplane.grader_runs import refusal_of_grader, run_grader
from ftops.providers.dataplane.jobs import Jobs
from ftops.providers.training_run import JobEvent, TrainingRun
from ftops.state.state import PendingOperation, RemoteObject, ResourceState


class Kind(Protocol):
    """The handler for one kind of resource."""

    def create(self, request: Request) -> RemoteObject: ...

    def read(self, resource: ResourceState) -> RemoteObject | None: ...

    def update(self, request: Request, resource: ResourceState) -> RemoteObject: ...

    def delete(self, resource: ResourceState) -> RemoteObject | None: ...

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None: ...

    def existing(self) -> list[Existing]: ...


@runtime_checkable
class Trains(Protocol):
    """A handler whose objects create models."""

    def model_exists(self, found: Existing) -> bool: ...


@runtime_checkable
class HasQueue(Protocol):
    """A handler whose objects wait until the service works on them."""

    def queued(self) -> int: ...


VISIBLE_AFTER = 30.0
"""Seconds. No service documents the lag of its lists. A duplicate costs money, so this is generous."""


def seconds_until_visible(settings: Mapping[str, Value], default: float = VISIBLE_AFTER) -> float:
    """How long the service may take to list new objects."""
    seconds = settings.get("visible_after")
    return float(seconds) if isinstance(seconds, int | float) else default


def timeouts_from(settings: Mapping[str, Value]) -> Mapping[str, float]:
    """Seconds to wait for pending objects of each kind."""
    usual = {row.kind: row.timeout for row in RESOURCE_TYPES.values()}
    return usual | {kind: float(seconds) for kind, seconds in object_at(settings, "timeouts").items()}


class ByKind:
    """Datasets and jobs of one data plane, and the deployments of the service."""

    def __init__(self, settings: Mapping[str, Value], clients: DataPlane, deployments: Kind) -> None:
        self.name = clients.account.provider
        self.visible_after = seconds_until_visible(settings)
        self.timeouts = timeouts_from(settings)
        self._plane = clients
        self._service = clients.dialect.service
        self._datasets = Datasets(clients)
        self._evaluations = Evaluations(self, deployments)
        self._jobs = Jobs(clients)
        self._kinds: Mapping[str, Kind] = {
            "dataset": self._datasets,
            "job": self._jobs,
            "deployment": deployments,
            "evaluation": self._evaluations,
        }

    def create(self, request: Request) -> RemoteObject:
        return self._kind(request.address).create(request)

    def read(self, resource: ResourceState) -> RemoteObject | None:
        return self._kind(resource.address).read(resource)

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        return self._kind(request.address).update(request, resource)

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        return self._kind(resource.address).delete(resource)

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        return self._kind(operation.address).find_by_token(operation, known)

    def existing(self, kind: str) -> list[Existing]:
        """The objects of a kind in the account, newest first."""
        found = self._kinds[kind].existing() if kind in self._kinds else []
        return sorted(found, key=lambda existing: existing.created_at, reverse=True)

    def content(self, remote_id: str, take: Callable[[bytes], object]) -> bool:
        """The content of a file."""
        return self._datasets.content(remote_id, take)

    def model_exists(self, found: Existing) -> bool:
        """Whether the model of a job still exists."""
        kind = self._kinds.get(found.kind)
        return kind.model_exists(found) if isinstance(kind, Trains) else True

    def queued(self, kind: str) -> int:
        """How many objects of a kind wait until the service works on them."""
        handler = self._kinds.get(kind)
        return handler.queued() if isinstance(handler, HasQueue) else 0

    def progress(self, resource: ResourceState, seen: str) -> tuple[list[Progress], str]:
        """The events of a job; other kinds have none."""
        kind = self._kinds.get(resource.address.kind)
        return kind.progress(resource, seen) if isinstance(kind, ReportsProgress) else ([], seen)

    def training_run(self, resource: ResourceState) -> TrainingRun | None:
        """How a job trains; None if it doesn't exist."""
        return self._jobs.training_run(resource)

    def job_events(self, resource: ResourceState, seen: str) -> list[JobEvent]:
        """The events of a job after one that was seen."""
        return self._jobs.job_events(resource, seen)

    def ask(self, deployment: str, question: Question) -> Answer:
        """The answer of a deployment to a question; one that the content filter refused is empty."""
        return ask(self._plane, deployment, question)

    def grade(self, grader: Mapping[str, Any], sample: str, item: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the service says of a sample, by a grader of reinforcement fine-tuning."""
        return run_grader(self._plane, grader, sample, item)

    def validate_grader(self, grader: Mapping[str, Any]) -> str:
        """Why the service refuses a grader; empty if it doesn't, or has no route for the question."""
        return refusal_of_grader(self._plane, grader)

    def control(self, resource: ResourceState, verb: str) -> RemoteObject:
        """A job after it was asked to pause, resume or cancel."""
        kind = self._kind(resource.address)
        if not isinstance(kind, Controls):
            raise Permanent(f"{resource.address} can't be controlled: only jobs can")
        return kind.control(resource, verb)

    def close(self) -> None:
        """Ends what would otherwise be left at the service."""
        self._evaluations.close()
        self._plane.close()

    def why_gone(self, resource: ResourceState) -> str:
        """`expired` if the service itself has deleted it."""
        kind = self._kinds.get(resource.address.kind)
        return kind.why_gone(resource) if isinstance(kind, Explains) else ""

    def _kind(self, address: Address) -> Kind:
        kind = self._kinds.get(address.kind)
        if kind is None:
            raise Permanent(f"{address}: {self._service} has no resources of the kind {address.kind}")
        return kind
